# Where a loop's state decides which way it goes: the blocks up to there, and what the state is known to be.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from vmcore._fast.jit.t2.ir cimport MOST_BLOCKS, Edge, Graph

cdef enum:
    MOST_CHAIN = 8            # blocks
    MOST_CLONES = 12          # of a chain
    MOST_MOVED = 64           # edges that lead into copies

# A copy of the chain, for one constant.
cdef struct Clone:
    int64_t value
    uint32_t number           # its node
    float weight              # of the edges that bring it
    uint32_t edge             # that the decided branch takes
    uint32_t next_            # the block behind it, if that one is copied as well; 0: it is not
    uint32_t blocks[MOST_CHAIN + 1]
    uint32_t *now             # of each node: what it is in the copy, 0: itself

cdef struct Thread:
    Graph *g
    uint32_t chain[MOST_CHAIN]
    uint32_t state[MOST_CHAIN]    # the argument that holds the state, from this block on; 0: as in the block before
    uint32_t nchain
    uint32_t around           # header of the largest loop around it
    Clone clones[MOST_CLONES]
    uint32_t nclones
    float weight              # of all edges into the chain
    uint32_t moved[MOST_MOVED]    # block << 1 | edge
    uint32_t nmoved
    uint32_t copied           # nodes, so far
    uint32_t tries            # chains
    uint8_t inside[MOST_BLOCKS]   # what is copied

# The chain from where a state comes to, up to the branch at the end of a block that it decides. False: none does.
cdef bint find_chain(Thread *t, uint32_t block) noexcept nogil
# Go back across the place where the chain begins, along the heaviest way that brings an argument. False: there is none.
cdef bint go_further(Thread *t) noexcept nogil
# The constants that are brought there within the loop, but for those that are seldom: a copy for each.
cdef void find_clones(Thread *t) noexcept nogil
# Where each copy goes, and whether the block there is part of it.
cdef void decide(Thread *t) noexcept nogil

# The copy that an edge to the chain leads to, number + 1; 0: none. Where it comes from a copy itself, `within` is the
# number of that one, as well, and the first `blocks` of its blocks have been passed.
cdef uint32_t clone_of(const Thread *t, const Edge *edge, uint32_t within, uint32_t blocks) noexcept nogil
# Is it what holds the state, in the first `blocks` blocks of the chain?
cdef bint is_state(const Thread *t, uint32_t node, uint32_t blocks) noexcept nogil
# Nodes that are something to execute, of a block and of the chain.
cdef uint32_t nodes_of(const Graph *g, uint32_t block) noexcept nogil
cdef uint32_t size_of(const Thread *t) noexcept nogil
