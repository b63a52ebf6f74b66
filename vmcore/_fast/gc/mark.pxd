# Marking: grey objects are scanned until none is left, by any number of workers.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.gc.layout cimport Obj, Worker

# Make an object grey and keep it with this worker. `o` is an object of the heap.
cdef void mark_push(Worker *w, Obj *o) noexcept nogil
# Scan until this and all other workers that drain have nothing left.
cdef void mark_drain(Worker *w, uint32_t workers) noexcept nogil
# Scan every marked object on a dirty card again, and clean the cards; how many were dirty. all: as if all were.
cdef uint64_t rescan_cards(Worker *w, bint all) noexcept nogil
# Objects below `n` slots become grey; slots with the low bit set are no references.
cdef void mark_slots(Worker *w, Obj **slots, uint64_t n) noexcept nogil
