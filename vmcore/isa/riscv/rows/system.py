"""CSR access, privileged instructions, cache blocks, waiting, hints and may-be-operations.

Sources: The RISC-V Instruction Set Manual, volume I, the chapters of Zicsr, Zihintntl, Zihintpause, Zimop, Zawrs and
the cache-block operations; volume II, "Machine-Mode Privileged Instructions", "Supervisor Instructions", Svinval.
"""

from __future__ import annotations

from vmcore.isa.riscv.row import Instruction, row

__all__ = ["ROWS"]

_REG = "....."

_CSRS = tuple(
    row(mnemonic, f"{'.' * 12} {_REG} {funct3} {_REG} 1110011", "csr", syntax, semantics, any="zicsr",
        flags="system privileged")
    for mnemonic, funct3, syntax, semantics in (
        ("csrrw", "001", "rd,csr,rs1", "t = csr (not read when rd = x0); csr = rs1; rd = t"),
        ("csrrs", "010", "rd,csr,rs1", "t = csr; csr |= rs1 (not written when rs1 = x0); rd = t"),
        ("csrrc", "011", "rd,csr,rs1", "t = csr; csr &= ~rs1 (not written when rs1 = x0); rd = t"),
        ("csrrwi", "101", "rd,csr,zimm", "t = csr (not read when rd = x0); csr = zimm; rd = t"),
        ("csrrsi", "110", "rd,csr,zimm", "t = csr; csr |= zimm (not written when zimm = 0); rd = t"),
        ("csrrci", "111", "rd,csr,zimm", "t = csr; csr &= ~zimm (not written when zimm = 0); rd = t"),
    )
)

_PRIVILEGED = (
    row("sret", "000100000010 00000 000 00000 1110011", "none", "", "return from a trap taken in S-mode",
        any="s", flags="jump system privileged"),
    row("mret", "001100000010 00000 000 00000 1110011", "none", "", "return from a trap taken in M-mode",
        flags="jump system privileged"),
    row("wfi", "000100000101 00000 000 00000 1110011", "none", "", "wait for an interrupt",
        flags="system privileged"),
    row("sfence.vma", f"0001001 {_REG} {_REG} 000 00000 1110011", "r_rs1_rs2", "rs1,rs2",
        "forget translations of address rs1 (x0: all) in ASID rs2 (x0: all)", any="s", flags="system privileged"),
    row("sinval.vma", f"0001011 {_REG} {_REG} 000 00000 1110011", "r_rs1_rs2", "rs1,rs2",
        "sfence.vma without its ordering", any="svinval", flags="system privileged"),
    row("sfence.w.inval", "000110000000 00000 000 00000 1110011", "none", "",
        "earlier stores come before later sinval.vma", any="svinval", flags="system privileged"),
    row("sfence.inval.ir", "000110000001 00000 000 00000 1110011", "none", "",
        "earlier sinval.vma come before later implicit references", any="svinval", flags="system privileged"),
    row("wrs.nto", "000000001101 00000 000 00000 1110011", "none", "",
        "wait until the reserved memory may have changed", any="zawrs", flags="system privileged"),
    row("wrs.sto", "000000011101 00000 000 00000 1110011", "none", "",
        "wait until the reserved memory may have changed or a short time passed", any="zawrs", flags="system"),
)

_CACHE_BLOCKS = (
    row("cbo.inval", f"000000000000 {_REG} 010 00000 0001111", "rs1", "(rs1)",
        "invalidate the cache block at rs1", any="zicbom", flags="system privileged"),
    row("cbo.clean", f"000000000001 {_REG} 010 00000 0001111", "rs1", "(rs1)",
        "write the cache block at rs1 back", any="zicbom", flags="system privileged"),
    row("cbo.flush", f"000000000010 {_REG} 010 00000 0001111", "rs1", "(rs1)",
        "write the cache block at rs1 back and invalidate it", any="zicbom", flags="system privileged"),
    row("cbo.zero", f"000000000100 {_REG} 010 00000 0001111", "rs1", "(rs1)",
        "write zeros to the cache block at rs1", any="zicboz", flags="store privileged"),
)

# Hints live in encodings of ordinary instructions that write x0: with the extension off, those take over.
_HINTS = (
    *(
        row(f"prefetch.{kind}", f"....... {code} {_REG} 110 00000 0010011", "prefetch", "off(rs1)",
            f"the block at rs1 + imm will be {purpose}", any="zicbop", handler="nop", flags="hint")
        for kind, code, purpose in (("i", "00000", "fetched"), ("r", "00001", "read"), ("w", "00011", "written"))
    ),
    row("pause", "000000010000 00000 000 00000 0001111", "none", "", "this hart is in a spin loop",
        any="zihintpause", flags="hint"),
    *(
        row(f"ntl.{kind}", f"0000000 {code} 00000 000 00000 0110011", "none", "",
            f"the next access has no locality {where}", any="zihintntl", handler="nop", flags="hint")
        for kind, code, where in (
            ("p1", "00010", "in the innermost private cache"),
            ("pall", "00011", "in any private cache"),
            ("s1", "00100", "in the innermost shared cache"),
            ("all", "00101", "in any cache"),
        )
    ),
)


def _mop_r(number: int) -> Instruction:
    bits = f"{number:05b}"
    return row(f"mop.r.{number}", f"1{bits[0]}00{bits[1:3]}0111{bits[3:]} {_REG} 100 {_REG} 1110011", "unary",
               "rd,rs1", "rd = 0, until an extension gives it a meaning", any="zimop", handler="mop")


def _mop_rr(number: int) -> Instruction:
    bits = f"{number:03b}"
    return row(f"mop.rr.{number}", f"1{bits[0]}00{bits[1:]}1 {_REG} {_REG} 100 {_REG} 1110011", "r",
               "rd,rs1,rs2", "rd = 0, until an extension gives it a meaning", any="zimop", handler="mop")


#: The rows of this group.
ROWS: tuple[Instruction, ...] = (
    *_CSRS,
    *_PRIVILEGED,
    *_CACHE_BLOCKS,
    *_HINTS,
    *(_mop_r(number) for number in range(32)),
    *(_mop_rr(number) for number in range(8)),
)
