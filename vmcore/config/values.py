"""How values are written: sizes, counts and choices, each with one clear error."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vmcore.errors import ConfigError

__all__ = ["format_size", "parse_choice", "parse_count", "parse_flag", "parse_ids", "parse_seconds", "parse_size"]

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
_SIZE = re.compile(r"\s*(\d+)\s*([KMGT]?)(?:I?B)?\s*", re.IGNORECASE)


def format_size(size: int) -> str:
    """Write `size` bytes the short way round.

    Parameters
    ----------
    size : int
        Bytes.

    Returns
    -------
    str
        ``"512M"``, ``"1G"``, ``"1536K"``; plain bytes where no unit divides it.
    """
    for unit in ("T", "G", "M", "K"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return f"{size}"


def parse_size(value: int | str, what: str, *, least: int = 0, most: int | None = None, multiple: int = 1) -> int:
    """Return a size in bytes.

    Parameters
    ----------
    value : int or str
        Bytes, or a number with one of the units K, M, G, T (powers of 1024), as in ``"512M"``.
    what : str
        The option's name, for the message.
    least, most : int, optional
        The limits, both allowed.
    multiple : int, optional
        The size must be a multiple of this.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    ConfigError
        The value is no size, or not within the limits.
    """
    hint = f"Allowed are {format_size(least)} to {format_size(most)}" if most is not None else ""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ConfigError(f"{what}={value!r} is not a size", hint="Give bytes, or a number with a unit as in '512M'")
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None:
            raise ConfigError(
                f"{what}={value!r} is not a size", hint="Give bytes, or a number with a unit as in '512M'"
            )
        size = int(match[1]) * _UNITS[match[2].upper()]
    else:
        size = value
    if size < least or (most is not None and size > most):
        raise ConfigError(f"{what}={value!r} is out of range", hint=hint or f"The least is {format_size(least)}")
    if size % multiple:
        raise ConfigError(f"{what}={value!r} is not a multiple of {format_size(multiple)}", hint=hint)
    return size


def parse_count(value: int | str, what: str, *, least: int, most: int) -> int:
    """Return a whole number between `least` and `most`, both allowed.

    Raises
    ------
    ConfigError
        The value is no whole number, or not within the limits.
    """
    hint = f"Allowed are {least} to {most}"
    if isinstance(value, str):
        try:
            value = int(value, 0)
        except ValueError:
            raise ConfigError(f"{what}={value!r} is not a whole number", hint=hint) from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{what}={value!r} is not a whole number", hint=hint)
    if not least <= value <= most:
        raise ConfigError(f"{what}={value} is out of range", hint=hint)
    return value


def parse_ids(text: str, what: str, *, most: int) -> tuple[int, ...]:
    """Return the numbers of a list of numbers and ranges, ascending, each once; an empty text has none.

    Parameters
    ----------
    text : str
        As the kernel writes them: ``"0-3,8"``.
    what : str
        What they are, for the message.
    most : int
        The largest number there may be.

    Raises
    ------
    ConfigError
        It is something else, or a number is too large.
    """
    found: set[int] = set()
    for part in text.split(",") if text else ():
        match = _RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= most:
            raise ConfigError(f"{what}: {text!r} is no list of numbers", hint=f"Give 0 to {most}, as in 0-3,8")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def parse_choice(value: str, what: str, allowed: Sequence[str]) -> str:
    """Return `value` if it is one of `allowed`.

    Raises
    ------
    ConfigError
        It is not.
    """
    if value not in allowed:
        raise ConfigError(f"{what}={value!r} is not known", hint=f"Allowed are {', '.join(map(repr, allowed))}")
    return value


def parse_flag(value: object, what: str) -> bool:
    """Return yes or no: a bool, or one of the words 1, 0, true, false, yes, no, on, off.

    Raises
    ------
    ConfigError
        It is something else.
    """
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise ConfigError(f"{what}={value!r} is neither yes nor no", hint="Give True or False; as text, 1 or 0")


def parse_seconds(value: object, what: str) -> float:
    """Return a time in seconds: a finite number that is not negative.

    Raises
    ------
    ConfigError
        The value is something else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
        raise ConfigError(f"{what}={value!r} is not a time", hint="Give seconds, as in 1.5")
    return float(value)
