"""The ``.pyi`` beside each compiled module says what the module has: no name more, no name less."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType

import pytest

import vmcore

ROOT = Path(__file__).parents[2]
STUBS = sorted((ROOT / "vmcore").rglob("*.pyi"))


def module_of(stub: Path) -> ModuleType:
    return importlib.import_module(".".join(stub.relative_to(ROOT).with_suffix("").parts))


def names_in(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """The public names that a stub declares; type variables exist for the type checker only."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
        elif isinstance(node, ast.Assign) and not isinstance(node.value, ast.Call):
            found |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
    return {name: node for name, node in found.items() if not name.startswith("_")}


def test_there_are_stubs() -> None:
    assert len(STUBS) > 20
    assert vmcore.__file__


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.stem)
def test_what_a_stub_declares_exists(stub: Path) -> None:
    module = module_of(stub)
    for name, node in names_in(ast.parse(stub.read_text("utf-8")).body).items():
        assert hasattr(module, name), f"{stub.name} declares {name}"
        if isinstance(node, ast.ClassDef):
            for member in names_in(node.body):
                assert hasattr(getattr(module, name), member), f"{stub.name} declares {name}.{member}"


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.stem)
def test_what_exists_is_declared(stub: Path) -> None:
    module = module_of(stub)
    declared = names_in(ast.parse(stub.read_text("utf-8")).body)
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        assert name in declared, f"{stub.name} lacks {name}"
        node = declared[name]
        if isinstance(value, type) and isinstance(node, ast.ClassDef):
            public = {member for member in vars(value) if not member.startswith("_")}
            assert public - set(names_in(node.body)) == set(), f"{stub.name}: class {name}"
