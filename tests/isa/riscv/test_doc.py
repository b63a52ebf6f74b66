import subprocess
import sys

from vmcore.isa.riscv import EXTENSIONS, INSTRUCTIONS
from vmcore.isa.riscv.csrs import CSRS
from vmcore.isa.riscv.doc import main, reference


def test_the_reference_has_every_extension_instruction_and_csr(tmp_path):
    target = tmp_path / "instructions.md"
    assert main([str(target)]) == 0
    lines = target.read_text().splitlines()
    for name in EXTENSIONS:
        assert any(line.startswith(f"| {name} | ") for line in lines)
    for row in INSTRUCTIONS:
        assert sum(line.startswith((f"| `{row.mnemonic} {row.syntax}` |",)) for line in lines) == 1
    for csr in CSRS:
        assert sum(line.startswith(f"| `0x{csr.number:03x}` | {csr.name} |") for line in lines) == 1


def test_every_table_is_well_formed():
    columns = 0
    for line in reference():
        count = line.replace("\\|", "").count("|")
        if not line.startswith("|"):
            columns = 0
        elif not columns:
            columns = count
        assert count == columns


def test_it_runs_as_a_command():
    done = subprocess.run([sys.executable, "-m", "vmcore.isa.riscv.doc"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("# RISC-V reference\n")
