"""What was seen of a page's code, as Python says it: checked, since compiled code believes it."""

from libc.stdint cimport int32_t, uint32_t

from vmcore._fast.jit.image cimport MOST_JUMPS, Jump
from vmcore._fast.jit.t2.trail cimport TRAIL
from vmcore._fast.jit.t2.ways cimport PAGE_END

from vmcore.errors import ConfigError


cdef uint32_t fill_trail(int32_t *into, trail) except? 0xFFFFFFFF:
    cdef uint32_t n = 0
    for at in trail:
        if n == TRAIL:
            raise ConfigError(f"more than {<int>TRAIL} instructions were executed", hint="Leave out the first ones")
        into[n] = at
        n += 1
    return n


cdef uint32_t fill_jumps(Jump *into, jumps) except? 0xFFFFFFFF:
    cdef uint32_t n = 0
    for at, to, times in jumps:
        if n == MOST_JUMPS:
            raise ConfigError(f"more than {<int>MOST_JUMPS} jumps were seen", hint="Leave out those seen least")
        if not (0 <= at < PAGE_END and 0 <= to < PAGE_END) or (at | to) & 1 or not 0 < times <= 0xFFFF:
            raise ConfigError(f"{times} jumps from {at:#x} to {to:#x} are none within a page",
                              hint=f"Offsets are even, and at most {PAGE_END - 2:#x}")
        into[n].at = at
        into[n].to = to
        into[n].times = times
        n += 1
    return n
