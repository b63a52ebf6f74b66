# The passes over a region's graph, by number, and the order in which a compiler runs them.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.jit.t2.ir cimport Graph

cdef extern from *:
    """
    /* What is asserted about calls is worked out whether it is looked at or not. */
    #ifdef VMCORE_DEBUG
    #define VMCORE_CHECKED 1
    #else
    #define VMCORE_CHECKED 0
    #endif
    """
    const bint CHECKED "VMCORE_CHECKED"

cdef enum:
    PASS_FOLD = 0
    PASS_DEAD
    PASS_CONSTANTS
    PASS_GVN
    PASS_BITS
    PASS_SHARE
    PASS_HOIST
    PASS_PAIR
    PASS_UNROLL
    PASS_FORWARD
    PASS_STRENGTH
    PASS_SINK
    PASS_LOOSEN
    PASS_TAKEN
    PASS_CHASE
    PASS_SCHEDULE
    PASS_TALLY
    PASS_THREAD
    NUM_PASSES

# The rewrite that used up a graph's fuel.
cdef struct Spent:
    uint64_t rewrite          # which one of its step, from 1; 0: there is fuel left
    uint32_t step             # of optimise(), from 1; 0: it was made when the graph was

# Run one.
cdef void run_pass(Graph *g, uint32_t number) noexcept nogil
# How many steps optimise() has, and the pass of one of them.
cdef uint32_t num_steps() noexcept nogil
cdef uint32_t step_pass(uint32_t step) noexcept nogil
# The name of a step, from 1; for 0 "lift".
cdef const char *step_name(uint32_t step) noexcept nogil
# Run all of them in order; in debug builds the graph is verified after each.
cdef void optimise(Graph *g, Spent *spent) noexcept nogil
