# A graph that Python holds.

from vmcore._fast.jit.t2.ir cimport Graph

cdef class Region:
    cdef Graph g
