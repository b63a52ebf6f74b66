"""The process's memory for machine code: how it was got, how much is used, and a segment to experiment with."""

from libc.errno cimport ENOMEM, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport getenv
from libc.string cimport memcpy, memset, strcmp
from posix.mman cimport munmap

from vmcore._fast.defs cimport VMCORE_ASSERT, vmcore_load32, vmcore_load64, vmcore_store32, vmcore_store64

import os
from collections import namedtuple

from vmcore.errors import ClosedError, ConfigError, VmError

cdef extern from "jit/codebuf.h" nogil:
    enum:
        VMCORE_CODE_OK, VMCORE_CODE_CREATE, VMCORE_CODE_RESIZE, VMCORE_CODE_MAP_WRITE, VMCORE_CODE_MAP_EXEC
        VMCORE_CODE_MPROTECT, VMCORE_CODE_COMMIT, VMCORE_CODE_RAN_WRONG, VMCORE_CODE_FAULTED, VMCORE_CODE_NO_BACK_END
        VMCORE_CODE_FILE_LIMIT, VMCORE_CODE_BACK_END
    int vmcore_code_memfd()
    int vmcore_code_file(const char *folder)
    void vmcore_code_close(int fd)
    int vmcore_code_map_file(int fd, size_t size, uint8_t **exec_base, uint8_t **write_base)
    int vmcore_code_map_anonymous(size_t size, uint8_t **exec_base, uint8_t **write_base)
    uint64_t vmcore_code_file_limit()
    int vmcore_code_commit(uint8_t *write_base, size_t size)
    void vmcore_code_release(uint8_t *write_base, size_t size, bint is_private)
    int vmcore_code_writable(uint8_t *at, size_t size, bint writable)
    void vmcore_code_write_stub(uint8_t *at, uint32_t value)
    int vmcore_code_try(uint8_t *exec_base, uint32_t expected)
    void vmcore_code_lock()
    void vmcore_code_unlock()

cdef extern from "pthread.h" nogil:
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil,
                       void (*child)() noexcept nogil)

cdef enum:
    PAGE = 4096
    SMALLEST_RANGE = 4 << 20

# All of it is guarded by vmcore_code_lock; the first three are also read without, by atomic loads.
cdef struct Store:
    uint32_t opened           # 0: no method was tried yet; else the CodeMethod, plus 1
    uint32_t generation
    int64_t delta             # write_base - exec_base
    CodeMethod method
    size_t size
    uint8_t *exec_base
    uint8_t *write_base
    uint32_t in_use
    uint32_t peak
    uint64_t used[CODE_SEGMENTS >> 6]
    # Why a method does not work: the step, and errno.
    int failed[CODE_METHODS]
    int error[CODE_METHODS]

# What VMCORE_CODE_MEMORY says: CODE_METHODS for nothing, -1 for a word that is none of ours.
cdef int forced = CODE_METHODS
cdef bint environment_was_read = False
cdef Store store
store.generation = 1

cdef const char **NAMES = ["none", "memfd", "shm", "file", "mprotect"]


cdef void read_environment() noexcept nogil:
    global forced, environment_was_read
    cdef const char *value
    cdef int i
    if environment_was_read:
        return
    environment_was_read = True
    value = getenv(b"VMCORE_CODE_MEMORY")
    if value == NULL or value[0] == 0:
        return
    forced = -1
    for i in range(CODE_METHODS):
        if strcmp(value, NAMES[i]) == 0:
            forced = i


# --- opening ----------------------------------------------------------------------------------------------------------

