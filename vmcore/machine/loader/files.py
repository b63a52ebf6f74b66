"""Read a file that the user named, or say in one sentence why not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vmcore.errors import LoadError

__all__ = ["MAX_FILE", "Source", "read_file"]

Source = str | os.PathLike[str] | bytes | bytearray | memoryview
"""A file's path, or its contents."""

MAX_FILE = 16 << 30


def read_file(source: Source, what: str, *, limit: int = MAX_FILE) -> tuple[bytes, str]:
    """Return the contents of a file, and the name to call it by in messages.

    Parameters
    ----------
    source : str, path or bytes
        Where it is; bytes are taken as the contents themselves.
    what : str
        What it is for: ``"kernel"``, ``"initrd"``, ...
    limit : int, optional
        A larger file is refused before it is read.

    Raises
    ------
    LoadError
        It is missing, a directory, a device, empty, too large, or may not be read.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        data, name = bytes(source), f"<{what}: {len(source)} bytes>"
        if not data:
            raise LoadError(f"{what}: no bytes were given")
        return data, name
    if not isinstance(source, (str, os.PathLike)):
        raise LoadError(f"{what}={source!r} is neither a path nor bytes")
    path = Path(source)
    try:
        # One open, then ask what was opened: the name may change under us. O_NONBLOCK: a pipe must not make us wait.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISDIR(status.st_mode):
                raise LoadError(f"{what} {path} is a directory", hint="Give the file itself")
            if not stat.S_ISREG(status.st_mode):
                raise LoadError(f"{what} {path} is not a regular file", hint="Copy it to a file first")
            if status.st_size == 0:
                raise LoadError(f"{what} {path} is empty")
            if status.st_size > limit:
                raise LoadError(f"{what} {path} has {status.st_size} bytes, more than the {limit} that can fit")
            return file.read(limit), str(path)
    except IsADirectoryError:
        raise LoadError(f"{what} {path} is a directory", hint="Give the file itself") from None
    except FileNotFoundError:
        raise LoadError(f"{what} {path} does not exist") from None
    except (OSError, ValueError) as error:
        raise LoadError(f"{what} {path} cannot be read: {error}") from error
