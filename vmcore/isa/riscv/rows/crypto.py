"""Scalar cryptography: Zkne, Zknd, Zknh, Zksed, Zksh (Zkr is a CSR, Zkt a promise about time).

Source: The RISC-V Instruction Set Manual, volume I, "Cryptography Extensions: Scalar & Entropy
Source Instructions".
"""

from __future__ import annotations

from vmcore.isa.riscv.row import Instruction, row

__all__ = ["ROWS"]

_REG = "....."

_AES_PAIRS = tuple(
    row(mnemonic, f"{funct7} {_REG} {_REG} 000 {_REG} 0110011", "r", "rd,rs1,rs2", semantics, any=extensions)
    for mnemonic, funct7, extensions, semantics in (
        ("aes64es", "0011001", "zkne", "rd = half of the last round of AES encryption"),
        ("aes64esm", "0011011", "zkne", "rd = half of a middle round of AES encryption"),
        ("aes64ds", "0011101", "zknd", "rd = half of the last round of AES decryption"),
        ("aes64dsm", "0011111", "zknd", "rd = half of a middle round of AES decryption"),
        ("aes64ks2", "0111111", "zkne zknd", "rd = part of the AES key schedule"),
    )
)

_AES_SINGLES = (
    row("aes64im", f"001100000000 {_REG} 001 {_REG} 0010011", "unary", "rd,rs1",
        "rd = the inverse MixColumns of AES on rs1", any="zknd"),
    row("aes64ks1i", f"00110001 .... {_REG} 001 {_REG} 0010011", "rnum", "rd,rs1,rnum",
        "rd = part of the AES key schedule in round imm", any="zkne zknd", flags="rnum"),
)

_SHA_AND_SM3 = tuple(
    row(mnemonic, f"000100 {funct6} {_REG} 001 {_REG} 0010011", "unary", "rd,rs1", semantics, any=extension)
    for mnemonic, funct6, extension, semantics in (
        ("sha256sum0", "000000", "zknh", "rd = Sum0 of SHA-256 on lo32(rs1)"),
        ("sha256sum1", "000001", "zknh", "rd = Sum1 of SHA-256 on lo32(rs1)"),
        ("sha256sig0", "000010", "zknh", "rd = sigma0 of SHA-256 on lo32(rs1)"),
        ("sha256sig1", "000011", "zknh", "rd = sigma1 of SHA-256 on lo32(rs1)"),
        ("sha512sum0", "000100", "zknh", "rd = Sum0 of SHA-512 on rs1"),
        ("sha512sum1", "000101", "zknh", "rd = Sum1 of SHA-512 on rs1"),
        ("sha512sig0", "000110", "zknh", "rd = sigma0 of SHA-512 on rs1"),
        ("sha512sig1", "000111", "zknh", "rd = sigma1 of SHA-512 on rs1"),
        ("sm3p0", "001000", "zksh", "rd = P0 of SM3 on lo32(rs1)"),
        ("sm3p1", "001001", "zksh", "rd = P1 of SM3 on lo32(rs1)"),
    )
)

_SM4 = (
    row("sm4ed", f".. 11000 {_REG} {_REG} 000 {_REG} 0110011", "sm4", "rd,rs1,rs2,bs",
        "rd = sext32(rs1 ^ SM4 round function of byte imm of rs2)", any="zksed"),
    row("sm4ks", f".. 11010 {_REG} {_REG} 000 {_REG} 0110011", "sm4", "rd,rs1,rs2,bs",
        "rd = sext32(rs1 ^ SM4 key function of byte imm of rs2)", any="zksed"),
)

#: The rows of this group.
ROWS: tuple[Instruction, ...] = (*_AES_PAIRS, *_AES_SINGLES, *_SHA_AND_SM3, *_SM4)
