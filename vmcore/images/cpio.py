"""A writer of cpio archives in the "newc" format, which is what a Linux initramfs is.

Format: the kernel's documentation, "initramfs buffer format". Each member is a header of thirteen numbers in eight
hexadecimal digits, the name with its NUL, and the data; name and data are padded to four bytes.
"""

from __future__ import annotations

import stat
from types import TracebackType
from typing import BinaryIO

from vmcore.errors import ImageError

__all__ = ["CpioWriter"]

_MAGIC = b"070701"
_MAX_SIZE = 0xFFFF_FFFF


class CpioWriter:
    """Write members one after the other; use it as a context manager, or call :meth:`close`.

    Two archives with the same members are the same bytes: owners and times are zero, and inodes count up.

    Parameters
    ----------
    file : binary file
        Where the archive goes. It is not closed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inode = 0
        self._folders: set[str] = {""}

    def folder(self, name: str, mode: int = 0o755) -> None:
        """Add a folder and those above it that are not there yet."""
        name = self._clean(name)
        if name in self._folders:
            return
        if "/" in name:
            self.folder(name.rpartition("/")[0])
        self._folders.add(name)
        self._member(name, stat.S_IFDIR | mode, b"")

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Add a file with `data`, and the folders above it."""
        self._below(name)
        self._member(self._clean(name), stat.S_IFREG | mode, data)

    def symlink(self, name: str, target: str) -> None:
        """Add a symbolic link `name` that points to `target`."""
        self._below(name)
        self._member(self._clean(name), stat.S_IFLNK | 0o777, target.encode())

    def device(self, name: str, kind: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Add a device node; `kind` is ``"c"`` (characters) or ``"b"`` (blocks)."""
        if kind not in ("b", "c"):
            raise ImageError(f"device node {name!r} of kind {kind!r}", hint="Give 'c' or 'b'.")
        self._below(name)
        self._member(
            self._clean(name), (stat.S_IFCHR if kind == "c" else stat.S_IFBLK) | mode, b"", major=major, minor=minor
        )

    def close(self) -> None:
        """Write the trailer. The archive ends here."""
        self._member("TRAILER!!!", 0, b"")

    def __enter__(self) -> CpioWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self.close()

    @staticmethod
    def _clean(name: str) -> str:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts or ".." in parts or "\0" in name:
            raise ImageError(f"{name!r} is no path for an initramfs", hint="Give a path below the root, without '..'.")
        return "/".join(parts)

    def _below(self, name: str) -> None:
        above = self._clean(name).rpartition("/")[0]
        if above:
            self.folder(above)

    def _member(self, name: str, mode: int, data: bytes, *, major: int = 0, minor: int = 0) -> None:
        if len(data) > _MAX_SIZE:
            raise ImageError(f"{name} has {len(data)} bytes; a member of a cpio archive holds at most {_MAX_SIZE}")
        self._inode += 1
        path = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        #         inode        mode  uid gid links  time size       device of the file, device node     name      check
        numbers = (self._inode, mode, 0, 0, links, 0, len(data), 0, 0, major, minor, len(path), 0)
        header = _MAGIC + b"".join(b"%08X" % number for number in numbers) + path
        self._file.write(header + bytes(-len(header) % 4))
        self._file.write(data + bytes(-len(data) % 4))
