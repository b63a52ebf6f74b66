"""The decoder: tables made once from the rows of ``vmcore.isa``, looked up by opcode and funct3."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.hart.handlers cimport find_handler, handler_number
from vmcore._fast.hart.state cimport SINK, Op, handler_t

cdef enum:
    MAX_FORMATS = 96
    MAX_ROWS = 1024
    MAX_PIECES = 8
    MAX_SLOTS = 8192

cdef enum Shape:
    SHAPE_I
    SHAPE_R
    SHAPE_S
    SHAPE_FP
    SHAPE_AMO
    SHAPE_CSR

cdef struct Field:
    uint8_t lo
    uint8_t width
    uint8_t add

cdef struct Piece:
    uint8_t lo
    uint8_t width
    uint8_t to

cdef struct Format:
    Field rd
    Field rs1
    Field rs2
    Field rs3
    Field rm
    uint8_t npieces
    uint8_t imm_bits
    uint8_t is_signed
    uint8_t shape
    Piece pieces[MAX_PIECES]

cdef struct Row:
    uint32_t match
    uint32_t mask
    uint64_t any_of
    uint64_t all_of
    handler_t fn
    uint16_t format
    uint16_t number           # of the handler
    uint8_t rd_is_float
    uint8_t nonzero

cdef Format formats[MAX_FORMATS]
cdef Row rows[MAX_ROWS]
# Bucket b holds row numbers slots[first[b]] .. slots[first[b + 1] - 1], most specific first.
# Buckets 0..255: four-byte instructions by opcode[6:2] and funct3; 256..287: compressed by quadrant and funct3.
cdef uint16_t slots[MAX_SLOTS]
cdef uint32_t first[289]
cdef handler_t illegal_fn = NULL
cdef uint32_t illegal_number = 0

SHAPES = {"I": SHAPE_I, "R": SHAPE_R, "S": SHAPE_S, "FP": SHAPE_FP, "AMO": SHAPE_AMO, "CSR": SHAPE_CSR}


cdef inline uint32_t bits(uint32_t insn, uint32_t lo, uint32_t width) noexcept nogil:
    return (insn >> lo) & ((<uint32_t>1 << width) - 1)


cdef inline uint32_t field(uint32_t insn, const Field *f) noexcept nogil:
    return bits(insn, f.lo, f.width) + f.add


cdef inline uint32_t immediate(uint32_t insn, const Format *f) noexcept nogil:
    cdef uint32_t imm = 0
    cdef uint32_t i
    for i in range(f.npieces):
        imm |= bits(insn, f.pieces[i].lo, f.pieces[i].width) << f.pieces[i].to
    if f.is_signed and (imm >> (f.imm_bits - 1)) & 1 and f.imm_bits < 32:
        imm |= ~<uint32_t>0 << f.imm_bits
    return imm


cdef uint32_t decode_one(uint64_t isa, uint32_t insn, Op *op) noexcept nogil:
    cdef uint32_t length
    cdef const Row *row = decode_row(isa, insn, op, &length)
    op.fn = row.fn if row != NULL else illegal_fn
    return length


cdef uint32_t decode_number(uint64_t isa, uint32_t insn, Op *op, uint32_t *handler) noexcept nogil:
    cdef uint32_t length
    cdef const Row *row = decode_row(isa, insn, op, &length)
    handler[0] = row.number if row != NULL else illegal_number
    return length


cdef const Row *decode_row(uint64_t isa, uint32_t insn, Op *op, uint32_t *size) noexcept nogil:
    cdef uint32_t bucket, i, rd, rs1, rs2, imm, length
    cdef const Row *row
    cdef const Format *f
    if insn & 3 == 3:
        bucket = ((insn >> 2) & 31) | ((insn >> 12) & 7) << 5
        length = 4
    else:
        insn &= 0xFFFF
        bucket = 256 + ((insn & 3) | ((insn >> 13) & 7) << 2)
        length = 2
    size[0] = length
    for i in range(first[bucket], first[bucket + 1]):
        row = &rows[slots[i]]
        if insn & row.mask != row.match:
            continue
        if row.any_of and not isa & row.any_of or isa & row.all_of != row.all_of:
            continue
        f = &formats[row.format]
        rd = field(insn, &f.rd)
        rs1 = field(insn, &f.rs1)
        rs2 = field(insn, &f.rs2)
        imm = immediate(insn, f)
        if row.nonzero:
            if (row.nonzero & 1 and rd == 0) or (row.nonzero & 2 and rs1 == 0):
                continue
            if (row.nonzero & 4 and rs2 == 0) or (row.nonzero & 8 and imm == 0):
                continue
        op.rs1 = <uint8_t>rs1
        if f.shape == SHAPE_S:
            op.rd = <uint8_t>rs2
        elif rd == 0 and not row.rd_is_float:
            op.rd = SINK
        else:
            op.rd = <uint8_t>rd
        if f.shape == SHAPE_R:
            op.imm = <int32_t>rs2
        elif f.shape == SHAPE_FP:
            op.imm = <int32_t>(rs2 | field(insn, &f.rs3) << 8 | field(insn, &f.rm) << 16)
        elif f.shape == SHAPE_AMO:
            op.imm = <int32_t>(rs2 | imm << 8)
        else:
            op.imm = <int32_t>imm
        return row
    op.rd = SINK
    op.rs1 = 0
    op.imm = 0
    return NULL


cdef int fill_field(Field *f, spec, str where) except -1:
    lo, width, add = spec
    if not (0 <= lo < 32 and 0 <= width <= 16 and 0 <= add < 64):
        raise ValueError(f"{where}: field {spec!r} does not fit")
    f.lo = lo
    f.width = width
    f.add = add
    return 0


def _buckets(match, mask):
    # The buckets that an encoding with these fixed bits can fall into.
    if match & 3 == 3:
        for bucket in range(256):
            insn = 3 | (bucket & 31) << 2 | (bucket >> 5) << 12
            if (insn ^ match) & mask & 0x707F == 0:
                yield bucket
    else:
        for bucket in range(32):
            insn = (bucket & 3) | (bucket >> 2) << 13
            if bucket & 3 != 3 and (insn ^ match) & mask & 0xE003 == 0:
                yield 256 + bucket


def install(format_rows, instruction_rows):
    """Build the decoder's tables.

    Parameters
    ----------
    format_rows : list of tuple
        ``(name, size, rd, rs1, rs2, rs3, rm, pieces, imm_bits, signed, shape)``; a field is ``(lo, width, add)``, a
        piece of the immediate ``(lo, width, to)``.
    instruction_rows : list of tuple
        ``(mnemonic, handler, match, mask, format, any_mask, all_mask, rd_is_float, nonzero)``.

    Raises
    ------
    KeyError
        When a row names a handler or a format that does not exist.
    ValueError
        When the tables would overflow, or a row's fixed bits contradict its mask.
    """
    global illegal_fn, illegal_number
    if len(format_rows) > MAX_FORMATS or len(instruction_rows) > MAX_ROWS:
        raise ValueError("more formats or rows than the decoder's tables hold")
    illegal_fn = find_handler("illegal")
    illegal_number = handler_number("illegal")
    index_of = {}
    cdef Format *f
    cdef Row *r
    for i, (name, _size, rd, rs1, rs2, rs3, rm, pieces, imm_bits, signed, shape) in enumerate(format_rows):
        f = &formats[<int>i]
        fill_field(&f.rd, rd, name)
        fill_field(&f.rs1, rs1, name)
        fill_field(&f.rs2, rs2, name)
        fill_field(&f.rs3, rs3, name)
        fill_field(&f.rm, rm, name)
        if len(pieces) > MAX_PIECES:
            raise ValueError(f"format {name}: more than {<int>MAX_PIECES} pieces of an immediate")
        f.npieces = len(pieces)
        for k, (lo, width, to) in enumerate(pieces):
            f.pieces[<int>k].lo = lo
            f.pieces[<int>k].width = width
            f.pieces[<int>k].to = to
        f.imm_bits = imm_bits
        f.is_signed = bool(signed)
        f.shape = SHAPES[shape]
        index_of[name] = i
    buckets = [[] for _ in range(288)]
    ordered = sorted(instruction_rows, key=lambda row: -int(row[3]).bit_count())
    for i, (name, handler, match, mask, form, any_mask, all_mask, is_float, nonzero) in enumerate(ordered):
        if match & ~mask:
            raise ValueError(f"{name}: match {match:#x} has bits outside its mask {mask:#x}")
        r = &rows[<int>i]
        r.match = match
        r.mask = mask
        r.any_of = any_mask
        r.all_of = all_mask
        r.fn = find_handler(handler)
        r.number = handler_number(handler)
        r.format = index_of[form]
        r.rd_is_float = bool(is_float)
        r.nonzero = nonzero
        for bucket in _buckets(match, mask):
            buckets[bucket].append(i)
    if sum(map(len, buckets)) > MAX_SLOTS:
        raise ValueError("more bucket slots than the decoder's tables hold")
    at = 0
    for bucket, members in enumerate(buckets):
        first[<int>bucket] = at
        for i in members:
            slots[<int>at] = i
            at += 1
    first[288] = at
