"""What ``vmcore jit explain`` shows: the region that is chosen, its stages, places that can be, and all of the code."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest
from support.loopprogram import regions_elf

from vmcore._fast.jit.t2.explain import explain_region
from vmcore._fast.jit.t2.face import Region
from vmcore._fast.jit.t2.passes import ORDER
from vmcore.errors import ConfigError, LoadError, SymbolError
from vmcore.guests import elf_path
from vmcore.inspect.disasm import executable_regions
from vmcore.inspect.region import Explanation, explain_function
from vmcore.isa.riscv import Isa

LOOPS = ("sum", "dot", "mix", "twice")
KERNEL = ("memcpy", "format_args", "pci_enable", "scheduler")
PAGE = 4096


@pytest.fixture(scope="module")
def elf() -> Path:
    return regions_elf()


@pytest.fixture(scope="module", params=[*LOOPS, *KERNEL, "straight"])
def region(request: pytest.FixtureRequest, elf: Path) -> Explanation:
    return explain_function(elf_path() if request.param in KERNEL else elf, request.param)


def texts(region: Explanation) -> list[str]:
    return [line.mnemonic for block in region.guest for line in block.lines]


def loosely(graph: list[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    """A graph but for the order of operands: putting them in order is no rewrite."""
    return [(node, sorted(text.replace(",", "").split())) for node, text in graph]


def test_the_largest_loop_is_taken_and_others_are_named(elf: Path) -> None:
    twice = explain_function(elf, "twice")
    assert twice.is_loop and "mul" in texts(twice)
    assert len(twice.others) == 1
    other = explain_function(elf, "twice", pc=twice.others[0].address)
    assert other.is_loop and "mul" not in texts(other)
    assert (other.address, other.instructions) == (twice.others[0].address, twice.others[0].instructions)
    assert [loop.address for loop in other.others] == [twice.address]


def test_without_a_loop_it_is_what_follows_the_start(elf: Path) -> None:
    straight = explain_function(elf, "straight")
    assert (straight.is_loop, straight.others) == (False, [])
    assert straight.guest[0].lines[0].address == straight.address
    assert straight.guest[-1].ways == []


def test_every_stage_is_there_in_order_and_well_formed(region: Explanation) -> None:
    assert [stage.name for stage in region.stages] == ["lift", *ORDER, "select"]
    for stage in region.stages:
        graph = "\n".join(text for _, text in stage.lines)
        assert Region.from_text(graph).verify() is None
    assert region.changes[0].name == "lift" and region.changes[-1].name == "select"
    for before, stage in pairwise(region.stages):
        known = {text for _, text in before.lines}
        assert {stage.lines[i][1] for i in stage.fresh} == {text for _, text in stage.lines} - known
        if stage.rewrites == 0 and stage.name != "select":
            assert loosely(stage.lines) == loosely(before.lines)


def test_who_interferes_has_another_place(region: Explanation) -> None:
    values = {value.node: value for value in region.values}
    assert len(values) == len(region.values) == region.figures["ranges"]
    assert region.edges > 0
    for value in region.values:
        for node in value.neighbours:
            assert value.node in values[node].neighbours
            assert value.is_float == values[node].is_float
            assert value.place != values[node].place or value.place in ("home", "remat")
    assert sum(value.is_spilled for value in region.values) == region.figures["spilled"]


def test_lives_are_what_interference_is_about(region: Explanation) -> None:
    end = max(block["span"][1] for block in region.blocks.values())
    for value in region.values:
        assert value.lives and value.lives[-1][1] <= end
        assert all(first <= last for first, last in value.lives)
        assert all(one[1] + 1 < two[0] for one, two in pairwise(value.lives))
    values = {value.node: value for value in region.values}
    for value in region.values:
        for node in value.neighbours:
            # Who interferes is alive somewhere at the same time.
            assert any(
                one[0] <= two[1] and two[0] <= one[1] for one in value.lives for two in values[node].lives
            ), (value, values[node])


def test_spans_follow_each_other_and_cover_all_blocks(region: Explanation) -> None:
    spans = [block["span"] for block in region.blocks.values()]
    assert spans[0][0] == 0
    assert all(one[1] + 1 == two[0] for one, two in pairwise(spans))
    assert [f"b{number}" for number in region.blocks] == [
        piece.text.split("(")[0].split(" ")[0].rstrip(":") for piece in region.pieces if piece.what == "block"
    ]


def test_every_byte_of_code_is_shown_once(region: Explanation, monkeypatch: pytest.MonkeyPatch) -> None:
    at = 0
    for piece in region.pieces:
        for line in piece.lines:
            assert line.address == at
            at += len(line.raw)
    assert at + region.tables == region.size


def test_the_code_is_shown_as_bytes_without_a_disassembler(elf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "capstone", None)
    region = explain_function(elf, "sum")
    lines = [line for piece in region.pieces for line in piece.lines]
    assert {line.text for line in lines} == {""}
    assert sum(len(line.raw) for line in lines) + region.tables == region.size


def test_accesses_are_put_down_to_the_guests_instructions(elf: Path) -> None:
    region = explain_function(elf, "sum")
    load = next(line for block in region.guest for line in block.lines if line.mnemonic == "ld")
    found = {piece.guest for piece in region.pieces if " = host " in piece.text}
    assert found == {load.address}


def test_more_values_than_registers_are_spilled(elf: Path) -> None:
    mix = explain_function(elf, "mix")
    assert mix.figures["spilled"] > 0 and mix.figures["spill_weight"] > 0
    assert mix.figures["pressure"] > 11
    assert any(value.place.startswith("slot") for value in mix.values)


def page_of(elf: Path, region: Explanation) -> bytes:
    found = next(r for r in executable_regions(elf) if r.address <= region.address < r.address + len(r.data))
    start = (region.address & -PAGE) - found.address
    return found.data[max(start, 0) : start + PAGE].ljust(PAGE, b"\0")


def test_fuel_stops_at_each_rewrite(elf: Path) -> None:
    region = explain_function(elf, "sum")
    page, mask = page_of(elf, region), Isa.default().mask
    total = sum(stage.rewrites for stage in region.stages)
    assert total >= 5
    full = explain_region(page, mask, region.address % PAGE)["stages"]
    for fuel in range(total + 2):
        stages = explain_region(page, mask, region.address % PAGE, fuel)["stages"]
        assert sum(rewrites for _, rewrites, _ in stages) == min(fuel, total)
        # What was done before the fuel was used up is the same; from there on nothing changes.
        spent = 0
        for (name, rewrites, graph), (_, all_rewrites, all_graph) in zip(stages, full, strict=True):
            spent += all_rewrites
            if spent <= fuel:
                assert (name, rewrites, loosely(graph)) == (name, all_rewrites, loosely(all_graph))
    bare = explain_region(page, mask, region.address % PAGE, 0)["stages"]
    assert all(graph == bare[0][2] for _, _, graph in bare[1:-1])


def test_what_cannot_be_explained(elf: Path, tmp_path: Path) -> None:
    with pytest.raises(SymbolError, match="'table' is no code"):
        explain_function(elf, "table")
    with pytest.raises(ConfigError, match="its first instruction, csrr a0,mhartid"):
        explain_function(elf, "first")
    start = explain_function(elf, "straight").address
    with pytest.raises(ConfigError, match="is no instruction of straight"):
        explain_function(elf, "straight", pc=start + 1)
    with pytest.raises(ConfigError, match="is no instruction of straight"):
        explain_function(elf, "straight", pc=start - 2)
    (tmp_path / "text").write_text("text")
    with pytest.raises(LoadError, match="no ELF file"):
        explain_function(tmp_path / "text", "sum")


def test_the_isa_decides_what_a_region_is_made_of(elf: Path) -> None:
    with pytest.raises(ConfigError, match="is none of those that regions are made of"):
        explain_function(elf, "dot", pc=explain_function(elf, "dot").address, isa="rv64i")


def test_pages_and_headers_are_checked() -> None:
    with pytest.raises(ConfigError, match="5 bytes are no page"):
        explain_region(bytes(5), Isa.default().mask, 0)
    for header in (-2, 1, PAGE):
        with pytest.raises(ConfigError, match="is not that of an instruction"):
            explain_region(bytes(PAGE), Isa.default().mask, header)
