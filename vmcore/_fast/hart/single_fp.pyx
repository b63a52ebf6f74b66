"""Run one floating-point handler on given registers, without a machine: how the tests see what it does to a hart."""

from libc.stdint cimport int32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.defs cimport VMCORE_SWITCH_LOOP
from vmcore._fast.hart.fpregs cimport fpu_enter, fpu_leave
from vmcore._fast.hart.handlers cimport find_handler
from vmcore._fast.hart.state cimport Hart, Op
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

from vmcore._fast.hart.handlers import names

cdef enum:
    FD = 9
    XD = 10
    DONE = 1
    ILLEGAL = 2
    MAX_STEPS = 4
    # What the destinations hold before: neither a boxed number nor a likely result.
    OLD = 0x5A5A5A5A5A5A5A5A


cdef void h_done(Op *op, Hart *hart) noexcept nogil:
    hart.exit_reason = DONE


cdef void h_illegal(Op *op, Hart *hart) noexcept nogil:
    hart.exit_reason = ILLEGAL


cdef void run(Op *ops, Hart *hart) noexcept nogil:
    cdef int _step
    cdef uint64_t saved = fpu_enter()
    ops[0].fn(ops, hart)
    if VMCORE_SWITCH_LOOP:
        for _step in range(MAX_STEPS):
            if hart.exit_reason:
                break
            hart.loop_fn(hart.loop_op, hart)
    fpu_leave(saved)


def execute(str name, f=(0, 0, 0), *, x=0, int rm=0, int frm=0, int fflags=0, int fs=1, bint to_x=False, index=None):
    """Return what an instruction leaves behind.

    Parameters
    ----------
    name : str
        The mnemonic a handler is registered under.
    f : sequence of 3 int
        The floating-point sources fs1, fs2 and fs3, as the registers hold them.
    x : int
        The integer source, for an instruction that reads an x register.
    rm, frm, fflags, fs : int
        The instruction's rounding mode, the two fields of fcsr, and mstatus.FS, beforehand.
    to_x : bool, default False
        Whether the destination is an x register.
    index : int, optional
        What stands in the place of rs1 when that is no register (``fli``).

    Returns
    -------
    tuple of (int, int, int) or None
        The destination register, fflags and mstatus.FS afterwards; None when the instruction is illegal.

    Raises
    ------
    KeyError
        If no handler has this name.
    AssertionError
        If the handler ran on, or if it is illegal and changed something nevertheless.
    """
    if name not in names:
        raise KeyError(f"no handler is registered as {name!r}")
    cdef Op ops[2]
    cdef Hart *hart = <Hart *>vm_calloc(1, sizeof(Hart))
    if hart == NULL:
        raise MemoryError("no memory for a hart")
    try:
        memset(ops, 0, sizeof(ops))
        ops[0].fn = find_handler(name)
        ops[0].rd = XD if to_x else FD
        # The integer source is x1 and the floating-point ones are f1, f2 and f3: no handler reads both.
        ops[0].rs1 = 1 if index is None else index
        ops[0].imm = <int32_t>(2 | 3 << 8 | rm << 16)
        ops[1].fn = h_done
        hart.go_illegal = h_illegal
        hart.f[1], hart.f[2], hart.f[3] = f
        hart.x[1] = x
        hart.f[FD] = OLD
        hart.x[XD] = OLD
        hart.frm = frm
        hart.fflags = fflags
        hart.fs = fs
        with nogil:
            run(ops, hart)
        if hart.exit_reason == DONE:
            if (hart.f[FD] if to_x else hart.x[XD]) != OLD:
                raise AssertionError(f"{name} wrote a register that is not its destination")
            return (hart.x[XD] if to_x else hart.f[FD]), hart.fflags, hart.fs
        changed = hart.f[FD] != OLD or hart.x[XD] != OLD or hart.fflags != <uint64_t>fflags or hart.fs != fs
        if hart.exit_reason != ILLEGAL or changed:
            raise AssertionError(f"{name} is illegal and yet changed the hart")
        return None
    finally:
        vm_free(hart)
