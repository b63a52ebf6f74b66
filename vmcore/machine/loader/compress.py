"""Unpack what kernels are packed in, never past a bound."""

from __future__ import annotations

import importlib
import struct
import zlib
from typing import Any

from vmcore.errors import DependencyError, LoadError

__all__ = ["is_packed", "unpack"]

GZIP = b"\x1f\x8b\x08"
ZSTD = b"\x28\xb5\x2f\xfd"
OTHERS = {
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x89LZO": "lzo",
}


def is_packed(data: bytes) -> bool:
    """Say whether `data` begins as a packed file or as an EFI zboot image does."""
    return data.startswith((GZIP, ZSTD, *OTHERS)) or _is_zboot(data)


def unpack(data: bytes, name: str, *, limit: int) -> bytes:
    """Return what is packed in `data`, or `data` itself where nothing is.

    gzip (what follows the stream is left alone, as boot loaders do), zstd (the standard library's from Python 3.14,
    else the ``zstandard`` package), and either of them inside an EFI zboot image.

    Parameters
    ----------
    data : bytes
        A file's contents.
    name : str
        The file's name, for messages.
    limit : int
        The most bytes it may unpack to.

    Raises
    ------
    LoadError
        The stream is damaged or cut off, unpacks to more than `limit`, or is of a kind that is not offered.
    DependencyError
        zstd is needed and not there.
    """
    if _is_zboot(data):
        data = _zboot_payload(data, name)
    if data.startswith(GZIP):
        return _gunzip(data, name, limit)
    if data.startswith(ZSTD):
        return _unzstd(data, name, limit)
    for magic, kind in OTHERS.items():
        if data.startswith(magic):
            raise LoadError(f"{name} is packed with {kind}", hint="Unpack it first: gzip and zstd are unpacked here")
    return data


def _too_large(name: str, limit: int) -> LoadError:
    return LoadError(f"{name} unpacks to more than {limit} bytes", hint="Give the machine more ram, or check the file")


def _gunzip(data: bytes, name: str, limit: int) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise LoadError(f"{name} is damaged: {error}") from None
    if len(plain) > limit:
        raise _too_large(name, limit)
    if not stream.eof:
        raise LoadError(f"{name} is cut off: the gzip stream has no end after {len(data)} bytes")
    return plain


def _zstd_decompressor() -> Any:
    try:
        return importlib.import_module("compression.zstd").ZstdDecompressor()
    except ImportError:
        pass
    try:
        return importlib.import_module("zstandard").ZstdDecompressor().decompressobj()
    except ImportError:
        return None


def _unzstd(data: bytes, name: str, limit: int) -> bytes:
    stream = _zstd_decompressor()
    if stream is None:
        raise DependencyError(
            f"{name} is packed with zstd, which this Python cannot unpack",
            hint="Install the extra: pip install 'vmcore[zstd]', or unpack the file with unzstd",
        )
    parts: list[bytes] = []
    total = 0
    try:
        # Small pieces in: what one piece can unpack to is bounded before it is asked for.
        for at in range(0, len(data), 1 << 14):
            part = stream.decompress(data[at : at + (1 << 14)])
            total += len(part)
            if total > limit:
                raise _too_large(name, limit)
            parts.append(part)
            if stream.eof:
                return b"".join(parts)
    except LoadError:
        raise
    except Exception as error:
        # The two libraries have an error class each.
        raise LoadError(f"{name} is damaged: {error}") from error
    raise LoadError(f"{name} is cut off: the zstd stream has no end after {len(data)} bytes")


def _is_zboot(data: bytes) -> bool:
    return data[:2] == b"MZ" and data[4:8] == b"zimg"


def _zboot_payload(data: bytes, name: str) -> bytes:
    if len(data) < 28:
        raise LoadError(f"{name} is cut off inside its zboot header")
    offset, size = struct.unpack_from("<II", data, 8)
    kind = data[24:32].split(b"\0")[0].decode("ascii", "replace")
    if offset + size > len(data):
        raise LoadError(
            f"{name} is cut off: its payload is {size:#x} bytes at {offset:#x}, the file has {len(data):#x}"
        )
    payload = data[offset : offset + size]
    if not payload.startswith((GZIP, ZSTD)):
        raise LoadError(f"{name} is packed with {kind}", hint="Unpack it first: gzip and zstd are unpacked here")
    return payload
