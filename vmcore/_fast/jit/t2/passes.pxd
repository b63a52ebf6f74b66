# The passes over a region's graph, by number, and the order in which a compiler runs them.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.ir cimport Graph

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
    NUM_PASSES

# Run one.
cdef void run_pass(Graph *g, uint32_t number) noexcept nogil
# How many steps optimise() has, and the pass of one of them.
cdef uint32_t num_steps() noexcept nogil
cdef uint32_t step_pass(uint32_t step) noexcept nogil
# Run all of them in order.
cdef void optimise(Graph *g) noexcept nogil
