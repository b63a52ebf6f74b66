"""The third level of the translation cache: what hits, what misses, and what is never believed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from support.assembler import Assembler

from vmcore import Machine
from vmcore._fast import jitface
from vmcore._fast.jit import codebuf, l3, packfiles
from vmcore._fast.jit.l3 import Store
from vmcore._fast.memory.alloc import live
from vmcore._fast.run import EXITS, Core
from vmcore.errors import ConfigError
from vmcore.isa.riscv import Isa, install, parse_isa

RAM = 0x8000_0000
FAR = RAM + 0x1000
TURNS = 200
# Instructions of one turn of the loop, and of everything before.
BUDGET = 40 * TURNS


def program(addend: int = 3) -> bytes:
    """A loop in one page that calls a function in the next one and branches in between."""
    a = Assembler(RAM)
    a.value(20, FAR)
    a.emit("addi", rd=9, rs1=0, imm=TURNS)
    a.label("loop")
    a.emit("jalr", rd=1, rs1=20, imm=0)
    a.emit("andi", rd=6, rs1=9, imm=1)
    a.emit("beq", to="even", rs1=6, rs2=0)
    a.emit("addi", rd=11, rs1=11, imm=addend)
    a.label("even")
    a.emit("addi", rd=9, rs1=9, imm=-1)
    a.emit("bne", to="loop", rs1=9, rs2=0)
    a.label("end")
    a.emit("jal", to="end", rd=0)
    b = Assembler(FAR)
    b.emit("xor", rd=10, rs1=10, rs2=11)
    b.emit("addi", rd=10, rs1=10, imm=7)
    b.emit("jalr", rd=0, rs1=1, imm=0)
    return a.code().ljust(FAR - RAM, b"\0") + b.code()


def machine(store: Store | None, image: bytes | None = None, *, harts: int = 1, isa: Isa | None = None) -> Core:
    install()
    core = Core(harts, (isa or Isa.default()).mask, tier="auto", store=store)
    core.add_ram(RAM, 16 << 20)
    core.memory.write(RAM, image or program())
    for hart in range(harts):
        core.set_pc(hart, RAM)
        core.set_x(hart, 20, RAM)
    return core


def state(core: Core) -> tuple[object, ...]:
    return core.pc(0), [core.x(0, i) for i in range(32)], core.icount(), core.csr_read(0, 0xB02)


def work(
    store: Store | None, image: bytes | None = None, *, harts: int = 1, isa: Isa | None = None
) -> tuple[tuple[object, ...], dict[str, float]]:
    """Run the program on a machine of its own: what came out, and the counters."""
    core = machine(store, image, harts=harts, isa=isa)
    assert core.run(max_insns=BUDGET) == EXITS["budget"]
    result, stats = state(core), core.stats()
    core.close()
    return result, stats


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "code")


def packs(folder: str) -> list[Path]:
    return sorted(Path(folder).glob("*.pack"))


def large(pages: int = 40, salt: int = 0) -> bytes:
    """So many pages with code of their own that it is worth a file; the last one leads back to the first (x20)."""
    a = Assembler(0)
    a.emit("addi", rd=9, rs1=0, imm=40)
    a.label("loop")
    a.emit("auipc", rd=5, imm=0)
    a.emit("lw", rd=6, rs1=5, imm=0x7F8 - 4)
    a.emit("add", rd=10, rs1=10, rs2=6)
    for turn in range(5):
        a.emit("xor", rd=11 + turn, rs1=10, rs2=11 + turn)
    a.emit("addi", rd=9, rs1=9, imm=-1)
    a.emit("bne", to="loop", rs1=9, rs2=0)
    last = Assembler(0)
    last.items, last.labels = list(a.items), a.labels
    a.labels["next"] = 0x1000
    a.emit("jal", to="next", rd=0)
    last.emit("jalr", rd=0, rs1=20, imm=0)
    each, end = (code.ljust(0x7F8, b"\0") for code in (a.code(), last.code()))
    constants = [(salt << 16 | page + 1).to_bytes(4, "little").ljust(0x808, b"\0") for page in range(pages)]
    return b"".join(each + constant for constant in constants[:-1]) + end + constants[-1]


def fill(folder: str, limit: int | None = None) -> tuple[object, ...]:
    """Let a machine leave a pack in `folder`; returns its result."""
    store = Store(folder, limit)
    core = machine(store, large())
    core.run(max_insns=60_000)
    result = state(core)
    core.close()
    assert store.problem is None
    return result


def again(folder: str) -> tuple[tuple[object, ...], dict[str, float], Store]:
    """What a later run gets out of `folder`."""
    store = Store(folder)
    core = machine(store, large())
    core.run(max_insns=60_000)
    result, stats = state(core), core.stats()
    core.close()
    return result, stats, store


# --- in memory --------------------------------------------------------------------------------------------------------


def test_a_second_machine_compiles_nothing() -> None:
    store = Store()
    expected, without = work(None)
    first, cold = work(store)
    second, warm = work(store)
    assert expected == first == second
    assert "l3_pages" not in without
    assert cold["l3_hits"] == 0
    assert cold["t1_compiled"] > 0
    assert (warm["t1_compiled"], warm["l3_misses"], warm["l3_hits"], warm["l3_hit_pct"]) == (0, 0, 2, 100.0)
    assert warm["l3_insns"] == cold["t1_compiled"]
    # Nothing had to be interpreted sixteen times first.
    assert warm["t0_insns"] < cold["t0_insns"]


def test_what_a_later_machine_adds_is_handed_in() -> None:
    store = Store()
    core = machine(store)
    core.run(max_insns=60)
    core.close()
    before = store.figures().insns
    result, stats = work(store)
    assert result == work(None)[0]
    assert store.figures().insns > before
    assert work(store)[1]["t1_compiled"] == 0
    assert stats["t1_compiled"] > 0


def test_one_changed_byte_is_a_miss() -> None:
    store = Store()
    work(store)
    result, stats = work(store, program(addend=4))
    assert result == work(None, program(addend=4))[0]
    # The page of the function is the same.
    assert (stats["l3_hits"], stats["l3_misses"]) == (1, 1)


def test_another_instruction_set_is_a_miss() -> None:
    store = Store()
    work(store)
    other = parse_isa("rv64imafd_sv39")
    result, stats = work(store, isa=other)
    assert stats["l3_hits"] == 0
    assert work(store, isa=other) != (result, stats)
    assert work(store, isa=other)[1]["l3_hits"] == 2


def test_code_for_several_harts_is_other_code() -> None:
    store = Store()
    work(store)
    assert work(store, harts=2)[1]["l3_hits"] == 0
    assert work(store, harts=2)[1]["l3_hits"] == 2


def test_code_with_a_probe_in_it_is_not_taken() -> None:
    store = Store()
    work(store)
    core = machine(store)
    seen: list[int] = []
    core.hook_add(FAR + 4, lambda hart: seen.append(core.x(0, 9)))
    core.run(max_insns=BUDGET)
    assert len(seen) == TURNS
    # The page without a probe is still of use.
    assert core.stats()["l3_hits"] == 1
    result = state(core)
    core.close()
    assert result == work(None)[0]


def test_a_probe_behind_accesses_that_share_a_look_up_is_seen() -> None:
    # What follows them belongs to their block, wherever the code for a look-up that fails ends.
    body = Assembler(FAR)
    for offset in (8, 16, 24):
        body.emit("sd", rs1=21, rs2=10, imm=offset)
    body.emit("xor", rd=10, rs1=10, rs2=11)
    body.emit("addi", rd=10, rs1=10, imm=7)
    body.emit("jalr", rd=0, rs1=1, imm=0)
    image = program()[: FAR - RAM] + body.code()
    store = Store()

    def made() -> Core:
        core = machine(store, image)
        core.set_x(0, 21, RAM + 0x8000)
        return core

    core = made()
    core.run(max_insns=BUDGET)
    core.close()
    assert store.figures().pages == 2
    core = made()
    seen: list[int] = []
    core.hook_add(FAR + 16, lambda hart: seen.append(core.x(0, 9)))
    core.run(max_insns=BUDGET)
    assert len(seen) == TURNS
    assert core.stats()["l3_hits"] == 1
    core.close()


def regional(store: Store) -> tuple[tuple[object, ...], dict[str, float]]:
    """Run the program with a region wherever compiled code is left; its loop goes over two pages."""
    a = Assembler(RAM)
    a.emit("addi", rd=9, rs1=0, imm=TURNS)
    a.label("loop")
    a.emit("jal", rd=1, imm=FAR - RAM - 4)
    a.emit("addi", rd=9, rs1=9, imm=-1)
    a.emit("bne", to="loop", rs1=9, rs2=0)
    a.label("end")
    a.emit("jal", to="end", rd=0)
    core = machine(store, a.code().ljust(FAR - RAM, b"\0") + program()[FAR - RAM :])
    jitface.stress(core, region_every=1, poll_every=3)
    while core.icount() < BUDGET:
        core.run(max_insns=min(97, BUDGET - core.icount()))
    result, stats = state(core), core.stats()
    core.close()
    return result, stats


def test_a_region_of_several_pages_is_kept_by_its_machine_alone() -> None:
    store = Store()
    first, stats = regional(store)
    assert stats["t2_paged"] > 0
    assert stats["t2_insns"] > TURNS
    # The blocks that it replaced are given, and good as they are.
    assert store.figures().pages == 2
    again, stats = regional(store)
    assert stats["l3_hits"] == 2
    assert stats["t1_compiled"] < 8
    assert stats["t2_paged"] > 0
    assert again == first


def test_code_that_stops_at_probes_is_not_given() -> None:
    store = Store()
    core = machine(store)
    core.hook_add(FAR + 4, lambda hart: None)
    core.run(max_insns=BUDGET)
    assert core.stats()["t1_compiled"] > 0
    core.close()
    assert store.figures().pages == 0
    # And once the probe is gone, its code is not given either.
    core = machine(store)
    callback = print
    core.hook_add(FAR + 4, callback)
    core.run(max_insns=100)
    core.hook_remove(FAR + 4, callback)
    assert store.figures().pages == 0
    core.run(max_insns=BUDGET)
    core.close()
    assert store.figures().pages == 2


def test_pages_that_collide_are_told_apart() -> None:
    before = l3.weaken_hash(0)
    try:
        store = Store()
        images = [program(addend) for addend in range(6)]
        expected = [work(None, image)[0] for image in images]
        assert [work(store, image)[0] for image in images] == expected
        assert store.figures().pages == len(images) + 1
        for image, result in zip(images, expected, strict=True):
            warm, stats = work(store, image)
            assert warm == result
            assert (stats["l3_hits"], stats["t1_compiled"]) == (2, 0)
    finally:
        l3.weaken_hash(before)


def test_code_that_changes_itself_is_never_stale() -> None:
    """The same page with other bytes is another page; and the bytes from before are found again."""
    store = Store()
    core = machine(store)
    for addend, found in ((3, 0), (4, 0), (3, 1), (5, 0), (4, 1)):
        image = program(addend)
        core.memory.write(RAM, image)
        core.fence_i()
        core.set_pc(0, RAM)
        for i in range(32):
            core.set_x(0, i, 0)
        hits = core.stats()["l3_hits"]
        core.run(max_insns=BUDGET)
        assert core.x(0, 11) == addend * TURNS // 2
        assert core.stats()["l3_hits"] - hits == found
    core.close()


def test_a_machine_that_runs_shares_before_it_is_closed() -> None:
    store = Store()
    core = machine(store, large(2100))
    core.run(max_insns=2100 * 500)
    assert core.stats()["t1_blocks"] > 2048, "after so many it shares"
    assert store.figures().pages > 2000
    core.close()
    assert store.figures().pages == 2100


# --- eviction inside a machine ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_store", [False, True])
def test_eviction_keeps_what_is_hot(with_store: bool) -> None:
    expected = uncached(300_000)
    store = Store() if with_store else None
    core = machine(store, large())
    jitface.stress(core, limit=12 << 10)
    core.run(max_insns=300_000)
    stats = core.stats()
    assert state(core) == expected
    assert stats["t1_evictions"] > 3
    assert stats["l2_moved"] > 0
    assert stats["l2_bytes"] < 12 << 10
    core.close()


def uncached(insns: int = 60_000) -> tuple[object, ...]:
    core = machine(None, large())
    core.run(max_insns=insns)
    result = state(core)
    core.close()
    return result


# --- on disk ----------------------------------------------------------------------------------------------------------


def test_a_later_run_compiles_nothing(folder: str) -> None:
    first = fill(folder)
    result, stats, store = again(folder)
    assert result == first
    assert (stats["t1_compiled"], stats["l3_hit_pct"]) == (0, 100.0)
    assert store.figures().bad == 0
    assert len(packs(folder)) == 1, "a run that adds nothing writes nothing"
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert packs(folder)[0].stat().st_mode & 0o777 == 0o600


def test_nothing_worth_a_file_writes_none(folder: str) -> None:
    store = Store(folder)
    core = machine(store)
    core.run(max_insns=100)
    core.close()
    assert not os.path.exists(folder)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def test_no_flipped_bit_is_believed(folder: str) -> None:
    """Wherever it is: in the header, in the index, in a page, in the code."""
    first = fill(folder)
    whole = packs(folder)[0].read_bytes()
    name = packs(folder)[0]
    for at in [*range(0, 64, 3), *range(64, len(whole), len(whole) // 40 + 1), len(whole) - 1]:
        for path in packs(folder):
            path.unlink()
        name.write_bytes(whole)
        name.chmod(0o600)
        flip(name, at)
        result, _, store = again(folder)
        assert result == first
        assert store.figures().bad == 1, f"byte {at}"


@pytest.mark.parametrize("keep", [0, 7, 63, 64, 1000, -1, -5000])
def test_what_is_cut_off_is_not_believed(folder: str, keep: int) -> None:
    first = fill(folder)
    path = packs(folder)[0]
    path.write_bytes(path.read_bytes()[:keep])
    result, stats, store = again(folder)
    assert result == first
    assert store.figures().bad == 1
    assert stats["t1_compiled"] > 0
    assert path not in packs(folder), "it is replaced"
    assert again(folder)[1]["t1_compiled"] == 0


@pytest.mark.parametrize("content", [b"", b"hello", os.urandom(5000)])
def test_a_foreign_file_of_that_name_is_replaced(folder: str, content: bytes) -> None:
    os.mkdir(folder, 0o700)
    path = Path(folder) / f"{l3.engine_id().hex()}-1-2.pack"
    path.write_bytes(content)
    path.chmod(0o600)
    result = fill(folder)
    assert not path.exists()
    assert again(folder)[0] == result


def test_code_of_another_engine_is_left_alone(folder: str) -> None:
    fill(folder)
    path = packs(folder)[0]
    data = bytearray(path.read_bytes())
    data[8] ^= 1
    other = path.with_name("0" * 32 + "-1-2.pack")
    other.write_bytes(data)
    path.unlink()
    _, stats, store = again(folder)
    assert stats["l3_hits"] == 0
    assert store.figures().bad == 0
    assert other.exists()
    # It is not taken either when it claims to be ours.
    os.replace(other, path)
    path.chmod(0o600)
    assert again(folder)[2].figures().bad == 1


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o606, 0o660])
def test_a_pack_that_others_can_read_or_write_is_not_taken(folder: str, mode: int) -> None:
    fill(folder)
    packs(folder)[0].chmod(mode)
    assert again(folder)[1]["l3_hits"] == 0


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o722])
def test_a_folder_that_others_can_write_to_is_not_used(folder: str, mode: int) -> None:
    fill(folder)
    os.chmod(folder, mode)
    store = Store(folder)
    assert store.problem is not None
    assert "open to others" in store.problem
    core = machine(store, large())
    core.run(max_insns=60_000)
    assert core.stats()["l3_hits"] == 0
    core.close()
    assert len(packs(folder)) == 1
    with pytest.raises(ConfigError, match="chmod 700"):
        Machine(ram="1M", code_cache=folder)


def test_a_folder_of_somebody_else_is_not_used(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder)
    user = os.geteuid()
    monkeypatch.setattr(packfiles.os, "geteuid", lambda: user + 1)
    assert "belongs to user" in (Store(folder).problem or "")


def test_a_link_is_not_followed(folder: str, tmp_path: Path) -> None:
    fill(folder)
    path = packs(folder)[0]
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert again(folder)[1]["l3_hits"] == 0
    (tmp_path / "link").symlink_to(folder)
    assert "is no folder" in (Store(str(tmp_path / "link")).problem or "")


def test_a_folder_that_cannot_be_made_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(str(tmp_path / "file" / "code"))
    core = machine(store, large())
    core.run(max_insns=60_000)
    core.close()
    assert store.problem is not None
    # In memory it works all the same.
    core = machine(store, large())
    core.run(max_insns=60_000)
    assert core.stats()["t1_compiled"] == 0
    core.close()


def test_the_folder_keeps_within_its_limit(folder: str) -> None:
    limit = 150_000
    for salt in range(5):
        core = machine(Store(folder, limit), large(salt=salt))
        core.run(max_insns=60_000)
        core.close()
        assert 0 < packfiles.total_size(folder) <= limit
    assert 0 < Store(folder, limit).figures().pages < 40


def test_packs_are_merged_and_nothing_is_lost(folder: str) -> None:
    for salt in range(12):
        core = machine(Store(folder), large(salt=salt))
        core.run(max_insns=60_000)
        core.close()
        assert 1 <= len(packs(folder)) <= 9
    store = Store(folder)
    assert store.figures().disk_pages == store.figures().pages == 12 * 40
    for salt in range(12):
        core = machine(store, large(salt=salt))
        core.run(max_insns=60_000)
        assert core.stats()["t1_compiled"] == 0
        core.close()


def test_clearing_leaves_nothing(folder: str) -> None:
    fill(folder)
    store = Store(folder)
    assert store.figures().pages > 0
    store.clear()
    assert store.figures().pages == 0
    assert packs(folder) == []


def test_what_is_left_over_is_removed(folder: str) -> None:
    os.mkdir(folder, 0o700)
    old, new = Path(folder) / "a.tmp", Path(folder) / "b.tmp"
    old.write_text("")
    new.write_text("")
    os.utime(old, (0, 0))
    fill(folder)
    assert not old.exists()
    assert new.exists()


# --- processes --------------------------------------------------------------------------------------------------------

CHILD = """
import sys
sys.path.insert(0, {tests!r})
from fast.jit.test_l3 import again, uncached
for turn in range(4):
    result, stats, store = again({folder!r})
    assert result == uncached()
    assert store.figures().bad == 0, store.figures()
