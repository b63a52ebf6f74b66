"""The settings of a machine: a default, which the environment overrides, which a keyword overrides."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from vmcore.config.numa import GuestNode, check_harts, check_ram, parse_nodes, parse_placements
from vmcore.config.values import parse_choice, parse_count, parse_flag, parse_size
from vmcore.errors import ConfigError

__all__ = ["ENVIRONMENT", "MAX_HARTS", "MAX_RAM", "MIN_RAM", "MachineSettings", "load_settings"]

MIN_RAM = 1 << 20
MAX_RAM = 16 << 30
MAX_HARTS = 8
PAGE = 4096


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """What a machine is built from, checked.

    Attributes
    ----------
    board : str
        The board's name.
    ram : int
        Bytes of main memory.
    harts : int
        Number of harts.
    isa : str or None
        The ISA string, or None for everything on offer.
    clock : str
        ``"virtual"`` or ``"host"``; by default the latter if harts are parallel, else the former.
    seed : int
        Seed of everything random that the guest can see.
    tier : str
        What executes: ``"auto"``, ``"t0"``, ``"t1"`` or ``"t2"``.
    code_cache : str
        Where compiled code is shared: ``"on"`` (in this process and in the cache folder), ``"memory"`` (in this
        process), ``"off"``, or the path of another folder.
    parallel : bool
        Whether each hart has a thread of its own.
    icount : bool
        Whether it was said that time is counted in instructions; only ever with ``clock="virtual"``.
    numa : tuple of GuestNode
        The guest's NUMA nodes; none where it has no NUMA.
    placement : tuple of str
        Where on the host main memory shall be: for all of it, or for each node; empty for the kernel's choice.
    """

    board: str = "virt"
    ram: int = 512 << 20
    harts: int = 1
    isa: str | None = None
    clock: str = "virtual"
    seed: int = 0
    tier: str = "auto"
    code_cache: str = "on"
    parallel: bool = False
    icount: bool = False
    numa: tuple[GuestNode, ...] = ()
    placement: tuple[str, ...] = ()


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "board": lambda v: parse_choice(v, "board", ("virt",)),
    "ram": lambda v: parse_size(v, "ram", least=MIN_RAM, most=MAX_RAM, multiple=PAGE),
    "harts": lambda v: parse_count(v, "harts", least=1, most=MAX_HARTS),
    "isa": lambda v: _text(v, "isa"),
    "clock": lambda v: parse_choice(v, "clock", ("virtual", "host")),
    "seed": lambda v: parse_count(v, "seed", least=0, most=(1 << 64) - 1),
    "tier": lambda v: parse_choice(v, "tier", ("auto", "t0", "t1", "t2")),
    "code_cache": lambda v: _text(os.fspath(v) if isinstance(v, os.PathLike) else v, "code_cache"),
    "parallel": lambda v: parse_flag(v, "parallel"),
    "icount": lambda v: parse_flag(v, "icount"),
    "numa": parse_nodes,
    "placement": parse_placements,
}

ENVIRONMENT = {name: f"VMCORE_{name.upper()}" for name in _CHECKS}
"""Which environment variable sets which setting."""

_DEFAULTS = {field.name: field.default for field in fields(MachineSettings)} | {"clock": None}


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{what}={value!r} is not a name")
    return value


def load_settings(given: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> MachineSettings:
    """Return the settings: keyword over environment over default.

    Parameters
    ----------
    given : mapping
        The keywords. A value of None means not given.
    environ : mapping, optional
        Where the ``VMCORE_*`` variables are looked up; by default ``os.environ``.

    Raises
    ------
    ConfigError
        A value is not allowed; for one from the environment the message names the variable.
    """
    where = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for name, check in _CHECKS.items():
        value = given.get(name)
        if value is not None:
            values[name] = check(value)
            continue
        value = where.get(ENVIRONMENT[name])
        if value is None:
            values[name] = _DEFAULTS[name]
            continue
        try:
            values[name] = check(value)
        except ConfigError as error:
            raise ConfigError(
                f"the environment variable {ENVIRONMENT[name]}: {error.message}", hint=error.hint
            ) from None
    _fit_nodes(values, {name: 2 if given.get(name) is not None else ENVIRONMENT[name] in where for name in _CHECKS})
    _agree_on_time(values)
    return MachineSettings(**values)


def _agree_on_time(values: dict[str, Any]) -> None:
    """Choose the clock where none was given; refuse what contradicts itself."""
    if values["icount"] and values["parallel"]:
        raise ConfigError(
            "icount=True with parallel=True: harts that run at the same time have no common count of instructions",
            hint="Leave one of them out",
        )
    if values["clock"] is None:
        values["clock"] = "host" if values["parallel"] else "virtual"
    if values["icount"] and values["clock"] == "host":
        raise ConfigError("icount=True with clock='host': time is counted in instructions, or it is the host's")
    if values["parallel"] and values["clock"] == "virtual":
        raise ConfigError(
            "parallel=True with clock='virtual': harts that run at the same time have no common virtual time",
            hint="Leave clock out: parallel harts use the host's",
        )


def _fit_nodes(values: dict[str, Any], given: Mapping[str, int]) -> None:
    """Let the guest's nodes say how much memory and how many harts there are, where nothing as strong says it."""
    nodes: tuple[GuestNode, ...] = values["numa"]
    if not nodes:
        return
    total = sum(node.ram for node in nodes)
    if given["ram"] < given["numa"]:
        values["ram"] = parse_size(total, "ram", least=MIN_RAM, most=MAX_RAM)
    if given["harts"] < given["numa"]:
        values["harts"] = parse_count(sum(len(n.harts) for n in nodes), "harts of numa", least=1, most=MAX_HARTS)
    check_ram(nodes, values["ram"])
    check_harts(nodes, values["harts"])
