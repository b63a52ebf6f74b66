"""Compressed instructions: C, Zcb, Zcmop and the compressed forms of the locality hints.

A row's handler is that of the instruction it stands for. Reserved encodings match no row and so are illegal; hints
(a destination of x0, a shift by 0, an addition of 0) match the ordinary row and change nothing by executing.

Source: The RISC-V Instruction Set Manual, volume I, the chapters of C, Zc and Zcmop.
"""

from __future__ import annotations

from vmcore.isa.riscv.row import Instruction, row

__all__ = ["ROWS"]

_QUADRANT_0 = (
    row("c.addi4spn", "000 ........ ... 00", "c_addi4spn", "rd,rs1,imm", "rd = sp + imm",
        any="c", handler="addi", nonzero="imm"),
    row("c.fld", "001 ... ... .. ... 00", "c_ld", "fd,off(rs1)", "fd = mem64[rs1 + imm]",
        any="c", all="d", handler="fld", flags="float load"),
    row("c.lw", "010 ... ... .. ... 00", "c_lw", "rd,off(rs1)", "rd = sext(mem32[rs1 + imm])",
        any="c", handler="lw", flags="load"),
    row("c.ld", "011 ... ... .. ... 00", "c_ld", "rd,off(rs1)", "rd = mem64[rs1 + imm]",
        any="c", handler="ld", flags="load"),
    row("c.fsd", "101 ... ... .. ... 00", "c_sd", "fs2,off(rs1)", "mem64[rs1 + imm] = fs2",
        any="c", all="d", handler="fsd", flags="float store"),
    row("c.sw", "110 ... ... .. ... 00", "c_sw", "rs2,off(rs1)", "mem32[rs1 + imm] = rs2",
        any="c", handler="sw", flags="store"),
    row("c.sd", "111 ... ... .. ... 00", "c_sd", "rs2,off(rs1)", "mem64[rs1 + imm] = rs2",
        any="c", handler="sd", flags="store"),
    row("c.lbu", "100000 ... .. ... 00", "c_lb", "rd,off(rs1)", "rd = zext(mem8[rs1 + imm])",
        any="zcb", handler="lbu", flags="load"),
    row("c.lhu", "100001 ... 0. ... 00", "c_lh", "rd,off(rs1)", "rd = zext(mem16[rs1 + imm])",
        any="zcb", handler="lhu", flags="load"),
    row("c.lh", "100001 ... 1. ... 00", "c_lh", "rd,off(rs1)", "rd = sext(mem16[rs1 + imm])",
        any="zcb", handler="lh", flags="load"),
    row("c.sb", "100010 ... .. ... 00", "c_sb", "rs2,off(rs1)", "mem8[rs1 + imm] = rs2",
        any="zcb", handler="sb", flags="store"),
    row("c.sh", "100011 ... 0. ... 00", "c_sh", "rs2,off(rs1)", "mem16[rs1 + imm] = rs2",
        any="zcb", handler="sh", flags="store"),
)

