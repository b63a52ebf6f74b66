# IEEE 754 arithmetic for any binary format of up to 64 bits: E exponent bits, M fraction bits.
#
#     unpack -> exact arithmetic on 64- or 128-bit significands, the lost bits or-ed into the lowest -> round_pack
#
# A significand has its leading one at bit 62: bit 63 is room for a carry, the bits below the format's precision
# hold guard and sticky. "Jam" is a right shift that leaves the lowest bit set when a one was shifted out; rounding
# only asks whether the rest is zero, below, at or above a half, so that one bit stands for all that was lost.
# softfloat.pyx makes the functions of each format from these, with E and M constant.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef extern from "hart/softfloat.h" nogil:
    ctypedef unsigned long long u128 "vmcore_u128"       # Cython only needs to know that it is an integer
    int clz64 "vmcore_clz64"(uint64_t v)                 # v is not 0

cdef enum Rounding:
    RNE = 0                   # to nearest, ties to even
    RTZ = 1                   # towards zero
    RDN = 2                   # down
    RUP = 3                   # up
    RMM = 4                   # to nearest, ties away from zero

cdef enum Flag:
    NX = 1                    # inexact
    UF = 2                    # underflow
    OF = 4                    # overflow
    DZ = 8                    # division by zero
    NV = 16                   # invalid

cdef enum Kind:
    ZERO = 0
    FINITE = 1
    INFINITE = 2
    QUIET = 3
    SIGNALLING = 4

cdef enum:
    LEAD = 62                 # the place of a significand's leading one

cdef struct Number:
    uint64_t sig              # value = sig * 2**(exp - LEAD); 0 unless FINITE
    int32_t exp
    uint32_t sign
    Kind kind

# --- bits ------------------------------------------------------------------------------------------------------

cdef inline uint64_t nan_of(int E, int M) noexcept nogil:
    return ((<uint64_t>2 << E) - 1) << (M - 1)

cdef inline uint64_t infinity_of(uint32_t sign, int E, int M) noexcept nogil:
    return (<uint64_t>sign << (E + M)) | (((<uint64_t>1 << E) - 1) << M)

cdef inline uint64_t zero_of(uint32_t sign, int E, int M) noexcept nogil:
    return <uint64_t>sign << (E + M)

cdef inline bint is_nan(uint64_t a, int E, int M) noexcept nogil:
    return (a & ((<uint64_t>1 << (E + M)) - 1)) > infinity_of(0, E, M)

cdef inline bint is_signalling(uint64_t a, int E, int M) noexcept nogil:
    return is_nan(a, E, M) and not (a >> (M - 1)) & 1

cdef inline uint64_t shift_jam(uint64_t v, uint32_t n) noexcept nogil:
    if n == 0:
        return v
    if n > 63:
        return v != 0
    return (v >> n) | <uint64_t>((v << (64 - n)) != 0)

cdef inline u128 shift_jam128(u128 v, uint32_t n) noexcept nogil:
    if n == 0:
        return v
    if n > 127:
        return v != 0
    return (v >> n) | <u128>((v << (128 - n)) != 0)

cdef inline Number unpack(uint64_t a, int E, int M) noexcept nogil:
    cdef Number n
    cdef uint64_t fraction = a & ((<uint64_t>1 << M) - 1)
    cdef int32_t biased = <int32_t>((a >> M) & ((<uint64_t>1 << E) - 1))
    cdef int32_t bias = (1 << (E - 1)) - 1
    cdef int lead
    n.sign = <uint32_t>(a >> (E + M)) & 1
    n.exp = 0
    n.sig = 0
    if biased == (1 << E) - 1:
        if fraction == 0:
            n.kind = INFINITE
        else:
            n.kind = QUIET if fraction >> (M - 1) else SIGNALLING
    elif biased != 0:
        n.kind = FINITE
        n.exp = biased - bias
        n.sig = (fraction | <uint64_t>1 << M) << (LEAD - M)
    elif fraction == 0:
        n.kind = ZERO
    else:
        n.kind = FINITE
        lead = 63 - clz64(fraction)
        n.exp = 1 - bias - M + lead
        n.sig = fraction << (LEAD - lead)
    return n

# What rounding adds below the last kept bit: `mask` is all ones there.
cdef inline uint64_t increment(uint32_t sign, uint32_t rm, uint64_t mask) noexcept nogil:
    if rm == RNE or rm == RMM:
        return (mask >> 1) + 1
    if rm == (RDN if sign else RUP):
        return mask
    return 0

