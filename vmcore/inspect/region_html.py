"""A region and its stages as one page of HTML, which needs nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from html import escape

from vmcore.inspect.region import Explanation, Value
from vmcore.inspect.region_text import count, figures, headline, lives, unchanged, ways

__all__ = ["region_html"]

# More values than that are no picture any more.
_MOST_DRAWN = 120
_SNAPSHOT = re.compile(r" \[(next|step) .*")
_NODE = re.compile(r"\bv(\d+)\b")

_STYLE = """
:root { color-scheme: light dark; --back: light-dark(#f6f7f9, #14171c); --card: light-dark(#fff, #1c2027);
  --ink: light-dark(#1d2430, #d8dee9); --dim: light-dark(#6b7584, #8590a2); --line: light-dark(#dde2e9, #303743);
  --new: light-dark(#e2f5e5, #1c3a26); --pick: light-dark(#ffe7a3, #6b5312); --edge: light-dark(#8fa0b8, #52607a); }
* { box-sizing: border-box; }
body { margin: 0; height: 100vh; display: flex; flex-direction: column; background: var(--back); color: var(--ink);
  font: 14px/1.45 system-ui, sans-serif; }
header { padding: 12px 18px; border-bottom: 1px solid var(--line); background: var(--card); }
h1 { margin: 0; font-size: 17px; } header p { margin: 2px 0 0; color: var(--dim); }
main { flex: 1; min-height: 0; display: flex; gap: 12px; padding: 12px; overflow-x: auto; }
section { flex: none; max-width: min(92vw, 620px); display: flex; flex-direction: column; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
h2 { margin: 0; padding: 8px 12px; font-size: 13px; border-bottom: 1px solid var(--line); }
h2 small { font-weight: normal; color: var(--dim); }
.body { overflow: auto; padding: 8px 0; font: 12px/1.55 ui-monospace, monospace; }
.l { white-space: pre; padding: 0 12px; } .new { background: var(--new); } .dim { color: var(--dim); }
.head { font-weight: 600; margin-top: 6px; } [data-n] { cursor: pointer; } .pick { background: var(--pick); }
svg { display: block; margin: 4px 12px; } svg text { font: 10px ui-monospace, monospace; fill: var(--ink); }
svg .e { stroke: var(--edge); stroke-width: .5; opacity: .45; } svg .pick { stroke: var(--ink); stroke-width: 2; }
svg .b { stroke: var(--line); } p { margin: 4px 12px; }
table { border-collapse: collapse; margin: 4px 12px; } td, th { padding: 1px 10px 1px 0; text-align: left;
  vertical-align: top; } th { color: var(--dim); font-weight: normal; } summary { padding: 4px 12px; cursor: pointer; }
"""

# Whatever belongs to the same value is marked while the pointer is on one of them; a click keeps it.
_SCRIPT = """
let kept = null;
function mark(n) {
  document.querySelectorAll(".pick").forEach(e => e.classList.remove("pick"));
  if (n) document.querySelectorAll('[data-n="' + n + '"]').forEach(e => e.classList.add("pick"));
}
const of = e => e.target.closest("[data-n]")?.dataset.n ?? null;
document.addEventListener("mouseover", e => { if (!kept) mark(of(e)); });
document.addEventListener("click", e => { const n = of(e); kept = n === kept ? null : n; mark(kept); });
"""


def _named(text: str) -> str:
    """Return text with its values marked, and a snapshot, which is in brackets, in the background."""
    text = _SNAPSHOT.sub(r'<span class="dim">\g<0></span>', escape(text))
    return _NODE.sub(r'<span data-n="\1">v\1</span>', text)


def _line(text: str, kind: str = "") -> str:
    return f'<div class="{f"l {kind}".rstrip()}">{_named(text) or "&nbsp;"}</div>'


def _section(title: str, note: str, body: Iterable[str]) -> str:
    small = f" <small>{escape(note)}</small>" if note else ""
    return f'<section><h2>{escape(title)}{small}</h2><div class="body">{"".join(body)}</div></section>'


def _hues(region: Explanation) -> dict[str, str]:
    """Return a colour for each place; what has no register is grey."""
    registers = sorted({value.place for value in region.values if not value.is_spilled})
    return {place: f"hsl({360 * i / len(registers):.0f} 62% 52%)" for i, place in enumerate(registers)}


def _guest(region: Explanation) -> Iterator[str]:
    for block in region.guest:
        yield _line(f"{block.lines[0].address:#x}{' (an inlined call)' if block.inlined else ''}", "head")
        for line in block.lines:
            yield _line(f"{line.address:8x}  {line.mnemonic:<8} {line.operands}")
        yield _line(f"  {ways(block)}", "dim")


def _stages(region: Explanation) -> Iterator[str]:
    for stage in region.changes:
        skipped = unchanged(region, stage)
        note = count(stage.rewrites, "rewrite") if stage.rewrites else ""
        body = [_line(f"nothing changed by {', '.join(skipped)}", "dim")] if skipped else []
        for i, (_, text) in enumerate(stage.lines):
            kinds = ("head",) * (not text.startswith(" ")) + ("new",) * (i in stage.fresh)
            body.append(_line(text, " ".join(kinds)))
        yield _section(f"IR after {stage.name}", note, body)


def _circle(values: list[Value], hues: dict[str, str]) -> Iterator[str]:
    radius = max(110.0, len(values) * 18 / (2 * math.pi))
    middle = radius + 34
    at = {}
    for i, value in enumerate(values):
        angle = 2 * math.pi * i / len(values) - math.pi / 2
        at[value.node] = (middle + radius * math.cos(angle), middle + radius * math.sin(angle))
    size = f"{2 * middle:.0f}"
    yield f'<svg width="{size}" height="{size}" viewBox="0 0 {size} {size}" role="img">'
    for value in values:
        x, y = at[value.node]
        for node in value.neighbours:
            if node > value.node:
                yield f'<line class="e" x1="{x:.1f}" y1="{y:.1f}" x2="{at[node][0]:.1f}" y2="{at[node][1]:.1f}"/>'
    for value in values:
        x, y = at[value.node]
        # The name stands outside of the circle.
        out = 1 + 17 / radius
        tip = escape(f"{value.text}\n{value.place}, degree {len(value.neighbours)}, cost {value.cost:.4g}")
        yield (
            f'<circle data-n="{value.node}" cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{hues.get(value.place, "#888")}">'
            f'<title>{tip}</title></circle><text data-n="{value.node}" x="{middle + (x - middle) * out:.1f}" '
            f'y="{middle + (y - middle) * out + 3:.1f}" text-anchor="middle">v{value.node}</text>'
        )
    yield "</svg>"


def _graph(region: Explanation, hues: dict[str, str]) -> Iterator[str]:
    for name, is_float in (("integers", False), ("floating point", True)):
        values = [value for value in region.values if value.is_float == is_float]
        if not values:
            continue
        edges = sum(len(value.neighbours) for value in values) // 2
        yield f"<p>{name}: {len(values)} nodes, {edges} edges</p>"
        if len(values) <= _MOST_DRAWN:
            yield from _circle(values, hues)
    yield "<details><summary>neighbours</summary><table><tr><th>value<th>place<th>degree<th>neighbours"
    for value in region.values:
        names = " ".join(f"v{node}" for node in value.neighbours)
        yield f"<tr><td>{_named(f'v{value.node}')}<td>{value.place}<td>{len(value.neighbours)}<td>{_named(names)}"
    yield "</table></details>"


def _lives(region: Explanation, hues: dict[str, str]) -> Iterator[str]:
    last = max(row["span"][1] for row in region.blocks.values()) + 1
    step = min(6.0, 900 / last)
    left, top, row = 100, 16, 14
    high = top + row * len(region.values) + 4
    wide = left + step * last + 10
    yield f'<svg width="{wide:.0f}" height="{high}" viewBox="0 0 {wide:.0f} {high}" role="img">'
    for number, block in region.blocks.items():
        x = left + step * block["span"][0]
        yield f'<line class="b" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{high}"/>'
        if step * (block["span"][1] - block["span"][0] + 1) > 18:
            yield f'<text x="{x + 2:.1f}" y="10">b{number}</text>'
    for i, value in enumerate(region.values):
        y = top + row * i
        yield f'<g data-n="{value.node}"><title>{escape(value.text)}</title>'
        yield f'<text x="0" y="{y + 10}">v{value.node} {value.place}</text>'
        for begin, end in value.lives:
            yield (
                f'<rect x="{left + step * begin:.1f}" y="{y + 2}" width="{step * (end - begin + 1):.1f}" height="10" '
                f'rx="2" fill="{hues.get(value.place, "#888")}"/>'
            )
        yield "</g>"
    yield "</svg>"


def _allocation(region: Explanation, hues: dict[str, str]) -> Iterator[str]:
    for line in figures(region):
        yield f"<p>{escape(line)}</p>"
    yield from _lives(region, hues)
    yield "<details><summary>all values</summary><table><tr><th>value<th>place<th>cost<th>lives<th>what it is"
    for value in region.values:
        yield (
            f"<tr><td>{_named(f'v{value.node}')}<td>{value.place}<td>{value.cost:.4g}<td>{lives(value)}"
            f"<td>{_named(value.text.partition(' [')[0])}"
        )
    yield "</table></details>"


def _host(region: Explanation) -> Iterator[str]:
    for piece in region.pieces:
        text = piece.text.partition(" [")[0]
        if piece.guest is not None and piece.what == "node":
            text += f"  ({piece.guest:#x})"
        if piece.what == "block":
            yield _line(text, "head")
        elif piece.node and not text.startswith(f"v{piece.node} "):
            # Nodes without a result have no name in their line.
            yield f'<div class="l dim" data-n="{piece.node}">  {_named(text)}</div>'
        else:
            yield _line(f"  {text}", "dim")
        for line in piece.lines:
            note = f"  ; {line.note.partition(' [')[0]}" if line.note else ""
            yield _line(f"{line.address:6x}  {line.text or line.raw.hex(' ', 4)}{note}")
    yield _line(f"side tables: {region.tables} bytes", "dim")


def region_html(region: Explanation) -> str:
    """Return a page with the guest's code, the graph behind each stage, allocation and the host's code side by side."""
    hues = _hues(region)
    others = ", ".join(f"{loop.address:#x}" for loop in region.others)
    columns = [
        _section("Guest code", count(region.instructions, "instruction"), _guest(region)),
        *_stages(region),
        _section("Interference graph", count(region.edges, "edge"), _graph(region, hues)),
        _section("Allocation", region.figures["way"], _allocation(region, hues)),
        _section("Host code", f"{region.size} bytes", _host(region)),
    ]
    title = escape(f"{region.name} at {region.address:#x}")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>{title}</h1><p>{escape(headline(region))}</p>"
        + (f"<p>other loops: {others}</p>" if others else "")
        + f"</header><main>{''.join(columns)}</main><script>{_SCRIPT}</script></body></html>\n"
    )
