"""The kernel's memory policies, by their system calls: no library is needed."""

from libc.errno cimport errno
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

from vmcore._fast.memory.ram cimport Bank, Ram, find_bank
from vmcore.errors import ClosedError, MemoryAccessError

import os

cdef extern from *:
    """
    #include <errno.h>
    #include <linux/mempolicy.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    #ifndef MPOL_F_STATIC_NODES
    #define MPOL_F_STATIC_NODES (1 << 15)
    #endif
    #define vmcore_mbind(a, n, mode, mask, most) syscall(SYS_mbind, (a), (n), (mode), (mask), (most), 0)
    #define vmcore_set_mempolicy(mode, mask, most) syscall(SYS_set_mempolicy, (mode), (mask), (most))
    #define vmcore_get_mempolicy(mode, mask, most, a, f) syscall(SYS_get_mempolicy, (mode), (mask), (most), (a), (f))
    """
    long vmcore_mbind(void *address, unsigned long size, int mode, const uint64_t *mask, unsigned long most) nogil
    long vmcore_set_mempolicy(int mode, const uint64_t *mask, unsigned long most) nogil
    long vmcore_get_mempolicy(int *mode, uint64_t *mask, unsigned long most, void *address, int flags) nogil
    int MPOL_BIND
    int MPOL_INTERLEAVE
    int MPOL_LOCAL
    int MPOL_F_ADDR
    int MPOL_F_STATIC_NODES

cdef enum:
    WORDS = 16                # 1024 nodes, the most that a kernel is built for
    NODES = WORDS * 64
    # The kernel takes one off this before it uses it.
    MOST = NODES + 1

BIND, INTERLEAVE, LOCAL = MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL
MOST_NODES = NODES


cdef int fill(uint64_t *mask, object nodes) except -1:
    cdef int node
    memset(mask, 0, WORDS * 8)
    for node in nodes:
        if not 0 <= node < NODES:
            raise ValueError(f"node {node}: 0 to {NODES - 1} are possible")
        mask[node >> 6] |= <uint64_t>1 << (node & 63)
    return 0


cdef tuple read(int mode, const uint64_t *mask):
    nodes = tuple([node for node in range(NODES) if mask[node >> 6] >> (node & 63) & 1])
    return mode & (MPOL_F_STATIC_NODES - 1), nodes


cdef int failed() except -1:
    raise OSError(errno, os.strerror(errno))


cdef uint8_t *host_range(Ram ram, uint64_t gpa, uint64_t size) except NULL:
    cdef Bank *bank
    if ram.mem == NULL:
        raise ClosedError("the machine is closed")
    bank = find_bank(ram.mem, gpa)
    if bank == NULL or size > bank.size - (gpa - bank.base):
        raise MemoryAccessError(f"{size:#x} bytes at {gpa:#x} are not in one bank of memory")
    return bank.host + (gpa - bank.base)


def bind_ram(Ram ram not None, uint64_t gpa, uint64_t size, int mode, nodes):
    """Set the policy of guest memory, whole pages of one bank; pages that exist stay where they are.

    Raises
    ------
    OSError
        The kernel refuses it.
    """
    cdef uint64_t mask[WORDS]
    fill(mask, nodes)
    if vmcore_mbind(host_range(ram, gpa, size), size, mode, mask, MOST) < 0:
        failed()


def ram_policy(Ram ram not None, uint64_t gpa):
    """Return mode and nodes of the policy that is in force for the page at `gpa`."""
    cdef uint64_t mask[WORDS]
    cdef int mode = 0
    if vmcore_get_mempolicy(&mode, mask, MOST, host_range(ram, gpa, 1), MPOL_F_ADDR) < 0:
        failed()
    return read(mode, mask)


def set_thread_policy(int mode, nodes):
    """Set the policy of whatever the calling thread touches first from now on."""
    cdef uint64_t mask[WORDS]
    fill(mask, nodes)
    if vmcore_set_mempolicy(mode, mask, MOST) < 0:
        failed()


def thread_policy():
    """Return mode and nodes of the calling thread's policy."""
    cdef uint64_t mask[WORDS]
    cdef int mode = 0
    if vmcore_get_mempolicy(&mode, mask, MOST, NULL, 0) < 0:
        failed()
    return read(mode, mask)
