# Loads and stores that missed the TLB.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport vmcore_lock, vmcore_unlock
from vmcore._fast.hart.state cimport Hart, Op
from vmcore._fast.memory.ram cimport Region

# The registers of a compiled device. With parallel harts, one at a time is in there.
cdef inline uint64_t region_read(Hart *hart, Region *region, uint64_t off, uint32_t size) noexcept nogil:
    cdef uint64_t value
    if not hart.sys.parallel:
        return region.read(region.dev, off, size)
    vmcore_lock(&hart.sys.clock.lock)
    value = region.read(region.dev, off, size)
    vmcore_unlock(&hart.sys.clock.lock)
    return value

cdef inline void region_write(Hart *hart, Region *region, uint64_t off, uint32_t size, uint64_t value) noexcept nogil:
    if not hart.sys.parallel:
        region.write(region.dev, off, size, value)
        return
    vmcore_lock(&hart.sys.clock.lock)
    region.write(region.dev, off, size, value)
    vmcore_unlock(&hart.sys.clock.lock)

cdef enum:
    ACCESS_REDO = 0           # an entry was made: run the operation again
    ACCESS_SHOT = 1           # an entry was lent: run the copy in hart.scratch[4]
    ACCESS_TRAP = 2           # hart.trap_cause, trap_tval
    ACCESS_LEAVE = 3          # a Python device must be asked first: hart.exit_reason

cdef int resolve(Hart *hart, Op *op) noexcept nogil

# The same for compiled code: ACCESS_REDO, or ACCESS_LEAVE where more than a TLB entry is needed.
cdef int fill(Hart *hart) noexcept nogil

cdef enum:
    SHOT_DONE = 0
    SHOT_ATTENTION = 1        # interrupts or deadlines may have changed
    SHOT_LEAVE = 2            # hart.exit_reason; the instruction is complete

# Take the lent entry back and carry out what the bounce buffer holds.
cdef int finish_shot(Hart *hart) noexcept nogil

# cbo.zero, and the permission of the other cache-block operations: 0, or a trap in hart.trap_*.
cdef int zero_block(Hart *hart, Op *op) noexcept nogil
cdef int check_block(Hart *hart, Op *op) noexcept nogil
