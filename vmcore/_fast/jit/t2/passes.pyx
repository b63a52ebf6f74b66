"""The passes over a region's graph, and their order."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport VMCORE_ASSERT
from vmcore._fast.jit.t2.bits cimport pass_bits
from vmcore._fast.jit.t2.build cimport pass_fold
from vmcore._fast.jit.t2.chase cimport pass_chase
from vmcore._fast.jit.t2.constants cimport pass_constants
from vmcore._fast.jit.t2.dead cimport pass_dead
from vmcore._fast.jit.t2.forward cimport pass_forward
from vmcore._fast.jit.t2.gvn cimport pass_gvn
from vmcore._fast.jit.t2.hoist cimport pass_hoist
from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.loosen cimport pass_loosen
from vmcore._fast.jit.t2.pair cimport pass_pair
from vmcore._fast.jit.t2.schedule cimport pass_schedule
from vmcore._fast.jit.t2.share cimport pass_share
from vmcore._fast.jit.t2.sink cimport pass_sink
from vmcore._fast.jit.t2.strength cimport pass_strength
from vmcore._fast.jit.t2.taken cimport pass_taken
from vmcore._fast.jit.t2.tally cimport pass_tally
from vmcore._fast.jit.t2.thread cimport pass_thread
from vmcore._fast.jit.t2.unroll cimport pass_unroll
from vmcore._fast.jit.t2.verify cimport Fault, verify

ctypedef void (*pass_t)(Graph *g) noexcept nogil

cdef enum:
    MOST_STEPS = 32

cdef pass_t table[NUM_PASSES]
table[PASS_FOLD] = pass_fold
table[PASS_DEAD] = pass_dead
table[PASS_CONSTANTS] = pass_constants
table[PASS_GVN] = pass_gvn
table[PASS_BITS] = pass_bits
table[PASS_SHARE] = pass_share
table[PASS_HOIST] = pass_hoist
table[PASS_PAIR] = pass_pair
table[PASS_UNROLL] = pass_unroll
table[PASS_FORWARD] = pass_forward
table[PASS_STRENGTH] = pass_strength
table[PASS_SINK] = pass_sink
table[PASS_LOOSEN] = pass_loosen
table[PASS_TAKEN] = pass_taken
table[PASS_CHASE] = pass_chase
table[PASS_SCHEDULE] = pass_schedule
table[PASS_TALLY] = pass_tally
table[PASS_THREAD] = pass_thread

#: Their names, by number.
PASSES = ("fold", "dead", "constants", "gvn", "bits", "share", "hoist", "pair", "unroll", "forward", "strength",
          "sink", "loosen", "taken", "chase", "schedule", "tally", "thread")

# The same for those without the GIL; the bytes live as long as the module.
_ENCODED = tuple([_name.encode() for _name in (*PASSES, "lift")])
cdef const char *names[NUM_PASSES + 1]
for _number in range(NUM_PASSES + 1):
    names[<uint32_t>_number] = <const char *>_ENCODED[_number]

#: The names in the order in which a region goes through them. What is folded and numbered first lets states be told
#: apart, which tells more of what is carried around, and makes loops small enough to be unrolled; then addresses of
#: neighbouring rounds are told apart, look-ups shared, what is stored handed on, and what does not change moved out,
#: which lets more of them be shared; bits, what is unused, how much is counted and the order come last.
ORDER = (
    "fold", "constants", "gvn", "bits", "dead", "thread", "loosen", "dead", "unroll", "fold", "taken", "constants",
    "gvn", "dead", "share", "forward", "hoist", "share", "strength", "gvn", "pair", "chase", "bits", "sink", "dead",
    "tally", "schedule",
)

cdef uint8_t steps[MOST_STEPS]
cdef uint32_t nsteps = 0
for _name in ORDER:
    steps[nsteps] = <uint8_t>PASSES.index(_name)
    nsteps += 1


cdef void run_pass(Graph *g, uint32_t number) noexcept nogil:
    VMCORE_ASSERT(number < NUM_PASSES)
    table[number](g)


cdef uint32_t num_steps() noexcept nogil:
    return nsteps


cdef uint32_t step_pass(uint32_t step) noexcept nogil:
    return steps[step]


cdef const char *step_name(uint32_t step) noexcept nogil:
    VMCORE_ASSERT(step <= nsteps)
    return names[steps[step - 1] if step else NUM_PASSES]


cdef bint is_well_formed(Graph *g) noexcept nogil:
    cdef Fault fault
    return verify(g, &fault)


cdef void optimise(Graph *g, Spent *spent) noexcept nogil:
    cdef uint32_t i
    cdef uint64_t before
    spent.rewrite = g.burnt if g.burnt == g.fuel else 0
    spent.step = 0
    for i in range(nsteps):
        if g.failed:
            return
        before = g.burnt
        run_pass(g, steps[i])
        if CHECKED and not g.failed:
            VMCORE_ASSERT(is_well_formed(g))
        if g.burnt == g.fuel and g.burnt != before:
            spent.rewrite = g.burnt - before
            spent.step = i + 1
