"""The extension list and the build profiles of vmcore, and nothing else.

The profile is chosen by the environment variable ``VMCORE_PROFILE``: ``release`` (the default), ``debug`` (Cython's
checks and our own invariants on, interpreter as a loop) or ``trace`` (debug with line tracing, for coverage of the
compiled code). ``VMCORE_SANITIZE=address,undefined`` or ``thread`` adds a sanitizer. ``VMCORE_SERIAL=1`` builds with
one process instead of one for each core.

What the compiled core is made from is digested into ``engine_id.h``: machine code that was kept on disk is run only by
the engine that made it.
"""

import hashlib
import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
PROFILE = os.environ.get("VMCORE_PROFILE", "release")
SANITIZE = os.environ.get("VMCORE_SANITIZE", "")

if PROFILE not in ("release", "debug", "trace"):
    raise SystemExit(f"VMCORE_PROFILE={PROFILE!r}: allowed are release, debug and trace")

CHECKED = PROFILE != "release"
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": CHECKED,
    "wraparound": False,
    "initializedcheck": CHECKED,
    "cdivision": True,
    "embedsignature": True,
    "freethreading_compatible": True,
    "linetrace": PROFILE == "trace",
}
# -fwrapv and -fno-strict-aliasing: guest arithmetic wraps, and guest memory has no type.
# The warnings that are off are about code that Cython generates.
CFLAGS = ["-fwrapv", "-fno-strict-aliasing", "-Wall"]
CFLAGS += ["-Wno-unused-function", "-Wno-unreachable-code", "-Wno-sign-compare"]
CFLAGS += {"release": ["-O2"], "debug": ["-O1", "-g"], "trace": ["-O1", "-g"]}[PROFILE]
MACROS = [("VMCORE_DEBUG", "1")] if CHECKED else []
if PROFILE == "trace":
    MACROS += [("CYTHON_TRACE_NOGIL", "1")]
LDFLAGS = []
if SANITIZE:
    CFLAGS += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-g"]
    LDFLAGS += [f"-fsanitize={SANITIZE}"]
    if "thread" in SANITIZE:
        # ThreadSanitizer instruments calls and so loses the tail calls: the loop must drive the handlers.
        MACROS += [("VMCORE_SWITCH_LOOP", "1")]

SOURCES = sorted((ROOT / "vmcore" / "_fast").rglob("*.pyx"))
HEADERS = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "vmcore" / "_fast").rglob("*.h"))]
BUILD_DIR = f"build/cython-{PROFILE}"
#: Says which profile was built last: modules of two do not work together, so with another one all are made again.
STAMP = "build/profile"


def extension(path: Path) -> Extension:
    """Return the extension of one ``.pyx`` file, named after its place."""
    relative = path.relative_to(ROOT)
    return Extension(
        ".".join(relative.with_suffix("").parts),
        [str(relative)],
        include_dirs=["vmcore/_fast", BUILD_DIR],
        extra_compile_args=CFLAGS,
        extra_link_args=LDFLAGS,
        define_macros=MACROS,
        depends=[*HEADERS, STAMP, *([f"{BUILD_DIR}/engine_id.h"] if path.name == "build.pyx" else [])],
    )


def write_if_new(path: Path, text: str) -> None:
    """Write a file, unless it says so already: what depends on it is made again if it is newer."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_engine_id() -> None:
    """Write ``engine_id.h``."""
    digest = hashlib.blake2b(repr((DIRECTIVES, CFLAGS, MACROS)).encode(), digest_size=16)
    for path in sorted((ROOT / "vmcore" / "_fast").rglob("*")):
        if path.suffix in (".pyx", ".pxd", ".h"):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    write_if_new(ROOT / BUILD_DIR / "engine_id.h", f'#define VMCORE_ENGINE_ID "{digest.hexdigest()}"\n')


# The guard matters: where processes are spawned or forked from a server, cythonize's workers import this file again.
if __name__ == "__main__":
    write_engine_id()
    write_if_new(ROOT / STAMP, f"{PROFILE} {SANITIZE}\n")
    JOBS = 1 if os.environ.get("VMCORE_SERIAL") else os.cpu_count() or 1
    setup(
        ext_modules=cythonize(
            [extension(path) for path in SOURCES],
            compiler_directives=DIRECTIVES,
            nthreads=JOBS if JOBS > 1 else 0,
            build_dir=BUILD_DIR,
        ),
        options={"build_ext": {"parallel": JOBS}},
    )