# Round sig * 2**(exp - LEAD), whose leading one is at LEAD, to the format.
cdef inline uint64_t round_pack(uint32_t sign, int32_t exp, uint64_t sig, uint32_t rm, uint32_t *flags, int E,
                                int M) noexcept nogil:
    cdef int shift = LEAD - M
    cdef uint64_t mask = (<uint64_t>1 << shift) - 1
    cdef uint64_t half = (mask >> 1) + 1
    cdef uint64_t inc = increment(sign, rm, mask)
    cdef uint64_t top = <uint64_t>sign << (E + M)
    cdef int32_t biased = exp + (1 << (E - 1)) - 1
    cdef uint64_t rest, kept
    cdef bint tiny
    if biased <= 0:
        # Tiny after rounding: rounded as if the exponent had no end, it would stay below the smallest normal.
        tiny = biased < 0 or (sig + inc) >> (LEAD + 1) == 0
        sig = shift_jam(sig, <uint32_t>(1 - biased))
        rest = sig & mask
        kept = (sig + inc) >> shift
        if rest == half and rm == RNE:
            kept &= ~<uint64_t>1
        if rest:
            flags[0] |= NX | UF if tiny else NX
        # A carry out of the fraction makes the smallest normal number by itself.
        return top | kept
    rest = sig & mask
    kept = (sig + inc) >> shift
    if rest == half and rm == RNE:
        kept &= ~<uint64_t>1
    if biased < (1 << E) - 1:
        # The leading one of `kept` adds 1 to the exponent, and so does a carry.
        kept += <uint64_t>(biased - 1) << M
        if kept < infinity_of(0, E, M):
            if rest:
                flags[0] |= NX
            return top | kept
    flags[0] |= OF | NX
    return top | (infinity_of(0, E, M) - (inc == 0))

# The NaN that an operation gives for operands of which at least one is a NaN.
cdef inline uint64_t nan_result(bint signalling, uint32_t *flags, int E, int M) noexcept nogil:
    if signalling:
        flags[0] |= NV
    return nan_of(E, M)

cdef inline uint64_t invalid(uint32_t *flags, int E, int M) noexcept nogil:
    flags[0] |= NV
    return nan_of(E, M)

# --- arithmetic ------------------------------------------------------------------------------------------------

cdef inline uint64_t add(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags, int E, int M) noexcept nogil:
    cdef Number x = unpack(a, E, M)
    cdef Number y = unpack(b, E, M)
    cdef uint64_t big, small, total
    cdef int32_t exp
    cdef uint32_t sign
    cdef int up
    if x.kind > FINITE or y.kind > FINITE:
        if x.kind >= QUIET or y.kind >= QUIET:
            return nan_result(x.kind == SIGNALLING or y.kind == SIGNALLING, flags, E, M)
        if x.kind == INFINITE and y.kind == INFINITE and x.sign != y.sign:
            return invalid(flags, E, M)
        return a if x.kind == INFINITE else b
    if x.kind == ZERO or y.kind == ZERO:
        if x.kind != ZERO:
            return a
        if y.kind != ZERO or x.sign == y.sign:
            return b
        return zero_of(rm == RDN, E, M)
    if x.exp > y.exp or (x.exp == y.exp and x.sig >= y.sig):
        sign = x.sign
        exp = x.exp
        big = x.sig
        small = shift_jam(y.sig, <uint32_t>(x.exp - y.exp))
    else:
        sign = y.sign
        exp = y.exp
        big = y.sig
        small = shift_jam(x.sig, <uint32_t>(y.exp - x.exp))
    if x.sign == y.sign:
        total = big + small
        if total >> (LEAD + 1):
            total = shift_jam(total, 1)
            exp += 1
        return round_pack(sign, exp, total, rm, flags, E, M)
    # Cancelling more than one bit needs exponents at most one apart, and then nothing was lost in the shift.
    total = big - small
    if total == 0:
        return zero_of(rm == RDN, E, M)
    up = clz64(total) - 1
    return round_pack(sign, exp - up, total << up, rm, flags, E, M)

cdef inline uint64_t sub(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags, int E, int M) noexcept nogil:
    # A NaN of either sign gives the same result.
    return add(a, b ^ (<uint64_t>1 << (E + M)), rm, flags, E, M)

