"""Who may import whom: read from every ``import`` and ``cimport`` of the sources, compiled ones included."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vmcore"
_CYTHON = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<source>[\w.]+)[ \t]+c?import[ \t]+(?P<names>\([^)]*\)|[^\n]*)"
    r"|c?import[ \t]+(?P<modules>[\w., \t]+))",
    re.MULTILINE,
)


def module_of(path: Path) -> str:
    """Return the module that a source file is; a package's ``__init__`` is ``package.__init__``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def sources() -> list[Path]:
    """Return every source file; a ``.pxd`` is the same module as its ``.pyx``."""
    return sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyx", ".pxd"))


MODULES = {module_of(path) for path in sources()}


def _known(name: str) -> str | None:
    """Return the module called `name`, a package's ``__init__`` for a package, None for something foreign."""
    if name in MODULES:
        return name
    return f"{name}.__init__" if f"{name}.__init__" in MODULES else None


def _targets(source: str, names: list[str]) -> Iterator[str]:
    """Return what ``from source import names`` reaches: modules where the names are modules, else the source."""
    for name in names:
        module = _known(f"{source}.{name}") or _known(source)
        if module is not None:
            yield module


def _absolute(path: Path, module: str | None, level: int) -> str:
    if not level:
        return module or ""
    parts = path.relative_to(ROOT).with_suffix("").parts[:-level]
    return ".".join((*parts, module) if module else parts)


class _Imports(ast.NodeVisitor):
    """Collects imports, but not those that only a type checker sees."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found.update(module for alias in node.names if (module := _known(alias.name)))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        source = _absolute(self.path, node.module, node.level)
        self.found.update(_targets(source, [alias.name for alias in node.names]))


def imports_of(path: Path) -> set[str]:
    """Return the modules of this project that a source file imports."""
    text = path.read_text()
    if path.suffix == ".py":
        visitor = _Imports(path)
        visitor.visit(ast.parse(text))
        return visitor.found
    found: set[str] = set()
    for match in _CYTHON.finditer(re.sub(r"#[^\n]*", "", text)):
        if match["source"]:
            names = [name.split()[0] for name in re.sub(r"[()\\]", " ", match["names"]).split(",") if name.split()]
            found.update(_targets(match["source"], names))
        else:
            parts = [part.split()[0] for part in match["modules"].split(",") if part.split()]
            found.update(module for part in parts if (module := _known(part)))
    return found


GRAPH: dict[str, set[str]] = {}
for _path in sources():
    GRAPH.setdefault(module_of(_path), set()).update(imports_of(_path) - {module_of(_path)})


def edges() -> list[tuple[str, str]]:
    return sorted((module, target) for module, targets in GRAPH.items() for target in targets)


def under(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def offences(layer: str, *, only: tuple[str, ...] = (), never: tuple[str, ...] = ()) -> list[str]:
    """Return the imports of `layer` that leave `only`, or enter `never`."""
    return [
        f"{module} imports {target}"
        for module, target in edges()
        if under(module, layer) and ((only and not under(target, layer, *only)) or under(target, *never))
    ]


ABOVE_MACHINE = tuple(f"vmcore.{name}" for name in ("runtime", "inspect", "monitor", "testing", "cli", "plugins"))


def test_the_reader_sees_imports_of_every_kind() -> None:
    """The graph is no empty one, and holds edges of Python, of ``.pyx`` and of ``.pxd`` files."""
    assert "vmcore.machine.machine" in GRAPH["vmcore.__init__"]
    assert "vmcore.errors" in GRAPH["vmcore._fast.run"]
    assert "vmcore._fast.hart.state" in GRAPH["vmcore._fast.run"]
    assert "vmcore._fast.memory.ram" in GRAPH["vmcore._fast.run"], "a cimport over several lines"
    assert "vmcore.inspect.hooks" not in GRAPH["vmcore.machine.machine"], "only a type checker sees it"


@pytest.mark.parametrize(
    ("layer", "only", "never"),
    [
        ("vmcore.errors", ("vmcore.errors",), ()),
        ("vmcore._fast", ("vmcore.errors",), ()),
        ("vmcore._fast.memory", ("vmcore.errors", "vmcore._fast.defs", "vmcore._fast.dev.dma"), ()),
        ("vmcore._fast.hart", (), ("vmcore._fast.run", "vmcore._fast.face", "vmcore._fast.stop", "vmcore._fast.dev")),
        ("vmcore._fast.dev", (), ("vmcore._fast.hart", "vmcore._fast.run", "vmcore._fast.face", "vmcore._fast.stop")),
        ("vmcore.config", ("vmcore.errors",), ()),
        ("vmcore.isa", ("vmcore.errors", "vmcore._fast"), ()),
        ("vmcore.devices", ("vmcore.errors", "vmcore.config", "vmcore._fast"), ("vmcore._fast.run",)),
        ("vmcore.machine", (), ABOVE_MACHINE),
    ],
)
def test_layers(layer: str, only: tuple[str, ...], never: tuple[str, ...]) -> None:
    assert offences(layer, only=only, never=never) == []


def test_nobody_imports_the_command_line_or_the_face() -> None:
    """``vmcore/__init__`` re-exports; whoever is inside imports the module itself."""
    wrong = [f"{module} imports {target}" for module, target in edges() if target == "vmcore.__init__"]
    wrong += [f"{module} imports {target}" for module, target in edges()
              if under(target, "vmcore.cli") and not under(module, "vmcore.cli")]  # fmt: skip
    assert wrong == []


def test_no_circles() -> None:
    """No file imports itself by way of others."""
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            raise AssertionError(" -> ".join([*path[path.index(module) :], module]))
        if module in done:
            return
        for target in sorted(GRAPH[module]):
            walk(target, [*path, module])
        done.add(module)

    for module in sorted(GRAPH):
        walk(module, [])
