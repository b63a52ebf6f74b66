# Persistent page trees: what a machine's memory was, as nodes of the managed heap that trees share.
#
# A node has 64 references: to nodes, or, at the lowest level, to pages. A reference that is empty stands for zeroes, be
# it one page or a subtree. Nodes and pages never change once they are in a tree.

from libc.stdint cimport uint8_t, uint64_t

from vmcore._fast.gc.heap cimport HeapBase
from vmcore._fast.gc.layout cimport Mutator, Obj, pthread_mutex_t
from vmcore._fast.gc.pagetable cimport PageTable

cdef enum:
    FAN_BITS = 6
    FAN = 64

# Pages that a tree is made from: ascending indexes, and where their bytes are.
cdef struct Pages:
    uint64_t count
    uint64_t room
    uint64_t *index
    const uint8_t **bytes

# Builds trees and compares them. Any thread; one at a time is served. Its mutator is parked between calls.
cdef class TreeStore:
    cdef readonly HeapBase heap
    cdef Mutator *m
    cdef PageTable table
    cdef pthread_mutex_t lock
    cdef bint ready
    cdef bint open
    cdef int enter(self) except -1
    cdef void leave(self) noexcept nogil
    cdef object make(self, Obj *root, uint64_t npages, const Pages *pages)
