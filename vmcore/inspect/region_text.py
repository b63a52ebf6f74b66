"""A region and its stages as text: what ``vmcore jit explain`` prints."""

from __future__ import annotations

from collections.abc import Iterator

from vmcore.inspect.region import Explanation, GuestBlock, Stage, Value

__all__ = ["count", "figures", "headline", "lives", "region_text", "unchanged", "ways"]

_WORDS = 20


def count(number: int, what: str) -> str:
    """Return a number of things."""
    return f"{number} {what}{'s' * (number != 1)}"


def headline(region: Explanation) -> str:
    """Return what was compiled, in one line."""
    kind = "loop" if region.is_loop else "code without a loop"
    return (
        f"{kind} at {region.address:#x} in {region.name}: {count(region.instructions, 'instruction')}, "
        f"{count(len(region.stages[-1].lines), 'line')} of IR, {region.size} bytes of code"
    )


def figures(region: Explanation) -> list[str]:
    """Return what allocation says of itself, a line each."""
    f = region.figures
    homes = sum(value.place == "home" for value in region.values)
    anew = sum(value.place == "remat" for value in region.values)
    return [
        f"{f['way']}: {count(f['ranges'], 'live range')}, {count(region.edges, 'edge')}, "
        f"at most {f['pressure']} general registers wanted at once",
        f"without a register: {f['spilled']} ({count(f['slots'], 'slot')}, {homes} read from the hart, "
        f"{anew} computed anew); {f['spill_weight']:.4g} memory accesses for it at each entry",
        f"copies: {f['coalesced']} of {f['copies']} coalesced; the others are executed {f['copy_weight']:.4g} times "
        "at each entry",
    ]


def ways(block: GuestBlock) -> str:
    """Return where control goes from a block of the guest."""
    if not block.ways:
        return "leaves to an address in a register"
    return ", ".join(f"{'leaves to' if leaves else 'goes to'} {to:#x}" for to, leaves in block.ways)


def lives(value: Value) -> str:
    """Return the positions at which a value lives."""
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in value.lives)


def unchanged(region: Explanation, stage: Stage) -> list[str]:
    """Return the names of the stages before this one, back to one that changed something, which changed nothing."""
    names: list[str] = []
    for one in region.stages[1:]:
        if one is stage:
            break
        names = [] if any(one is changed for changed in region.changes) else [*names, one.name]
    return names


def _guest(region: Explanation) -> Iterator[str]:
    for block in region.guest:
        if block.inlined:
            yield "  ; of a call that is inlined"
        for line in block.lines:
            yield f"  {line}"
        yield f"  ; {ways(block)}"


def _stage(region: Explanation, stage: Stage) -> Iterator[str]:
    skipped = unchanged(region, stage)
    if skipped:
        yield f"; nothing changed by {', '.join(skipped)}"
    for i, (_, text) in enumerate(stage.lines):
        yield f"{'+' if i in stage.fresh else ' '} {text}"


def _graph(region: Explanation) -> Iterator[str]:
    for value in region.values:
        names = [f"v{node}" for node in value.neighbours]
        kind = "float" if value.is_float else "int"
        head = f"  {f'v{value.node}':<6}{kind:<7}{value.place:<8}degree {len(names):<4}"
        for at in range(0, max(len(names), 1), _WORDS):
            yield (head + " ".join(names[at : at + _WORDS])).rstrip()
            head = " " * len(head)


def _allocation(region: Explanation) -> Iterator[str]:
    for line in figures(region):
        yield f"  {line}"
    yield "  positions: " + " ".join(
        f"b{number} {row['span'][0]}-{row['span'][1]}" for number, row in region.blocks.items()
    )
    for value in region.values:
        text = value.text.partition(" = ")[2] or value.text
        yield f"  {f'v{value.node}':<6}{value.place:<8}cost {value.cost:<9.4g}{lives(value):<24} {text}".rstrip()


def _host(region: Explanation) -> Iterator[str]:
    for piece in region.pieces:
        at = f"  ({piece.guest:#x})" if piece.guest is not None and piece.what == "node" else ""
        # A snapshot says where each register is; the graph has it.
        yield f"{'' if piece.what == 'block' else '  '}{piece.text.partition(' [')[0]}{at}"
        for line in piece.lines:
            raw = line.raw.hex() if line.text else line.raw.hex(" ", 4)
            note = f"  ; {line.note.partition(' [')[0]}" if line.note else ""
            yield f"    {line.address:6x}: {raw:<24}  {line.text:<44}{note}".rstrip()
    yield f"  side tables: {region.tables} bytes"


def region_text(region: Explanation) -> Iterator[str]:
    """Yield the lines of a region's description: the guest's code, all stages, allocation, and the host's code."""
    yield headline(region)
    for loop in region.others:
        yield f"another loop: --pc {loop.address:#x} ({count(loop.instructions, 'instruction')})"
    parts: list[tuple[str, Iterator[str]]] = [("guest code", _guest(region))]
    for stage in region.changes:
        made = f" ({count(stage.rewrites, 'rewrite')})" if stage.rewrites else ""
        parts.append((f"IR after {stage.name}{made}", _stage(region, stage)))
    parts += [
        ("interference graph", _graph(region)),
        ("allocation", _allocation(region)),
        ("host code", _host(region)),
    ]
    for title, lines in parts:
        yield f"\n== {title} =="
        yield from lines
