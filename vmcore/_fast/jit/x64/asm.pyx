"""The x86-64 encoder seen from Python: what it emits can be looked at, disassembled and checked; nothing is executed.

The emit functions themselves are in ``asm.pxd``, for compiled code only.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memset

from vmcore._fast.memory.alloc cimport vm_alloc, vm_free
from vmcore.errors import ConfigError

cdef extern from *:
    """
    typedef struct {
        const char *name, *map, *imm, *width, *coding, *order, *reg, *rm, *place;
        int opcode, prefix;
    } X64Words;
    #define LOCK 0xF0
    #define LOCK66 0x66F0
    static const X64Words X64_WORDS[] = {
    #define F(name, prefix, map, op, ext, imm, width, coding, order, reg, rm, place) \\
        {#name, #map, #imm, #width, #coding, #order, #reg, #rm, #place, (op), (prefix)},
        X64_FORM_ROWS(F)
    #undef F
    };
    #undef LOCK
    #undef LOCK66
    """
    ctypedef struct X64Words:
        const char *name
        const char *map
        const char *imm
        const char *width
        const char *coding
        const char *order
        const char *reg
        const char *rm
        const char *place
        int opcode, prefix

    const X64Words X64_WORDS[]

cdef enum Kind:
    RR, RM, RX, RRI, RMI, RXI, VRR, VRM, PLAIN
    # From here on without a form.
    PUSH, POP, MOV_IMM, SETCC, CMOV, CMOV_M, JCC, JCC8, JMP, JMP8, JMP_TO, JCC_TO
    JMP_R, JMP_M, JMP_X, CALL_R, CALL_M, LEA_RIP, ALIGN

KINDS = (
    "rr", "rm", "rx", "rri", "rmi", "rxi", "vrr", "vrm", "plain",
    "push", "pop", "mov_imm", "setcc", "cmov", "cmov_m", "jcc", "jcc8", "jmp", "jmp8", "jmp_to", "jcc_to",
    "jmp_r", "jmp_m", "jmp_x", "call_r", "call_m", "lea_rip", "align",
)

cdef dict _kinds = {name: number for number, name in enumerate(KINDS)}
cdef dict _numbers = {X64_WORDS[i].name.decode(): i for i in range(F_COUNT)}


def forms():
    """Return the rows of the encoder's table.

    Returns
    -------
    list of dict
        In the order of the table, each with the columns that ``forms.h`` explains: ``name``, ``prefix``, ``map``,
        ``opcode``, ``ext``, ``imm``, ``width``, ``coding``, ``order``, ``reg``, ``rm``, ``place``.
    """
    return [
        {
            "name": X64_WORDS[i].name.decode(),
            "prefix": X64_WORDS[i].prefix,
            "map": X64_WORDS[i].map.decode(),
            "opcode": X64_WORDS[i].opcode,
            "ext": X64_FORMS[i].ext,
            "imm": X64_WORDS[i].imm.decode(),
            "width": X64_WORDS[i].width.decode(),
            "coding": X64_WORDS[i].coding.decode(),
            "order": X64_WORDS[i].order.decode(),
            "reg": X64_WORDS[i].reg.decode(),
            "rm": X64_WORDS[i].rm.decode(),
            "place": X64_WORDS[i].place.decode(),
        }
        for i in range(F_COUNT)
    ]


cdef int64_t within(object value, object low, object high, str what) except? -1:
    """Return `value` as 64 bits (an unsigned one wraps), if it is in its limits."""
    if not low <= value <= high:
        raise ConfigError(f"{what} is {value:#x}", hint=f"Allowed are {low:#x} to {high:#x}.")
    return <int64_t><uint64_t>(value & 0xFFFF_FFFF_FFFF_FFFF)


cdef int check_form(str form, int number, int kind) except -1:
    """Raise unless the form exists for this kind of operands."""
    cdef const X64Form *f = &X64_FORMS[number]
    cdef bint has_imm = f.imm != X64_I_NONE
    cdef bint fits
    if kind == PLAIN:
        fits = f.place == X64_NOWHERE and X64_WORDS[number].order == b"NONE" and not has_imm
    elif kind in (VRR, VRM):
        fits = f.vex and not has_imm and f.place & (X64_REG if kind == VRR else X64_MEM)
    else:
        fits = has_imm == (kind in (RRI, RMI, RXI)) and f.place & (X64_REG if kind in (RR, RRI) else X64_MEM)
    if not fits:
        raise ConfigError(f"{form} has no {KINDS[kind]!r} operands", hint="See forms() for what a form has.")
    return 0


cdef int64_t check_imm(int number, int w, object imm) except? -1:
    cdef uint8_t kind = X64_FORMS[number].imm
    if kind == X64_I_8:
        return within(imm, -0x80, 0xFF, "imm")
    if kind == X64_I_16 or kind == X64_I_ALU16:
        return within(imm, -0x8000, 0xFFFF, "imm")
    return within(imm, -0x8000_0000, 0x7FFF_FFFF if w or X64_FORMS[number].w_or else 0xFFFF_FFFF, "imm")


cdef class Assembler:
    """A window of memory that instructions are emitted to. One thread only.

    Parameters
    ----------
    room : int
        Size in bytes, 32 to 16777216. With fewer than 32 bytes left nothing more is written.

    Raises
    ------
    ConfigError
        `room` is out of range.
    MemoryError
        There is no memory.

    Examples
    --------
    >>> window = Assembler()
    >>> window.emit("rx", "ADD", w=1, reg=0, rm=3, index=6, scale=3, disp=8)
    0
    >>> window.code().hex()
    '480344f308'
    """

    cdef Asm asm

    def __cinit__(self, room=4096):
        cdef size_t size = within(room, ASM_SLACK, 1 << 24, "room")
        cdef uint8_t *start = <uint8_t *>vm_alloc(size)
        if start == NULL:
            raise MemoryError(f"{size} bytes for an assembler's window")
        # So that a byte that should not have been written shows.
        memset(start, 0xCC, size)
        x_open(&self.asm, start, start + size)

    def __dealloc__(self):
        vm_free(self.asm.start)

    @property
    def full(self):
        """bool: whether an instruction was dropped because there was no room for it."""
        return self.asm.full != 0

    def code(self):
        """Return the bytes emitted so far."""
        return PyBytes_FromStringAndSize(<char *>self.asm.start, self.asm.at - self.asm.start)

    def window(self):
        """Return the whole window; what was never written is ``0xcc``."""
        return PyBytes_FromStringAndSize(<char *>self.asm.start, self.asm.end - self.asm.start)

    def patch(self, field, target):
        """Make the 32-bit displacement at offset `field` reach offset `target` of the window."""
        cdef size_t size = self.asm.end - self.asm.start
        cdef size_t at = within(field, 0, size - 4, "field")
        x_patch32(self.asm.start + at, self.asm.start + within(target, 0, size, "target"))

    def patch8(self, field, target):
        """Make the 8-bit displacement at offset `field` reach offset `target` of the window.

        Raises
        ------
        ConfigError
            It is more than 128 bytes before, or more than 127 behind, the end of the jump.
        """
        cdef size_t size = self.asm.end - self.asm.start
        cdef size_t at = within(field, 0, size - 1, "field")
        cdef size_t to = within(target, 0, size, "target")
        within(target - field - 1, -128, 127, "distance")
        x_patch8(self.asm.start + at, self.asm.start + to)

    def emit(self, kind, form="", *, w=0, reg=0, vvvv=0, rm=0, index=0, scale=0, disp=0, imm=0, cc=0):
        """Emit one instruction.

        Parameters
        ----------
        kind : str
            One of ``KINDS``: the name of a function of ``asm.pxd`` without its ``x_``.
        form : str
            Name of the row of `forms`, for the kinds ``"rr"`` to ``"plain"``; the others have none.
        w : int
            1 for 64-bit operands, 0 for 32 (forms of a fixed width ignore it).
        reg, vvvv, rm, index : int
            Registers, 0 to 15. `rm` is also the base of a memory operand, and `index` is never 4 (rsp).
        scale : int
            Power of two that the index is multiplied with: 0 to 3.
        disp : int
            Displacement, signed 32 bits.
        imm : int
            Immediate, signed or unsigned, of the size that the form has; for ``"mov_imm"`` 64 bits, for ``"align"`` a
            power of two up to 4096, for ``"jmp_to"`` and ``"jcc_to"`` the target's offset in the window.
        cc : int
            Condition of ``setcc``, ``cmov`` and ``jcc``: 0 to 15.

        Returns
        -------
        int
            Offset of the displacement to patch (``"jcc"``, ``"jcc8"``, ``"jmp"``, ``"jmp8"``, ``"lea_rip"``), of the
            instruction otherwise.

        Raises
        ------
        ConfigError
            A name is not known, a value is out of range, or the form has no such operands.
        """
        cdef int number = 0
        cdef int which, v
        cdef int ww = within(w, 0, 1, "w")
        cdef int r = within(reg, 0, 15, "reg")
        cdef int b = within(rm, 0, 15, "rm")
        cdef int x = within(index, 0, 15, "index")
        cdef int s = within(scale, 0, 3, "scale")
        cdef int c = within(cc, 0, 15, "cc")
        cdef int32_t d = within(disp, -0x8000_0000, 0x7FFF_FFFF, "disp")
        cdef int64_t i = 0
        cdef uint8_t *at = self.asm.at
        cdef Asm *a = &self.asm
        if kind not in _kinds:
            raise ConfigError(f"kind is {kind!r}", hint=f"Allowed are {', '.join(KINDS)}.")
        which = _kinds[kind]
        v = within(vvvv, 0, 15, "vvvv")
        if which <= PLAIN:
            if form not in _numbers:
                raise ConfigError(f"form is {form!r}", hint="See forms() for their names.")
            number = _numbers[form]
            check_form(form, number, which)
            if which in (RRI, RMI, RXI):
                i = check_imm(number, ww, imm)
        if which in (RX, RXI, JMP_X) and x == RSP:
            raise ConfigError("index is 4 (rsp)", hint="rsp cannot be an index; take another register.")
        if which == RR:
            x_rr(a, number, ww, r, b)
        elif which == RM:
            x_rm(a, number, ww, r, b, d)
        elif which == RX:
            x_rx(a, number, ww, r, b, x, s, d)
        elif which == RRI:
            x_rri(a, number, ww, r, b, i)
        elif which == RMI:
            x_rmi(a, number, ww, r, b, d, i)
        elif which == RXI:
            x_rxi(a, number, ww, r, b, x, s, d, i)
        elif which == VRR:
            x_vrr(a, number, ww, r, v, b)
        elif which == VRM:
            x_vrm(a, number, ww, r, v, b, d)
        elif which == PLAIN:
            x_plain(a, number, ww)
        elif which == PUSH:
            x_push(a, r)
        elif which == POP:
            x_pop(a, r)
        elif which == MOV_IMM:
            x_mov_imm(a, r, <uint64_t>within(imm, -(1 << 63), (1 << 64) - 1, "imm"))
        elif which == SETCC:
            x_setcc(a, c, b)
        elif which == CMOV:
            x_cmov(a, c, ww, r, b)
        elif which == CMOV_M:
            x_cmov_m(a, c, ww, r, b, d)
        elif which == JCC:
            at = x_jcc(a, c)
        elif which == JCC8:
            at = x_jcc8(a, c)
        elif which == JMP:
            at = x_jmp(a)
        elif which == JMP8:
            at = x_jmp8(a)
        elif which == JMP_TO:
            x_jmp_to(a, a.start + within(imm, 0, a.end - a.start, "imm"))
        elif which == JCC_TO:
            x_jcc_to(a, c, a.start + within(imm, 0, a.end - a.start, "imm"))
        elif which == JMP_R:
            x_jmp_r(a, b)
        elif which == JMP_M:
            x_jmp_m(a, b, d)
        elif which == JMP_X:
            x_jmp_x(a, b, x, s, d)
        elif which == CALL_R:
            x_call_r(a, b)
        elif which == CALL_M:
            x_call_m(a, b, d)
        elif which == LEA_RIP:
            at = x_lea_rip(a, r)
        else:
            if imm not in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096):
                raise ConfigError(f"imm is {imm}", hint="Code is aligned to a power of two from 1 to 4096.")
            x_align(a, imm)
        return at - a.start


def encode(form, kind, w=0, reg=0, rm=0, index=0, scale=0, disp=0, imm=0, vvvv=0):
    """Return the bytes of one instruction.

    Parameters
    ----------
    form, kind, w, reg, rm, index, scale, disp, imm, vvvv
        As for `Assembler.emit`.

    Returns
    -------
    bytes
        One to fifteen.

    Raises
    ------
    ConfigError
        A name is not known, a value is out of range, or the form has no such operands.

    Examples
    --------
    >>> encode("MOV", "rm", w=1, reg=0, rm=4, disp=16).hex()
    '488b442410'
    """
    window = Assembler(64)
    window.emit(kind, form, w=w, reg=reg, vvvv=vvvv, rm=rm, index=index, scale=scale, disp=disp, imm=imm)
    return window.code()
