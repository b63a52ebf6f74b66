"""CFI flash: one bank, two 16-bit chips side by side, Intel's extended command set."""

import os
import stat
import zlib

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from posix.mman cimport (
    MADV_DONTNEED, MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE, madvise, mmap, munmap,
)
from posix.types cimport off_t
from posix.unistd cimport close, pwrite

from vmcore._fast.dev.bus cimport CompiledDevice
from vmcore._fast.dev.declared import checked, data, uint, uints
from vmcore.errors import DeviceError

cdef extern from *:
    uint32_t ctz64 "__builtin_ctzll"(unsigned long long x) nogil

cdef enum:
    # Modes: what reads return.
    READ_ARRAY = 0
    READ_STATUS = 1
    READ_ID = 2
    READ_QUERY = 3
    # Expectations: what the next write is.
    EXPECT_COMMAND = 0
    EXPECT_WORD = 1
    EXPECT_ERASE_CONFIRM = 2
    EXPECT_LOCK_CONFIRM = 3
    EXPECT_COUNT = 4
    EXPECT_BUFFER = 5
    EXPECT_BUFFER_CONFIRM = 6
    # Status bits.
    READY = 0x80
    ERASE_ERROR = 0x20
    PROGRAM_ERROR = 0x10
    LOCKED = 0x02
    SEQUENCE_ERROR = ERASE_ERROR | PROGRAM_ERROR
    CHIPS = 2
    QUERY_SIZE = 0x40

cdef uint64_t NOWHERE = <uint64_t>-1

# CFI query table (JESD68.01, and Intel's PRI 1.0 at 0x31), as a chip of 16 MiB answers; query() adds the geometry.
cdef uint8_t QUERY[QUERY_SIZE]


cdef void fill_query():
    memset(QUERY, 0, QUERY_SIZE)
    for at, part in (
        (0x10, b"QRY"),
        (0x13, b"\x01\x00"),          # command set: Intel extended
        (0x15, b"\x31\x00"),          # where PRI is
        (0x1B, b"\x45\x55"),          # 4.5 to 5.5 V
        (0x1F, b"\x07\x07\x0A\x00"),  # typical times: word 2^7 us, buffer 2^7 us, block 2^10 ms, no chip erase
        (0x23, b"\x04\x04\x04\x00"),  # longest: 2^4 times those
        (0x28, b"\x02\x00"),          # x8/x16
        (0x2A, b"\x0B\x00"),          # buffer of 2^11 bytes
        (0x2C, b"\x01"),              # all blocks of one size
        (0x31, b"PRI10"),
        (0x3F, b"\x01"),
    ):
        for i, byte in enumerate(part):
            QUERY[at + i] = byte


fill_query()


cdef uint8_t query(const FlashState *s, uint64_t index) noexcept nogil:
    cdef uint64_t blocks = s.size >> FLASH_SECTOR_BITS
    if index >= QUERY_SIZE:
        return 0
    if index == 0x27:
        return ctz64(s.size / CHIPS)
    if index == 0x2D:
        return (blocks - 1) & 0xFF
    if index == 0x30:
        # A block of one chip, in units of 256 bytes: the upper byte.
        return FLASH_SECTOR / CHIPS / 256 >> 8
    return QUERY[index]


cdef uint32_t answer(const FlashState *s, uint64_t off) noexcept nogil:
    """Return what the bus carries for the word at `off` in a mode other than the array: each chip says the same."""
    cdef uint32_t value = s.status
    if s.mode == READ_ID:
        # Intel, 16 MiB; the other words (locks) are 0: unlocked.
        value = 0x89 if off & 0xFC == 0 else 0x18 if off & 0xFC == 4 else 0
    elif s.mode == READ_QUERY:
        value = query(s, off >> 2)
    return value | value << 16


cdef const uint8_t *flash_bytes(const FlashState *s, uint64_t off, uint64_t n) noexcept nogil:
    if s.mode != READ_ARRAY or off >= s.size or n == 0 or n > s.size - off:
        return NULL
    if s.blank[off >> FLASH_SECTOR_BITS] or s.blank[(off + n - 1) >> FLASH_SECTOR_BITS]:
        return NULL
    return s.bytes + off


