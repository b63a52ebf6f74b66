"""Handlers of the scalar cryptography extensions Zknd, Zkne, Zknh, Zksed and Zksh (RV64)."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.hart.bits cimport sext32, vmcore_rol32, vmcore_ror32, vmcore_ror64
from vmcore._fast.hart.handlers cimport register_handler
from vmcore._fast.hart.state cimport Hart, Op, illegal, next_op

# Substitution boxes, and AES columns: aes_enc[b] is MixColumns of (S[b], 0, 0, 0) and aes_dec[b] is InvMixColumns of
# (S^-1[b], 0, 0, 0), row 0 in the low byte. The other rows' columns are the same ones rotated by whole bytes.
cdef uint8_t aes_sbox[256]
cdef uint8_t aes_inv_sbox[256]
cdef uint32_t aes_enc[256]
cdef uint32_t aes_dec[256]
cdef uint32_t aes_rcon[11]
cdef uint8_t sm4_sbox[256]

cdef enum:
    SM4_COLUMN = 0xCB         # column 0 of the matrix in SM4's S-box; column i is this rotated left by i


cdef uint32_t gf_mul(uint32_t a, uint32_t b, uint32_t poly) noexcept nogil:
    # Product in GF(2^8) modulo `poly` (degree 8).
    cdef uint32_t r = 0
    while b:
        if b & 1:
            r ^= a
        b >>= 1
        a <<= 1
        if a & 0x100:
            a ^= poly
    return r


cdef uint32_t gf_inverse(uint32_t a, uint32_t poly) noexcept nogil:
    # a^254, which is 1/a, and 0 for 0: the order of the group is 255.
    cdef uint32_t r = 1
    cdef int _i
    for _i in range(254):
        r = gf_mul(r, a, poly)
    return r


cdef uint32_t rotl8(uint32_t v, int n) noexcept nogil:
    return (v << n | v >> (8 - n)) & 0xFF


cdef uint32_t sm4_affine(uint32_t v) noexcept nogil:
    # The circulant matrix and the constant 0xd3 in SM4's S-box: both of its affine maps are this one.
    cdef uint32_t r = 0
    cdef int i
    for i in range(8):
        if v >> i & 1:
            r ^= rotl8(SM4_COLUMN, i)
    return r ^ 0xD3


cdef void fill_tables() noexcept nogil:
    cdef uint32_t i, s, inv
    cdef uint32_t rcon = 1
    for i in range(256):
        # FIPS 197, 5.1.1: the inverse in GF(2^8) modulo x^8+x^4+x^3+x+1, then an affine map.
        inv = gf_inverse(i, 0x11B)
        s = inv ^ rotl8(inv, 1) ^ rotl8(inv, 2) ^ rotl8(inv, 3) ^ rotl8(inv, 4) ^ 0x63
        aes_sbox[i] = <uint8_t>s
        aes_inv_sbox[s] = <uint8_t>i
        aes_enc[i] = gf_mul(s, 2, 0x11B) | s << 8 | s << 16 | gf_mul(s, 3, 0x11B) << 24
        aes_dec[s] = (gf_mul(i, 14, 0x11B) | gf_mul(i, 9, 0x11B) << 8 | gf_mul(i, 13, 0x11B) << 16
                      | gf_mul(i, 11, 0x11B) << 24)
        # GB/T 32907: affine map, inverse modulo x^8+x^7+x^6+x^5+x^4+x^2+x+1, affine map.
        sm4_sbox[i] = <uint8_t>sm4_affine(gf_inverse(sm4_affine(i), 0x1F5))
    for i in range(10):
        aes_rcon[i] = rcon
        rcon = gf_mul(rcon, 2, 0x11B)
    aes_rcon[10] = 0


# Byte n of v.
cdef inline uint32_t byte(uint64_t v, int n) noexcept nogil:
    return <uint32_t>(v >> (8 * n)) & 0xFF

# Four bytes as a column, row 0 first.
cdef inline uint32_t column(uint32_t a, uint32_t b, uint32_t c, uint32_t d) noexcept nogil:
    return a | b << 8 | c << 16 | d << 24

# The S-box on each byte of a column.
cdef inline uint32_t sub_word(uint32_t v) noexcept nogil:
    return column(aes_sbox[byte(v, 0)], aes_sbox[byte(v, 1)], aes_sbox[byte(v, 2)], aes_sbox[byte(v, 3)])

# SubBytes and MixColumns of the column (a, b, c, d).
cdef inline uint32_t enc_column(uint32_t a, uint32_t b, uint32_t c, uint32_t d) noexcept nogil:
    return (aes_enc[a] ^ vmcore_rol32(aes_enc[b], 8) ^ vmcore_rol32(aes_enc[c], 16)
            ^ vmcore_rol32(aes_enc[d], 24))

# InvSubBytes and InvMixColumns of the column (a, b, c, d).
cdef inline uint32_t dec_column(uint32_t a, uint32_t b, uint32_t c, uint32_t d) noexcept nogil:
    return (aes_dec[a] ^ vmcore_rol32(aes_dec[b], 8) ^ vmcore_rol32(aes_dec[c], 16)
            ^ vmcore_rol32(aes_dec[d], 24))

# InvMixColumns alone: the S-box undoes the inverse S-box inside aes_dec.
cdef inline uint32_t unmix_column(uint32_t v) noexcept nogil:
    return dec_column(aes_sbox[byte(v, 0)], aes_sbox[byte(v, 1)], aes_sbox[byte(v, 2)], aes_sbox[byte(v, 3)])

cdef inline uint64_t pair(uint32_t low, uint32_t high) noexcept nogil:
    return low | <uint64_t>high << 32


# --- Zkne, Zknd: AES. `a` holds columns 0 and 1 of the state and `b` columns 2 and 3; the result is the two columns
# that ShiftRows (or its inverse) puts in `a`'s place. Software swaps the operands for the other half. ---

cdef void h_aes64es(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = hart.x[op.rs1]
    cdef uint64_t b = hart.x[op.imm]
    hart.x[op.rd] = pair(
        sub_word(column(byte(a, 0), byte(a, 5), byte(b, 2), byte(b, 7))),
        sub_word(column(byte(a, 4), byte(b, 1), byte(b, 6), byte(a, 3))))
    next_op(op, hart)

cdef void h_aes64esm(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = hart.x[op.rs1]
    cdef uint64_t b = hart.x[op.imm]
    hart.x[op.rd] = pair(
        enc_column(byte(a, 0), byte(a, 5), byte(b, 2), byte(b, 7)),
        enc_column(byte(a, 4), byte(b, 1), byte(b, 6), byte(a, 3)))
    next_op(op, hart)

cdef void h_aes64ds(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = hart.x[op.rs1]
    cdef uint64_t b = hart.x[op.imm]
    hart.x[op.rd] = pair(
        column(aes_inv_sbox[byte(a, 0)], aes_inv_sbox[byte(b, 5)], aes_inv_sbox[byte(b, 2)], aes_inv_sbox[byte(a, 7)]),
        column(aes_inv_sbox[byte(a, 4)], aes_inv_sbox[byte(a, 1)], aes_inv_sbox[byte(b, 6)], aes_inv_sbox[byte(b, 3)]))
    next_op(op, hart)

cdef void h_aes64dsm(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = hart.x[op.rs1]
    cdef uint64_t b = hart.x[op.imm]
    hart.x[op.rd] = pair(
        dec_column(byte(a, 0), byte(b, 5), byte(b, 2), byte(a, 7)),
        dec_column(byte(a, 4), byte(a, 1), byte(b, 6), byte(b, 3)))
    next_op(op, hart)

cdef void h_aes64im(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = hart.x[op.rs1]
    hart.x[op.rd] = pair(unmix_column(<uint32_t>a), unmix_column(<uint32_t>(a >> 32)))
    next_op(op, hart)

cdef void h_aes64ks1i(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t word = <uint32_t>(hart.x[op.rs1] >> 32)
    # Encodings with rnum 11..15 are reserved. Checked here too, so that the index is safe whatever the decoder says.
    if <uint32_t>op.imm > 10:
        illegal(op, hart)
        return
    # Round 10 stands for the extra SubWord of AES-256's schedule, which does not rotate.
    if op.imm != 10:
        word = vmcore_ror32(word, 8)
    word = sub_word(word) ^ aes_rcon[op.imm]
    hart.x[op.rd] = pair(word, word)
    next_op(op, hart)

cdef void h_aes64ks2(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t b = hart.x[op.imm]
    cdef uint32_t low = <uint32_t>(hart.x[op.rs1] >> 32) ^ <uint32_t>b
    hart.x[op.rd] = pair(low, low ^ <uint32_t>(b >> 32))
    next_op(op, hart)


# --- Zknh: the sigma functions of FIPS 180-4, section 4.1. ---

cdef void h_sha256sig0(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t v = <uint32_t>hart.x[op.rs1]
    hart.x[op.rd] = sext32(vmcore_ror32(v, 7) ^ vmcore_ror32(v, 18) ^ v >> 3)
    next_op(op, hart)

cdef void h_sha256sig1(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t v = <uint32_t>hart.x[op.rs1]
    hart.x[op.rd] = sext32(vmcore_ror32(v, 17) ^ vmcore_ror32(v, 19) ^ v >> 10)
    next_op(op, hart)

cdef void h_sha256sum0(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t v = <uint32_t>hart.x[op.rs1]
    hart.x[op.rd] = sext32(vmcore_ror32(v, 2) ^ vmcore_ror32(v, 13) ^ vmcore_ror32(v, 22))
    next_op(op, hart)

cdef void h_sha256sum1(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t v = <uint32_t>hart.x[op.rs1]
    hart.x[op.rd] = sext32(vmcore_ror32(v, 6) ^ vmcore_ror32(v, 11) ^ vmcore_ror32(v, 25))
    next_op(op, hart)

cdef void h_sha512sig0(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t v = hart.x[op.rs1]
    hart.x[op.rd] = vmcore_ror64(v, 1) ^ vmcore_ror64(v, 8) ^ v >> 7
    next_op(op, hart)

cdef void h_sha512sig1(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t v = hart.x[op.rs1]
    hart.x[op.rd] = vmcore_ror64(v, 19) ^ vmcore_ror64(v, 61) ^ v >> 6
    next_op(op, hart)

cdef void h_sha512sum0(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t v = hart.x[op.rs1]
    hart.x[op.rd] = vmcore_ror64(v, 28) ^ vmcore_ror64(v, 34) ^ vmcore_ror64(v, 39)
    next_op(op, hart)

cdef void h_sha512sum1(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t v = hart.x[op.rs1]
    hart.x[op.rd] = vmcore_ror64(v, 14) ^ vmcore_ror64(v, 18) ^ vmcore_ror64(v, 41)
    next_op(op, hart)


# --- Zksed, Zksh: SM4 and SM3. SM4's words are big-endian and registers are not, so its linear maps L and L' appear
# here with their bytes mirrored, applied to one substituted byte at a time. ---

cdef void h_sm4ed(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t shift = <uint32_t>op.imm >> 8 << 3
    cdef uint32_t v = sm4_sbox[<uint32_t>hart.x[op.imm & 31] >> (shift & 31) & 0xFF]
    v = v ^ v << 8 ^ v << 2 ^ v << 18 ^ (v & 0x3F) << 26 ^ (v & 0xC0) << 10
    hart.x[op.rd] = sext32(vmcore_rol32(v, shift) ^ <uint32_t>hart.x[op.rs1])
    next_op(op, hart)

cdef void h_sm4ks(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t shift = <uint32_t>op.imm >> 8 << 3
    cdef uint32_t v = sm4_sbox[<uint32_t>hart.x[op.imm & 31] >> (shift & 31) & 0xFF]
    v = v ^ (v & 0x07) << 29 ^ (v & 0xFE) << 7 ^ (v & 0x01) << 23 ^ (v & 0xF8) << 13
    hart.x[op.rd] = sext32(vmcore_rol32(v, shift) ^ <uint32_t>hart.x[op.rs1])
    next_op(op, hart)

cdef void h_sm3p0(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t v = <uint32_t>hart.x[op.rs1]
    hart.x[op.rd] = sext32(v ^ vmcore_rol32(v, 9) ^ vmcore_rol32(v, 17))
    next_op(op, hart)

cdef void h_sm3p1(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t v = <uint32_t>hart.x[op.rs1]
    hart.x[op.rd] = sext32(v ^ vmcore_rol32(v, 15) ^ vmcore_rol32(v, 23))
    next_op(op, hart)


fill_tables()

register_handler("aes64es", h_aes64es)
register_handler("aes64esm", h_aes64esm)
register_handler("aes64ds", h_aes64ds)
register_handler("aes64dsm", h_aes64dsm)
register_handler("aes64im", h_aes64im)
register_handler("aes64ks1i", h_aes64ks1i)
register_handler("aes64ks2", h_aes64ks2)
register_handler("sha256sig0", h_sha256sig0)
register_handler("sha256sig1", h_sha256sig1)
register_handler("sha256sum0", h_sha256sum0)
register_handler("sha256sum1", h_sha256sum1)
register_handler("sha512sig0", h_sha512sig0)
register_handler("sha512sig1", h_sha512sig1)
register_handler("sha512sum0", h_sha512sum0)
register_handler("sha512sum1", h_sha512sum1)
register_handler("sm4ed", h_sm4ed)
register_handler("sm4ks", h_sm4ks)
register_handler("sm3p0", h_sm3p0)
register_handler("sm3p1", h_sm3p1)
