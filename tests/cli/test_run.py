"""``vmcore run``: the exit status is the program's, limits say where, and the signature is as Spike writes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.asm import build

from vmcore.cli.run import signature_lines

from .conftest import Vmcore

HERE = Path(__file__).parent / "programs"


def program(*macros: str) -> Path:
    return build(HERE / "program.S", script=HERE / "link.ld", flags=tuple(f"-D{macro}" for macro in macros))


@pytest.mark.parametrize("status", [0, 1, 42])
def test_the_exit_status_is_the_programs(vmcore: Vmcore, status: int) -> None:
    done = vmcore("run", program(f"EXIT={status}"))
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_a_failure_never_looks_like_success(vmcore: Vmcore) -> None:
    assert vmcore("run", program("EXIT=256")).returncode == 1
    assert vmcore("run", program("EXIT=300")).returncode == 300 & 0xFF


def test_what_the_program_prints_is_on_stdout(vmcore: Vmcore) -> None:
    done = vmcore("run", program("HELLO", "EXIT=0"))
    assert (done.returncode, done.stdout.replace("\r", "")) == (0, "hello\n")


@pytest.mark.parametrize(
    ("limit", "macro", "why"),
    [
        (("--max-insns", "5000"), "SPIN", "the limit of instructions is reached"),
        (("--timeout", "0.001"), "SPIN", "the limit of time is reached"),
        ((), "SLEEP", "every hart waits and nothing will wake one"),
    ],
)
def test_a_limit_says_where_it_stopped(vmcore: Vmcore, limit: tuple[str, ...], macro: str, why: str) -> None:
    done = vmcore("run", program(macro), *limit)
    assert done.returncode == 124
    assert re.fullmatch(rf"vmcore: {why}: hart 0 at .*rest.*, \d+ instructions, .* s of guest time\n", done.stderr)


def test_the_limit_of_instructions_is_exact(vmcore: Vmcore) -> None:
    assert ", 1234 instructions," in vmcore("run", program("SPIN"), "--max-insns", "1234").stderr


@pytest.mark.parametrize(
    ("granularity", "lines"),
    [
        ("4", ["00000001", "deadbeef", "55667788", "11223344"]),
        ("8", ["deadbeef00000001", "1122334455667788"]),
        ("16", ["1122334455667788deadbeef00000001"]),
    ],
)
def test_the_signature(vmcore: Vmcore, tmp_path: Path, granularity: str, lines: list[str]) -> None:
    out = tmp_path / "signature"
    done = vmcore("run", program("EXIT=0"), "--signature", out, "--signature-granularity", granularity)
    assert done.returncode == 0, done.stderr
    assert out.read_text().splitlines() == lines


def test_the_signature_of_a_program_that_does_not_end(vmcore: Vmcore, tmp_path: Path) -> None:
    out = tmp_path / "signature"
    assert vmcore("run", program("SPIN"), "--max-insns", 100, "--signature", out).returncode == 124
    assert len(out.read_text().splitlines()) == 4


def test_a_last_line_that_is_not_full_is_padded() -> None:
    assert signature_lines(bytes([1, 2, 3, 4, 5]), 4) == "04030201\n00000005\n"
    assert signature_lines(b"", 4) == ""


def test_several_harts(vmcore: Vmcore) -> None:
    assert vmcore("run", program("EXIT=0"), "--harts", 4, "--isa", "rv64gc").returncode == 0


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--isa", "rv32i"), "rv32"),
        (("--isa", "rv64gcq"), "q"),
        (("--harts", "99"), "harts"),
        (("--ram", "1T"), "ram"),
        (("--timeout", "-1"), "timeout"),
        (("--signature", "/nowhere/at/all"), "signature"),
        (("--signature-granularity", "0"), "granularity"),
    ],
)
def test_wrong_options(vmcore: Vmcore, options: tuple[str, ...], word: str) -> None:
    done = vmcore("run", program("EXIT=0"), *options)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert word.lower() in done.stderr.lower()


def test_bad_files(vmcore: Vmcore, tmp_path: Path) -> None:
    def truncated(path: Path) -> None:
        path.write_bytes(program("EXIT=0").read_bytes()[:200])

    makers: dict[str, Callable[[Path], object]] = {
        "missing": lambda path: None,
        "folder": Path.mkdir,
        "empty": Path.touch,
        "truncated": truncated,
    }
    for name, make in makers.items():
        make(tmp_path / name)
        done = vmcore("run", tmp_path / name)
        assert done.returncode == 2, name
        assert re.fullmatch(r"vmcore: [^\n]+\n", done.stderr), done.stderr


def test_disasm_shows_the_program(vmcore: Vmcore) -> None:
    shown = vmcore("disasm", program("SPIN"))
    assert shown.returncode == 0
    assert re.search(r"<rest>:\n\s*80000\w+:.*\tj\t0x80000\w+ <rest>", shown.stdout)
    assert "\tj\t" not in vmcore("disasm", program("SPIN"), "--no-aliases").stdout


def test_a_file_that_is_no_elf_is_refused_before_it_runs(vmcore: Vmcore, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a program\n")
    done = vmcore("run", text)
    assert done.returncode == 2
    assert "is no ELF file" in done.stderr
    assert "Traceback" not in done.stderr
