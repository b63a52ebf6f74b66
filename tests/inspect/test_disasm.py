import re
import subprocess
import sys
from random import Random

import pytest

from vmcore.errors import IsaError, LoadError
from vmcore.inspect.disasm import disassemble_elf, executable_regions

SOURCE = """
    .globl _start
    .section .init, "ax"
_start:
    la sp, stack
    call main
.Lhang:
    j .Lhang
    .text
    .globl main
    .type main, @function
main:
    addi sp, sp, -16
    sd ra, 8(sp)
    beqz a0, helper
    mul a0, a0, a1
    ret
helper:
    .2byte 0xffff
    ret
    .p2align 2
table:
    .word 0x00112233
    .byte 0x44
    .p2align 1
after:
    ret
    .bss
    .skip 64
stack:
"""

LAYOUT = """
ENTRY(_start)
SECTIONS {
    .init 0x80000000 : { *(.init) }
    .text 0x80001000 : { *(.text) }
    .bss : { *(.bss) }
}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The example, linked, as an object file, and for another machine."""
    folder = tmp_path_factory.mktemp("elf")
    (folder / "code.S").write_text(SOURCE)
    (folder / "code.ld").write_text(LAYOUT)
    (folder / "host.c").write_text("int main(void) { return 0; }\n")
    riscv = ["-target", "riscv64-freestanding-none", "-mcpu=generic_rv64+m+a+c", "-nostdlib"]
    for arguments in (
        [*riscv, "-static", "-Wl,-T,code.ld", "code.S", "-o", "linked"],
        [*riscv, "-c", "code.S", "-o", "object"],
        ["-target", "x86_64-freestanding-none", "-c", "host.c", "-o", "host"],
    ):
        command = [sys.executable, "-m", "ziglang", "cc", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
    return folder


def test_a_linked_file_is_shown_with_its_symbols(built):
    text = "\n".join(disassemble_elf(built / "linked"))
    assert text.startswith(f"{built / 'linked'}:     file format elf64-littleriscv\n")
    assert "Disassembly of section .init:" in text
    assert "Disassembly of section .text:" in text
    assert "0000000080000000 <_start>:" in text
    assert "0000000080001000 <main>:" in text
    assert re.search(r"80000000:.*\n(.*\n){1,3}.*\tjalr?\t", text)
    assert re.search(r"beqz\ta0,0x8000100\w <helper>", text)
    assert re.search(r"80001000:\t1141 +\taddi\tsp,sp,-16\n", text)
    # Data between code is known by the symbols that the assembler leaves.
    assert re.search(r"<table>:\n\w+:\t00112233 +\t\.word\t0x00112233\n\w+:\t44 +\t\.byte\t0x44\n", text)
    assert re.search(r"<after>:\n\w+:\t8082 +\tret", text)
    assert ".Lhang" not in text
    assert "<$x" not in text


def test_every_byte_of_the_sections_is_shown(built):
    for region in executable_regions(built / "linked"):
        assert region.data
    raw = sum(len(region.data) for region in executable_regions(built / "linked"))
    shown = [line.split("\t")[1].strip() for line in disassemble_elf(built / "linked") if "\t" in line]
    assert sum(len(one) // 2 for one in shown) == raw


def test_an_object_file_keeps_the_symbols_of_its_sections_apart(built):
    regions = {region.name: region for region in executable_regions(built / "object")}
    assert regions[".init"].symbols == {0: "_start"}
    assert regions[".text"].symbols[0] == "main"
    assert "helper" in regions[".text"].symbols.values()


def test_the_isa_and_plain_names_can_be_chosen(built):
    assert "\tmul\t" in "\n".join(disassemble_elf(built / "linked", isa="rv64imc"))
    assert "\tmul\t" not in "\n".join(disassemble_elf(built / "linked", isa="rv64ic"))
    assert "\tc.sdsp\tra,8(sp)" in "\n".join(disassemble_elf(built / "linked", aliases=False))
    with pytest.raises(IsaError):
        disassemble_elf(built / "linked", isa="rv32i")


def test_a_file_without_sections_is_shown_by_segments(built, tmp_path):
    content = bytearray((built / "linked").read_bytes())
    content[0x28:0x30] = bytes(8)  # e_shoff
    content[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    (tmp_path / "stripped").write_bytes(content)
    text = "\n".join(disassemble_elf(tmp_path / "stripped"))
    assert "Disassembly of section segment" in text
    assert "addi\tsp,sp,-16" in text


def test_bad_files_get_one_clear_error_before_any_line(built, tmp_path):
    whole = (built / "linked").read_bytes()
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "magic").write_bytes(b"\x7fELF")
    for name, words in (
        ("absent", "does not exist"),
        (".", "is a directory"),
        ("empty", "no ELF file"),
        ("text", "no ELF file"),
        ("magic", "damaged"),
        ("nul\0", "file"),
    ):
        with pytest.raises(LoadError, match=words):
            disassemble_elf(tmp_path / name)
    with pytest.raises(LoadError, match="EM_X86_64"):
        disassemble_elf(built / "host")
    for size in range(4, len(whole), max(1, len(whole) // 97)):
        (tmp_path / "cut").write_bytes(whole[:size])
        with pytest.raises(LoadError):
            disassemble_elf(tmp_path / "cut")


def test_a_corrupted_file_gives_lines_or_a_load_error(built, tmp_path):
    whole = (built / "linked").read_bytes()
    sections = int.from_bytes(whole[0x28:0x30], "little")
    rng = Random(8)
    outcomes = set()
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            # Headers at both ends are where damage matters.
            at = rng.choice((rng.randrange(16, 256), rng.randrange(sections, len(whole)), rng.randrange(len(whole))))
            content[at] = rng.choice((0, 0xFF, rng.randrange(256)))
        (tmp_path / "bad").write_bytes(content)
        try:
            outcomes.add(sum(1 for _ in disassemble_elf(tmp_path / "bad")) > 0)
        except LoadError:
            outcomes.add("error")
    assert outcomes == {True, "error"}
