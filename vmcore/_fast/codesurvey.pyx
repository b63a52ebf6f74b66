"""How scattered a machine's compiled code lies, for the fragmentation monitor, and having it moved together.

Code is placed one behind the other and never into the holes that dropped code leaves: until it is moved together, only
what lies behind the last is of use.
"""

cimport cython
from libc.stdint cimport uint64_t

from vmcore._fast.defs cimport vmcore_load64, vmcore_store32
from vmcore._fast.jit.cache cimport HOLE_SIZES, CodeCache
from vmcore._fast.jit.codebuf cimport code_generation
from vmcore._fast.run cimport Core

from vmcore._fast.memory.slabheap import Survey
from vmcore.errors import ClosedError

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define VMCORE_RUNS_MAY_BEGIN 1
    #else
    #define VMCORE_RUNS_MAY_BEGIN 0
    #endif
    """
    # Without a GIL, a run may begin while another thread looks whether there is one.
    const bint RUNS_MAY_BEGIN "VMCORE_RUNS_MAY_BEGIN"


cdef CodeCache *cache_of(Core core) except? NULL:
    # NULL: there is none, or it is that of the process which was forked from.
    cdef CodeCache *c
    if core.abandoned:
        return NULL
    if core.closed:
        raise ClosedError("the machine is closed")
    c = <CodeCache *>core.sys.cache
    return c if c != NULL and c.generation == code_generation() else NULL


def survey(Core core not None):
    """Return what is free in the memory that a machine holds for compiled code; about right while it runs.

    Returns
    -------
    Survey
        Free pieces are the blocks of code that was dropped (neighbours count apiece), and the room behind all code.

    Raises
    ------
    ClosedError
        The machine is closed.
    """
    cdef CodeCache *c
    cdef uint64_t held = 0
    cdef uint64_t used = 0
    cdef uint64_t holes = 0
    cdef uint64_t pieces[HOLE_SIZES]
    cdef int i
    # Nobody closes the machine meanwhile: the GIL sees to that, or this does. Objects are made afterwards, since making
    # one may run Python's collector, and that may close the machine.
    with cython.critical_section(core):
        c = cache_of(core)
        for i in range(HOLE_SIZES):
            pieces[i] = vmcore_load64(&c.holes[i]) if c != NULL else 0
        if c != NULL:
            held = vmcore_load64(&c.held)
            used = min(vmcore_load64(&c.live), held)
            holes = min(vmcore_load64(&c.dropped), held - used)
    room = held - used - holes
    histogram = [pieces[i] for i in range(HOLE_SIZES)]
    if room:
        histogram[room.bit_length() - 1] += 1
    return Survey(held, held - used, room, tuple(histogram))


def compact(Core core not None):
    """Have the compiled code of a machine moved together, and segments that become empty given back.

    It is done at once if the machine does not run. If it does, no hart may be inside compiled code meanwhile: it is
    done when the run comes to a hook, a device written in Python, or its next look at the host's signals, or when the
    next one begins. Parallel harts let go of all their code when they stand still next, as they do when memory for code
    is short; they have most of it from the code cache again. Without a GIL it is always the machine's own thread that
    does it.

    Raises
    ------
    ClosedError
        The machine is closed.
    """
    with cython.critical_section(core):
        if cache_of(core) == NULL:
            return
        if core.running and core.sys.parallel:
            vmcore_store32(&core.sys.code_full, 1)
            return
        vmcore_store32(&core.code_due, 1)
        if not core.running and not RUNS_MAY_BEGIN:
            core.tidy_code()
