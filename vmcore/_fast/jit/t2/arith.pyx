"""The arithmetic of the pure operations of the intermediate representation, on numbers of 64 bits."""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.ir cimport (
    OP_ADD, OP_AND, OP_BITS, OP_BOX, OP_BSWAP, OP_CLZ, OP_CLZ32, OP_CTZ, OP_CTZ32, OP_DIV, OP_DIV32, OP_DIVU,
    OP_DIVU32, OP_EQ, OP_FCLEAN, OP_FROMBITS, OP_FSGNJ, OP_FSGNJN, OP_FSGNJX, OP_GE, OP_GEU, OP_LT, OP_LTU, OP_MUL,
    OP_MULH, OP_MULHSU, OP_MULHU, OP_NE, OP_NEG, OP_NOT, OP_OR, OP_ORCB, OP_POPCNT, OP_POPCNT32, OP_REM, OP_REM32,
    OP_REMU, OP_REMU32, OP_ROTR, OP_ROTR32, OP_SAR, OP_SAR32, OP_SELECT, OP_SEXT16, OP_SEXT32, OP_SEXT8, OP_SHL,
    OP_SHL32, OP_SHR, OP_SHR32, OP_SUB, OP_UNBOX, OP_XOR, OP_ZEXT16, OP_ZEXT32, OP_ZEXT8, T_F32)

cdef extern from *:
    """
    static inline long long vmcore_mulh(long long a, long long b) { return (long long)(((__int128)a * b) >> 64); }
    static inline unsigned long long vmcore_mulhu(unsigned long long a, unsigned long long b)
    { return (unsigned long long)(((unsigned __int128)a * b) >> 64); }
    static inline long long vmcore_mulhsu(long long a, unsigned long long b)
    { return (long long)(((__int128)a * (__int128)b) >> 64); }
    """
    int64_t mulh "vmcore_mulh"(int64_t a, int64_t b) noexcept nogil
    uint64_t mulhu "vmcore_mulhu"(uint64_t a, uint64_t b) noexcept nogil
    int64_t mulhsu "vmcore_mulhsu"(int64_t a, uint64_t b) noexcept nogil
    int clz64 "__builtin_clzll"(uint64_t value) noexcept nogil
    int ctz64 "__builtin_ctzll"(uint64_t value) noexcept nogil
    int popcount64 "__builtin_popcountll"(uint64_t value) noexcept nogil
    uint64_t bswap64 "__builtin_bswap64"(uint64_t value) noexcept nogil
    const uint64_t SIGN64 "0x8000000000000000ull"
    const uint64_t NAN64 "0x7FF8000000000000ull"
    const uint64_t INF64 "0x7FF0000000000000ull"
    const uint32_t SIGN32 "0x80000000u"
    const uint32_t NAN32 "0x7FC00000u"
    const uint32_t INF32 "0x7F800000u"


# --- division, as RISC-V has it ---------------------------------------------------------------------------------------

cdef inline int64_t divide(int64_t a, int64_t b) noexcept nogil:
    if b == 0:
        return -1
    # -1 / -1 overflows for the least number only, which negation maps to itself.
    return <int64_t>(0 - <uint64_t>a) if b == -1 else a / b


cdef inline int64_t remainder(int64_t a, int64_t b) noexcept nogil:
    if b == 0:
        return a
    return 0 if b == -1 else a % b


cdef inline uint64_t divide_u(uint64_t a, uint64_t b) noexcept nogil:
    return a / b if b else ~<uint64_t>0


cdef inline uint64_t remainder_u(uint64_t a, uint64_t b) noexcept nogil:
    return a % b if b else a


# --- bits -------------------------------------------------------------------------------------------------------------

cdef inline uint64_t rotate(uint64_t a, uint32_t by) noexcept nogil:
    return a >> by | a << ((64 - by) & 63)


cdef inline uint32_t rotate32(uint32_t a, uint32_t by) noexcept nogil:
    return a >> by | a << ((32 - by) & 31)


cdef inline uint64_t or_bytes(uint64_t a) noexcept nogil:
    # Each byte that has a bit set becomes 0xFF.
    cdef uint64_t low = 0x7F7F7F7F7F7F7F7Fu
    cdef uint64_t some = (a | ((a & low) + low)) & ~low
    return (some - (some >> 7)) | some


# --- floating point: what is only about bits --------------------------------------------------------------------------

cdef inline int64_t with_sign(uint8_t type, uint64_t a, uint64_t sign) noexcept nogil:
    # The number a with the sign of `sign`.
    if type == T_F32:
        return <int64_t>((a & (SIGN32 - 1)) | (sign & SIGN32))
    return <int64_t>((a & (SIGN64 - 1)) | (sign & SIGN64))


