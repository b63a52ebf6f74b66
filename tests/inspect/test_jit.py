"""What ``vmcore jit show`` shows: blocks with their instructions, their code and why they end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.asm import build

from vmcore.errors import ConfigError, LoadError, SymbolError
from vmcore.guests import elf_path
from vmcore.inspect.jit import ENDS, Look, compile_function, pinned_registers

PROGRAMS = Path(__file__).parents[1] / "cli" / "programs"
START = 0x8000_0000


@pytest.fixture(scope="module")
def elf() -> Path:
    return build(PROGRAMS / "blocks.S", script=PROGRAMS / "link.ld")


def shape(look: Look) -> list[tuple[int, list[str], str]]:
    return [(block.address - look.start, [line.text for line in block.guest], block.why) for block in look.blocks]


def test_a_loop_and_what_follows_it(elf: Path) -> None:
    look = compile_function(elf, "loop")
    # What follows the branch is part of the block; the branch leads to its own beginning.
    ((at, texts, why),) = shape(look)
    assert (at, why) == (0, "indirect")
    assert [text.split()[0] for text in texts] == ["addi", "bnez", "ret"]
    assert look.interpreted == []


def test_a_jump_ahead_is_followed_and_a_call_ends_a_block(elf: Path) -> None:
    look = compile_function(elf, "skips")
    blocks = {at: (texts, why) for at, texts, why in shape(look)}
    texts, why = blocks[0]
    assert [text.split()[0] for text in texts[:3]] == ["addi", "j", "addi"]
    assert why in ("jump", "indirect")
    assert ".word" not in " ".join(texts) and "unimp" not in " ".join(texts)
    # The call returns to an instruction that is T0's, and the block behind it is compiled again.
    assert [line.text for line in look.interpreted] == ["fence.i"]
    behind = look.interpreted[0].address + 4 - look.start
    assert blocks[behind][0][0] == "addi a0,a0,3"


def test_a_long_block_is_cut(elf: Path) -> None:
    (first, _, why), (second, texts, _) = shape(compile_function(elf, "long"))
    assert (first, why) == (0, "limit")
    assert texts[-1] == "ret"
    assert 0 < second < 400


def test_a_page_ends_a_block(elf: Path) -> None:
    (_, texts, why), (at, more, _) = shape(compile_function(elf, "across"))
    assert (len(texts), why) == (3, "page")
    assert (at, more) == (12, ["addi a0,a0,4", "ret"])


def test_an_instruction_of_t0s_ends_a_block(elf: Path) -> None:
    look = compile_function(elf, "_start")
    assert shape(look) == [(0, [look.blocks[0].guest[0].text], "jump")]
    kernel = compile_function(elf_path(), "trap")
    assert {block.why for block in kernel.blocks} <= set(ENDS)


def test_code_that_is_linked_high_and_jumps_between_its_blocks() -> None:
    look = compile_function(elf_path(), "scheduler")
    assert look.start >> 63
    assert len(look.blocks) > 10
    at = {block.at for block in look.blocks}
    assert len(at) == len(look.blocks)
    notes = {line.note for block in look.blocks for line in look.host_lines(block)}
    assert "budget" in notes and "fill the TLB" in notes
    assert any(note.startswith("block 0x") for note in notes)


def test_every_byte_of_code_is_shown(elf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = compile_function(elf, "long")
    for block in look.blocks:
        assert b"".join(line.raw for line in look.host_lines(block)) == block.code
    monkeypatch.setitem(sys.modules, "capstone", None)
    for block in look.blocks:
        lines = list(look.host_lines(block))
        assert b"".join(line.raw for line in lines) == block.code
        assert {line.text for line in lines} == {""}


def test_the_pinned_registers_are_the_conventions() -> None:
    pinned = pinned_registers()
    assert len(pinned) == 10
    assert len(set(pinned.values())) == 10
    assert {"sp", "a0", "a5"} & set(pinned.values()) and not {"rbp", "rsp", "rax", "r14"} & set(pinned)


def test_the_isa_decides_what_is_compiled(elf: Path) -> None:
    assert [line.mnemonic for line in compile_function(elf, "product", "rv64im").blocks[0].guest] == ["mul", "ret"]
    without = compile_function(elf, "product", "rv64i")
    assert (without.blocks, [line.mnemonic for line in without.interpreted]) == ([], [".insn"])


def test_wrong_names_and_files(elf: Path, tmp_path: Path) -> None:
    with pytest.raises(SymbolError, match="Did you mean loop"):
        compile_function(elf, "lopo")
    with pytest.raises(LoadError, match="no ELF file"):
        path = tmp_path / "text"
        path.write_text("text")
        compile_function(path, "loop")


def test_a_function_that_is_too_long_is_refused(elf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmcore.inspect.jit._MOST_BYTES", 4096)
    with pytest.raises(ConfigError, match="20 bytes"):
        compile_function(elf, "across")
