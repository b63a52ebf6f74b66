# Which other pages the warm code of a page leads to by itself: what a region may be made of besides.

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

cdef enum:
    MOST_LED = 32             # that are told apart

# One of them, and the nearest instruction that leads there.
cdef struct Led:
    int32_t to                # from the start of the page that leads there
    uint32_t distance         # of that instruction from where the hart was

# One for each page, the nearest first; how many there are.
cdef uint32_t led_to(const uint8_t *page, const uint8_t *warm, uint64_t isa, uint32_t here, Led *led) noexcept nogil