cdef inline int64_t cleaned(uint8_t type, uint64_t a) noexcept nogil:
    if type == T_F32:
        return NAN32 if (a & (SIGN32 - 1)) > INF32 else <int64_t>a
    return <int64_t>(NAN64 if (a & (SIGN64 - 1)) > INF64 else a)


# --- all of them ------------------------------------------------------------------------------------------------------

cdef int64_t fold_op(uint32_t op, uint8_t type, uint16_t size, uint8_t mode, int64_t a, int64_t b,
                     int64_t c) noexcept nogil:
    cdef uint64_t ua = <uint64_t>a
    cdef uint64_t ub = <uint64_t>b
    cdef uint32_t wa = <uint32_t>a
    cdef uint32_t wb = <uint32_t>b
    if op == OP_ADD:
        return <int64_t>(ua + ub)
    elif op == OP_SUB:
        return <int64_t>(ua - ub)
    elif op == OP_MUL:
        return <int64_t>(ua * ub)
    elif op == OP_AND:
        return a & b
    elif op == OP_OR:
        return a | b
    elif op == OP_XOR:
        return a ^ b
    elif op == OP_SHL:
        return <int64_t>(ua << (ub & 63))
    elif op == OP_SHR:
        return <int64_t>(ua >> (ub & 63))
    elif op == OP_SAR:
        return a >> (ub & 63)
    elif op == OP_ROTR:
        return <int64_t>rotate(ua, ub & 63)
    elif op == OP_NEG:
        return <int64_t>(0 - ua)
    elif op == OP_NOT:
        return ~a
    elif op == OP_MULH:
        return mulh(a, b)
    elif op == OP_MULHU:
        return <int64_t>mulhu(ua, ub)
    elif op == OP_MULHSU:
        return mulhsu(a, ub)
    elif op == OP_DIV:
        return divide(a, b)
    elif op == OP_DIVU:
        return <int64_t>divide_u(ua, ub)
    elif op == OP_REM:
        return remainder(a, b)
    elif op == OP_REMU:
        return <int64_t>remainder_u(ua, ub)
    elif op == OP_SHL32:
        return <int32_t>(wa << (wb & 31))
    elif op == OP_SHR32:
        return <int32_t>(wa >> (wb & 31))
    elif op == OP_SAR32:
        return <int32_t>wa >> (wb & 31)
    elif op == OP_ROTR32:
        return <int32_t>rotate32(wa, wb & 31)
    elif op == OP_DIV32:
        return <int32_t>divide(<int32_t>wa, <int32_t>wb)
    elif op == OP_DIVU32:
        return <int32_t><uint32_t>divide_u(wa, wb)
    elif op == OP_REM32:
        return <int32_t>remainder(<int32_t>wa, <int32_t>wb)
    elif op == OP_REMU32:
        return <int32_t><uint32_t>remainder_u(wa, wb)
    elif op == OP_SEXT8:
        return <int8_t>a
    elif op == OP_SEXT16:
        return <int16_t>a
    elif op == OP_SEXT32:
        return <int32_t>a
    elif op == OP_ZEXT8:
        return <uint8_t>a
    elif op == OP_ZEXT16:
        return <uint16_t>a
    elif op == OP_ZEXT32:
        return <int64_t>wa
    elif op == OP_CLZ:
        return clz64(ua) if ua else 64
    elif op == OP_CTZ:
        return ctz64(ua) if ua else 64
    elif op == OP_POPCNT:
        return popcount64(ua)
    elif op == OP_CLZ32:
        return clz64(wa) - 32 if wa else 32
    elif op == OP_CTZ32:
        return ctz64(wa) if wa else 32
    elif op == OP_POPCNT32:
        return popcount64(wa)
    elif op == OP_BSWAP:
        return <int64_t>bswap64(ua)
    elif op == OP_ORCB:
        return <int64_t>or_bytes(ua)
    elif op == OP_EQ:
        return a == b
    elif op == OP_NE:
        return a != b
    elif op == OP_LT:
        return a < b
    elif op == OP_GE:
        return a >= b
    elif op == OP_LTU:
        return ua < ub
    elif op == OP_GEU:
        return ua >= ub
    elif op == OP_SELECT:
        return b if a else c
    elif op == OP_FSGNJ:
        return with_sign(type, ua, ub)
    elif op == OP_FSGNJN:
        return with_sign(type, ua, ~ub)
    elif op == OP_FSGNJX:
        return with_sign(type, ua, ua ^ ub)
    elif op == OP_FCLEAN:
        return cleaned(type, ua)
    elif op == OP_BOX:
        return <int64_t>(wa | <uint64_t>0xFFFFFFFF << 32)
    elif op == OP_UNBOX:
        return <int64_t>wa if ua >> 32 == <uint32_t>0xFFFFFFFF else NAN32
    elif op == OP_BITS:
        return <int64_t><int32_t>a if type == T_F32 else a
    elif op == OP_FROMBITS:
        return <int64_t>wa if type == T_F32 else a
    return 0