cdef uint64_t mmio_read(void *dev, uint64_t off, uint32_t size) noexcept nogil:
    cdef FlashState *s = <FlashState *>dev
    cdef uint64_t value = 0
    cdef uint32_t i
    if s.mode == READ_ARRAY:
        for i in range(size):
            if s.blank[(off + i) >> FLASH_SECTOR_BITS]:
                value |= <uint64_t>0xFF << (8 * i)
            else:
                value |= <uint64_t>s.bytes[off + i] << (8 * i)
        return value
    for i in range(size):
        value |= <uint64_t>((answer(s, off + i) >> (8 * ((off + i) & 3))) & 0xFF) << (8 * i)
    return value


cdef bint write_through(FlashState *s, uint64_t off, uint64_t n) noexcept nogil:
    """Put bytes into the file behind the flash; a failure is counted and shows in the status."""
    cdef uint64_t done = 0
    cdef Py_ssize_t got
    if s.fd < 0:
        return True
    while done < n:
        got = pwrite(s.fd, s.bytes + off + done, n - done, <off_t>(off + done))
        if got <= 0:
            s.write_errors += 1
            return False
        done += <uint64_t>got
    return True


cdef void materialise(FlashState *s, uint64_t sector) noexcept nogil:
    if s.blank[sector]:
        memset(s.bytes + (sector << FLASH_SECTOR_BITS), 0xFF, FLASH_SECTOR)
        s.blank[sector] = 0


cdef void program(FlashState *s, uint64_t off, const uint8_t *src, uint32_t n) noexcept nogil:
    """Program `n` bytes inside one sector: bits go from 1 to 0 and never back."""
    cdef uint32_t i
    if s.read_only:
        s.status |= PROGRAM_ERROR | LOCKED
        return
    materialise(s, off >> FLASH_SECTOR_BITS)
    for i in range(n):
        s.bytes[off + i] &= src[i]
    if not write_through(s, off, n):
        s.status |= PROGRAM_ERROR


cdef void erase(FlashState *s, uint64_t sector) noexcept nogil:
    cdef uint64_t at = sector << FLASH_SECTOR_BITS
    if s.read_only:
        s.status |= ERASE_ERROR | LOCKED
        return
    if s.fd >= 0:
        memset(s.bytes + at, 0xFF, FLASH_SECTOR)
        if not write_through(s, at, FLASH_SECTOR):
            s.status |= ERASE_ERROR
    # The sector's memory goes back to the host; blank reads as erased.
    madvise(s.bytes + at, FLASH_SECTOR, MADV_DONTNEED)
    s.blank[sector] = 1


cdef void end(FlashState *s, uint8_t error) noexcept nogil:
    """A command is over, well or with these error bits; reads return the status."""
    s.status |= error
    s.mode = READ_STATUS
    s.expect = EXPECT_COMMAND


cdef void command(FlashState *s, uint8_t c) noexcept nogil:
    s.mode = READ_STATUS
    if c == 0x10 or c == 0x40:
        s.expect = EXPECT_WORD
    elif c == 0x20 or c == 0x28:
        s.expect = EXPECT_ERASE_CONFIRM
    elif c == 0x60:
        s.expect = EXPECT_LOCK_CONFIRM
    elif c == 0xE8:
        s.expect = EXPECT_COUNT
    elif c == 0x50:
        s.status = READY
    elif c == 0x90:
        s.mode = READ_ID
    elif c == 0x98:
        s.mode = READ_QUERY
    elif c != 0x70:
        # 0xFF is the command for this; others are unknown and end here as well.
        s.mode = READ_ARRAY


cdef void begin_buffer(FlashState *s, uint32_t count) noexcept nogil:
    """The count is the number of data writes less one; each brings a word to both chips."""
    if count >= FLASH_BUFFER / 4:
        end(s, SEQUENCE_ERROR)
        return
    # Bytes that the guest does not write stay as they are: programming ones changes nothing.
    memset(s.buffer, 0xFF, FLASH_BUFFER)
    s.buffer_at = NOWHERE
    s.left = count + 1
    s.expect = EXPECT_BUFFER


