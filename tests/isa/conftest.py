"""The independent assembler that the tables are checked against: LLVM's, from PyPI's ziglang."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterable

import pytest
from elftools.elf.elffile import ELFFile

# Everything that the tables hold, in the words of LLVM's -mcpu.
FEATURES = (
    "+m+a+f+d+c+zicsr+zifencei+zicntr+zihpm+zba+zbb+zbc+zbs+zbkb+zbkc+zbkx+zknd+zkne+zknh"
    "+zksed+zksh+zkr+zicond+zcb+zfhmin+zfh+zfa+zicbom+zicboz+zicbop+zihintpause+zihintntl+zawrs+zacas+zabha+zimop+zcmop+svinval"
)


@pytest.fixture
def assemble(tmp_path) -> Callable[[Iterable[str]], bytes]:
    """``assemble(lines)``: the bytes of .text."""

    def run(lines: Iterable[str]) -> bytes:
        source = tmp_path / "code.s"
        target = tmp_path / "code.o"
        source.write_text("\n".join(lines) + "\n")
        command = [sys.executable, "-m", "ziglang", "cc", "-target", "riscv64-freestanding-none",
                   "-mcpu=generic_rv64" + FEATURES, "-c", str(source), "-o", str(target)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr[:4000]
        section = ELFFile(io.BytesIO(target.read_bytes())).get_section_by_name(".text")
        return section.data()

    return run
