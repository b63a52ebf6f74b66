"""The bundled guest: its image is what its source gives, it boots, and every command of its shell tells the truth."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from support import guest_results
from support.bundled import ENGINES, PROMPT, Guest

from vmcore import guests
from vmcore.errors import ImageError

SOURCE = Path(__file__).parents[2] / "guests"
SECTOR = 512
DISK_SECTORS = 256
LIMIT = 300_000
KILLED, KILLED_BY_USER = 128, 64

SHELLS = [("vmcore", 1), ("vmcore", 4), ("vmcore", 8)] + [(engine, 4) for engine in ENGINES if engine != "vmcore"]

engines = pytest.mark.parametrize("engine", ENGINES)


def disk_image(path: Path, seed: int) -> Path:
    """Write a disk whose every sector differs."""
    path.write_bytes(b"".join(hashlib.sha256(struct.pack("<2Q", seed, i)).digest() for i in range(DISK_SECTORS * 16)))
    return path


@pytest.fixture(scope="module", params=SHELLS, ids=lambda p: f"{p[0]}-{p[1]}")
def shell(request, tmp_path_factory):
    """Return a booted guest, shared by the tests that leave it as it was, with two disks."""
    engine, harts = request.param
    folder = tmp_path_factory.mktemp("disks")
    disks = [disk_image(folder / "a.img", 1), disk_image(folder / "b.img", 2)]
    with Guest(engine, harts=harts, disks=disks, append="console=ttyS0 quiet") as guest:
        guest.disks = disks
        guest.greeting = guest.boot()
        yield guest


# The files


def test_manifest_names_the_bytes_that_are_there():
    manifest = guests.manifest()
    assert set(manifest["files"]) == set(guests.names())
    for name, entry in manifest["files"].items():
        data = guests.path(name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])


def test_files_are_small():
    assert sum(guests.path(name).stat().st_size for name in guests.names()) < LIMIT


def test_image_header_follows_the_linux_boot_protocol():
    image = guests.image_path().read_bytes()
    text_offset, image_size, flags, version = struct.unpack_from("<QQQI", image, 8)
    assert image[56:60] == b"RSC\x05"
    assert image[48:56] == b"RISCV\0\0\0"
    assert (text_offset, flags, version) == (0x200000, 0, 2)
    assert len(image) < image_size < 2 << 20


def test_elf_is_the_image_with_symbols():
    image = guests.image_path().read_bytes()
    with guests.elf_path().open("rb") as stream:
        elf = ELFFile(stream)
        for segment in elf.iter_segments("PT_LOAD"):
            at = segment["p_paddr"] - 0x80200000
            assert image[at : at + segment["p_filesz"]] == segment.data()
        assert elf["e_entry"] == 0x80200000
        names = {symbol.name for symbol in elf.get_section_by_name(".symtab").iter_symbols()}
    assert {"kernel_main", "trap", "scheduler", "disk_transfer"} <= names


def test_unknown_name_is_refused():
    with pytest.raises(ImageError, match="vmcore-guest"):
        guests.path("../errors.py")


def test_rebuilding_gives_the_same_bytes(tmp_path):
    subprocess.run([sys.executable, str(SOURCE / "build.py"), "--output", str(tmp_path)], check=True)
    built = json.loads((tmp_path / "manifest.json").read_text())
    if built["compiler"] == guests.manifest()["compiler"]:
        assert built == guests.manifest()
    for name, entry in built["files"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == entry["sha256"]
    for engine in ENGINES:
        with Guest(engine, kernel=tmp_path / "vmcore-guest", harts=2) as guest:
            guest.boot()
            assert "all well" in guest.ask("stress 1")
            assert guest.end("poweroff 2") == 2


# The shell


def test_greeting_tells_what_the_machine_has(shell):
    assert f"harts     {shell.harts} of {shell.harts} running" in shell.greeting
    assert "memory    128 MiB" in shell.greeting
    assert shell.greeting.count(f"virtio-blk, {DISK_SECTORS // 2} KiB") == 2
    assert "cannot" not in shell.greeting
    assert "does not" not in shell.greeting


def test_help_lists_the_commands(shell):
    listed = set(re.findall(r"^  (\w+)", shell.ask("help"), re.MULTILINE))
    wanted = "ps harts mem uptime bench mandelbrot primes spawn fault disk dtb echo panic trace reboot poweroff"
    assert set(wanted.split()) <= listed


def test_unknown_command_is_said_to_be_unknown(shell):
    assert shell.ask("frobnicate 1") == "frobnicate 1: no such command; try help\n"


def test_echo_and_separators(shell):
    assert shell.ask("echo one  two; echo three;;echo") == "one two\nthree\n\n"


def test_ps_shows_the_shell_alone(shell):
    assert shell.tasks() == {1: ("running", "sh")}


def test_harts_are_all_online(shell):
    rows = re.findall(r"^ +(\d+) +(\d+) online", shell.ask("harts"), re.MULTILINE)
    assert [int(index) for index, _ in rows] == list(range(shell.harts))
    assert sorted(int(number) for _, number in rows) == list(range(shell.harts))
    assert shell.ask("cpus").count("online") == shell.harts


def test_memory_comes_back(shell):
    def free() -> int:
        return int(re.search(r"free +(\d+) KiB", shell.ask("mem"))[1])

    before = free()
    assert "memory     131072 KiB at 0x80000000" in shell.ask("mem")
    shell.ask("primes 3000000; spawn 4 1; fault stack")
    assert free() == before


def test_uptime_grows(shell):
    def uptime() -> float:
        found = re.fullmatch(r"up (\d+\.\d+) s, (\d+) harts?, 1 task, \d+ switches\n", shell.ask("uptime"))
        assert int(found[2]) == shell.harts
        return float(found[1])

    before = uptime()
    assert shell.ask("sleep 100") == ""
    assert before + 0.1 <= uptime()


def test_bench_computes_the_right_results(shell):
    answer = shell.ask("bench 1")
    words, last = guest_results.memory_last(200_000)
    assert re.search(rf"^integer +200000 iterations .* sum {guest_results.integer_sum(200_000):016x}$", answer, re.M)
    assert re.search(rf"^memory +{words} iterations .* last {last:016x}$", answer, re.M)
    assert re.search(rf"^float +100000 iterations .* pi about {guest_results.pi_text(100_000)}$", answer, re.M)
    assert answer.count("million/s") == 3


def test_mandelbrot_is_the_picture_that_python_draws(shell):
    picture, total = guest_results.mandelbrot(60)
    *lines, last = shell.ask("mandelbrot 60").splitlines()
    assert lines == picture
    assert last.startswith(f"{total} iterations (")


@pytest.mark.parametrize("n", [2, 100, 65537, 1000000])
def test_primes_are_counted(shell, n):
    found = guest_results.primes(n)
    assert f"{len(found)} primes up to {n}, the largest is {found[-1]} (" in shell.ask(f"primes {n}")


def test_primes_refuses_too_much(shell):
    assert shell.ask("primes 100000001").startswith("primes: at most 100000000\n")


def test_workers_compute_on_every_hart(shell):
    answer = shell.ask("spawn 12 6")
    workers = re.findall(r"^worker (\d+): 6 rounds, result ([0-9a-f]{16}), on hart((?: \d)+)$", answer, re.M)
    assert len(workers) == 12
    assert all(int(result, 16) == guest_results.worker_result(int(pid), 6) for pid, result, _ in workers)
    used = {int(hart) for _, _, harts in workers for hart in harts.split()}
    assert used == set(range(shell.harts))
    assert f"12 workers done on {shell.harts} hart" in answer


@pytest.mark.parametrize(
    ("kind", "cause", "what"),
    [
        ("write", 15, "store page fault at 0xdead0000"),
        ("read", 13, "load page fault at 0xdead0000"),
        ("jump", 12, "fetch page fault at 0xdead0000"),
        ("null", 13, "load page fault at 0x0"),
        ("code", 15, "store page fault at 0x1"),
        ("kernel", 13, "load page fault at 0xffffffc080200000"),
        ("illegal", 2, "illegal instruction at "),
        ("csr", 2, "illegal instruction at "),
        ("break", 3, "breakpoint at "),
        ("stack", 15, "store page fault at 0x3ff"),
    ],
)
def test_fault_kills_the_task_and_nothing_else(shell, kind, cause, what):
    answer = shell.ask(f"fault {kind}")
    killed = re.search(r"^\[hart \d\] task (\d+) \(fault\) killed: (.*), pc 0x[0-9a-f]+$", answer, re.M)
    assert killed[2].startswith(what)
    assert answer.endswith(f"task {killed[1]} ended with status {KILLED + cause}\n")
    assert shell.tasks() == {1: ("running", "sh")}


def test_bad_pointer_in_a_system_call_is_an_error_only(shell):
    assert "a bad pointer in a system call gives -2" in shell.ask("fault call")


def test_everything_at_once(shell):
    answer = shell.ask("stress 6")
    ended, killed = map(int, re.fullmatch(r"stress: (\d+) tasks ended, (\d+) killed, all well\n", answer).groups())
    assert ended + killed == 6 * 12
    assert shell.tasks() == {1: ("running", "sh")}


def test_background_task_is_killed(shell):
    pid = int(re.fullmatch(r"task (\d+) started\n", shell.ask("sleep 100000000 &"))[1])
    # It sleeps once it has been scheduled; it ends when it is scheduled next, on whatever hart. How soon either is on
    # QEMU is up to the host.
    for _ in range(50):
        if shell.tasks()[pid] == ("waiting", "sleep"):
            break
        shell.ask("sleep 20")
    assert shell.tasks()[pid] == ("waiting", "sleep")
    shell.ask(f"kill {pid}")
    for _ in range(50):
        shell.ask("sleep 20")
        if pid not in shell.tasks():
            break
    assert pid not in shell.tasks()
    assert shell.ask(f"kill {pid}") == f"kill: no task {pid}\n"


def test_background_task_that_computes_is_killed(shell):
    pid = int(re.fullmatch(r"task (\d+) started\n", shell.ask("worker 1000000000 &"))[1])
    assert shell.tasks()[pid][1] == "worker"
    assert f"task {pid} was killed" in shell.ask(f"kill {pid}; sleep 50") + shell.ask("echo")


def test_control_c_ends_the_foreground_task(shell):
    shell.type("mandelbrot 1000000000000\r")
    shell.expect(",,,\n")  # the rows without a point of the set come at once, then one that takes for ever
    shell.type("\x03")
    assert " was killed\n" in shell.expect(PROMPT)
    assert shell.ask("echo still here") == "still here\n"


def test_line_editing(shell):
    left, up = "\x1b[D", "\x1b[A"
    assert shell.ask(f"echo abd\x7fc{left}{left}{left}X") == "Xabc\n"
    assert shell.ask("rubbish\x15echo new") == "new\n"
    assert shell.ask(up) == "new\n"
    assert shell.ask(f"{up}{up}") == "Xabc\n"
    shell.type("never run\x03")
    assert shell.expect(PROMPT) == f"never run^C\n{PROMPT}"


def test_device_tree_is_printed(shell):
    tree = shell.ask("dtb")
    assert tree.startswith("/ {\n")
    assert tree.endswith("};\n")
    assert tree.count("{\n") == tree.count("};\n")
    assert tree.count('device_type = "cpu";') == shell.harts
    assert 'bootargs = "console=ttyS0 quiet";' in shell.ask("dtb chosen")
    assert "reg = <0x0 0x80000000 0x0 0x8000000>;" in shell.ask("dtb memory")
    assert shell.ask("dtb nothing") == ""


def test_trace_shows_what_just_happened(shell):
    shell.ask("fault")
    events = shell.ask("trace 200").splitlines()
    times = [float(event.split()[0]) for event in events]
    assert times == sorted(times)
    assert any("fault at 0xdead0000" in event for event in events)
    assert any("device irq 10" in event for event in events)
    assert len(shell.ask("trace 5").splitlines()) == 5


# Disks


def test_disk_is_read_as_it_is(shell):
    data = shell.disks[1].read_bytes()
    rows = re.findall(r"^([0-9a-f]{8})  ((?:[0-9a-f]{2} ){16}) \|", shell.ask("disk 1 read 7"), re.MULTILINE)
    assert [int(at, 16) for at, _ in rows] == list(range(7 * SECTOR, 8 * SECTOR, 16))
    assert b"".join(bytes.fromhex(row) for _, row in rows) == data[7 * SECTOR : 8 * SECTOR]
    assert shell.ask("disk 1 sum") == f"crc32 of {DISK_SECTORS} sectors from 0: {zlib.crc32(data):08x}\n"


def test_disk_written_by_the_guest_is_seen_outside(shell):
    before = shell.disks[0].read_bytes()
    assert shell.ask("disk write 3 hello from inside") == "17 bytes written to sector 3\n"
    assert shell.ask("disk fill 40 50") == "50 sectors written from sector 40 on\n"
    after = shell.disks[0].read_bytes()
    wanted = bytearray(before)
    wanted[3 * SECTOR : 4 * SECTOR] = b"hello from inside".ljust(SECTOR, b"\0")
    wanted[40 * SECTOR : 90 * SECTOR] = guest_results.filled(40, 50)
    assert after == wanted
    assert shell.ask("disk sum").endswith(f" {zlib.crc32(after):08x}\n")


def test_sectors_outside_of_the_disk_are_refused(shell):
    outside = "disk: outside of the disk, or the disk is read-only\n"
    assert shell.ask(f"disk read {DISK_SECTORS}") == outside
    assert shell.ask(f"disk fill {DISK_SECTORS - 1} 2") == outside
    assert shell.ask("disk read 18446744073709551615") == outside
    assert shell.ask("disk 7 read 0") == "disk: no such disk\n"


def test_disks_are_listed(shell):
    assert shell.ask("disk").count(f"{DISK_SECTORS} sectors ({DISK_SECTORS // 2} KiB), interrupt") == 2


# The ends


@engines
@pytest.mark.parametrize(("command", "status"), [("poweroff", 0), ("poweroff 42", 42), ("exit", None), ("panic", 134)])
def test_status_arrives(engine, command, status):
    with Guest(engine, harts=2) as guest:
        guest.boot()
        if status is None:
            assert "no such command" in guest.ask(command)
            command, status = "\x04", 0  # Ctrl-D
        assert guest.end(command) == status


@engines
def test_reboot_starts_again(engine):
    with Guest(engine, harts=2) as guest:
        guest.boot()
        guest.type("reboot\r")
        assert "bundled guest" in guest.boot()
        assert guest.end("poweroff 9") == 9


@engines
@pytest.mark.parametrize("harts", [1, 4])
def test_demo_runs_by_itself(engine, harts):
    with Guest(engine, harts=harts, append="demo") as guest:
        tour = guest.expect(f"{PROMPT}poweroff")
        for command in ("harts", "ps", "mandelbrot", "primes 1000000", "bench", "spawn 8", "fault"):
            assert f"{PROMPT}{command}\n" in tour
        assert "78498 primes" in tour
        assert "8 workers done" in tour
        assert "(fault) killed" in tour
        assert guest.machine.finish() == 0


@engines
def test_little_memory_is_enough_and_its_end_kills_only_who_asks(engine):
    with Guest(engine, ram="16M", harts=2) as guest:
        guest.boot()
        assert "out of memory at 0x" in guest.ask("primes 20000000")
        assert "all well" in guest.ask("stress 1")
        assert guest.tasks() == {1: ("running", "sh")}


@engines
def test_elf_boots_like_the_image(engine):
    with Guest(engine, kernel=guests.elf_path(), harts=2) as guest:
        guest.boot()
        assert guest.end("poweroff 4") == 4


@engines
@pytest.mark.parametrize("harts", [1, 2, 4, 8])
def test_many_boots(engine, harts, tmp_path):
    disk = disk_image(tmp_path / "disk.img", harts)
    for status in range(1, 4):
        with Guest(engine, harts=harts, disks=[disk]) as guest:
            guest.boot()
            assert "all well" in guest.ask("stress 2")
            assert guest.end(f"poweroff {status}") == status


# Machines that QEMU cannot be asked for


@pytest.mark.parametrize("harts", [1, 4])
def test_timer_by_the_firmware_where_there_is_no_sstc(harts):
    with Guest("vmcore", harts=harts, isa="rv64gc_zicntr_svade") as guest:
        assert "timer by SBI" in guest.boot()
        assert "all well" in guest.ask("stress 2")
        assert "0.1" in guest.ask("sleep 100; uptime")
        assert guest.end("poweroff 6") == 6


def test_accessed_and_dirty_bits_set_by_hardware_or_not_make_no_difference():
    for isa in ("rv64gc_zicntr_sstc_svadu", "rv64gc_zicntr_sstc_svade", "rv64gc_zicntr_sstc_sv39"):
        with Guest("vmcore", harts=2, isa=isa) as guest:
            guest.boot()
            assert "all well" in guest.ask("stress 2")


def test_without_floating_point_only_programs_that_need_it_die():
    with Guest("vmcore", harts=2, isa="rv64imac_zicsr_zifencei_zicntr_sstc") as guest:
        guest.boot()
        assert "(mandelbrot) killed: illegal instruction" in guest.ask("mandelbrot")
        assert "78498 primes" in guest.ask("primes")
        assert "2 workers done" in guest.ask("spawn 2")
        assert guest.tasks() == {1: ("running", "sh")}


def test_two_runs_say_the_same():
    def run() -> list[str]:
        with Guest("vmcore", harts=4) as guest:
            said = [guest.boot()]
            return said + [guest.ask(command) for command in ("stress 3", "spawn 8", "harts", "trace 100", "uptime")]

    assert run() == run()


@pytest.mark.parametrize("first", [0, 1])
def test_hart_let_in_by_mistake_joins_later(first):
    # What OpenSBI 1.1 does now and then: two harts at the kernel's entry, the second one before it is asked for.
    with Guest("vmcore", harts=2) as guest:
        core = guest.machine.vm.core
        entry, tree = core.pc(0), core.x(0, 11)
        if first == 1:
            core.hart_stop(0)
        core.hart_start(1, entry, 1, tree, 1)
        if first == 1:
            core.run(max_insns=50_000)
            core.hart_start(0, entry, 0, tree, 1)
        assert "2 of 2 running" in guest.boot()
        assert "2 hart" in guest.ask("spawn 4")
        assert re.search(r"^ +0 +(\d+) online", guest.ask("harts"), re.MULTILINE)[1] == str(first)
        assert guest.end("poweroff 3") == 3