cdef void buffer_data(FlashState *s, uint64_t off, const uint8_t *src, uint32_t size) noexcept nogil:
    cdef uint64_t window = off - off % FLASH_BUFFER
    if s.buffer_at == NOWHERE:
        s.buffer_at = window
    if window != s.buffer_at or size > FLASH_BUFFER - off % FLASH_BUFFER:
        end(s, SEQUENCE_ERROR)
        return
    memcpy(s.buffer + off % FLASH_BUFFER, src, size)
    s.left -= 1
    if s.left == 0:
        s.expect = EXPECT_BUFFER_CONFIRM


cdef void put_word(FlashState *s, uint64_t off, const uint8_t *src, uint32_t size) noexcept nogil:
    cdef uint32_t first = size
    if (off >> FLASH_SECTOR_BITS) != ((off + size - 1) >> FLASH_SECTOR_BITS):
        first = FLASH_SECTOR - <uint32_t>(off % FLASH_SECTOR)
        program(s, off + first, src + first, size - first)
    program(s, off, src, first)
    end(s, 0)


cdef void write_cycle(FlashState *s, uint64_t off, uint32_t size, uint64_t value) noexcept nogil:
    cdef uint8_t c = <uint8_t>value
    cdef uint8_t src[4]
    cdef uint32_t i
    for i in range(size):
        src[i] = <uint8_t>(value >> (8 * i))
    s.changes += 1
    if s.expect == EXPECT_COMMAND:
        command(s, c)
    elif s.expect == EXPECT_WORD:
        put_word(s, off, src, size)
    elif s.expect == EXPECT_COUNT:
        begin_buffer(s, <uint32_t>value & 0xFFFF)
    elif s.expect == EXPECT_BUFFER:
        buffer_data(s, off, src, size)
    elif s.expect == EXPECT_ERASE_CONFIRM and c == 0xD0:
        erase(s, off >> FLASH_SECTOR_BITS)
        end(s, 0)
    elif s.expect == EXPECT_BUFFER_CONFIRM and c == 0xD0:
        program(s, s.buffer_at, s.buffer, FLASH_BUFFER)
        end(s, 0)
    elif s.expect == EXPECT_LOCK_CONFIRM and (c == 0x01 or c == 0xD0 or c == 0x2F):
        # There are no block locks to change; a driver that sets or clears one is told that all is well.
        end(s, 0)
    elif c == 0xFF:
        end(s, 0)
        s.mode = READ_ARRAY
    else:
        end(s, SEQUENCE_ERROR)


cdef void mmio_write(void *dev, uint64_t off, uint32_t size, uint64_t value) noexcept nogil:
    cdef FlashState *s = <FlashState *>dev
    if size == 8:
        # The bus has 32 bits.
        write_cycle(s, off, 4, value & 0xFFFFFFFFu)
        write_cycle(s, off + 4, 4, value >> 32)
    else:
        write_cycle(s, off, size, value)


