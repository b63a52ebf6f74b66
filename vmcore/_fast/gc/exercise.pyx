"""Mutators that run without the GIL: what tests, benches and soaks drive a heap with.

Each call registers a mutator of its own, so several threads may exercise one heap.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.gc.barrier cimport heap_load, heap_store
from vmcore._fast.gc.heap cimport HeapBase, handle_new, python_enter, python_leave
from vmcore._fast.gc.layout cimport (
    BARRIER_IDLE, Mutator, Obj, gc_cpu_ns, gc_store_ptr, gc_wall_ns, is_marked, obj_payload, obj_slots, offset_of)
from vmcore._fast.gc.mutator cimport (
    heap_alloc, heap_safepoint, mutator_free, mutator_new, mutator_park, mutator_unpark, root_pop, root_push, root_set,
    root_slot)
from vmcore._fast.memory.alloc cimport vm_alloc, vm_free

from collections import namedtuple

from vmcore.errors import ClosedError, ConfigError, HeapExhausted

Mutated = namedtuple("Mutated", (
    "graph", "wrong", "reachable", "checked", "stores_while_marking", "allocs_while_marking"))
Mutated.__doc__ = """What `mutate` did.

A handle to the ``graph`` that is left, objects found ``wrong`` (lost, or another's), objects ``reachable`` in it by the
shadow copy, objects ``checked`` against that, stores and allocations while a cycle was marking."""
Churned = namedtuple("Churned", ("longest_stop_ns", "stops", "stalls", "stall_ns", "longest_step_ns", "cpu_ns"))
Churned.__doc__ = """What `churn` met.

The longest stop, and the number of stops, for the collector or for memory (CPU time), waits for a cycle because the
heap was full, the longest single step by the wall clock (other processes included), CPU time."""

cdef enum:
    FIELDS = 3
    HELD = 700                # more roots than one chunk has
    NONE = -1


cdef inline uint64_t draw(uint64_t *state) noexcept nogil:
    # xorshift64*
    cdef uint64_t x = state[0]
    x ^= x >> 12
    x ^= x << 25
    x ^= x >> 27
    state[0] = x
    return (x * <uint64_t>0x2545F4914F6CDD1D) >> 16


cdef Mutator *join(HeapBase heap) except NULL:
    cdef Mutator *m
    if heap.closed:
        raise ClosedError("the heap is closed")
    m = mutator_new(heap.heap)
    if m == NULL:
        raise MemoryError("no memory for a mutator")
    return m


# ---- random mutation with a shadow copy

# Object s has s and its complement as payload, and fields that shadow.field[s] says. Roots are the fields of one table
# object and a stack of held objects.
cdef struct Shadow:
    Mutator *m
    uint64_t seed
    uint32_t nodes
    uint32_t roots
    int32_t *field            # FIELDS for each node
    int32_t *root
    int32_t *free
    int32_t *stack
    uint8_t *seen
    Obj **objects
    uint64_t cycle            # the last whose marks were looked at
    uint32_t nfree
    uint32_t nheld
    uint32_t reachable
    int32_t held[HELD]
    bint plain
    uint64_t wrong
    uint64_t checked
    uint64_t stores
    uint64_t allocs


cdef inline bint is_node(Obj *o, int32_t s) noexcept nogil:
    cdef uint64_t *payload
    if o == NULL or s == NONE:
        return o == NULL and s == NONE
    payload = <uint64_t *>obj_payload(o)
    return o.header == (<uint64_t>FIELDS << 32 | 16) and payload[0] == <uint64_t>s and payload[1] == ~<uint64_t>s


# Which shadow nodes are reachable; the others are free.
cdef void shadow_collect(Shadow *w) noexcept nogil:
    cdef uint32_t depth = 0
    cdef uint32_t i
    cdef int32_t s, child
    memset(w.seen, 0, w.nodes)
    w.reachable = 0
    for i in range(w.roots + w.nheld):
        s = w.root[i] if i < w.roots else w.held[i - w.roots]
        if s != NONE and not w.seen[s]:
            w.seen[s] = 1
            w.stack[depth] = s
            depth += 1
        while depth:
            depth -= 1
            s = w.stack[depth]
            w.reachable += 1
            for child in w.field[s * FIELDS:(s + 1) * FIELDS]:
                if child != NONE and not w.seen[child]:
                    w.seen[child] = 1
                    w.stack[depth] = child
                    depth += 1
    w.nfree = 0
    for i in range(w.nodes):
        if not w.seen[i]:
            w.free[w.nfree] = <int32_t>i
            w.nfree += 1


# What is there is what should be there, and where marks are given, it has one.
cdef inline bint is_right(const Shadow *w, const uint64_t *marks, Obj *o, int32_t s) noexcept nogil:
    return is_node(o, s) and (o == NULL or marks == NULL or is_marked(marks, offset_of(w.m.base, o)))


# The real graph beside the shadow: every object is the one it should be.
cdef void compare(Shadow *w, Obj *table, const uint64_t *marks) noexcept nogil:
    cdef Obj **objects = w.objects
    cdef uint32_t depth = 0
    cdef uint32_t i, k
    cdef int32_t s
    cdef Obj *o
    memset(w.seen, 0, w.nodes)
    for i in range(w.roots + w.nheld):
        if i < w.roots:
            s = w.root[i]
            o = heap_load(table, i)
        else:
            s = w.held[i - w.roots]
            o = root_slot(w.m, w.nheld - 1 - (i - w.roots))[0]
        w.checked += 1
        if not is_right(w, marks, o, s):
            w.wrong += 1
            continue
        if s != NONE and not w.seen[s]:
            w.seen[s] = 1
            objects[depth] = o
            depth += 1
        while depth:
            depth -= 1
            o = objects[depth]
            s = <int32_t>(<uint64_t *>obj_payload(o))[0]
            for k in range(FIELDS):
                w.checked += 1
                if not is_right(w, marks, heap_load(o, k), w.field[s * FIELDS + k]):
                    w.wrong += 1
                elif w.field[s * FIELDS + k] != NONE and not w.seen[w.field[s * FIELDS + k]]:
                    w.seen[w.field[s * FIELDS + k]] = 1
                    objects[depth] = heap_load(o, k)
                    depth += 1


# When a cycle has ended for this mutator, all that it can reach is marked. What is not is lost, though still what it
# was: its memory has not been given to anybody. Called before what was allocated since is linked.
cdef inline void look_at_marks(Shadow *w, Obj *table) noexcept nogil:
    if w.cycle != w.m.cycle:
        w.cycle = w.m.cycle
        compare(w, table, w.m.heap.maps[w.cycle & 1])


# A random object that can be reached; NONE and NULL: the walk met nothing.
cdef int32_t walk(Shadow *w, Obj *table, Obj **found) noexcept nogil:
    cdef uint32_t i = <uint32_t>(draw(&w.seed) % w.roots)
    cdef uint32_t steps = <uint32_t>(draw(&w.seed) % 16)
    cdef uint32_t k
    cdef int32_t s
    cdef Obj *o
    if w.nheld and draw(&w.seed) % 4 == 0:
        i = <uint32_t>(draw(&w.seed) % w.nheld)
        s = w.held[i]
        o = root_slot(w.m, w.nheld - 1 - i)[0]
    else:
        s = w.root[i]
        o = heap_load(table, i)
    while True:
        if not is_node(o, s):
            w.wrong += 1
            o = NULL
            s = NONE
        if s == NONE or steps == 0:
            break
        steps -= 1
        k = <uint32_t>(draw(&w.seed) % FIELDS)
        if w.field[s * FIELDS + k] == NONE:
            break
        s = w.field[s * FIELDS + k]
        o = heap_load(o, k)
    found[0] = o
    return s


cdef inline void link(Shadow *w, Obj *table, Obj *at, int32_t s, Obj *value, int32_t v) noexcept nogil:
    cdef uint32_t k = <uint32_t>(draw(&w.seed) % (w.roots if s == NONE else FIELDS))
    cdef int32_t *field = &w.root[k] if s == NONE else &w.field[s * FIELDS + k]
    # Mostly into empty fields, or the graph never grows.
    if v != NONE and field[0] != NONE and draw(&w.seed) % 4:
        return
    field[0] = v
    w.stores += w.m.armed != BARRIER_IDLE
    if w.plain:
        gc_store_ptr(obj_slots(table if s == NONE else at) + k, value)
    else:
        heap_store(w.m, table if s == NONE else at, k, value)


# False: the heap is full.
cdef bint step(Shadow *w, Obj *table) noexcept nogil:
    cdef uint32_t what = <uint32_t>(draw(&w.seed) % 64)
    cdef Obj *at
    cdef Obj *o
    cdef int32_t s, v
    cdef uint32_t i
    cdef uint64_t *payload
    if what < 24:
        if w.nfree == 0:
            shadow_collect(w)
        if w.nfree == 0:
            # Everything is reachable: cut a root.
            i = <uint32_t>(draw(&w.seed) % w.roots)
            w.root[i] = NONE
            heap_store(w.m, table, i, NULL)
            return True
        w.allocs += w.m.armed != BARRIER_IDLE
        o = heap_alloc(w.m, FIELDS, 16)
        if o == NULL:
            return False
        look_at_marks(w, table)
        w.nfree -= 1
        v = w.free[w.nfree]
        payload = <uint64_t *>obj_payload(o)
        payload[0] = <uint64_t>v
        payload[1] = ~<uint64_t>v
        for i in range(FIELDS):
            w.field[v * FIELDS + i] = NONE
        s = walk(w, table, &at)
        link(w, table, at, s, o, v)
    elif what < 40:
        # A copy, or a loop.
        v = walk(w, table, &o)
        s = walk(w, table, &at)
        link(w, table, at, s, o, v)
    elif what < 48:
        # A move: the only reference goes from the heap to the stack, later somewhere else.
        v = walk(w, table, &o)
        if v != NONE and w.nheld < HELD and root_push(w.m, o) == 0:
            w.held[w.nheld] = v
            w.nheld += 1
            s = walk(w, table, &at)
            link(w, table, at, s, NULL, NONE)
    elif what < 56:
        if w.nheld:
            i = <uint32_t>(1 + draw(&w.seed) % (w.nheld if draw(&w.seed) % 64 == 0 else 1))
            o = root_slot(w.m, 0)[0]
            v = w.held[w.nheld - 1]
            s = walk(w, table, &at)
            link(w, table, at, s, o, v)
            root_pop(w.m, i)
            w.nheld -= i
    elif what < 62:
        if w.nheld:
            i = <uint32_t>(draw(&w.seed) % w.nheld)
            v = walk(w, table, &o)
            if v != NONE:
                root_set(w.m, w.nheld - 1 - i, o)
                w.held[i] = v
    else:
        s = walk(w, table, &at)
        link(w, table, at, s, NULL, NONE)
    return True


# Whether it ran to its end.
cdef bint mutate_steps(Shadow *w, uint64_t steps, uint64_t check_every, Obj ***kept) noexcept nogil:
    cdef uint64_t i
    cdef uint32_t k
    cdef Mutator *python
    cdef Obj *table
    cdef bint fine
    w.objects = <Obj **>vm_alloc(<uint64_t>w.nodes * sizeof(Obj *))
    fine = w.objects != NULL
    w.cycle = w.m.cycle
    for k in range(w.roots):
        w.root[k] = NONE
    shadow_collect(w)
    table = heap_alloc(w.m, w.roots, 0)
    fine = fine and table != NULL and root_push(w.m, table) == 0
    if fine:
        for i in range(steps):
            if not step(w, table):
                fine = False
                break
            heap_safepoint(w.m)
            look_at_marks(w, table)
            if i % check_every == check_every - 1:
                compare(w, table, NULL)
            # To go on would give the memory of what is lost to others, while markers still come to it.
            if w.wrong:
                break
        compare(w, table, NULL)
        root_pop(w.m, w.nheld)
        w.nheld = 0
        shadow_collect(w)
        # Parked: whoever holds Python's mutator may wait for a cycle.
        mutator_park(w.m)
        python = python_enter(w.m.heap)
        if python != NULL:
            kept[0] = handle_new(python, table)
            python_leave(python)
        mutator_unpark(w.m)
    vm_free(w.objects)
    return fine and kept[0] != NULL


def mutate(HeapBase heap not None, steps, seed=1, nodes=10_000, roots=64, check_every=100_000, barrier=True):
    """Mutate a random graph, compare it with a shadow copy, and keep what can be reached.

    It ends early when an object is wrong: was not marked by a cycle that has ended, or is not what it was.

    Parameters
    ----------
    heap : HeapBase
        Where the objects live.
    steps : int
        Allocations, copies, moves, cuts.
    seed : int
        Of the random numbers.
    nodes, roots : int
        Objects alive at most, and fields of the table that they hang on.
    check_every : int
        Steps between comparisons of the whole graph.
    barrier : bool
        False: fields are written without any barrier, which loses objects. It shows that the comparison finds that.

    Returns
    -------
    Mutated

    Raises
    ------
    HeapExhausted
        The heap is full.
    """
    cdef Shadow w
    cdef uint64_t count = steps
    cdef uint64_t every = check_every
    cdef int32_t *memory
    cdef Obj **kept = NULL
    cdef bint fine
    if not 1 <= nodes <= 1 << 26 or not 1 <= roots <= 1 << 20 or check_every < 1:
        raise ConfigError(f"nodes={nodes!r}, roots={roots!r}, check_every={check_every!r}: out of range")
    memset(&w, 0, sizeof(w))
    w.seed = seed * 2 + 1
    w.plain = not barrier
    w.nodes = nodes
    w.roots = roots
    memory = <int32_t *>vm_alloc((<uint64_t>w.nodes * (FIELDS + 3) + w.roots) * sizeof(int32_t))
    if memory == NULL:
        raise MemoryError(f"no memory for a shadow of {nodes} nodes")
    w.field = memory
    w.free = w.field + <uint64_t>w.nodes * FIELDS
    w.stack = w.free + w.nodes
    w.root = w.stack + w.nodes
    w.seen = <uint8_t *>(w.root + w.roots)
    try:
        w.m = join(heap)
        with nogil:
            fine = mutate_steps(&w, count, every, &kept)
            mutator_free(w.m)
    finally:
        vm_free(memory)
    if not fine:
        raise HeapExhausted(f"no room for {nodes} nodes in a heap of {heap.limit} bytes")
    return Mutated(heap.wrap(kept), w.wrong, w.reachable, w.checked, w.stores, w.allocs)


# ---- churn

cdef struct Stops:
    uint64_t longest_ns
    uint64_t stops
    uint64_t stalls
    uint64_t stall_ns


def churn(HeapBase heap not None, objects, live=10_000, roots=0, seed=1):
    """Allocate `objects` objects of 32 bytes, of which the last `live` are kept, each linked to two others.

    `roots` more references lie on the mutator's root stack all the time.

    Returns
    -------
    Churned
    """
    cdef Mutator *m
    cdef uint64_t count = objects
    cdef uint64_t keep = live
    cdef uint64_t more = roots
    cdef uint64_t state = seed * 2 + 1
    cdef uint64_t i, before, now
    cdef uint64_t longest = 0
    cdef uint64_t began
    cdef bint fine = True
    cdef Stops figures
    cdef Obj *table
    cdef Obj *o
    cdef Obj *old
    if not 1 <= live < 1 << 24:
        raise ConfigError(f"live={live!r}: 1 to 16777215")
    m = join(heap)
    with nogil:
        began = gc_cpu_ns()
        table = heap_alloc(m, keep, 0)
        fine = table != NULL and root_push(m, table) == 0
        i = 0
        while fine and i < more:
            fine = root_push(m, table) == 0
            i += 1
        before = gc_wall_ns()
        i = 0
        while fine and i < count:
            o = heap_alloc(m, 2, 8)
            if o == NULL:
                fine = False
                break
            heap_store(m, o, 0, heap_load(table, draw(&state) % keep))
            heap_store(m, o, 1, heap_load(table, draw(&state) % keep))
            # What is replaced lets go of what it referred to, or everything would hang together forever.
            old = heap_load(table, i % keep)
            if old != NULL:
                heap_store(m, old, 0, NULL)
                heap_store(m, old, 1, NULL)
            heap_store(m, table, i % keep, o)
            heap_safepoint(m)
            now = gc_wall_ns()
            if now - before > longest:
                longest = now - before
            before = now
            i += 1
        figures.longest_ns = m.longest_ns
        figures.stops = m.stops
        figures.stalls = m.stalls
        figures.stall_ns = m.stall_ns
        began = gc_cpu_ns() - began
        mutator_free(m)
    if not fine:
        raise HeapExhausted(f"no room for {live} live objects in a heap of {heap.limit} bytes")
    return Churned(figures.longest_ns, figures.stops, figures.stalls, figures.stall_ns, longest, began)


# ---- the cost of a barrier

cdef inline uint64_t work(uint64_t x, uint64_t rounds) noexcept nogil:
    cdef uint64_t _i
    for _i in range(rounds):
        x = x * <uint64_t>6364136223846793005 + <uint64_t>1442695040888963407
    return x


def store_loop(HeapBase heap not None, stores, rounds, barrier, objects=4096):
    """Store `stores` references among `objects` objects; return the CPU nanoseconds that it took.

    Before each store, `rounds` multiplications that wait for each other are done. `barrier` false: the stores are plain
    ones, everything else is the same. (All the objects are reachable all the time, so nothing is lost.)
    """
    cdef Mutator *m
    cdef uint64_t count = stores
    cdef uint64_t busy = rounds
    cdef uint64_t mask = 1
    cdef uint64_t i, _i, began, x
    cdef bint checked = barrier
    cdef bint fine
    cdef Obj *table
    cdef Obj *o
    if not 2 <= objects <= 1 << 20:
        raise ConfigError(f"objects={objects!r}: 2 to 1048576")
    while mask * 2 <= <uint64_t>objects:
        mask *= 2
    m = join(heap)
    with nogil:
        table = heap_alloc(m, mask, 0)
        fine = table != NULL and root_push(m, table) == 0
        i = 0
        while fine and i < mask:
            o = heap_alloc(m, 2, 8)
            fine = o != NULL
            if fine:
                heap_store(m, table, i, o)
            i += 1
        mask -= 1
        x = 1
        began = gc_cpu_ns()
        if fine and checked:
            for _i in range(count):
                x = work(x, busy)
                heap_store(m, heap_load(table, (x >> 20) & mask), 0, heap_load(table, (x >> 40) & mask))
                heap_safepoint(m)
        elif fine:
            for _i in range(count):
                x = work(x, busy)
                gc_store_ptr(obj_slots(heap_load(table, (x >> 20) & mask)), heap_load(table, (x >> 40) & mask))
                heap_safepoint(m)
        began = gc_cpu_ns() - began
        mutator_free(m)
    if not fine:
        raise HeapExhausted(f"no room for {objects} objects in a heap of {heap.limit} bytes")
    return began


# ---- a large graph

def graph(HeapBase heap not None, n, seed=1, links=True):
    """Return a handle to the root of a binary tree of `n` objects of 32 bytes.

    `links`: each has a reference to a random other besides.
    """
    cdef Mutator *m
    cdef Mutator *python = NULL
    cdef uint64_t count = n
    cdef uint64_t state = seed * 2 + 1
    cdef uint64_t i
    cdef bint linked = links
    cdef Obj **nodes
    cdef Obj **slot = NULL
    cdef Obj *o
    if not 1 <= n <= 1 << 28:
        raise ConfigError(f"n={n!r}: 1 to 268435456")
    nodes = <Obj **>vm_alloc(count * sizeof(Obj *))
    if nodes == NULL:
        raise MemoryError(f"no memory for a list of {n} objects")
    try:
        m = join(heap)
        with nogil:
            i = 0
            while i < count:
                o = heap_alloc(m, FIELDS, 0)
                if o == NULL or (i == 0 and root_push(m, o) < 0):
                    break
                nodes[i] = o
                if i:
                    # Reachable from its first moment on, so the list needs no roots.
                    heap_store(m, nodes[(i - 1) // 2], (i - 1) % 2, o)
                    if linked:
                        heap_store(m, o, 2, nodes[draw(&state) % i])
                i += 1
            if i == count:
                mutator_park(m)
                python = python_enter(heap.heap)
                if python != NULL:
                    slot = handle_new(python, nodes[0])
                    python_leave(python)
                mutator_unpark(m)
            mutator_free(m)
    finally:
        vm_free(nodes)
    if slot == NULL:
        raise HeapExhausted(f"no room for {n} objects in a heap of {heap.limit} bytes")
    return heap.wrap(slot)
