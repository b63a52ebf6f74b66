"""The table: every instruction exactly once, in the order that matches the most specific row first."""

from __future__ import annotations

from vmcore._fast.hart.isabits import ISA_BITS
from vmcore.isa.riscv.formats import FORMATS
from vmcore.isa.riscv.row import Instruction
from vmcore.isa.riscv.rows import base, bitmanip, compressed, crypto, floating, system

__all__ = ["BY_MNEMONIC", "INSTRUCTIONS", "enabled", "extension_masks", "find", "install_tables"]

#: Every row, grouped by extension.
INSTRUCTIONS: tuple[Instruction, ...] = (
    *base.ROWS,
    *system.ROWS,
    *compressed.ROWS,
    *floating.ROWS,
    *bitmanip.ROWS,
    *crypto.ROWS,
)

#: The row of each mnemonic.
BY_MNEMONIC: dict[str, Instruction] = {one.mnemonic: one for one in INSTRUCTIONS}


def _bucket(word: int) -> int:
    """Return a key that every encoding of a row shares with its match: opcode, or quadrant and funct3."""
    return word & 0x7F if word & 3 == 3 else 0x80 | word >> 11 & 0x1C | word & 3


def _index() -> dict[int, list[Instruction]]:
    buckets: dict[int, list[Instruction]] = {}
    for one in sorted(INSTRUCTIONS, key=lambda one: -one.mask.bit_count()):
        buckets.setdefault(_bucket(one.match), []).append(one)
    return buckets


_BUCKETS = _index()


def extension_masks(one: Instruction) -> tuple[int, int]:
    """Return the masks (any, all) over ISA bits: the row is on iff one bit of any (if any) and all of all are set."""
    any_mask = sum(1 << ISA_BITS[name] for name in one.any)
    all_mask = sum(1 << ISA_BITS[name] for name in one.all)
    return any_mask, all_mask


_MASKS = {one.mnemonic: extension_masks(one) for one in INSTRUCTIONS}


def enabled(one: Instruction, isa_mask: int) -> bool:
    """Whether a hart with those ISA bits has the instruction."""
    any_mask, all_mask = _MASKS[one.mnemonic]
    return (not any_mask or bool(isa_mask & any_mask)) and isa_mask & all_mask == all_mask


def find(word: int, isa_mask: int | None = None) -> Instruction | None:
    """Return the row that decodes `word`.

    Parameters
    ----------
    word : int
        The encoding: 32 bits, or 16 where its two low bits are not both set.
    isa_mask : int, optional
        The ISA bits of the hart; default: everything is on.

    Returns
    -------
    Instruction or None
        None for an encoding that is reserved or not in the extensions given.
    """
    for one in _BUCKETS.get(_bucket(word), ()):
        if one.matches(word) and (isa_mask is None or enabled(one, isa_mask)):
            return one
    return None


def install_tables() -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Return the formats and rows as the compiled decoder takes them."""
    formats: list[tuple[object, ...]] = [
        (form.name, form.size, form.rd, form.rs1, form.rs2, form.rs3, form.rm, list(form.pieces), form.bits,
         form.signed, form.shape)
        for form in FORMATS.values()
    ]  # fmt: skip
    rows: list[tuple[object, ...]] = [
        (one.mnemonic, one.handler, one.match, one.mask, one.format.name, *_MASKS[one.mnemonic], one.rd_is_float,
         one.nonzero_bits)
        for one in INSTRUCTIONS
    ]  # fmt: skip
    return formats, rows