cdef inline uint64_t mul(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags, int E, int M) noexcept nogil:
    cdef Number x = unpack(a, E, M)
    cdef Number y = unpack(b, E, M)
    cdef uint32_t sign = x.sign ^ y.sign
    cdef int32_t exp
    cdef u128 product
    cdef uint64_t sig
    if x.kind != FINITE or y.kind != FINITE:
        if x.kind >= QUIET or y.kind >= QUIET:
            return nan_result(x.kind == SIGNALLING or y.kind == SIGNALLING, flags, E, M)
        if x.kind == INFINITE or y.kind == INFINITE:
            if x.kind == ZERO or y.kind == ZERO:
                return invalid(flags, E, M)
            return infinity_of(sign, E, M)
        return zero_of(sign, E, M)
    exp = x.exp + y.exp
    product = <u128>x.sig * y.sig
    sig = <uint64_t>(product >> LEAD)
    sig |= <uint64_t>((<uint64_t>product << (64 - LEAD)) != 0)
    if sig >> (LEAD + 1):
        sig = shift_jam(sig, 1)
        exp += 1
    return round_pack(sign, exp, sig, rm, flags, E, M)

cdef inline uint64_t div(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags, int E, int M) noexcept nogil:
    cdef Number x = unpack(a, E, M)
    cdef Number y = unpack(b, E, M)
    cdef uint32_t sign = x.sign ^ y.sign
    cdef int32_t exp
    cdef u128 dividend
    cdef uint64_t quotient
    if x.kind != FINITE or y.kind != FINITE:
        if x.kind >= QUIET or y.kind >= QUIET:
            return nan_result(x.kind == SIGNALLING or y.kind == SIGNALLING, flags, E, M)
        if x.kind == y.kind:
            return invalid(flags, E, M)              # 0 / 0 and infinity / infinity
        if x.kind == INFINITE or y.kind == ZERO:
            if x.kind == FINITE:
                flags[0] |= DZ
            return infinity_of(sign, E, M)
        return zero_of(sign, E, M)
    exp = x.exp - y.exp
    dividend = <u128>x.sig << LEAD
    if x.sig < y.sig:
        dividend <<= 1
        exp -= 1
    quotient = <uint64_t>(dividend // y.sig)
    quotient |= <uint64_t>(<u128>quotient * y.sig != dividend)
    return round_pack(sign, exp, quotient, rm, flags, E, M)

cdef inline uint64_t sqrt(uint64_t a, uint32_t rm, uint32_t *flags, int E, int M) noexcept nogil:
    cdef Number x = unpack(a, E, M)
    cdef uint64_t root = 0
    cdef uint64_t rest = 0
    cdef uint64_t trial
    cdef int32_t exp
    cdef int _digit
    if x.kind >= QUIET:
        return nan_result(x.kind == SIGNALLING, flags, E, M)
    if x.kind == ZERO:
        return a
    if x.sign:
        return invalid(flags, E, M)
    if x.kind == INFINITE:
        return a
    # An even exponent, the significand in [1, 4) with the point below bit LEAD.
    exp = x.exp >> 1
    if x.exp & 1:
        x.sig <<= 1
    # Digit by digit, two bits of the radicand for one of the root: the kept bits and one more; the rest is sticky.
    for _digit in range(M + 2):
        rest = (rest << 2) | (x.sig >> LEAD)
        x.sig = (x.sig << 2)
        trial = (root << 2) | 1
        root <<= 1
        if rest >= trial:
            rest -= trial
            root |= 1
    root <<= LEAD - (M + 1)
    root |= <uint64_t>(rest != 0 or x.sig != 0)
    return round_pack(0, exp, root, rm, flags, E, M)

# a * b + c with one rounding.
cdef inline uint64_t fma(uint64_t a, uint64_t b, uint64_t c, uint32_t rm, uint32_t *flags, int E, int M) noexcept nogil:
    cdef Number x = unpack(a, E, M)
    cdef Number y = unpack(b, E, M)
    cdef Number z = unpack(c, E, M)
    cdef uint32_t sign = x.sign ^ y.sign
    cdef int32_t exp, up
    cdef u128 product, addend, total
    if x.kind != FINITE or y.kind != FINITE or z.kind > FINITE:
        # infinity * 0 is invalid even when a quiet NaN is added.
        if (x.kind == INFINITE and y.kind == ZERO) or (x.kind == ZERO and y.kind == INFINITE):
            return invalid(flags, E, M)
        if x.kind >= QUIET or y.kind >= QUIET or z.kind >= QUIET:
            return nan_result(x.kind == SIGNALLING or y.kind == SIGNALLING or z.kind == SIGNALLING, flags, E, M)
        if x.kind == INFINITE or y.kind == INFINITE:
            if z.kind == INFINITE and z.sign != sign:
                return invalid(flags, E, M)
            return infinity_of(sign, E, M)
        if z.kind != ZERO:
            return c                                 # an infinity, or a number added to a zero product
        return c if z.sign == sign else zero_of(rm == RDN, E, M)
    # The exact product, its leading one moved to bit 2 * LEAD + 1.
    exp = x.exp + y.exp
    product = <u128>x.sig * y.sig
    if product >> (2 * LEAD + 1):
        exp += 1
    else:
        product <<= 1
    if z.kind == FINITE:
        addend = <u128>z.sig << (LEAD + 1)
        if exp >= z.exp:
            addend = shift_jam128(addend, <uint32_t>(exp - z.exp))
        else:
            product = shift_jam128(product, <uint32_t>(z.exp - exp))
            exp = z.exp
        # As in add(): a shift by more than one place never precedes a long cancellation.
        if sign == z.sign:
            total = product + addend
        elif product >= addend:
            total = product - addend
        else:
            total = addend - product
            sign = z.sign
        if total == 0:
            return zero_of(rm == RDN, E, M)
    else:
        total = product
    # Bring the leading one from wherever it is (at most bit 126) to bit 126, then keep 63 bits.
    if <uint64_t>(total >> 64):
        up = clz64(<uint64_t>(total >> 64)) - 1
    else:
        up = clz64(<uint64_t>total) + 63
    total <<= up
    return round_pack(sign, exp + 1 - up, <uint64_t>(total >> 64) | <uint64_t>(<uint64_t>total != 0), rm, flags, E, M)

# --- comparing -------------------------------------------------------------------------------------------------

# The order of two numbers that are no NaNs, as integers: the sign turned into two's complement, -0 into 0.
cdef inline int64_t rank(uint64_t a, int E, int M) noexcept nogil:
    cdef int64_t magnitude = <int64_t>(a & ((<uint64_t>1 << (E + M)) - 1))
    return -magnitude if (a >> (E + M)) & 1 else magnitude

cdef inline bint unordered(uint64_t a, uint64_t b, bint quiet, uint32_t *flags, int E, int M) noexcept nogil:
    if not is_nan(a, E, M) and not is_nan(b, E, M):
        return False
    if not quiet or is_signalling(a, E, M) or is_signalling(b, E, M):
        flags[0] |= NV
    return True

cdef inline uint64_t eq(uint64_t a, uint64_t b, uint32_t *flags, int E, int M) noexcept nogil:
    return not unordered(a, b, True, flags, E, M) and rank(a, E, M) == rank(b, E, M)

cdef inline uint64_t lt(uint64_t a, uint64_t b, bint quiet, uint32_t *flags, int E, int M) noexcept nogil:
    return not unordered(a, b, quiet, flags, E, M) and rank(a, E, M) < rank(b, E, M)

cdef inline uint64_t le(uint64_t a, uint64_t b, bint quiet, uint32_t *flags, int E, int M) noexcept nogil:
    return not unordered(a, b, quiet, flags, E, M) and rank(a, E, M) <= rank(b, E, M)

# The smaller (or larger) number. One NaN: the other operand, or with `pass_nan` (fminm, fmaxm) a NaN. -0 < +0.
cdef inline uint64_t pick(uint64_t a, uint64_t b, bint larger, bint pass_nan, uint32_t *flags, int E,
                          int M) noexcept nogil:
    cdef bint less
    if unordered(a, b, True, flags, E, M):
        if pass_nan or (is_nan(a, E, M) and is_nan(b, E, M)):
            return nan_of(E, M)
        return b if is_nan(a, E, M) else a
    less = rank(a, E, M) < rank(b, E, M)
    if rank(a, E, M) == rank(b, E, M):
        less = a > b                                 # equal patterns, or two zeros of which a is the negative one
    return a if less != larger else b

cdef inline uint64_t classify(uint64_t a, int E, int M) noexcept nogil:
    cdef Number x = unpack(a, E, M)
    cdef bint normal = (a >> M) & ((<uint64_t>1 << E) - 1) != 0
    if x.kind >= QUIET:
        return 1 << 9 if x.kind == QUIET else 1 << 8
    if x.kind == INFINITE:
        return 1 << 0 if x.sign else 1 << 7
    if x.kind == ZERO:
        return 1 << 3 if x.sign else 1 << 4
    if normal:
        return 1 << 1 if x.sign else 1 << 6
    return 1 << 2 if x.sign else 1 << 5

# --- converting ------------------------------------------------------------------------------------------------

# |value| rounded to an integer, for exp <= 63; *flags gets NX when it was none.
cdef inline uint64_t round_magnitude(Number x, uint32_t rm, uint32_t *flags) noexcept nogil:
    cdef uint64_t sig, kept
    if x.exp >= LEAD:
        return x.sig << (x.exp - LEAD)               # no format has bits below the point here
    # Two bits below the point say all that rounding asks.
    sig = shift_jam(x.sig, <uint32_t>(LEAD - 2 - x.exp)) if x.exp <= LEAD - 2 else x.sig << 1
    kept = (sig + increment(x.sign, rm, 3)) >> 2
    if sig & 3 == 2 and rm == RNE:
        kept &= ~<uint64_t>1
    if sig & 3:
        flags[0] |= NX
    return kept

# The integer of `bits` bits, sign-extended to 64 (unsigned 32-bit ones too, as an x register wants them). What does
# not fit saturates, and a NaN counts as a large positive number.
cdef inline uint64_t to_int(uint64_t a, uint32_t rm, uint32_t *flags, int bits, bint is_signed, int E,
                            int M) noexcept nogil:
    cdef Number x = unpack(a, E, M)
    cdef uint64_t most = ~<uint64_t>0 >> (65 - bits if is_signed else 64 - bits)
    cdef uint64_t least = ~most if is_signed else 0
    cdef uint64_t magnitude
    cdef uint32_t raised = 0
    if x.kind >= QUIET:
        x.sign = 0
    elif x.kind == ZERO:
        return 0
    elif x.kind == FINITE and x.exp < 64:
        magnitude = round_magnitude(x, rm, &raised)
        if x.sign:
            if magnitude <= 0 - least:
                flags[0] |= raised
                return 0 - magnitude
        elif magnitude <= most:
            flags[0] |= raised
            return <uint64_t><int64_t><int32_t>magnitude if bits == 32 else magnitude
    flags[0] |= NV
    if x.sign:
        return least
    return <uint64_t><int64_t><int32_t>most if bits == 32 else most

cdef inline uint64_t from_magnitude(uint32_t sign, uint64_t v, uint32_t rm, uint32_t *flags, int E,
                                    int M) noexcept nogil:
    cdef int up
    if v == 0:
        return 0
    if v >> 63:
        return round_pack(sign, 63, shift_jam(v, 1), rm, flags, E, M)
    up = clz64(v) - 1
    return round_pack(sign, LEAD - up, v << up, rm, flags, E, M)

cdef inline uint64_t from_int(int64_t v, uint32_t rm, uint32_t *flags, int E, int M) noexcept nogil:
    if v < 0:
        return from_magnitude(1, 0 - <uint64_t>v, rm, flags, E, M)
    return from_magnitude(0, <uint64_t>v, rm, flags, E, M)

# From the format E, M to the format TE, TM.
cdef inline uint64_t convert(uint64_t a, uint32_t rm, uint32_t *flags, int E, int M, int TE, int TM) noexcept nogil:
    cdef Number x = unpack(a, E, M)
    if x.kind >= QUIET:
        return nan_result(x.kind == SIGNALLING, flags, TE, TM)
    if x.kind == INFINITE:
        return infinity_of(x.sign, TE, TM)
    if x.kind == ZERO:
        return zero_of(x.sign, TE, TM)
    return round_pack(x.sign, x.exp, x.sig, rm, flags, TE, TM)

# Rounded to an integral value of the same format; NX only when `exact` asks for it.
cdef inline uint64_t integral(uint64_t a, uint32_t rm, bint exact, uint32_t *flags, int E, int M) noexcept nogil:
    cdef Number x = unpack(a, E, M)
    cdef uint64_t magnitude
    cdef uint32_t raised = 0
    if x.kind >= QUIET:
        return nan_result(x.kind == SIGNALLING, flags, E, M)
    if x.kind != FINITE or x.exp >= M:
        return a
    magnitude = round_magnitude(x, rm, &raised)
    if exact:
        flags[0] |= raised
    if magnitude == 0:
        return zero_of(x.sign, E, M)
    return from_magnitude(x.sign, magnitude, RTZ, &raised, E, M)
