"""Checks on a device's saved state, before anything of it is used.

A snapshot file is input like any other: each compiled device lists its fields with a rule, and :func:`checked` accepts
a state only when every field is there and obeys its rule. So a bad state changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vmcore.errors import DeviceError

__all__ = ["Rule", "checked", "data", "uint", "uints"]

#: A rule takes a value and returns ``""`` when it is good, else what is allowed.
Rule = Callable[[object], str]


def uint(limit: int) -> Rule:
    """Return the rule of an integer from 0 to `limit`."""

    def rule(value: object) -> str:
        return "" if type(value) is int and 0 <= value <= limit else f"an int from 0 to {limit:#x}"

    return rule


def uints(count: int, limit: int, *, fewer: bool = False) -> Rule:
    """Return the rule of a list of `count` integers (or up to that many) from 0 to `limit`."""

    def rule(value: object) -> str:
        good = isinstance(value, list) and (len(value) == count or (fewer and len(value) < count))
        if good and all(type(item) is int and 0 <= item <= limit for item in value):  # type: ignore[attr-defined]
            return ""
        return f"a list of {'up to ' if fewer else ''}{count} ints from 0 to {limit:#x}"

    return rule


def data(limit: int) -> Rule:
    """Return the rule of a bytes object of at most `limit` bytes."""

    def rule(value: object) -> str:
        return "" if isinstance(value, bytes) and len(value) <= limit else f"at most {limit} bytes"

    return rule


def checked(device: str, state: object, fields: Mapping[str, Rule]) -> dict[str, Any]:
    """Return `state` as a dict when it has exactly `fields` and each obeys its rule.

    Raises
    ------
    DeviceError
        A field is missing, unknown or has a value that is not allowed.
    """
    hint = f"Load what save() of a {device} built with the same arguments returned"
    if not isinstance(state, dict):
        raise DeviceError(f"the state of a {device} is a dict, not {type(state).__name__}", hint=hint)
    if state.keys() != fields.keys():
        odd = sorted(str(key) for key in state.keys() ^ fields.keys())
        raise DeviceError(f"the state of a {device} has missing or unknown fields: {', '.join(odd)}", hint=hint)
    for name, rule in fields.items():
        allowed = rule(state[name])
        if allowed:
            shown = repr(state[name])
            shown = shown if len(shown) <= 60 else shown[:57] + "..."
            raise DeviceError(f"the state of a {device} has {name} = {shown}; allowed is {allowed}", hint=hint)
    return state
