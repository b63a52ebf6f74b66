"""The files of the code cache: who owns them, how they are written, and which of them go.

Code in them is executed. So a folder or file counts only if it belongs to this user and nobody else may write to it; a
file is written under another name and then renamed, and never changed afterwards.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterable
from typing import NamedTuple

__all__ = [
    "Pack",
    "built_when",
    "folder_problem",
    "make_folder",
    "open_packs",
    "remove",
    "remove_all",
    "shrink",
    "size_of",
    "total_size",
    "touch",
    "write_pack",
]

SUFFIX = ".pack"
# What a process that died in the middle of writing has left is removed after so many seconds.
STALE = 3600


class Pack(NamedTuple):
    """An open pack."""

    fd: int
    path: str
    size: int


def built_when(folder: str) -> bytes:
    """Return sizes and times of the compiled modules of the engine, whose folder this is."""
    found = []
    for part in ("hart", "jit", "memory"):
        for where, _, names in os.walk(os.path.join(folder, part)):
            for name in names:
                if name.endswith((".so", ".pyd")):
                    with contextlib.suppress(OSError):
                        status = os.stat(os.path.join(where, name))
                        found.append((os.path.relpath(where, folder), name, status.st_size, status.st_mtime_ns))
    return repr(sorted(found)).encode()


def _owner_only(status: os.stat_result, forbidden: int) -> str | None:
    if status.st_uid != os.geteuid():
        return f"belongs to user {status.st_uid}"
    if status.st_mode & forbidden:
        return f"is open to others (mode {stat.S_IMODE(status.st_mode):03o})"
    return None


def folder_problem(folder: str) -> str | None:
    """Return why code must not be taken from or put into `folder`, None if it may; one that is not there yet may."""
    try:
        status = os.lstat(folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{folder}: {error.strerror}"
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is no folder"
    why = _owner_only(status, 0o022)
    return f"{folder} {why}" if why else None


def make_folder(folder: str) -> str | None:
    """Make `folder`, if it is not there, for this user alone; return what :func:`folder_problem` says then."""
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return folder_problem(folder)


def _listed(folder: str, prefix: str = "") -> list[tuple[int, int, str]]:
    """Return (time, size, path) of the packs in `folder`, oldest first."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and entry.name.endswith(SUFFIX):
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime_ns, status.st_size, entry.path))
    return sorted(found)


def open_packs(folder: str, engine: str) -> Iterable[Pack]:
    """Open the packs of that engine, oldest first, leaving out those that this user does not have for himself."""
    for _, _, path in _listed(folder, engine):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or _owner_only(status, 0o077):
            os.close(fd)
            continue
        yield Pack(fd, path, status.st_size)


def write_pack(folder: str, engine: str, parts: Iterable[bytes | bytearray]) -> Pack | None:
    """Write a new pack; None if that cannot be done."""
    path = os.path.join(folder, f"{engine}-{os.getpid()}-{time.time_ns():x}{SUFFIX}")
    temporary = path.removesuffix(SUFFIX) + ".tmp"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.writelines(parts)
        os.rename(temporary, path)
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        remove(temporary)
        return None
    return Pack(fd, path, os.fstat(fd).st_size)


def remove(path: str) -> None:
    """Remove a file, if it is there and that is allowed."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def remove_all(folder: str) -> None:
    """Remove every pack of `folder`."""
    for _, _, path in _listed(folder):
        remove(path)


def shrink(folder: str, limit: int) -> None:
    """Remove the packs that were used least recently until the rest holds at most `limit` bytes; and old leftovers."""
    packs = _listed(folder)
    total = sum(size for _, size, _ in packs)
    for _, size, path in packs:
        if total <= limit:
            break
        remove(path)
        total -= size
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.name.endswith(".tmp") and entry.stat().st_mtime < time.time() - STALE:
                    remove(entry.path)


def total_size(folder: str) -> int:
    """Return the bytes of all packs of `folder`."""
    return sum(size for _, size, _ in _listed(folder))


def size_of(path: str) -> int:
    """Return the bytes of a file, 0 if it is gone."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def touch(path: str, after: float) -> None:
    """Note that a pack was used, if that was last noted more than `after` seconds ago."""
    with contextlib.suppress(OSError):
        if os.stat(path).st_mtime < time.time() - after:
            os.utime(path)
