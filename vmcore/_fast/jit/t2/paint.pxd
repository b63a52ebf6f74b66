# The second half of colouring: registers for what simplification left on its stack, and for what it had to give up.

from libc.stdint cimport int8_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.live cimport Live, Move

cdef enum:
    NO_END = 0xFFFFFFFF

cdef struct Ranked:
    float cost
    uint32_t rng

# One class of registers. Ranges are counted from `base`, sets have `words` words.
cdef struct Colouring:
    const Live *lv
    uint32_t base
    uint32_t n
    uint32_t words
    uint32_t set_of           # registers, a bit for each
    uint32_t k                # how many of them
    uint64_t *clean           # who interferes with whom, as it was found: a row of words for each
    float *cost               # of spilling each
    # From here on changed by colouring.
    uint64_t *row             # the same, with what was coalesced: alias[] stands for both
    uint64_t *active          # neither on the stack nor coalesced
    uint64_t *heavy           # active, with at least k active neighbours
    uint64_t *edge            # active, with k of them
    uint64_t *related         # active, with moves that wait
    uint64_t *stirred         # what changed so that a move of it may be possible now; in improve(), a register for it
    uint64_t *coloured
    uint64_t *choosy          # those that would like some register more than others
    uint32_t *degree          # active neighbours
    uint32_t *alias
    uint32_t *stack
    uint32_t nstack
    float *cost_of            # with what was coalesced
    float *wants
    uint32_t *waiting         # moves of it that wait
    float *pull               # their weight
    uint32_t *first           # moves of each, a list of 2 * move + end
    uint32_t *last
    uint32_t *following       # of 2 * move + end
    Move *moves               # the heaviest first
    uint8_t *state
    uint32_t nmoves
    uint64_t *looked          # moves that are to be looked at, a bit for each
    int8_t *reg
    Ranked *order
    Ranked *heap              # who is worth least: see give_up_one()
    uint32_t nheap
    uint32_t metric
    float spilled             # cost of what has no register

cdef inline uint64_t *row_of(uint64_t *rows, const Colouring *c, uint32_t i) noexcept nogil:
    return rows + <size_t>i * c.words

# A move's end at the end of the list of range i.
cdef inline void chain(Colouring *c, uint32_t i, uint32_t entry) noexcept nogil:
    c.following[entry] = NO_END
    if c.first[i] == NO_END:
        c.first[i] = entry
    else:
        c.following[c.last[i]] = entry
    c.last[i] = entry

# What it was coalesced into.
cdef inline uint32_t find(Colouring *c, uint32_t i) noexcept nogil:
    while c.alias[i] != i:
        # Paths are halved on the way.
        c.alias[i] = c.alias[c.alias[i]]
        i = c.alias[i]
    return i

# Registers for all on the stack, the last one first.
cdef void select_colours(Colouring *c) noexcept nogil
# More registers for what has none. Nothing is coalesced any more.
cdef void improve(Colouring *c) noexcept nogil
