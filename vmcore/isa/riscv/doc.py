"""Writes the reference tables: ``python -m vmcore.isa.riscv.doc [FILE]``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from vmcore.isa.riscv.csrs import CSRS
from vmcore.isa.riscv.extensions import EXTENSIONS, canonical_order
from vmcore.isa.riscv.row import Instruction
from vmcore.isa.riscv.table import INSTRUCTIONS

__all__ = ["main", "reference"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _pattern(row: Instruction) -> str:
    """Return the encoding: fixed bits as they are, operands as ``.``, ignored bits as ``-``."""
    return "".join(
        str(row.match >> bit & 1) if row.mask >> bit & 1 else "-" if row.ignored_bits >> bit & 1 else "."
        for bit in reversed(range(8 * row.size))
    )


def _needs(row: Instruction) -> str:
    first = " or ".join(row.any) or "i"
    return " and ".join([first, *row.all])


def reference() -> Iterator[str]:
    """Yield the lines of the reference in Markdown: extensions, instructions by extension, CSRs."""
    yield "# RISC-V reference"
    yield ""
    yield "This page is made from the tables that the decoder uses: `python -m vmcore.isa.riscv.doc`."
    yield ""
    yield "## Extensions"
    yield ""
    yield "| name | version | what | implies | needs |"
    yield "|---|---|---|---|---|"
    for name in sorted(EXTENSIONS, key=canonical_order):
        one = EXTENSIONS[name]
        needs = " ".join((*one.needs, *one.part_of))
        version = f"{one.version[0]}.{one.version[1]}"
        yield f"| {name} | {version} | {_cell(one.description)} | {' '.join(one.implies)} | {needs} |"
    yield from _instructions()
    yield from _csrs()


def _instructions() -> Iterator[str]:
    yield ""
    yield "## Instructions"
    groups: dict[str, list[Instruction]] = {}
    for row in INSTRUCTIONS:
        groups.setdefault(row.any[0] if row.any else "i", []).append(row)
    for name in sorted(groups, key=canonical_order):
        yield ""
        yield f"### {name}: {EXTENSIONS[name].description}"
        yield ""
        yield "| instruction | encoding | needs | what it does |"
        yield "|---|---|---|---|"
        for row in groups[name]:
            yield f"| `{row.mnemonic} {row.syntax}` | `{_pattern(row)}` | {_needs(row)} | {_cell(row.semantics)} |"


def _csrs() -> Iterator[str]:
    yield ""
    yield "## Control and status registers"
    yield ""
    yield "| number | name | mode | access | needs | what | values | specification |"
    yield "|---|---|---|---|---|---|---|---|"
    for csr in CSRS:
        yield (
            f"| `0x{csr.number:03x}` | {csr.name} | {csr.privilege} | {csr.access} | {' '.join(csr.extensions)} "
            f"| {_cell(csr.description)} | {_cell(csr.warl)} | {csr.section} |"
        )


def main(arguments: list[str]) -> int:
    """Write the reference to the file named, or to standard output."""
    text = "\n".join(reference()) + "\n"
    if arguments:
        Path(arguments[0]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
