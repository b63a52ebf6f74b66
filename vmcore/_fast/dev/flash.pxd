# One bank of CFI flash. Under the lock of bus.pxd.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.dev.bus cimport CompiledDevice

cdef enum:
    FLASH_SECTOR_BITS = 18
    FLASH_SECTOR = 1 << FLASH_SECTOR_BITS
    FLASH_MAX_SECTORS = 256
    FLASH_BUFFER = 4096       # two chips of 2 KiB

cdef struct FlashState:
    uint8_t *bytes            # `size` bytes; a blank sector's are not there yet and read as 0xFF
    uint64_t size
    uint8_t mode              # what reads return
    uint8_t expect            # what the next write is
    uint8_t status
    uint8_t read_only
    uint32_t left             # data writes of a buffered program still to come
    uint64_t buffer_at        # where the buffer goes; all ones before its first data
    uint8_t buffer[FLASH_BUFFER]
    uint8_t blank[FLASH_MAX_SECTORS]
    int fd                    # the file behind it, or -1
    uint64_t write_errors
    # Counts what may change what reads return, for whoever keeps a translation or decoded code of these bytes.
    uint32_t changes

# The bytes at `off` as plain memory, `n` of them, or NULL while reads are no array reads or the sector is blank. Good
# until `changes` moves.
cdef const uint8_t *flash_bytes(const FlashState *s, uint64_t off, uint64_t n) noexcept nogil

cdef class Flash(CompiledDevice):
    cdef FlashState st
    cdef object crc
    cdef void fill(self, uint64_t off, const uint8_t[::1] chunk)
    cdef int fail(self) except -1
