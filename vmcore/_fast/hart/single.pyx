"""Run one handler on given operands, without a machine: how the tests look at an instruction's arithmetic."""

from libc.stdint cimport uint64_t
from libc.string cimport memset

from vmcore._fast.defs cimport VMCORE_SWITCH_LOOP
from vmcore._fast.hart.handlers cimport find_handler
from vmcore._fast.hart.state cimport Hart, Op, handler_t
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

from vmcore._fast.hart.handlers import names

cdef enum:
    RD = 3
    RS1 = 1
    RS2 = 2
    DONE = 1
    ILLEGAL = 2

cdef void h_done(Op *op, Hart *hart) noexcept nogil:
    hart.exit_reason = DONE


cdef void h_illegal(Op *op, Hart *hart) noexcept nogil:
    hart.exit_reason = ILLEGAL


def execute(str name, rs1=0, rs2=0, *, imm=None, int bs=0):
    """Return what the instruction leaves in its destination.

    Parameters
    ----------
    name : str
        The mnemonic a handler is registered under; the handler uses integer registers only and touches no memory.
    rs1, rs2 : int
        The operands' values, taken modulo 2**64.
    imm : int, optional
        The immediate, for an instruction that has one; without it the second operand is `rs2`.
    bs : int, default 0
        The byte select of ``sm4ed`` and ``sm4ks``.

    Returns
    -------
    int or None
        The value of rd, or None when the instruction is illegal and left rd alone.

    Raises
    ------
    KeyError
        If no handler has this name.
    """
    if name not in names:
        raise KeyError(f"no handler is registered as {name!r}")
    cdef handler_t fn = find_handler(name)
    cdef Op ops[2]
    cdef Hart *hart = <Hart *>vm_calloc(1, sizeof(Hart))
    if hart == NULL:
        raise MemoryError("no memory for a hart")
    try:
        memset(ops, 0, sizeof(ops))
        ops[0].fn = fn
        ops[0].rd = RD
        ops[0].rs1 = RS1
        ops[0].imm = (RS2 | bs << 8) if imm is None else imm
        ops[1].fn = h_done
        hart.go_illegal = h_illegal
        hart.x[RS1] = rs1 & 0xFFFFFFFFFFFFFFFF
        hart.x[RS2] = rs2 & 0xFFFFFFFFFFFFFFFF
        hart.x[RD] = <uint64_t>0xA5A5A5A5A5A5A5A5
        fn(&ops[0], hart)
        if VMCORE_SWITCH_LOOP:
            hart.loop_fn(hart.loop_op, hart)
        if hart.exit_reason == DONE:
            return hart.x[RD]
        if hart.x[RD] != <uint64_t>0xA5A5A5A5A5A5A5A5:
            raise AssertionError(f"{name} is illegal and yet wrote its destination")
        return None
    finally:
        vm_free(hart)
