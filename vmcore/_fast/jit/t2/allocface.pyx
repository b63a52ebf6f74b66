"""What tests and people see of allocation."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.hart.clock cimport vmcore_monotonic_ns
from vmcore._fast.jit.t2.alloc cimport allocate, allocation_free, allocation_init
from vmcore._fast.jit.t2.check cimport Misplaced, check_allocation
from vmcore._fast.jit.t2.ir cimport Graph, count_uses, graph_free, graph_init
from vmcore._fast.jit.t2.places cimport AT_HOME, AT_NONE, AT_SLOT, AT_XMM, BY_COLOURING, BY_LINEAR_SCAN, Allocation
from vmcore._fast.jit.t2.select cimport select_nodes
from vmcore._fast.jit.t2.text cimport graph_text, read_graph
from vmcore._fast.jit.t2.verify cimport Fault, verify
from vmcore.errors import ConfigError

cdef dict WAYS = {"colouring": BY_COLOURING, "linear": BY_LINEAR_SCAN}
cdef tuple GPRS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
                   "r14", "r15")


cdef str place_name(uint32_t at):
    if at < AT_XMM:
        return GPRS[at]
    if at < AT_SLOT:
        return f"xmm{at - AT_XMM}"
    if at == AT_HOME:
        return "home"
    return "none" if at == AT_NONE else f"slot{at - AT_SLOT}"


cdef int place_of(str name) except -1:
    for at in (*range(AT_SLOT + 64), AT_HOME, AT_NONE):
        if place_name(at) == name:
            return at
    raise ConfigError(f"{name!r} is no place", hint="A register, xmm0 to xmm15, slot0 to slot63, home or none")


cdef class Allocated:
    """The graph that a text says, after selection, and a place for each of its values.

    Parameters
    ----------
    text : str
        A graph in the text form. Its nodes and blocks are numbered as they are read.
    way : str
        ``colouring`` or ``linear``.

    Raises
    ------
    ConfigError
        The text is no graph, the graph is not well formed, or the way is none.
    MemoryError
        There is no memory, or more slots are needed than there are.
    """

    cdef Graph g
    cdef Allocation al
    cdef uint64_t ns

    def __cinit__(self, str text, str way="colouring"):
        cdef Fault fault
        cdef uint32_t how
        cdef uint64_t began
        memset(&self.g, 0, sizeof(Graph))
        allocation_init(&self.al)
        if way not in WAYS:
            raise ConfigError(f"{way!r} is no way to allocate", hint="colouring or linear")
        how = WAYS[way]
        if graph_init(&self.g) < 0:
            raise MemoryError("no memory for a graph")
        read_graph(&self.g, text)
        if not verify(&self.g, &fault):
            raise ConfigError(f"v{fault.node}, b{fault.block}: {fault.what.decode()}", hint="Write a well-formed graph")
        with nogil:
            count_uses(&self.g)
            select_nodes(&self.g)
            began = vmcore_monotonic_ns()
            allocate(&self.g, &self.al, how)
            self.ns = vmcore_monotonic_ns() - began
        if self.al.failed:
            raise MemoryError("more slots are needed than there are, or there is no memory")

    def __dealloc__(self):
        graph_free(&self.g)
        allocation_free(&self.al)

    @property
    def text(self) -> str:
        """str: The graph after selection."""
        return graph_text(&self.g, False)

    @property
    def places(self) -> dict:
        """dict of int to str: The place of each node that has one."""
        return {node: place_name(self.al.at[node]) for node in range(1, self.g.nnodes) if self.al.at[node] != AT_NONE}

    @property
    def figures(self) -> dict:
        """dict: What allocation says of itself (places.pxd), and the nanoseconds that it took."""
        return {
            "slots": self.al.nslots, "spilled": self.al.spilled, "spill_weight": self.al.spill_weight,
            "copies": self.al.copies, "coalesced": self.al.coalesced, "copy_weight": self.al.copy_weight,
            "ranges": self.al.ranges, "pressure": self.al.pressure, "ns": self.ns,
            "way": "linear" if self.al.how == BY_LINEAR_SCAN else "colouring",
        }

    def put(self, uint32_t node, str place) -> None:
        """Put a node elsewhere, right or wrong.

        Raises
        ------
        ConfigError
            There is no such node or place.
        """
        if not 0 < node < self.g.nnodes:
            raise ConfigError(f"there is no node {node}", hint=f"They go from 1 to {self.g.nnodes - 1}")
        self.al.at[node] = place_of(place)

    def check(self):
        """Follow every place through the region.

        Returns
        -------
        None or tuple of (str, int, int, int)
            What is wrong first, and the block, the node that reads (0: the block's end) and what it reads; None if
            nothing is.
        """
        cdef Misplaced found
        if check_allocation(&self.g, &self.al, &found):
            return None
        return found.what.decode(), found.block, found.node, found.read