cdef int map_range(CodeMethod method, const char *folder) noexcept nogil:
    """Map as much as the process may have, from CODE_RANGE downwards; return the step that failed, or 0."""
    cdef size_t size = CODE_RANGE
    cdef uint64_t limit
    cdef int fd = -1
    cdef int step
    if method != CODE_MPROTECT:
        limit = vmcore_code_file_limit()
        if limit < size:
            size = <size_t>limit & ~<size_t>(CODE_SEGMENT_SIZE - 1)
        if size == 0:
            return VMCORE_CODE_FILE_LIMIT
        fd = vmcore_code_memfd() if method == CODE_MEMFD else vmcore_code_file(folder)
        if fd < 0:
            return VMCORE_CODE_CREATE
    while True:
        if method == CODE_MPROTECT:
            step = vmcore_code_map_anonymous(size, &store.exec_base, &store.write_base)
        else:
            step = vmcore_code_map_file(fd, size, &store.exec_base, &store.write_base)
        # Only a limit on addresses is a reason to ask for less.
        if step == VMCORE_CODE_OK or errno != ENOMEM or size < 2 * SMALLEST_RANGE:
            break
        size = (size // 2) & ~<size_t>(CODE_SEGMENT_SIZE - 1)
    store.size = size
    if fd >= 0:
        vmcore_code_close(fd)
    return step


cdef void unmap_range() noexcept nogil:
    munmap(store.exec_base, store.size)
    if store.write_base != store.exec_base:
        munmap(store.write_base, store.size)


cdef int run_stubs(CodeMethod method) noexcept nogil:
    """Write code and run it, twice: the second time what was run before has changed."""
    cdef uint32_t value
    cdef int step
    for value in range(0x7663_0001, 0x7663_0003):
        if method == CODE_MPROTECT:
            if vmcore_code_writable(store.exec_base, PAGE, True):
                return VMCORE_CODE_MPROTECT
        elif vmcore_code_commit(store.write_base, PAGE):
            return VMCORE_CODE_COMMIT
        vmcore_code_write_stub(store.write_base, value)
        if method == CODE_MPROTECT and vmcore_code_writable(store.exec_base, PAGE, False):
            return VMCORE_CODE_MPROTECT
        step = vmcore_code_try(store.exec_base, value)
        if step != VMCORE_CODE_OK:
            return step
    vmcore_code_release(store.write_base, PAGE, method == CODE_MPROTECT)
    return VMCORE_CODE_OK


cdef int try_folder(CodeMethod method, const char *folder) noexcept nogil:
    cdef int step = map_range(method, folder)
    if step != VMCORE_CODE_OK:
        return step
    step = run_stubs(method)
    if step != VMCORE_CODE_OK:
        unmap_range()
    return step


cdef int try_method(CodeMethod method) noexcept nogil:
    """Return the step that failed, or 0; of several folders the last one's."""
    cdef const char *chosen = getenv(b"TMPDIR")
    if method == CODE_SHM:
        return try_folder(method, b"/dev/shm")
    if method != CODE_FILE:
        return try_folder(method, NULL)
    # Any of them may be full, read-only or mounted so that nothing can be run.
    if chosen != NULL and chosen[0] != 0 and try_folder(method, chosen) == VMCORE_CODE_OK:
        return VMCORE_CODE_OK
    if try_folder(method, b"/tmp") == VMCORE_CODE_OK:
        return VMCORE_CODE_OK
    return try_folder(method, b"/var/tmp")


cdef void open_store() noexcept nogil:
    """Take the first method that works. The lock is held."""
    cdef int method
    read_environment()
    store.method = CODE_NONE
    for method in range(CODE_METHODS):
        store.failed[method] = VMCORE_CODE_OK
        store.error[method] = 0
    for method in range(CODE_MEMFD, CODE_METHODS):
        if forced != CODE_METHODS and forced != method:
            continue
        if not VMCORE_CODE_BACK_END:
            store.failed[method] = VMCORE_CODE_NO_BACK_END
            continue
        store.failed[method] = try_method(<CodeMethod>method)
        store.error[method] = errno
        if store.failed[method] == VMCORE_CODE_OK:
            store.method = <CodeMethod>method
            break
    if store.method == CODE_NONE:
        store.size = 0
        store.exec_base = NULL
        store.write_base = NULL
    vmcore_store64(&store.delta, <uint64_t>(store.write_base - store.exec_base))
    # ORDER: the distance of the views is written before this release store says that there are any.
    vmcore_store32(&store.opened, <uint32_t>store.method + 1)


cdef CodeMethod code_method() noexcept nogil:
    cdef uint32_t opened = vmcore_load32(&store.opened)
    if not opened:
        vmcore_code_lock()
        if not store.opened:
            open_store()
        opened = store.opened
        vmcore_code_unlock()
    return <CodeMethod>(opened - 1)


# --- segments ---------------------------------------------------------------------------------------------------------

cdef int code_segment_new(CodeSegment *out) noexcept nogil:
    cdef uint32_t i = 0
    cdef uint32_t count
    if code_method() == CODE_NONE:
        return -1
    vmcore_code_lock()
    count = <uint32_t>(store.size // CODE_SEGMENT_SIZE)
    # The lowest free one, so that code stays close together.
    while i < count and store.used[i >> 6] >> (i & 63) & 1:
        i += 1
    if i == count:
        vmcore_code_unlock()
        return -1
    out.exec_base = store.exec_base + <size_t>i * CODE_SEGMENT_SIZE
    out.write_base = store.write_base + <size_t>i * CODE_SEGMENT_SIZE
    out.size = CODE_SEGMENT_SIZE
    out.index = i
    out.generation = store.generation
    if store.method != CODE_MPROTECT and vmcore_code_commit(out.write_base, CODE_SEGMENT_SIZE):
        vmcore_code_release(out.write_base, CODE_SEGMENT_SIZE, False)
        vmcore_code_unlock()
        return -1
    store.used[i >> 6] |= <uint64_t>1 << (i & 63)
    store.in_use += 1
    if store.in_use > store.peak:
        store.peak = store.in_use
    vmcore_code_unlock()
    return 0


cdef void code_segment_free(const CodeSegment *segment) noexcept nogil:
    cdef uint32_t i = segment.index
    vmcore_code_lock()
    if segment.generation == store.generation:
        VMCORE_ASSERT(store.used[i >> 6] >> (i & 63) & 1)
        store.used[i >> 6] &= ~(<uint64_t>1 << (i & 63))
        store.in_use -= 1
        vmcore_code_release(segment.write_base, segment.size, store.method == CODE_MPROTECT)
    vmcore_code_unlock()


cdef int64_t code_rw_delta() noexcept nogil:
    code_method()
    return <int64_t>vmcore_load64(&store.delta)


cdef bint code_is_concurrent() noexcept nogil:
    return code_method() != CODE_MPROTECT


cdef int set_writable(uint8_t *exec_base, size_t size, bint writable) noexcept nogil:
    cdef size_t head = <uintptr_t>exec_base & (PAGE - 1)
    cdef int failed = -1
    if code_method() != CODE_MPROTECT:
        return 0
    vmcore_code_lock()
    # An address of the store that this process was forked with is refused: something else may be there now.
    if <size_t>(exec_base - store.exec_base) < store.size:
        failed = vmcore_code_writable(exec_base - head, (head + size + PAGE - 1) & ~<size_t>(PAGE - 1), writable)
    vmcore_code_unlock()
    return failed


cdef int code_begin_write(uint8_t *exec, size_t size) noexcept nogil:
    return set_writable(exec, size, True)


cdef int code_end_write(uint8_t *exec, size_t size) noexcept nogil:
    return set_writable(exec, size, False)


cdef uint32_t code_generation() noexcept nogil:
    return vmcore_load32(&store.generation)


cdef void code_stats(CodeStats *out) noexcept nogil:
    out.method = code_method()
    vmcore_code_lock()
    out.generation = store.generation
    out.in_use = store.in_use
    out.peak = store.peak
    out.reserved = store.size
    out.exec_base = store.exec_base
    out.write_base = store.write_base
    vmcore_code_unlock()


# --- fork -------------------------------------------------------------------------------------------------------------

cdef void before_fork() noexcept nogil:
    # No other thread is halfway through a change when the child gets its copy.
    vmcore_code_lock()


cdef void after_fork_in_parent() noexcept nogil:
    vmcore_code_unlock()


cdef void after_fork_in_child() noexcept nogil:
    # A shared mapping is still the parent's memory: it goes, so that nothing here can write or run it.
    if store.opened and store.method != CODE_NONE:
        unmap_range()
    memset(store.used, 0, sizeof(store.used))
    store.in_use = 0
    store.peak = 0
    vmcore_store32(&store.generation, store.generation + 1)
    vmcore_store32(&store.opened, 0)
    vmcore_code_unlock()


if pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child):
    raise MemoryError("no memory for the handlers of fork()")


# --- from Python ------------------------------------------------------------------------------------------------------

_STEPS = {
    VMCORE_CODE_CREATE: "the file cannot be made",
    VMCORE_CODE_RESIZE: "the file cannot be made large enough",
    VMCORE_CODE_MAP_WRITE: "it cannot be mapped for writing",
    VMCORE_CODE_MAP_EXEC: "it cannot be mapped for running",
    VMCORE_CODE_MPROTECT: "the rights of the mapping cannot be changed",
    VMCORE_CODE_COMMIT: "there is no memory for it",
    VMCORE_CODE_RAN_WRONG: "code that was written was not what ran",
    VMCORE_CODE_FAULTED: "code could not be run, although the mapping was granted",
    VMCORE_CODE_NO_BACK_END: "no machine code is made for this processor",
    VMCORE_CODE_FILE_LIMIT: "files of this process may not be that large (ulimit -f)",
}


class How(namedtuple("How", ("method", "forced", "failed"))):
    """How machine code gets into memory.

    Attributes
    ----------
    method : str
        ``"memfd"``, ``"shm"``, ``"file"`` (two mappings of such a file), ``"mprotect"`` (one mapping) or ``"none"``.
    forced : bool
        Whether ``VMCORE_CODE_MEMORY`` chose it.
    failed : dict
        Why the methods before it did not work.
    """

    __slots__ = ()

    def __str__(self):
        text = self.method + (" (VMCORE_CODE_MEMORY)" if self.forced else "")
        return "; ".join([text, *(f"{name}: {why}" for name, why in self.failed.items())])


Stats = namedtuple("Stats", ("segments", "peak", "reserved", "generation"))
Stats.__doc__ = "Segments in use, the most there were, bytes of addresses reserved, and the number of forks plus one."


def how():
    """Return how machine code gets into memory; the first call finds out.

    Returns
    -------
    How
        As text it is one line for people.

    Raises
    ------
    ConfigError
        ``VMCORE_CODE_MEMORY`` names no method.
    """
    cdef int i
    cdef Store seen
    cdef dict failed = {}
    with nogil:
        code_method()
        vmcore_code_lock()
        seen = store
        vmcore_code_unlock()
    if forced < 0:
        given = os.environ.get("VMCORE_CODE_MEMORY", "")
        allowed = ", ".join([NAMES[i].decode() for i in range(1, CODE_METHODS)])
        raise ConfigError(f"VMCORE_CODE_MEMORY is {given!r}", hint=f"Allowed are {allowed} and none.")
    for i in range(CODE_METHODS):
        if seen.failed[i] != VMCORE_CODE_OK:
            reason = _STEPS[seen.failed[i]]
            if seen.failed[i] < VMCORE_CODE_RAN_WRONG:
                reason += f" ({os.strerror(seen.error[i])})"
            failed[NAMES[i].decode()] = reason
    return How(NAMES[<int>seen.method].decode(), forced != CODE_METHODS, failed)


def stats():
    """Return what is used of the memory for machine code.

    Returns
    -------
    Stats
        ``segments``, ``peak``, ``reserved`` and ``generation``.
    """
    cdef CodeStats s
    with nogil:
        code_stats(&s)
    return Stats(s.in_use, s.peak, s.reserved, s.generation)


cdef class Segment:
    """A segment of the memory for machine code, to try code by hand. One thread only.

    What is written here runs as part of this process: wrong code takes it down.

    Raises
    ------
    VmError
        There is no memory for machine code, or no more of it.

    Examples
    --------
    >>> with Segment() as segment:
    ...     segment.write(0, bytes.fromhex("488d0437c3"))  # lea rax, [rdi+rsi]; ret
    ...     segment.call(0, 20, 22)
    42
    """

    cdef CodeSegment segment

    def __cinit__(self):
        cdef int failed
        with nogil:
            failed = code_segment_new(&self.segment)
        if failed:
            raise VmError(f"no memory for machine code: {how()}", hint="See the line `code` of `vmcore info`.")

    def __dealloc__(self):
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    cdef uint8_t *check(self, uint64_t offset, uint64_t size) except NULL:
        """Return the exec address of a part of the segment."""
        if self.segment.exec_base == NULL:
            raise ClosedError("the segment is closed")
        if self.segment.generation != code_generation():
            raise ClosedError("the segment belongs to the process that this one was forked from",
                              hint="Make a new one.")
        if offset > self.segment.size or size > self.segment.size - offset:
            raise ConfigError(f"{size} bytes at offset {offset:#x}",
                              hint=f"A segment has {self.segment.size:#x} bytes.")
        return self.segment.exec_base + offset

    @property
    def address(self):
        """int: where its code runs."""
        return <uintptr_t>self.check(0, 0)

    @property
    def index(self):
        """int: its place among the segments of the process."""
        return self.segment.index

    def write(self, uint64_t offset, const uint8_t[::1] code not None):
        """Put `code` at `offset` of the segment."""
        cdef size_t size = code.shape[0]
        cdef uint8_t *exec_base = self.check(offset, size)
        if size == 0:
            return
        if code_begin_write(exec_base, size):
            raise VmError("the segment cannot be made writable")
        memcpy(exec_base + code_rw_delta(), &code[0], size)
        if code_end_write(exec_base, size):
            raise VmError("the segment cannot be made executable again")

    def call(self, uint64_t offset, uint64_t a=0, uint64_t b=0):
        """Run the code at `offset` as a C function of two 64-bit numbers, without the GIL; return its result.

        Returns
        -------
        int
            Unsigned, 64 bits.
        """
        cdef uint64_t (*function)(uint64_t, uint64_t) noexcept nogil
        cdef uint64_t result
        function = <uint64_t (*)(uint64_t, uint64_t) noexcept nogil>self.check(offset, 1)
        with nogil:
            result = function(a, b)
        return result

    def close(self):
        """Give the segment back; again does nothing."""
        if self.segment.exec_base == NULL:
            return
        code_segment_free(&self.segment)
        self.segment.exec_base = NULL
