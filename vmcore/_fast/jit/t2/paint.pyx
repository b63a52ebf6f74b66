"""Choosing registers, and choosing again."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from vmcore._fast.jit.t2.live cimport NO_REG, bit_of, in_set, put_in, take_from

cdef enum:
    MOST_ROUNDS = 8


# --- colours ----------------------------------------------------------------------------------------------------------

cdef int choose(const Colouring *c, const uint64_t *row, const float *wants, uint32_t entry, uint32_t free_set,
                uint32_t *alias) noexcept nogil:
    # Of the free registers the one that saves most: by its own wishes, by moves from and to what is coloured already;
    # less what a neighbour that still waits would have saved there.
    cdef float score[16]
    cdef float lost[16]
    cdef uint64_t word
    cdef uint32_t i, k, other, r
    cdef int best = NO_REG
    cdef float weight
    for r in range(16):
        score[r] = wants[r]
        lost[r] = 0
    while entry != NO_END:
        other = c.moves[entry >> 1].one if entry & 1 else c.moves[entry >> 1].two
        weight = c.moves[entry >> 1].weight
        if alias != NULL:
            while alias[other] != other:
                other = alias[other]
        if c.reg[other] != NO_REG:
            score[c.reg[other]] += weight
        elif alias != NULL and in_set(c.active, other):
            for r in range(16):
                score[r] += 0.5 * (weight if weight < c.wants[16 * other + r] else c.wants[16 * other + r])
        entry = c.following[entry]
    for k in range(c.words):
        word = row[k] & c.active[k] & c.choosy[k]
        while word:
            i = 64 * k + bit_of(word)
            word &= word - 1
            for r in range(16):
                if c.wants[16 * i + r] > lost[r]:
                    lost[r] = c.wants[16 * i + r]
    for r in range(16):
        if free_set >> r & 1 and (best == NO_REG or score[r] - lost[r] > score[best] - lost[best]):
            best = <int>r
    return best


cdef inline uint32_t taken_by(const Colouring *c, const uint64_t *row) noexcept nogil:
    cdef uint32_t found = 0
    cdef uint64_t word
    cdef uint32_t k
    for k in range(c.words):
        word = row[k] & c.coloured[k]
        while word:
            found |= <uint32_t>1 << c.reg[64 * k + bit_of(word)]
            word &= word - 1
    return found


cdef void select_colours(Colouring *c) noexcept nogil:
    # `active` are those that still wait, from here on. What was coalesced is coloured with what it became.
    cdef uint32_t i
    cdef const uint64_t *row
    for i in range(c.nstack):
        put_in(c.active, c.stack[i])
    while c.nstack:
        c.nstack -= 1
        i = c.stack[c.nstack]
        take_from(c.active, i)
        row = row_of(c.row, c, i)
        c.reg[i] = choose(c, row, &c.wants[16 * i], c.first[i], c.set_of & ~taken_by(c, row), c.alias)
        if c.reg[i] != NO_REG:
            put_in(c.coloured, i)
    for i in range(c.n):
        c.reg[i] = c.reg[find(c, i)]
        if c.reg[i] != NO_REG:
            put_in(c.coloured, i)


# --- once more --------------------------------------------------------------------------------------------------------

cdef int by_cost(const void *one, const void *two) noexcept nogil:
    cdef float a = (<const Ranked *>one).cost
    cdef float b = (<const Ranked *>two).cost
    if a != b:
        return 1 if a < b else -1
    return 1 if (<const Ranked *>one).rng > (<const Ranked *>two).rng else -1


cdef void stir_around(Colouring *c, uint32_t i) noexcept nogil:
    # It has lost its register: another one may have it now.
    cdef const uint64_t *row = row_of(c.clean, c, i)
    cdef uint32_t k
    for k in range(c.words):
        c.stirred[k] |= row[k]
    put_in(c.stirred, i)


cdef void give_place(Colouring *c, uint32_t i, int reg) noexcept nogil:
    # Whoever is in its way loses the register. What flows into it and out of it has more of one, too.
    cdef uint32_t entry = c.first[i]
    cdef const uint64_t *row = row_of(c.clean, c, i)
    cdef uint64_t word
    cdef uint32_t k, t
    for k in range(c.words):
        word = row[k] & c.coloured[k]
        while word:
            t = 64 * k + bit_of(word)
            word &= word - 1
            if c.reg[t] == reg:
                c.reg[t] = NO_REG
                take_from(c.coloured, t)
                stir_around(c, t)
    while entry != NO_END:
        put_in(c.stirred, c.moves[entry >> 1].one if entry & 1 else c.moves[entry >> 1].two)
        entry = c.following[entry]
    c.reg[i] = <int8_t>reg
    put_in(c.coloured, i)


cdef float cost_alone(const Colouring *c, uint32_t i, uint32_t but) noexcept nogil:
    # Of having i in a slot besides what has none of the registers now, `but` apart: what flows between the two stays
    # where it is. (Never too little by much: slots are shared along the heaviest moves first.)
    cdef float cost = c.cost[i]
    cdef uint32_t entry = c.first[i]
    cdef uint32_t other
    while entry != NO_END:
        other = c.moves[entry >> 1].one if entry & 1 else c.moves[entry >> 1].two
        if other != but and c.reg[other] == NO_REG:
            cost -= c.moves[entry >> 1].saves
        entry = c.following[entry]
    return cost


cdef bint try_again(Colouring *c, uint32_t i) noexcept nogil:
    # A free register, or one whose owners are cheaper to spill than this one.
    cdef const uint64_t *row = row_of(c.clean, c, i)
    cdef float owners[16]
    cdef uint64_t word
    cdef uint32_t k, t, r
    cdef uint32_t free_set = 0
    cdef int best = NO_REG
    cdef float cost = cost_alone(c, i, i)
    memset(owners, 0, sizeof(owners))
    for k in range(c.words):
        word = row[k] & c.coloured[k]
        while word:
            t = 64 * k + bit_of(word)
            word &= word - 1
            free_set |= <uint32_t>1 << c.reg[t]
            owners[c.reg[t]] += cost_alone(c, t, i)
    free_set = c.set_of & ~free_set
    if free_set:
        give_place(c, i, choose(c, row, &c.lv.wants[16 * (c.base + i)], c.first[i], free_set, NULL))
        return True
    for r in range(16):
        if c.set_of >> r & 1 and owners[r] < cost and (best == NO_REG or owners[r] < owners[best]):
            best = <int>r
    if best == NO_REG:
        return False
    give_place(c, i, best)
    return True


cdef void improve(Colouring *c) noexcept nogil:
    # What was coalesced and spilled comes apart: each part on its own, the dearest first. Only what had no chance
    # before and may have one now is tried again; it seldom pays for long.
    cdef uint32_t i, nspilled, rounds
    cdef bint changed = True
    memset(c.active, 0, c.words * sizeof(uint64_t))
    for i in range(c.n):
        c.first[i] = NO_END
    for i in range(c.nmoves):
        chain(c, c.moves[i].one, 2 * i)
        chain(c, c.moves[i].two, 2 * i + 1)
    rounds = 0
    memset(c.stirred, 0xFF, c.words * sizeof(uint64_t))
    while changed and rounds < MOST_ROUNDS:
        changed = False
        rounds += 1
        nspilled = 0
        for i in range(c.n):
            if c.reg[i] == NO_REG and in_set(c.stirred, i):
                c.order[nspilled].rng = i
                c.order[nspilled].cost = c.cost[i]
                nspilled += 1
        memset(c.stirred, 0, c.words * sizeof(uint64_t))
        if nspilled:
            qsort(c.order, nspilled, sizeof(Ranked), by_cost)
        for i in range(nspilled):
            if try_again(c, c.order[i].rng):
                changed = True
    c.spilled = 0
    for i in range(c.n):
        if c.reg[i] == NO_REG:
            c.spilled += c.cost[i]
    for i in range(c.nmoves):
        if c.reg[c.moves[i].one] == NO_REG and c.reg[c.moves[i].two] == NO_REG:
            c.spilled -= c.moves[i].saves
