"""Looks into the C that Cython makes of the handlers: nothing there may check for exceptions or take the GIL.

A forgotten ``noexcept``, a Python object that slipped in, or a division with Python's rules costs more than the
instruction that it is part of, and none of them shows in the source. Run it with ``tox -e cyhints``.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension

ROOT = Path(__file__).parents[1]
HOT = sorted((ROOT / "vmcore/_fast/hart").glob("ops_*.pyx"))
HANDLER = re.compile(
    r"^(?:static|extern|__PYX_EXTERN_C|CYTHON_\w+|void|\s)*void \w*?_h_(?P<name>\w+)\([^;]*\{$", re.MULTILINE
)
SUSPECTS = {
    "__Pyx_ErrOccurredWithGIL": "a hidden check for an exception",
    "PyErr_Occurred": "a hidden check for an exception",
    "__Pyx_PyGILState_Ensure": "takes the GIL",
    "PyGILState_Ensure": "takes the GIL",
    "__Pyx_WriteUnraisable": "may raise, and the exception would be swallowed",
    "__Pyx_AddTraceback": "may raise",
    "PyErr_SetString": "may raise",
    "Py_INCREF": "touches a Python object",
}


def handlers(code: str) -> Iterator[tuple[str, str]]:
    """Yield name and body of each handler in generated C."""
    for match in HANDLER.finditer(code):
        end = code.find("\n}\n", match.end())
        yield match["name"], code[match.end() : end]


def main() -> int:
    """Print what was found; the exit status is 1 when that is not nothing."""
    found = count = 0
    with tempfile.TemporaryDirectory() as folder:
        modules = [Extension(".".join(p.relative_to(ROOT).with_suffix("").parts), [str(p)]) for p in HOT]
        # The directives of the release build: see setup.py.
        directives = {"language_level": 3, "boundscheck": False, "wraparound": False, "initializedcheck": False}
        directives |= {"cdivision": True, "freethreading_compatible": True}
        made = cythonize(modules, compiler_directives=directives, build_dir=folder, quiet=True)
        for path, module in zip(HOT, made, strict=True):
            code = Path(module.sources[0]).read_text("utf-8")
            # Comments quote the source, which may name what we look for.
            code = re.sub(r"/\*.*?\*/", "", code, flags=re.DOTALL)
            bodies = list(handlers(code))
            count += len(bodies)
            written = len(re.findall(r"^cdef (?:inline )?void h_", path.read_text("utf-8"), re.MULTILINE))
            if len(bodies) != written:
                found += 1
                print(f"{module.name}: {written} handlers in the source, {len(bodies)} in the generated code")
            for name, body in bodies:
                for word, meaning in SUSPECTS.items():
                    if word in body:
                        found += 1
                        print(f"{module.name}: h_{name}: {meaning} ({word})")
    print(f"{count} handlers in {len(HOT)} files looked through, {found} findings")
    return 1 if found or not count else 0


if __name__ == "__main__":
    sys.exit(main())
