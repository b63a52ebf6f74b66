"""Row -> encoding -> text -> LLVM's assembler -> the same bytes: mask, format and syntax all have to be right."""

import re
from random import Random

from vmcore.isa.riscv import INSTRUCTIONS, find
from vmcore.isa.riscv.assemble import random_encoding
from vmcore.isa.riscv.disasm import Disassembler

ENCODINGS_A_ROW = 24


def _relative(text: str) -> str:
    """At address 0 a target is an offset: write it as the signed number that assemblers take for one."""
    return re.sub(r"0x[0-9a-f]+$", lambda match: str((int(match[0], 16) + 2**63) % 2**64 - 2**63), text)


def _lines(disassembler, words):
    for row, word in words:
        line = disassembler.line(word.to_bytes(row.size, "little"))
        yield _relative(line.text) if "target" in row.tokens else line.text


def test_every_row_survives_the_way_through_an_independent_assembler(assemble):
    rng = Random(20240411)
    # Compressed rows first: then the assembler is told to compress nothing by itself.
    rows = sorted(INSTRUCTIONS, key=lambda row: row.size)
    words = [(row, random_encoding(row, rng)) for row in rows for _ in range(ENCODINGS_A_ROW)]
    narrow = [one for one in words if one[0].size == 2]
    wide = words[len(narrow) :]
    plain = Disassembler(aliases=False)
    data = assemble([*_lines(plain, narrow), ".option norvc", *_lines(plain, wide)])
    offset = 0
    for row, word in words:
        assert data[offset : offset + row.size] == word.to_bytes(row.size, "little"), (row.mnemonic, hex(word))
        offset += row.size
    assert offset == len(data)


def test_pseudo_instructions_mean_what_they_are_shown_for(assemble):
    rng = Random(11)
    words = []
    for row in INSTRUCTIONS:
        if row.size == 4:
            words += [(row, random_encoding(row, rng)) for _ in range(4)]
            # Zeros, ra and equal sources are what pseudo-instructions are made of.
            words += [(row, _biased(row, rng)) for _ in range(12)]
    data = assemble([".option norvc", *_lines(Disassembler(), words)])
    assert len(data) == 4 * len(words)
    for index, (row, word) in enumerate(words):
        assert data[4 * index : 4 * index + 4] == word.to_bytes(4, "little"), (row.mnemonic, hex(word))


def _biased(row, rng):
    while True:
        word = random_encoding(row, rng)
        for name in ("rd", "rs1", "rs2"):
            lo, width, _ = row.format.field(name)
            if width and rng.random() < 0.6:
                word = word & ~(31 << lo) | rng.choice((0, 0, 1)) << lo
        if row.format.shape == "I" and row.format.bits == 12 and rng.random() < 0.6:
            word = word & 0xFFFFF | rng.choice((0, 1, 255, 4095)) << 20
        if row.format.shape == "CSR" and rng.random() < 0.6:
            word = word & 0xFFFFF | rng.choice((1, 2, 3, 0xC00, 0xC01, 0xC02)) << 20
        if row.matches(word) and not row.reserved(word) and find(word) is row:
            return word
