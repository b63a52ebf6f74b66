"""Why a run ended, as a value: light enough to be made after every hundred instructions."""

from libc.stdint cimport uint64_t

cimport cython

from vmcore._fast.run cimport Core
from vmcore.errors import ClosedError


@cython.freelist(16)
cdef class Stop:
    """Why and where a run ended.

    Attributes
    ----------
    reason : StopReason
        Why.
    hart : int
        The hart that caused it.
    pc : int
        That hart's program counter: the instruction that it executes next.
    icount : int
        Instructions that all harts together have attempted since power-on.
    code : int or None
        The exit status, where the guest gave one.
    detail : str
        More about it, for people.
    """

    cdef readonly object reason
    cdef readonly uint64_t hart
    cdef readonly uint64_t pc
    cdef readonly uint64_t icount
    cdef readonly object code
    cdef readonly str detail

    def __cinit__(self, Core core not None, reason, code=None, str detail=""):
        cdef uint64_t i
        if core.closed:
            raise ClosedError("the machine is closed")
        # Parallel harts stand still from here on, so that what is counted is what was run.
        core.still_all()
        self.reason = reason
        self.code = code
        self.detail = detail
        self.hart = core.exit_hart
        self.pc = core.sys.harts[core.exit_hart].pc
        for i in range(core.nharts):
            self.icount += core.sys.harts[i].icount

    def __repr__(self):
        what = f"Stop({self.reason}"
        if self.code is not None:
            what += f", code {self.code}"
        what += f", hart {self.hart}, pc {self.pc:#x}, icount {self.icount}"
        return f"{what}, {self.detail})" if self.detail else f"{what})"
