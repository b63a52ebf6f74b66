# What was seen of a page's code, as Python says it.

from libc.stdint cimport int32_t, uint32_t

from vmcore._fast.jit.image cimport Jump

# The number of instructions of a trail, and of jumps. ConfigError: there are too many, or they are none of a page.
cdef uint32_t fill_trail(int32_t *into, trail) except? 0xFFFFFFFF
cdef uint32_t fill_jumps(Jump *into, jumps) except? 0xFFFFFFFF
