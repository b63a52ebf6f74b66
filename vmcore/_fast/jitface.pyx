"""Compiled code from Python: blocks that are only looked at, and machines whose code is put under stress."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.hart.codepage cimport get_page
from vmcore._fast.hart.state cimport CODE_UNIT, CodeBundle, CodePage, Hart
from vmcore._fast.jit.block cimport (
    END_INDIRECT, END_JUMP, END_LIMIT, END_NEXT, END_PAGE, END_PAGES, END_PROBE, END_REGION, END_T0)
from vmcore._fast.jit.cache cimport STRESS_LEAST, CodeCache, PageBlocks, cache_limit, cache_start
from vmcore._fast.jit.convention cimport (
    HOST_OF, STUB_CLEAN, STUB_FP, STUB_LOST, STUB_MISS, STUB_NEXT, STUB_NEXT_RAX, STUB_OP, STUB_STEP, at_budget,
    at_dctx_key, at_exit_pc, at_f, at_fp_live, at_fs, at_l1, at_l1_tag, at_n_hits, at_n_lookups, at_page_base,
    at_res_addr, at_res_ctx, at_res_size, at_stub, at_x)
from vmcore._fast.jit.image cimport REPLACED, Compiled
from vmcore._fast.jit.stress cimport stress_install
from vmcore._fast.memory.ram cimport find_bank
from vmcore._fast.run cimport Core
from vmcore.errors import ClosedError, ConfigError, MemoryAccessError, VmError

#: Why a block ends where it does, by the number that the compiler gives.
ENDS = {
    END_JUMP: "jump", END_INDIRECT: "indirect", END_PAGE: "page", END_LIMIT: "limit", END_NEXT: "next",
    END_PROBE: "probe", END_T0: "t0", END_REGION: "region", END_PAGES: "region",
}


cdef CodeCache *cache_of(Core core) except NULL:
    if core.closed:
        raise ClosedError("the machine is closed")
    if core.sys.cache == NULL:
        raise VmError("this machine compiles nothing", hint="Make it with tier='t1' on a host that vmcore compiles for")
    if not cache_start(core.sys):
        raise MemoryError("no memory for compiled code")
    return <CodeCache *>core.sys.cache


def stress(Core core, *, stop=False, poll_every=0, flush_every=0, forget_every=0, region_every=0, miss_every=0,
           evict=False, limit=None):
    """Make what is rare in compiled code common, which no guest may notice. For tests.

    Parameters
    ----------
    core : Core
        A machine that compiles.
    stop : bool
        End the run with ``EXITS["stop"]`` wherever compiled code was left, in an exact state.
    poll_every : int
        Each n-th time that code is entered, its first poll leaves it; 1: code is left behind every block.
    flush_every : int
        Each n-th time that code is entered, the TLB is empty.
    forget_every : int
        Each n-th time that code is left, the table of compiled code is emptied.
    region_every : int
        Each n-th time that code is left a region is compiled there, if there is one. The tier is ``"t2"``.
    miss_every : int
        Each n-th miss of the TLB is T0's to serve.
    evict : bool
        An entry that a miss made goes at the next miss.
    limit : int, optional
        Bytes of machine code that the machine may keep, at least 8 KiB.

    Raises
    ------
    VmError
        When the machine compiles nothing.
    """
    cdef CodeCache *c = cache_of(core)
    if limit is not None and limit < STRESS_LEAST:
        raise ConfigError(f"limit={limit!r}: at least {<int>STRESS_LEAST} bytes")
    c.stress.stop = bool(stop)
    c.stress.poll_every = poll_every
    c.stress.flush_every = flush_every
    c.stress.forget_every = forget_every
    c.stress.region_every = region_every
    c.stress.miss_every = miss_every
    c.stress.evict = bool(evict)
    stress_install(core.sys)
    if limit is not None:
        cache_limit(core.sys, limit)


cdef CodeBundle *bundle_at(Core core, Hart *hart, uint64_t gpa) except NULL:
    cdef CodePage *page
    if find_bank(&core.sys.mem, gpa) == NULL or gpa & 1:
        raise MemoryAccessError(f"no instruction begins at physical address {gpa:#x}: it is odd or no RAM")
    page = get_page(hart, gpa & ~<uint64_t>4095)
    if page == NULL:
        raise MemoryError("no memory for decoded code")
    return page.bundle


def compile_at(Core core, uint64_t gpa, index=0):
    """Compile the block that begins at a physical address, as a hart in its present state would.

    Parameters
    ----------
    core : Core
        A machine that compiles.
    gpa : int
        Where the block begins.
    index : int
        The hart.

    Returns
    -------
    bool
        Whether :func:`blocks` has it now. False: its first instruction is T0's to execute.

    Raises
    ------
    MemoryAccessError
        When no instruction can begin there.
    VmError
        When the machine compiles nothing.
    """
    cdef Hart *hart = core.hart(index)
    cdef uint32_t code
    cache_of(core)
    core.check_idle()
    code = core.sys.compile(hart, bundle_at(core, hart, gpa), gpa & 4095)
    return code != 0


def blocks(Core core, uint64_t gpa):
    """Return what is compiled of the page at a physical address, in the order in which that was done.

    What other code has taken the place of is left out.

    Parameters
    ----------
    core : Core
        A machine that compiles.
    gpa : int
        An even address in the page.

    Returns
    -------
    list of dict
        For each block ``start``, its physical address; ``instructions``, how many it executes if no branch is taken;
        ``why`` it ends there, a value of :data:`ENDS`; ``at``, where it lies among all code, and ``code``, its bytes,
        in which jumps between blocks are displacements from there.

    Raises
    ------
    MemoryAccessError
        When no instruction can begin at `gpa`.
    VmError
        When the machine compiles nothing.
    """
    cdef Compiled *one
    cdef CodeBundle *bundle
    cdef PageBlocks *known
    cdef uint64_t at
    cdef uint32_t i
    cache_of(core)
    core.check_idle()
    bundle = bundle_at(core, core.hart(0), gpa)
    known = <PageBlocks *>bundle.blocks
    found = []
    if known != NULL:
        for i in range(known.nblocks):
            one = &known.blocks[i]
            if one.off & REPLACED:
                continue
            at = <uint64_t>CODE_UNIT * one.at
            found.append({
                "start": bundle.gpa + one.off, "instructions": one.insns, "why": ENDS[one.why], "at": at,
                "code": (<const uint8_t *>(core.sys.code_base + at))[:one.bytes],
            })
    return found


def registers():
    """Return which host register (its number) holds which integer register of the guest."""
    return {int(HOST_OF[n]): n for n in range(32) if HOST_OF[n] >= 0}


def places():
    """Return what lies where in a hart, by its distance from the base register of compiled code (rbp)."""
    cdef uint32_t n
    found = {at_x(n): f"x{n}" for n in range(32)}
    found.update({at_f(n): f"f{n}" for n in range(32)})
    found.update({at_budget(): "budget", at_page_base(): "page", at_l1_tag(): "L1 context", at_exit_pc(): "exit pc",
                  at_fp_live(): "FPU in use", at_fs(): "FS", at_res_addr(): "reserved address",
                  at_res_ctx(): "reserved context", at_res_size(): "reserved size", at_dctx_key(): "data context"})
    found.update({at_l1(): "L1 tag", at_l1() + 8: "L1 code", at_n_lookups(): "L1 look-ups", at_n_hits(): "L1 hits"})
    names = {STUB_NEXT: "to the next block", STUB_NEXT_RAX: "to the block at rax", STUB_STEP: "to T0",
             STUB_MISS: "fill the TLB", STUB_OP: "run T0's handler", STUB_FP: "take the FPU", STUB_CLEAN: "clean NaNs",
             STUB_LOST: "second way of the L1 table"}
    found.update({at_stub(n): name for n, name in names.items()})
    return found
