"""The script that finds a bad rewrite, and the limit that it works with."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.loopprogram import regions_elf

from vmcore._fast.jit.t2.passes import ORDER

SCRIPT = Path(__file__).parents[2] / "scripts" / "bisect_jit.py"
RUN = [sys.executable, "-c", "from vmcore.cli.main import main; main()", "run"]
SAID = re.compile(
    r"vmcore: JIT fuel used up: rewrite (\d+) is number (\d+) of step (\d+) \((\w+)\) of the region at physical "
    r"address 0x(\w+)\n"
)


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bisect_jit", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BISECT = load()


@given(bad=st.integers(1, 10**7))
def test_the_first_bad_rewrite_is_found_with_few_runs(bad: int) -> None:
    runs = []

    def fails(rewrites: int) -> bool:
        runs.append(rewrites)
        return rewrites >= bad

    assert BISECT.first_bad(fails) == bad
    assert len(runs) <= 2 * bad.bit_length() + 5


def test_what_no_rewrite_is_to_blame_for_is_said() -> None:
    with pytest.raises(BISECT.Hopeless, match="without any rewrite"):
        BISECT.first_bad(lambda rewrites: True)
    with pytest.raises(BISECT.Hopeless, match="does not fail with all rewrites"):
        BISECT.first_bad(lambda rewrites: False)


def test_a_command_that_changes_its_mind_is_found_out() -> None:
    runs = []

    def fails(rewrites: int) -> bool:
        runs.append(rewrites)
        # Not any more when it is tried for the second time.
        return rewrites >= 5 and runs.count(rewrites) == 1

    with pytest.raises(BISECT.Hopeless, match="the same way each time"):
        BISECT.first_bad(fails)


def run(fuel: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"VMCORE_JIT_FUEL": str(fuel), "VMCORE_TIER": "auto"}
    return subprocess.run(
        [*RUN, str(regions_elf())], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_limit_names_the_last_rewrite_and_nothing_else() -> None:
    # The program checks its results, and is right with any of them.
    assert (run(0).returncode, run(0).stderr) == (0, "")
    names = []
    for fuel in (1, 2, 3, 5, 8, 13):
        done = run(fuel)
        said = SAID.fullmatch(done.stderr)
        assert done.returncode == 0 and said is not None, done
        number, of_step, step = int(said[1]), int(said[2]), int(said[3])
        assert number == fuel >= of_step > 0
        assert said[4] == ("lift", *ORDER)[step]
        names.append((step, of_step))
    # One after the other: in the order of the steps, and within each of them.
    assert names == sorted(set(names))
    # It is the same each time.
    assert run(5).stderr == run(5).stderr


def test_with_a_limit_no_code_is_kept_or_taken(tmp_path: Path) -> None:
    def demo(fuel: str) -> str:
        environment = os.environ | {"VMCORE_JIT_FUEL": fuel, "VMCORE_TIER": "auto", "VMCORE_CODE_CACHE": str(tmp_path)}
        command = [*RUN[:-1], "demo"]
        done = subprocess.run(
            command, input="primes 3000\npoweroff\n", env=environment, capture_output=True, text=True, timeout=120,
            check=True,
        )  # fmt: skip
        return done.stderr

    def kept() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.stat().st_size}

    assert SAID.search(demo("1"))
    assert kept() == {}
    assert not SAID.search(demo(""))
    before = kept()
    assert before != {}
    # Regions of that run would be there; but they are compiled again.
    assert SAID.search(demo("1"))
    assert kept() == before


def test_a_limit_that_is_never_reached_is_none() -> None:
    done = run(2**63 - 1)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("fuel", ["many", "-1", "1.5", "1e3", "٣", str(2**63), "9" * 40])
def test_a_limit_that_is_no_number_is_refused(fuel: str) -> None:
    done = run(fuel)
    assert done.returncode == 2
    assert "VMCORE_JIT_FUEL" in done.stderr and "Give a number" in done.stderr and done.stderr.count("\n") == 1


def test_the_script_ends_at_the_rewrite_that_a_command_cannot_stand(tmp_path: Path) -> None:
    # A program that fails once nine rewrites are made: as if the ninth were wrong.
    wrapper = tmp_path / "wrapper.py"
    wrapper.write_text(
        "import os, subprocess, sys\n"
        f"done = subprocess.run({[*RUN, str(regions_elf())]!r})\n"
        "sys.exit(done.returncode or int(os.environ['VMCORE_JIT_FUEL']) >= 9)\n"
    )
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--quiet", "--", sys.executable, str(wrapper)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    first, said = done.stdout.splitlines()
    assert first == "first bad: VMCORE_JIT_FUEL=9"
    found = SAID.fullmatch(f"vmcore: JIT fuel used up: {said}\n")
    assert found is not None and found[1] == "9"


def test_the_script_says_what_it_cannot_do(tmp_path: Path) -> None:
    def script(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=120, check=False
        )

    assert script("--", sys.executable, "-c", "pass").stderr.startswith("bisect_jit: it does not fail with all")
    assert script("--", str(tmp_path / "nothing")).stderr.endswith("cannot be run: No such file or directory\n")
    late = script("--timeout", "0.2", "--", sys.executable, "-c", "import time; time.sleep(60)")
    assert (late.returncode, late.stdout) == (1, "0 rewrites: bad (took too long)\n")
