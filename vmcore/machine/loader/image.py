"""The header of a raw Linux ``Image`` (kernel documentation, Documentation/arch/riscv/boot-image-header.rst)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from vmcore.errors import LoadError

__all__ = ["HEADER_SIZE", "ImageHeader", "parse_header"]

HEADER_SIZE = 64
_LAYOUT = struct.Struct("<IIQQQIIQQII")
_MAGIC2 = 0x05435352  # "RSC\x05"
_BIG_ENDIAN = 1


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a boot loader needs of the header.

    Attributes
    ----------
    text_offset : int
        Where the image goes, from the start of memory.
    image_size : int
        Bytes that it takes in memory, its zeroed data included; 0 when it does not say.
    version : tuple of int
        Major and minor version of the header.
    """

    text_offset: int
    image_size: int
    version: tuple[int, int]


def parse_header(data: bytes, name: str) -> ImageHeader | None:
    """Return the header of a raw ``Image``, or None where `data` is something else.

    Raises
    ------
    LoadError
        It is one, but big-endian, or the header does not fit the file.
    """
    if len(data) < HEADER_SIZE:
        return None
    _code0, _code1, text_offset, image_size, flags, version, _res1, _res2, _magic, magic2, _res3 = _LAYOUT.unpack_from(
        data
    )
    if magic2 != _MAGIC2:
        return None
    if flags & _BIG_ENDIAN:
        raise LoadError(f"{name} is a big-endian kernel; harts here are little-endian")
    if image_size and image_size < HEADER_SIZE:
        raise LoadError(f"{name}: its header says image_size={image_size:#x}, less than the header itself")
    return ImageHeader(text_offset, image_size, (version >> 16, version & 0xFFFF))
