# The arithmetic of the bit-manipulation instructions, as pure functions of their operands.

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "hart/bits.h" nogil:
    uint64_t vmcore_clz64(uint64_t v)
    uint64_t vmcore_ctz64(uint64_t v)
    uint64_t vmcore_bswap64(uint64_t v)
    uint64_t vmcore_rol64(uint64_t v, uint64_t n)
    uint64_t vmcore_ror64(uint64_t v, uint64_t n)
    uint32_t vmcore_rol32(uint32_t v, uint32_t n)
    uint32_t vmcore_ror32(uint32_t v, uint32_t n)

# A 32-bit result as a register holds it: sign-extended.
cdef inline uint64_t sext32(uint32_t v) noexcept nogil:
    return <uint64_t><int64_t><int32_t>v

# Leading zeros among 64 bits; 64 for 0.
cdef inline uint64_t clz64(uint64_t v) noexcept nogil:
    return vmcore_clz64(v) if v else 64

# Leading zeros among the low 32 bits; 32 for 0.
cdef inline uint64_t clz32(uint32_t v) noexcept nogil:
    return vmcore_clz64(v) - 32 if v else 32

# Trailing zeros among 64 bits; 64 for 0.
cdef inline uint64_t ctz64(uint64_t v) noexcept nogil:
    return vmcore_ctz64(v) if v else 64

# Trailing zeros among the low 32 bits; 32 for 0 (the planted bit 32 is what stops the count).
cdef inline uint64_t ctz32(uint32_t v) noexcept nogil:
    return vmcore_ctz64(<uint64_t>v | <uint64_t>1 << 32)

# Number of one bits. Not the builtin: without -mpopcnt that is a call into libgcc, which a handler must not make.
cdef inline uint64_t cpop64(uint64_t v) noexcept nogil:
    v = v - (v >> 1 & <uint64_t>0x5555555555555555)
    v = (v & <uint64_t>0x3333333333333333) + (v >> 2 & <uint64_t>0x3333333333333333)
    v = v + (v >> 4) & <uint64_t>0x0F0F0F0F0F0F0F0F
    return v * <uint64_t>0x0101010101010101 >> 56

# Every byte with a bit set becomes 0xff. Adding 0x7f to the low seven bits carries into bit 7 iff one of them is set,
# so bytes never carry into each other.
cdef inline uint64_t orc_b64(uint64_t v) noexcept nogil:
    cdef uint64_t low7 = <uint64_t>0x7F7F7F7F7F7F7F7F
    cdef uint64_t tops = ((v & low7) + low7 | v) & ~low7
    return (tops << 1) - (tops >> 7)

# The bits of each byte in reverse order.
cdef inline uint64_t brev8_64(uint64_t v) noexcept nogil:
    v = v >> 1 & <uint64_t>0x5555555555555555 | (v & <uint64_t>0x5555555555555555) << 1
    v = v >> 2 & <uint64_t>0x3333333333333333 | (v & <uint64_t>0x3333333333333333) << 2
    return v >> 4 & <uint64_t>0x0F0F0F0F0F0F0F0F | (v & <uint64_t>0x0F0F0F0F0F0F0F0F) << 4

# Low 64 bits of the carry-less product.
cdef inline uint64_t clmul64(uint64_t a, uint64_t b) noexcept nogil:
    cdef uint64_t r = 0
    while b:
        r ^= a << vmcore_ctz64(b)
        b &= b - 1
    return r

# Bits 126..63 of the carry-less product (Zbc's clmulr); clmulh is this shifted right by one.
cdef inline uint64_t clmulr64(uint64_t a, uint64_t b) noexcept nogil:
    cdef uint64_t r = 0
    while b:
        r ^= a >> (63 - vmcore_ctz64(b))
        b &= b - 1
    return r

# Byte i of the result is the byte of `v` that byte i of `index` names, 0 when it names none.
cdef inline uint64_t xperm8_64(uint64_t v, uint64_t index) noexcept nogil:
    cdef uint64_t r = 0
    cdef uint64_t k
    cdef int i
    for i in range(0, 64, 8):
        k = index >> i & 0xFF
        if k < 8:
            r |= (v >> (k * 8) & 0xFF) << i
    return r

# Nibble i of the result is the nibble of `v` that nibble i of `index` names.
cdef inline uint64_t xperm4_64(uint64_t v, uint64_t index) noexcept nogil:
    cdef uint64_t r = 0
    cdef int i
    for i in range(0, 64, 4):
        r |= (v >> ((index >> i & 15) * 4) & 15) << i
    return r