_QUADRANT_1 = (
    row("c.nop", "000 . 00000 ..... 01", "c_nop", "nzimm", "nothing (a hint when imm != 0)",
        any="c", handler="nop", flags="hint"),
    row("c.addi", "000 . ..... ..... 01", "c_i", "rd,imm", "rd += imm", any="c", handler="addi", nonzero="rd"),
    row("c.addiw", "001 . ..... ..... 01", "c_i", "rd,imm", "rd = sext32(rd + imm)",
        any="c", handler="addiw", nonzero="rd"),
    row("c.li", "010 . ..... ..... 01", "c_li", "rd,imm", "rd = imm", any="c", handler="addi"),
    row("c.addi16sp", "011 . 00010 ..... 01", "c_addi16sp", "rd,imm", "sp += imm",
        any="c", handler="addi", nonzero="imm"),
    row("c.lui", "011 . ..... ..... 01", "c_lui", "rd,hi20", "rd = imm", any="c", handler="lui", nonzero="imm"),
    row("c.srli", "100 . 00 ... ..... 01", "c_shift", "rd,shamt", "rd = rd >> imm (logical)",
        any="c", handler="srli"),
    row("c.srai", "100 . 01 ... ..... 01", "c_shift", "rd,shamt", "rd = rd >> imm (arithmetic)",
        any="c", handler="srai"),
    row("c.andi", "100 . 10 ... ..... 01", "c_andi", "rd,imm", "rd &= imm", any="c", handler="andi"),
    row("c.sub", "100 0 11 ... 00 ... 01", "c_a", "rd,rs2", "rd -= rs2", any="c", handler="sub"),
    row("c.xor", "100 0 11 ... 01 ... 01", "c_a", "rd,rs2", "rd ^= rs2", any="c", handler="xor"),
    row("c.or", "100 0 11 ... 10 ... 01", "c_a", "rd,rs2", "rd |= rs2", any="c", handler="or"),
    row("c.and", "100 0 11 ... 11 ... 01", "c_a", "rd,rs2", "rd &= rs2", any="c", handler="and"),
    row("c.subw", "100 1 11 ... 00 ... 01", "c_a", "rd,rs2", "rd = sext32(rd - rs2)", any="c", handler="subw"),
    row("c.addw", "100 1 11 ... 01 ... 01", "c_a", "rd,rs2", "rd = sext32(rd + rs2)", any="c", handler="addw"),
    row("c.mul", "100 1 11 ... 10 ... 01", "c_a", "rd,rs2", "rd = lo64(rd * rs2)",
        any="zcb", all="m", handler="mul"),
    row("c.zext.b", "100 1 11 ... 11 000 01", "c_zext_b", "rd", "rd = zext8(rd)", any="zcb", handler="andi"),
    row("c.sext.b", "100 1 11 ... 11 001 01", "c_unary", "rd", "rd = sext8(rd)",
        any="zcb", all="zbb", handler="sext.b"),
    row("c.zext.h", "100 1 11 ... 11 010 01", "c_unary", "rd", "rd = zext16(rd)",
        any="zcb", all="zbb", handler="zext.h"),
    row("c.sext.h", "100 1 11 ... 11 011 01", "c_unary", "rd", "rd = sext16(rd)",
        any="zcb", all="zbb", handler="sext.h"),
    row("c.zext.w", "100 1 11 ... 11 100 01", "c_zext_w", "rd", "rd = zext32(rd)",
        any="zcb", all="zba", handler="add.uw"),
    row("c.not", "100 1 11 ... 11 101 01", "c_not", "rd", "rd = ~rd", any="zcb", handler="xori"),
    row("c.j", "101 ........... 01", "c_j", "target", "pc += imm", any="c", handler="jal", flags="jump"),
    row("c.beqz", "110 ... ... ..... 01", "c_b", "rs1,target", "if rs1 == 0: pc += imm",
        any="c", handler="beq", flags="branch"),
    row("c.bnez", "111 ... ... ..... 01", "c_b", "rs1,target", "if rs1 != 0: pc += imm",
        any="c", handler="bne", flags="branch"),
    # May-be-operations: c.lui of an odd register below x16 with an immediate of 0. They write nothing.
    *(
        row(f"c.mop.{number}", f"011 0 {number:05b} 00000 01", "c_none", "",
            "nothing, until an extension gives it a meaning", any="zcmop", handler="nop")
        for number in range(1, 16, 2)
    ),
)

_QUADRANT_2 = (
    row("c.slli", "000 . ..... ..... 10", "c_slli", "rd,shamt", "rd = rd << imm", any="c", handler="slli"),
    row("c.fldsp", "001 . ..... ..... 10", "c_ldsp", "fd,off(rs1)", "fd = mem64[sp + imm]",
        any="c", all="d", handler="fld", flags="float load"),
    row("c.lwsp", "010 . ..... ..... 10", "c_lwsp", "rd,off(rs1)", "rd = sext(mem32[sp + imm])",
        any="c", handler="lw", flags="load", nonzero="rd"),
    row("c.ldsp", "011 . ..... ..... 10", "c_ldsp", "rd,off(rs1)", "rd = mem64[sp + imm]",
        any="c", handler="ld", flags="load", nonzero="rd"),
    row("c.jr", "100 0 ..... 00000 10", "c_jr", "rs1", "pc = rs1 & ~1",
        any="c", handler="jalr", flags="jump", nonzero="rs1"),
    row("c.mv", "100 0 ..... ..... 10", "c_mv", "rd,rs2", "rd = rs2", any="c", handler="add", nonzero="rs2"),
    row("c.ebreak", "100 1 00000 00000 10", "c_none", "", "breakpoint exception",
        any="c", handler="ebreak", flags="system"),
    row("c.jalr", "100 1 ..... 00000 10", "c_jalr", "rs1", "t = pc + 2; pc = rs1 & ~1; ra = t",
        any="c", handler="jalr", flags="jump", nonzero="rs1"),
    row("c.add", "100 1 ..... ..... 10", "c_add", "rd,rs2", "rd += rs2", any="c", handler="add", nonzero="rs2"),
    row("c.fsdsp", "101 ...... ..... 10", "c_sdsp", "fs2,off(rs1)", "mem64[sp + imm] = fs2",
        any="c", all="d", handler="fsd", flags="float store"),
    row("c.swsp", "110 ...... ..... 10", "c_swsp", "rs2,off(rs1)", "mem32[sp + imm] = rs2",
        any="c", handler="sw", flags="store"),
    row("c.sdsp", "111 ...... ..... 10", "c_sdsp", "rs2,off(rs1)", "mem64[sp + imm] = rs2",
        any="c", handler="sd", flags="store"),
    *(
        row(f"c.ntl.{kind}", f"100 1 00000 {code} 10", "c_none", "", f"the next access has no locality {where}",
            any="zihintntl", all="c", handler="nop", flags="hint")
        for kind, code, where in (
            ("p1", "00010", "in the innermost private cache"),
            ("pall", "00011", "in any private cache"),
            ("s1", "00100", "in the innermost shared cache"),
            ("all", "00101", "in any cache"),
        )
    ),
)

#: The rows of this group.
ROWS: tuple[Instruction, ...] = (*_QUADRANT_0, *_QUADRANT_1, *_QUADRANT_2)