"""


def test_processes_may_use_one_folder_at_the_same_time(folder: str) -> None:
    program = CHILD.format(tests=str(Path(__file__).parents[2]), folder=folder)
    children = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert again(folder)[1]["t1_compiled"] == 0
    assert list(Path(folder).glob("*.tmp")) == []


def in_child(check: Callable[[], None]) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            check()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_forked_child_has_the_parents_store_and_not_its_code(folder: str) -> None:
    store = Store(folder)
    core = machine(store, large())
    core.run(max_insns=60_000)
    result = state(core)

    def check() -> None:
        # Closing what the parent runs touches no code; and a machine of the child's own gets what had been shared.
        core.close()
        work(store)
        own = machine(store)
        own.run(max_insns=BUDGET)
        assert own.stats()["t1_compiled"] == 0
        own.close()

    in_child(check)
    core.set_pc(0, core.pc(0))
    assert state(core) == result
    core.run(max_insns=1000)
    core.close()


# --- what is left -----------------------------------------------------------------------------------------------------


def test_a_store_gives_everything_back(folder: str) -> None:
    before, segments = live(), codebuf.stats().segments
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        store = Store(folder)
        core = machine(store, large())
        core.run(max_insns=60_000)
        core.close()
        del core, store
    assert (live(), codebuf.stats().segments) == (before, segments)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_the_store_of_a_folder_is_one(tmp_path: Path) -> None:
    one = l3.open_store(tmp_path / "x")
    assert l3.open_store(str(tmp_path / "x")) is one
    assert l3.open_store(tmp_path / "y") is not one
    l3.close_stores()
    assert l3.open_store(tmp_path / "x") is not one


def test_the_setting_of_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMCORE_CACHE", str(tmp_path))
    for value, expected in (("on", True), ("memory", True), ("off", False), (str(tmp_path / "own"), True)):
        monkeypatch.setenv("VMCORE_CODE_CACHE", value)
        with Machine(ram="1M") as vm:
            assert ("l3_pages" in vm.core.stats()) is expected
    with Machine(ram="1M", code_cache=tmp_path / "other", tier="t0") as vm:
        assert "l3_pages" not in vm.core.stats()
    l3.close_stores()


def test_the_engine_is_known_by_its_build() -> None:
    """Two processes agree on it, whatever they import first."""
    program = textwrap.dedent("""
        import vmcore._fast.hart.ops_sys, vmcore
        from vmcore._fast.jit import l3
        print(l3.engine_id().hex())
    """)
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert len(shown) == 32
    plain = "import vmcore; from vmcore._fast.jit import l3; print(l3.engine_id().hex())"
    same = subprocess.run([sys.executable, "-c", plain], capture_output=True, text=True, check=True).stdout.strip()
    # Handlers have numbers in the order in which they are registered, and code holds them.
    assert (shown == same) is (handler_order("vmcore._fast.hart.ops_sys, vmcore") == handler_order("vmcore"))
    assert same == l3.engine_id().hex()


@pytest.mark.parametrize("module", ["hart/a.so", "jit/a.so", "jit/t2/a.so", "jit/x64/a.so", "memory/a.so"])
def test_a_build_is_all_of_its_modules(tmp_path: Path, module: str) -> None:
    empty = packfiles.built_when(str(tmp_path))
    path = tmp_path / module
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    one = packfiles.built_when(str(tmp_path))
    path.write_bytes(b"other")
    assert len({empty, one, packfiles.built_when(str(tmp_path))}) == 3


def handler_order(first: str) -> str:
    program = f"import {first}; from vmcore._fast.hart.handlers import names; print(*names)"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
