"""``vmcore jit``: guest code, host code, why each block ends, and what became of a region at each stage."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.asm import build
from support.loopprogram import regions_elf

from .conftest import Vmcore

HERE = Path(__file__).parent / "programs"


@pytest.fixture(scope="module")
def elf() -> Path:
    return build(HERE / "blocks.S", script=HERE / "link.ld")


def test_shows_both_sides_and_the_reason(vmcore: Vmcore, elf: Path) -> None:
    done = vmcore("jit", "show", elf, "loop")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"loop at 0x\w+ to 0x\w+: 1 block, 3 instructions, \d+ bytes of code", lines[0])
    assert re.fullmatch(r"registers: (\w+=\w+ ?){10}", lines[1])
    ends = [line for line in lines if line.startswith("block ")]
    assert len(ends) == 1
    assert ends[0].endswith("ends as it jumps to an address in a register")
    assert any(re.search(r"\tbnez\t", line) for line in lines)
    # The loop polls the budget, and its branch leads back to the block itself.
    start = re.search(r"block (0x\w+)", ends[0])
    assert start is not None
    assert any("; budget" in line for line in lines)
    assert any(line.endswith(f"; block {start[1]}") for line in lines)


def test_without_a_disassembler_there_are_bytes_and_a_hint(vmcore: Vmcore, elf: Path, tmp_path: Path) -> None:
    # Found before the installed one, and there is nothing in it.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['capstone'] = None\n")
    # (An empty part of the path would be the current folder: a source tree without compiled modules.)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    done = vmcore("jit", "show", elf, "loop", PYTHONPATH=path)
    assert done.returncode == 0
    assert 'pip install "vmcore[debug]"' in done.stderr
    assert re.search(r"^ +[0-9a-f]+: [0-9a-f ]+$", done.stdout, re.M)


def test_a_wrong_name_is_one_line(vmcore: Vmcore, elf: Path) -> None:
    done = vmcore("jit", "show", elf, "lopo")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no code is called 'lopo'" in done.stderr and done.stderr.count("\n") == 1


# --- regions ----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """A page of HTML: its titles, what it asks for from elsewhere, and whether its elements are closed in order."""

    EMPTY = frozenset({"meta"})
    # What HTML closes by itself.
    OPTIONAL = frozenset({"tr", "td", "th"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.titles: list[str] = []
        self.links: list[str] = []
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] += 1
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.EMPTY | self.OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.titles.append(data.strip())


@pytest.fixture(scope="module")
def loops() -> Path:
    return regions_elf()


def parts(text: str) -> dict[str, list[str]]:
    """The lines below each title."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if title := re.fullmatch(r"== (.+) ==", line):
            found[title[1]] = []
        elif found:
            found[list(found)[-1]].append(line)
    return found


def test_a_region_is_explained_from_guest_code_to_host_code(vmcore: Vmcore, loops: Path) -> None:
    done = vmcore("jit", "explain", loops, "sum")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"loop at 0x\w+ in sum: 4 instructions, \d+ lines of IR, \d+ bytes of code\n", done.stdout)
    found = parts(done.stdout)
    assert [*found][:2] == ["guest code", "IR after lift"]
    assert [*found][-3:] == ["interference graph", "allocation", "host code"]
    # The loop is unrolled, after which its accesses share a look-up.
    assert [title for title in found if title.startswith("IR after unroll (")]
    lifted, last = found["IR after lift"], found[[*found][-4]]
    assert (len([x for x in lifted if "load.int" in x]), len([x for x in lifted if "= host" in x])) == (1, 1)
    assert (len([x for x in last if "load.int" in x]), len([x for x in last if "= host" in x])) == (4, 1)
    assert any(re.match(r"  v\d+ +int +\w+ +degree \d+ ", line) for line in found["interference graph"])
    assert any(re.match(r"  v\d+ +\w+ +cost \S+ +\d+-\d+ ", line) for line in found["allocation"])
    # Pieces have the name of what they do, jumps that of where they lead.
    assert any(line.strip().startswith("v") and " = load.int " in line for line in found["host code"])
    assert any(line.endswith("; budget") for line in found["host code"])
    assert any(re.search(r"  j\w+ 0x\w+ +; b\d+$", line) for line in found["host code"])


def test_the_page_has_the_same_and_needs_nothing_else(vmcore: Vmcore, loops: Path, tmp_path: Path) -> None:
    done = vmcore("jit", "explain", loops, "dot", "--html", tmp_path / "dot.html")
    assert (done.returncode, done.stdout) == (0, "")
    text = (tmp_path / "dot.html").read_text("utf-8")
    page = Page(text)
    assert (page.wrong, page.open, page.links) == ([], [], [])
    assert "url(" not in text and "@import" not in text
    columns = [title for title in page.titles if title.startswith(("Guest", "IR", "Inter", "Alloc", "Host"))]
    shown = vmcore("jit", "explain", loops, "dot").stdout
    assert [*parts(shown)] != []
    assert len(columns) == len(parts(shown)) == page.counts["section"]
    # Integers and floating-point values have a graph each; and there are their lives.
    assert page.counts["svg"] == 3
    values = sum(line.startswith("  v") for line in parts(shown)["allocation"])
    assert page.counts["circle"] == values
    edges = re.search(r"(\d+) edges", shown)
    assert edges is not None and text.count('<line class="e"') == int(edges[1])


def test_explaining_without_a_disassembler(vmcore: Vmcore, loops: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['capstone'] = None\n")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    done = vmcore("jit", "explain", loops, "sum", PYTHONPATH=path)
    assert done.returncode == 0
    assert 'pip install "vmcore[debug]"' in done.stderr
    assert any(re.match(r"    +\w+: [0-9a-f ]+$", line) for line in parts(done.stdout)["host code"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing",), "no code is called 'nothing'"),
        (("table",), "'table' is no code"),
        (("first",), "its first instruction, csrr a0,mhartid, is none"),
        (("sum", "--pc", "0x10"), "0x10 is no instruction of sum"),
        (("sum", "--pc", "-2"), "-0x2 is no instruction of sum"),
        (("sum", "--pc", "sum"), "'sum' is no address"),
        (("sum", "--html", "/nowhere/at/all.html"), "cannot be written"),
        (("sum", "--isa", "rv64q"), "rv64q"),
    ],
)
def test_what_cannot_be_explained_is_said(
    vmcore: Vmcore, loops: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = vmcore("jit", "explain", loops, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr and "Traceback" not in done.stderr


def test_only_risc_v_is_explained(vmcore: Vmcore) -> None:
    done = vmcore("jit", "explain", sys.executable, "main")
    assert (done.returncode, done.stdout) == (2, "")
    assert "RISC-V" in done.stderr and done.stderr.count("\n") == 1