cdef class Flash(CompiledDevice):
    """One bank of CFI flash: two 16-bit chips on a 32-bit bus, sectors of 256 KiB, command set 0x0001.

    Programming turns ones into zeros, erasing a sector makes it all ones, and both take no time. Memory is used only
    for sectors that hold something.

    Parameters
    ----------
    contents : bytes-like or path, optional
        What the flash holds; the rest is erased. Bytes are copied. A path is a file, which the guest's writes change
        unless `read_only`.
    read_only : bool, default False
        Refuse to program and erase, with the status of a locked block.
    size : int, default 32 MiB
        A power of two from 512 KiB to 64 MiB.

    Raises
    ------
    DeviceError
        A size that is not allowed, contents that do not fit, a file that cannot be opened, or a writable file whose
        size is not the flash's.
    """

    def __cinit__(self, contents=None, *, read_only=False, size=32 << 20):
        cdef void *memory
        self.st.fd = -1
        fits = type(size) is int and 2 * FLASH_SECTOR <= size <= FLASH_MAX_SECTORS * FLASH_SECTOR
        if not fits or size & (size - 1):
            raise DeviceError(f"a flash of {size!r} bytes: allowed are powers of two from 512 KiB to 64 MiB")
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        if memory == MAP_FAILED:
            raise MemoryError(f"no address space for a flash of {size} bytes")
        self.st.bytes = <uint8_t *>memory
        self.st.size = size
        self.st.status = READY
        self.st.read_only = bool(read_only)
        self.st.buffer_at = NOWHERE
        memset(self.st.blank, 1, FLASH_MAX_SECTORS)
        self.mmio_read = mmio_read
        self.mmio_write = mmio_write
        self.dev = &self.st
        self.size = size
        if isinstance(contents, (str, os.PathLike)):
            self._open(os.fspath(contents))
        elif contents is not None:
            view = memoryview(contents).cast("B")
            if len(view) > size:
                raise DeviceError(f"{len(view)} bytes do not fit into a flash of {size}", hint="Give at most that many")
            for at in range(0, len(view), FLASH_SECTOR):
                self.fill(at, view[at : at + FLASH_SECTOR])

    def _open(self, path):
        """Read a file into the flash and keep it open when the guest may change it."""
        size = self.st.size
        try:
            fd = os.open(path, (os.O_RDONLY if self.st.read_only else os.O_RDWR) | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceError(f"cannot open the flash file {path}: {error.strerror}") from error
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                raise DeviceError(f"the flash file {path} is no regular file")
            if info.st_size > size or (info.st_size != size and not self.st.read_only):
                raise DeviceError(
                    f"the flash file {path} has {info.st_size} bytes, the flash {size}",
                    hint=f"Make it that size (truncate -s {size} FILE), or give its bytes instead of its path",
                )
            for at in range(0, info.st_size, FLASH_SECTOR):
                self.fill(at, os.pread(fd, FLASH_SECTOR, at))
        except OSError as error:
            os.close(fd)
            raise DeviceError(f"cannot read the flash file {path}: {error.strerror}") from error
        except DeviceError:
            os.close(fd)
            raise
        if self.st.read_only:
            os.close(fd)
        else:
            self.st.fd = fd

    cdef void fill(self, uint64_t off, const uint8_t[::1] chunk):
        """Set the beginning of a sector; a chunk of ones leaves it blank."""
        cdef Py_ssize_t i
        for i in range(chunk.shape[0]):
            if chunk[i] != 0xFF:
                materialise(&self.st, off >> FLASH_SECTOR_BITS)
                memcpy(self.st.bytes + off, &chunk[0], chunk.shape[0])
                return

    def __dealloc__(self):
        if self.st.fd >= 0:
            close(self.st.fd)
        if self.st.bytes != NULL:
            munmap(self.st.bytes, self.st.size)

    @property
    def read_only(self):
        """bool: the guest cannot change the contents."""
        return bool(self.st.read_only)

    @property
    def write_errors(self):
        """int: writes to the file behind the flash that failed (the guest saw an error status)."""
        return self.st.write_errors

    def contents(self, uint64_t offset=0, length=None):
        """Return what the flash holds, whatever mode it is in.

        Raises
        ------
        DeviceError
            The range is outside of the flash.
        """
        if length is None:
            length = self.st.size - offset if offset <= self.st.size else 0
        if offset > self.st.size or not 0 <= length <= self.st.size - offset:
            raise DeviceError(f"{length} bytes at {offset:#x} are outside of a flash of {self.st.size:#x} bytes")
        parts = []
        stop = offset + length
        while offset < stop:
            n = min(stop, (offset // FLASH_SECTOR + 1) * FLASH_SECTOR) - offset
            if self.st.blank[offset >> FLASH_SECTOR_BITS]:
                parts.append(b"\xff" * n)
            else:
                parts.append((<const char *>self.st.bytes)[offset : offset + n])
            offset += n
        return b"".join(parts)

    def reset(self):
        """Return the command interface to its state after power-on; the contents stay."""
        self.st.mode = READ_ARRAY
        self.st.expect = EXPECT_COMMAND
        self.st.status = READY
        self.st.left = 0
        self.st.buffer_at = NOWHERE
        self.st.changes += 1

    def _filled(self):
        """Return the numbers of the sectors that are not blank."""
        return [i for i in range(self.st.size >> FLASH_SECTOR_BITS) if not self.st.blank[i]]

    def _checksum(self):
        """Return a checksum of contents that cannot change, computed once."""
        if self.crc is None:
            crc = 0
            for i in self._filled():
                crc = zlib.crc32(self.contents(i * FLASH_SECTOR, FLASH_SECTOR), crc ^ i)
            self.crc = crc
        return self.crc

    def save(self):
        """Return the whole state. Of a read-only flash it holds a checksum instead of the contents."""
        sectors = [] if self.st.read_only else self._filled()
        busy = self.st.expect in (EXPECT_BUFFER, EXPECT_BUFFER_CONFIRM)
        return {
            "mode": self.st.mode,
            "expect": self.st.expect,
            "status": self.st.status,
            "left": self.st.left if busy else 0,
            "buffer_at": self.st.buffer_at if busy else NOWHERE,
            "buffer": (<const char *>self.st.buffer)[:FLASH_BUFFER] if busy else b"",
            "checksum": self._checksum() if self.st.read_only else 0,
            "sectors": sectors,
            "contents": b"".join([self.contents(i * FLASH_SECTOR, FLASH_SECTOR) for i in sectors]),
        }

    def load(self, state):
        """Take the state that :meth:`save` returned; a file behind a writable flash is written as well."""
        cdef const uint8_t[::1] view
        count = self.st.size >> FLASH_SECTOR_BITS
        good = checked(
            "Flash",
            state,
            {
                "mode": uint(READ_QUERY),
                "expect": uint(EXPECT_BUFFER_CONFIRM),
                "status": uint(0xFF),
                "left": uint(FLASH_BUFFER / 4),
                "buffer_at": uint(2**64 - 1),
                "buffer": data(FLASH_BUFFER),
                "checksum": uint(2**32 - 1),
                "sectors": uints(count, count - 1, fewer=True),
                "contents": data(self.st.size),
            },
        )
        sectors, left, at = good["sectors"], good["left"], good["buffer_at"]
        busy = good["expect"] in (EXPECT_BUFFER, EXPECT_BUFFER_CONFIRM)
        # A buffer's place is known from its first data write on.
        placed = (at < self.st.size and at % FLASH_BUFFER == 0) or (busy and left > 0 and at == NOWHERE)
        if (
            sectors != sorted(set(sectors))
            or len(good["contents"]) != len(sectors) * FLASH_SECTOR
            or len(good["buffer"]) != (FLASH_BUFFER if busy else 0)
            or (left > 0) != (good["expect"] == EXPECT_BUFFER)
            or (not placed if busy else at != NOWHERE)
        ):
            self.fail()
        if self.st.read_only and (sectors or good["checksum"] != self._checksum()):
            raise DeviceError(
                "the state of a Flash belongs to other read-only contents",
                hint="Build the flash with the contents that it had when the state was saved",
            )
        self.st.mode = good["mode"]
        self.st.expect = good["expect"]
        self.st.status = good["status"]
        self.st.left = left
        self.st.buffer_at = at
        self.st.changes += 1
        if busy:
            memcpy(self.st.buffer, <const char *>(<bytes>good["buffer"]), FLASH_BUFFER)
        if self.st.read_only:
            return
        for i in range(count):
            if not self.st.blank[i] and i not in sectors:
                erase(&self.st, i)
        whole = memoryview(good["contents"])
        for n, i in enumerate(sectors):
            view = whole[n * FLASH_SECTOR : (n + 1) * FLASH_SECTOR]
            self.st.blank[<uint64_t>i] = 0
            memcpy(self.st.bytes + <uint64_t>i * FLASH_SECTOR, &view[0], FLASH_SECTOR)
            write_through(&self.st, <uint64_t>i * FLASH_SECTOR, FLASH_SECTOR)

    cdef int fail(self) except -1:
        raise DeviceError(
            "the state of a Flash contradicts itself",
            hint="Load what save() of a Flash of the same size returned",
        )
