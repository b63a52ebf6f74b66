"""A raw disk image: bytes at offsets of a file that never changes its size."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
from functools import lru_cache
from typing import Any

from vmcore.errors import ClosedError, ConfigError

__all__ = ["RawFile"]

# fallocate(2)
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
_ZEROES = bytes(1 << 20)
#: What fallocate answers where a file system cannot do it.
_CANNOT = (errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY, errno.EINVAL, errno.ENODEV)


@lru_cache(1)
def _fallocate() -> Any:
    """Return the C library's fallocate, or None: Python has only the POSIX one, which makes no holes."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        function.restype = ctypes.c_int
    return function


class RawFile:
    """An image opened for one machine.

    Parameters
    ----------
    path : path-like
        A regular file or a block device.
    readonly : bool
        Open it for reading, shared with other readers; otherwise nobody else may have it open through vmcore (an
        advisory lock of the whole file, ``flock(2)``).

    Raises
    ------
    ConfigError
        It cannot be opened or is in use.
    """

    def __init__(self, path: str | os.PathLike[str], *, readonly: bool) -> None:
        self.path = os.fspath(path)
        self.fd = -1
        try:
            # O_NONBLOCK: a named pipe must be refused, not waited for.
            self.fd = os.open(path, (os.O_RDONLY if readonly else os.O_RDWR) | os.O_CLOEXEC | os.O_NONBLOCK)
            mode = os.fstat(self.fd).st_mode
            self.size = os.lseek(self.fd, 0, os.SEEK_END) if stat.S_ISREG(mode) or stat.S_ISBLK(mode) else -1
        except OSError as error:
            self.close()
            raise ConfigError(
                f"disk {self.path!r} cannot be opened {'for reading' if readonly else 'for writing'}: {error.strerror}",
                hint="Give an image file" if readonly else "Give an image file that you may write, or use readonly",
            ) from None
        if self.size < 0:
            self.close()
            raise ConfigError(f"disk {self.path!r} is no regular file and no block device", hint="Give an image file")
        try:
            fcntl.flock(self.fd, (fcntl.LOCK_SH if readonly else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            why = "is in use by another machine" if isinstance(error, BlockingIOError) else f"has no locks: {error}"
            raise ConfigError(
                f"disk {self.path!r} {why}",
                hint="Close that machine, use readonly for both, or give each a copy of its own",
            ) from None

    def _handle(self) -> int:
        if self.fd < 0:
            raise ClosedError(f"disk {self.path!r} is closed")
        return self.fd

    def read(self, at: int, n: int) -> bytes:
        """Return 1 to `n` bytes at `at`; OSError where the file has become shorter."""
        data = os.pread(self._handle(), n, at)
        if not data:
            raise OSError(errno.EIO, f"{self.path} ends at or before {at:#x}")
        return data

    def write(self, at: int, data: bytes | memoryview) -> None:
        """Store `data` at `at`."""
        if at + len(data) > self.size:
            raise OSError(errno.ENOSPC, f"{self.path} has {self.size:#x} bytes")
        rest = memoryview(data)
        while rest:
            done = os.pwrite(self._handle(), rest, at)
            at += done
            rest = rest[done:]

    def sync(self) -> None:
        """Wait until everything written is on the host's disk."""
        os.fdatasync(self._handle())

    def punch(self, at: int, n: int) -> bool:
        """Give the bytes' room back to the host, where it can take it; they read as zeros then."""
        return self._allocate(KEEP_SIZE | PUNCH_HOLE, at, n)

    def zero(self, at: int, n: int, *, unmap: bool) -> None:
        """Make the bytes zero; with `unmap` they may lose their room on the host."""
        if at + n > self.size:
            raise OSError(errno.ENOSPC, f"{self.path} has {self.size:#x} bytes")
        if (unmap and self.punch(at, n)) or self._allocate(KEEP_SIZE | ZERO_RANGE, at, n):
            return
        end = at + n
        while at < end:
            part = min(end - at, len(_ZEROES))
            self.write(at, memoryview(_ZEROES)[:part])
            at += part

    def _allocate(self, mode: int, at: int, n: int) -> bool:
        function = _fallocate()
        if function is None:
            return False
        if function(self._handle(), mode, at, n) == 0:
            return True
        number = ctypes.get_errno()
        if number in _CANNOT:
            return False
        raise OSError(number, os.strerror(number))

    def close(self) -> None:
        """Close the file and so give up its lock."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
