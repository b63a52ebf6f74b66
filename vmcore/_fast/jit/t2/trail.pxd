# What a hart executed for a short while, and how often it went which way in a region.

from libc.stdint cimport int32_t, uint32_t

from vmcore._fast.jit.t2.region cimport Region

cdef enum:
    TRAIL = 512               # instructions

# Addresses (ways.pxd) of instructions, in the order in which they were executed; NO_ADDRESS where there is none.
cdef struct Trail:
    uint32_t n
    int32_t at[TRAIL]

# Count how often each way of a region's places was gone: Way.times. After form_region(); without a trail all are 0.
cdef void count_ways(Region *r) noexcept nogil

# How many of the trail's instructions a region has, in its own code or in what it calls. After form_region().
cdef uint32_t count_trodden(const Region *r) noexcept nogil
