# Reads and writes of reference fields by mutators, with the three write barriers. docs/explanation/collector.md says
# what each keeps true, and why that is enough.
#
# While no cycle marks, a store is one load, one branch that is never taken, and the store.

from libc.stdint cimport uint8_t, uint64_t

from vmcore._fast.defs cimport vmcore_likely, vmcore_unlikely
from vmcore._fast.gc.layout cimport (
    BARRIER_CARD, BARRIER_IDLE, BARRIER_INSERT, CARD_SHIFT, Mutator, Obj, gc_load32, gc_load_ptr, gc_store_ptr,
    is_marked, obj_slots, offset_of)

# Make a white object grey on behalf of a mutator. Only while its barrier is on.
cdef void shade(Mutator *m, Obj *o) noexcept nogil
# Hand the log to the markers.
cdef void log_flush(Mutator *m) noexcept nogil

cdef inline void shade_white(Mutator *m, Obj *o) noexcept nogil:
    if o != NULL and vmcore_unlikely(not is_marked(m.marks, offset_of(m.base, o))):
        shade(m, o)

cdef inline void barrier_before(Mutator *m, Obj **slot, Obj *value) noexcept nogil:
    if m.armed == BARRIER_CARD:
        return
    if m.armed != BARRIER_INSERT:
        # SATB. The value that the field had when marking began is never lost: it is shaded before it goes.
        shade_white(m, <Obj *>gc_load_ptr(slot))
        if vmcore_likely(not gc_load32(&m.grey)):
            return
    shade_white(m, value)

# field `i` of o = value (NULL empties it). o is alive, i below its number of references.
cdef inline void heap_store(Mutator *m, Obj *o, uint64_t i, Obj *value) noexcept nogil:
    cdef Obj **slot = obj_slots(o) + i
    if vmcore_unlikely(m.armed != BARRIER_IDLE):
        barrier_before(m, slot, value)
    # ORDER: release; whoever reads the reference sees the object that it was given when it was made.
    gc_store_ptr(slot, value)
    if vmcore_unlikely(m.armed == BARRIER_CARD):
        # ORDER: after the field. A collector that clears the card before this store cleans it again; one that clears it
        # afterwards sees the field.
        card_dirty(m, o)

cdef extern from *:
    """
    #define gc_store_card(p) __atomic_store_n((uint8_t *)(p), 1, __ATOMIC_RELEASE)
    """
    void gc_store_card(void *p) nogil

# The card is that of the object's first byte, so the mark bitmap says which objects a dirty card is about.
cdef inline void card_dirty(Mutator *m, Obj *o) noexcept nogil:
    gc_store_card(&m.cards[offset_of(m.base, o) >> CARD_SHIFT])

cdef inline Obj *heap_load(const Obj *o, uint64_t i) noexcept nogil:
    return <Obj *>gc_load_ptr(obj_slots(<Obj *>o) + i)
