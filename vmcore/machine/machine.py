"""The machine: everything put together, and what a script does with it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Timer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from vmcore._fast.face import MemoryFace
from vmcore._fast.run import EXITS, Core
from vmcore._fast.stop import Stop
from vmcore._fast.team import run_team
from vmcore.config.settings import MachineSettings, load_settings
from vmcore.config.values import parse_choice, parse_count, parse_seconds, parse_size
from vmcore.devices.base import Device
from vmcore.errors import ConfigError, VmError
from vmcore.isa import riscv
from vmcore.machine import memmap
from vmcore.machine.board import Board, BoardOptions
from vmcore.machine.boot import Boot, BootOptions
from vmcore.machine.breakpoints import Breakpoints
from vmcore.machine.codecache import open_code_cache
from vmcore.machine.codesource import CodeSource
from vmcore.machine.console.console import Console
from vmcore.machine.console.firmware import FirmwareConsole
from vmcore.machine.disk import DiskSource, to_disk
from vmcore.machine.drive import Drive
from vmcore.machine.hart import Hart
from vmcore.machine.htif import Htif
from vmcore.machine.late import Late
from vmcore.machine.loader.files import Source, read_file
from vmcore.machine.loader.symbols import Symbols
from vmcore.machine.sbi.server import SbiServer
from vmcore.machine.sbi.words import Firmware, ResetRequest
from vmcore.machine.stop import StopReason
from vmcore.machine.view import MachineView

if TYPE_CHECKING:
    from vmcore.inspect.hooks import Hooks

__all__ = ["Machine"]

NS = 1_000_000_000
# The guest's calendar in virtual time: the same at every run (2026-01-01).
EPOCH = 1_767_225_600
# By the host's clock, an idle machine looks this often whether somebody wants something of it.
IDLE_POLL = 0.005
# Virtual time between two looks at the consoles while typed bytes wait for room.
TYPING_NS = 1_000_000

# A timer after this (292 years) is one that a guest has switched off.
LAST_NS = (1 << 63) - 1

BUDGET, PROBE, SBI = EXITS["budget"], EXITS["probe"], EXITS["sbi"]
DEADLINE, IDLE, STOP = EXITS["deadline"], EXITS["idle"], EXITS["stop"]
HTIF, POWER = EXITS["htif"], EXITS["power"]
# Looked up once: finding a member of an enumeration takes as long as fifty guest instructions.
OUT_OF_BUDGET = StopReason.BUDGET

riscv.install()


class Machine(MachineView):
    """A RISC-V computer inside this process.

    Parameters
    ----------
    board : str, default "virt"
        The board: QEMU's ``virt``.
    ram : int or str, default "512M"
        Main memory, 1 MiB to 16 GiB.
    harts : int, default 1
        1 to 8.
    kernel : path or bytes, optional
        What to start: an ELF file, a raw Linux ``Image`` or a flat binary, perhaps packed with gzip or zstd.
    initrd : path or bytes, optional
        The kernel's initial RAM disk.
    append : str
        The kernel's command line.
    bios : str, path or bytes, optional
        ``"builtin"`` (the default where there is a kernel): vmcore's own SBI firmware below an S-mode kernel;
        ``"none"``: the kernel itself runs in M-mode; or a file, such as OpenSBI or U-Boot.
    isa : str, optional
        The instruction set, as ``"rv64gc_zba_sv39"``; by default everything on offer.
    disks : sequence of path or Disk
        Raw disk images, by default over virtio-pci.
    devices : sequence of Device
        Devices written in Python.
    console : str, default "ttyS0"
        Which device :attr:`console` is: ``"ttyS0"``, the UART, or ``"hvc0"``, a virtio console.
    rng : bool, default False
        Whether there is a virtio entropy device.
    aclint : bool, default False
        Whether there is an ACLINT SSWI device.
    flash : sequence of path or bytes
        Contents of the two flash banks. With the first one and no kernel, the firmware starts what is in it.
    extra_ram : sequence of (int, int or str)
        More banks of memory: start and size.
    clock : str, default "virtual"
        ``"virtual"``: time passes with instructions and jumps over idleness, the same at every run; ``"host"``: time
        is the host's, less the time between runs.
    seed : int, default 0
        Seed of everything random that the guest can see.
    reboot : str, default "restart"
        What a guest's reboot does: ``"restart"`` resets the machine and goes on, ``"stop"`` ends the run.
    tier : str, default "auto"
        What executes the guest: ``"auto"`` compiles what runs often, and optimises its loops in the background;
        ``"t0"`` only interprets, ``"t1"`` compiles everything at once, ``"t2"`` optimises loops at once, too.
    code_cache : str or path, default "on"
        Where compiled code is shared: ``"on"``, with the machines of this process and, in the cache folder, with later
        runs; ``"memory"``, in this process; ``"off"``; or another folder than the default one. It makes a difference
        in speed only.
    parallel : bool, default False
        Each hart runs in a thread of its own, by the host's clock (``clock="host"`` is implied). By default one thread
        runs all harts in turn.
    icount : bool, default False
        Says by name what ``clock="virtual"`` does: time is counted in instructions, one thread runs all harts, and a
        run is the same on every host and at any load.
    numa : sequence of mapping or str, optional
        The guest's NUMA nodes: ``[{"harts": [0, 1], "ram": "256M"}, ...]`` or ``"0-1:256M;2-3:256M"``.
    placement : str or sequence of str, optional
        Where on the host memory shall be, all of it or each node's: ``"local"``, ``"interleave"``, ``"bind:0"``.

    Attributes
    ----------
    core : Core
        The compiled core.
    x, f, csr, mem
        Registers, floating-point registers, CSRs and virtual memory of hart 0.
    phys : MemoryFace
        Physical memory.
    symbols : Symbols
        The loaded images' symbols; wherever an address is asked for, a symbol will do.
    settings : MachineSettings
        What it was built from, defaults and environment included.

    Notes
    -----
    One thread only, but for :meth:`stop`. Ctrl-C during a run raises KeyboardInterrupt between two instructions: the
    machine is whole and :meth:`run` goes on where it was.

    While parallel harts run, hooks and devices written in Python are served one at a time, each in the thread of the
    hart that met it. The other harts go on meanwhile; one that a callback looks at or changes stands still until the
    callback returns.

    Examples
    --------
    >>> with Machine(ram="128M") as vm:
    ...     vm.mem[0x8000_0000:0x8000_0004] = bytes.fromhex("13052000")  # li a0, 2
    ...     stop = vm.run(max_insns=1)
    ...     vm.x.a0
    2
    """

    hook: Hooks
    if not TYPE_CHECKING:
        hook = Late("vmcore.inspect.hooks", "Hooks", "Hooks: callbacks at addresses of the guest's code.")

    def __init__(
        self,
        board: str | None = None,
        *,
        ram: int | str | None = None,
        harts: int | None = None,
        kernel: Source | None = None,
        initrd: Source | None = None,
        append: str = "",
        bios: Source | None = None,
        isa: str | None = None,
        disks: Sequence[DiskSource] = (),
        devices: Sequence[Device] = (),
        console: str = "ttyS0",
        rng: bool = False,
        aclint: bool = False,
        flash: Sequence[Source | None] = (),
        extra_ram: Sequence[tuple[int, int | str]] = (),
        clock: str | None = None,
        seed: int | None = None,
        reboot: str = "restart",
        tier: str | None = None,
        code_cache: str | os.PathLike[str] | None = None,
        parallel: bool | None = None,
        icount: bool | None = None,
        numa: str | Sequence[Mapping[str, Any]] | None = None,
        placement: str | Sequence[str] | None = None,
    ) -> None:
        self._closed = True  # Until there is something to close.
        given: dict[str, Any] = {"board": board, "ram": ram, "harts": harts, "isa": isa, "clock": clock, "seed": seed}
        given |= {"tier": tier, "code_cache": code_cache, "numa": numa, "placement": placement}
        given |= {"parallel": parallel, "icount": icount}
        self.settings: MachineSettings = load_settings(given)
        settings = self.settings
        self.isa = riscv.Isa.default() if settings.isa is None else riscv.parse_isa(settings.isa)
        self._restarts = parse_choice(reboot, "reboot", ("restart", "stop")) == "restart"
        self._console_name = parse_choice(console, "console", ("ttyS0", "hvc0"))
        _check_append(append)
        self._host_clock = settings.clock == "host"
        base_ns = time.time_ns() if self._host_clock else EPOCH * NS
        self.core = core = Core(
            settings.harts,
            self.isa.mask,
            host_clock=self._host_clock,
            wall_base_ns=base_ns,
            seed=settings.seed,
            tier=settings.tier,
            store=None if settings.tier == "t0" else open_code_cache(settings.code_cache),
            parallel=settings.parallel,
        )
        self._code = CodeSource(core)
        if self._host_clock:
            core.stop_host_clock()
        options = BoardOptions(
            banks=((memmap.DRAM, settings.ram), *_extra_banks(extra_ram)),
            disks=tuple(to_disk(disk) for disk in disks),
            devices=tuple(devices),
            flash=tuple(None if part is None else read_file(part, "flash")[0] for part in flash),
            aclint=aclint,
            virtio_console=console == "hvc0",
            rng=rng,
            seed=settings.seed,
            numa=settings.numa,
            placement=settings.placement,
        )
        self.board = Board(core, options)
        self._closed = False
        self.symbols = Symbols()
        self._sbi: SbiServer | None = None
        self._htif: Htif | None = None
        self._boot: Boot | None = None
        self._end: Stop | None = None
        self._consoles: dict[str, Console] | None = None
        self._harts: list[Hart] | None = None
        self._breakpoints: Breakpoints | None = None
        self._until: int | None = None
        self._typing = False
        self._pumping = False
        self._stopping: StopReason = StopReason.STOPPED
        first = Hart(core, 0)
        self._first = first
        self.x, self.f, self.csr, self.mem = first.x, first.f, first.csr, first.mem
        self.phys = MemoryFace(core)
        self._direct = self._common_case()
        core.resolver = self.symbols.resolve
        try:
            self._power_on(kernel, initrd, append, bios, bool(flash))
        except BaseException:
            self.close()
            raise

    # --- power-on and reset

    def _power_on(
        self, kernel: Source | None, initrd: Source | None, append: str, bios: Source | None, from_flash: bool
    ) -> None:
        core = self.core
        if kernel is None and initrd is None and bios is None and not from_flash:
            # Nothing to start: the harts stand at the beginning of memory, for the script to fill.
            self._stand_at_memory()
            return
        if bios is None:
            bios = "builtin" if kernel is not None else "none"
        options = BootOptions(kernel, initrd, append, bios, from_flash, self.settings.seed)
        self._boot = boot = Boot(options, self.board, self.isa)
        self.symbols.update(boot.symbols)
        if options.builtin:
            self._start_sbi()
        else:
            core.add_ram(memmap.RESET_ROM, memmap.RESET_ROM_SIZE, True)
        self._htif = Htif.of_symbols(core.memory, self._firmware_console(), self.symbols)
        boot.apply(core, again=False)
        self._watch_htif()

    def _stand_at_memory(self) -> None:
        for hart in range(self.core.nharts):
            self.core.set_pc(hart, memmap.DRAM)
            self.core.set_x(hart, 10, hart)

    def _start_sbi(self) -> None:
        core = self.core
        firmware = Firmware(core, core.nharts, self.board.options.banks, self._firmware_console(), self.isa.has("sstc"))
        self._sbi = SbiServer(firmware)
        self._sbi.restart(0)
        core.serve_sbi(True)
        self._direct = self._common_case()

    def _firmware_console(self) -> FirmwareConsole:
        return FirmwareConsole(self.board.uart, self.consoles["ttyS0"])

    def _watch_htif(self) -> None:
        if self._htif is not None:
            self.core.htif_watch(self._htif.tohost, self._htif.tohost + 8)

    def reset(self) -> None:
        """Switch the machine off and on: harts and devices are reset, images are loaded again.

        Memory that no image covers keeps what it holds, and virtual time goes on.
        """
        self._check_open()
        self._check_not_pumping()
        self.core.reset()
        self.board.reset()
        self._end = None
        self._direct = None if self._typing else self._common_case()
        if self._boot is None:
            self._stand_at_memory()
            return
        if self._sbi is not None:
            self._sbi.restart(0)
        if self._htif is not None:
            self._htif.reset()
        self._boot.apply(self.core, again=True)
        self.core.fence_i()

    # --- running

    def _common_case(self) -> Callable[[int | None], int] | None:
        """Return what run() calls without further ado: the core, where Python has no clock or timer to look after."""
        if self._host_clock or self._end is not None or (self._sbi is not None and not self._sbi.firmware.sstc):
            return None
        return self.core.run

    def run(
        self,
        until: int | str | None = None,
        *,
        max_insns: int | None = None,
        timeout: float | None = None,
        watchdog: float | None = None,
    ) -> Stop:
        """Run the guest until something ends the run.

        Parameters
        ----------
        until : int or str, optional
            Stop before the instruction at this address or symbol. Where a run ended at an instruction, the next run
            passes it.
        max_insns : int, optional
            Stop after so many instructions, of all harts together. An instruction that traps counts.
        timeout : float, optional
            Stop after so many *virtual* seconds.
        watchdog : float, optional
            Stop after so many seconds on the host's clock.

        Returns
        -------
        Stop
            Why and where: ``reason``, ``hart``, ``pc``, ``icount``, ``code``.

        Raises
        ------
        DeviceError
            A device written in Python raised an exception; it is the cause of this one. The machine can be inspected
            and go on.
        ClosedError
            The machine is closed.
        KeyboardInterrupt
            Ctrl-C. The machine stands between two instructions and can go on.
        """
        if until is None and timeout is None and watchdog is None and (direct := self._direct) is not None:
            code = direct(max_insns)
            if code == BUDGET:
                return Stop(self.core, OUT_OF_BUDGET)
            return self._run(code, max_insns, None)
        return self._run_bounded(until, max_insns, timeout, watchdog)

    def _run_bounded(
        self, until: int | str | None, max_insns: int | None, timeout: float | None, watchdog: float | None
    ) -> Stop:
        self._check_open()
        self._check_not_pumping()
        until_ns = None
        if timeout is not None:
            until_ns = self.core.now_ns + int(parse_seconds(timeout, "timeout") * NS)
        timer = None
        self._stopping = StopReason.STOPPED
        if until is not None:
            self._until = self.resolve(until)
            self.core.probe_add(self._until)
        try:
            if watchdog is not None:
                timer = Timer(parse_seconds(watchdog, "watchdog"), self._bite)
                timer.daemon = True
                timer.start()
            return self._run(None, max_insns, until_ns)
        finally:
            if timer is not None:
                timer.cancel()
                timer.join()
                if self._stopping is StopReason.WATCHDOG:
                    # It may have come too late for this run; the next one must not see it.
                    self.core.forget_stop()
                    self._stopping = StopReason.STOPPED
            if self._until is not None:
                address, self._until = self._until, None
                if not self._closed:
                    self.core.probe_remove(address)

    def _bite(self) -> None:
        self._stopping = StopReason.WATCHDOG
        self.core.request_stop()

    def run_to(self, until_ns: int) -> Stop:
        """Run until virtual time `until_ns`, in nanoseconds, or until something else ends the run."""
        self._check_open()
        self._check_not_pumping()
        return self._run(None, None, until_ns)

    def look_at_consoles(self) -> None:
        """Let runs look at the consoles until all that was typed is out."""
        self._direct = None
        self._typing = True

    def _run(self, code: int | None, max_insns: int | None, until_ns: int | None) -> Stop:
        """Run, serving exits, until one ends the run; `code` is an exit that the caller has got already."""
        core = self.core
        if self._end is not None and code is None:
            return self._end
        left = max_insns
        if code is not None:
            left = None if max_insns is None else core.insns_left
        elif left is not None:
            left = parse_count(left, "max_insns", least=0, most=(1 << 63) - 1)
        if self._host_clock and code is None:
            core.start_host_clock()
        try:
            if self.settings.parallel:
                # Each exit is served while the other harts run; the threads end before this returns.
                return run_team(core, lambda code: self._serve(code, until_ns), lambda: self._next_stop(until_ns), left)
            while True:
                if code is None:
                    code = core.run(left, self._next_stop(until_ns))
                    if left is not None:
                        left = core.insns_left
                stop = self._serve(code, until_ns)
                if stop is not None:
                    return stop
                code = None
        finally:
            if self._host_clock:
                core.stop_host_clock()

    def _next_stop(self, until_ns: int | None) -> int | None:
        """Return when the core has to return at the latest.

        That is the caller's time, a timer that the firmware keeps, or soon while typed bytes wait for the guest.
        """
        if self._typing:
            self._pump()
            self._typing = any(console.unsent for console in self.consoles.values())
            if self._typing:
                soon = self.core.now_ns + TYPING_NS
                until_ns = soon if until_ns is None else min(soon, until_ns)
            else:
                self._direct = self._common_case()
        sbi = self._sbi
        if sbi is None or sbi.firmware.sstc:
            return until_ns
        due = [ticks for ticks in sbi.firmware.deadlines if ticks is not None]
        if not due:
            return until_ns
        ticks = max(0, min(due) - self.board.clint.mtime)
        timer_ns = self.core.now_ns // 100 * 100 + ticks * (NS // memmap.TIMEBASE_HZ)
        if timer_ns > LAST_NS:
            return until_ns
        return timer_ns if until_ns is None else min(timer_ns, until_ns)

    def _serve(self, code: int, until_ns: int | None) -> Stop | None:
        """Serve an exit of the core; returns a Stop where it ends the run."""
        core = self.core
        if code == SBI and self._sbi is not None:
            request = self._sbi.serve(core.exit_hart)
            return None if request is None else self._end_by_sbi(request)
        if code == BUDGET:
            return Stop(core, StopReason.BUDGET)
        if code == DEADLINE:
            if self._sbi is not None and not self._sbi.firmware.sstc:
                self._sbi.timer.expire(self.board.clint.mtime)
            if until_ns is not None and core.now_ns >= until_ns:
                return Stop(core, StopReason.TIMEOUT)
            return None
        if code == POWER:
            return self._serve_power()
        if code == IDLE:
            return self._wait(until_ns)
        if code == PROBE:
            return self._at_probe()
        if code == HTIF and self._htif is not None:
            status = self._htif.serve()
            return None if status is None else self._finish(StopReason.EXIT, status)
        return Stop(core, self._stopping)

    def _at_probe(self) -> Stop:
        core = self.core
        pc = core.pc(core.exit_hart)
        if pc == self._until:
            return Stop(core, StopReason.UNTIL)
        if self._breakpoints is not None and pc in self._breakpoints:
            return Stop(core, StopReason.BREAKPOINT)
        return Stop(core, StopReason.HOOK)

    def _serve_power(self) -> Stop | None:
        board = self.board
        if board.uart.full:
            self._pump()
        request = board.power.request
        if request is None:
            return None
        code = board.power.code
        board.power.clear()
        if request == "reset":
            return self._reboot()
        return self._finish(StopReason.POWEROFF, code if request == "fail" else 0)

    def _end_by_sbi(self, request: ResetRequest) -> Stop | None:
        if self.board.power.request is not None:
            # The guest asked the test device just before, which can carry a status: that came first.
            return self._serve_power()
        if request.kind:
            return self._reboot()
        # Reason 1 is a system failure.
        return self._finish(StopReason.POWEROFF, 1 if request.reason else 0)

    def _reboot(self) -> Stop | None:
        self._pump()
        if self._restarts:
            self.reset()
            return None
        return self._finish(StopReason.REBOOT, None)

    def _finish(self, reason: StopReason, code: int | None) -> Stop:
        self._pump()
        self._end = Stop(self.core, reason, code)
        self._direct = None
        return self._end

    def _wait(self, until_ns: int | None) -> Stop | None:
        """All harts wait. Feed them what was typed, or let the host's time pass, or say that this is the end."""
        if self._pump():
            return None
        if self._htif is not None:
            self._htif.poll()
        core = self.core
        due = core.clock.next_deadline_ns if self._host_clock else None
        if due is None and (until_ns is None or not self._host_clock):
            return Stop(core, StopReason.IDLE)
        if self.settings.parallel:
            # Their threads sleep by themselves.
            return None
        soonest = min(time_ns for time_ns in (due, until_ns) if time_ns is not None)
        time.sleep(min(max(soonest - core.now_ns, 0) / NS, IDLE_POLL))
        return None

    def _pump(self) -> bool:
        """Move the consoles' bytes; True if any moved."""
        # Listeners are called from here: they are part of the run and may not begin another, or end the machine.
        self._direct, self._pumping = None, True
        try:
            moved = [console.pump() for console in self.consoles.values()]
        finally:
            self._pumping = False
            self._direct = None if self._typing else self._common_case()
        return any(moved)

    def _check_not_pumping(self) -> None:
        if self._pumping:
            raise VmError("the machine is running", hint="A listener is called in the middle of a run")

    @property
    def console(self) -> Console:
        """Console: the console that was chosen."""
        return self.consoles[self._console_name]

    @property
    def consoles(self) -> dict[str, Console]:
        """dict: every console by its name in the guest."""
        if self._consoles is None:
            drive = Drive(self)
            self._consoles = {"ttyS0": Console("ttyS0", self.board.uart, drive)}
            if self.board.console is not None:
                self._consoles["hvc0"] = Console("hvc0", self.board.console, drive)
        return self._consoles

    def step(self, n: int = 1) -> Stop:
        """Execute `n` instructions: ``run(max_insns=n)``."""
        return self.run(max_insns=n)

    def stop(self) -> None:
        """End the current run (or the next) with reason ``"stopped"``. Any thread, and hooks, may call it."""
        self.core.request_stop()

    # --- the end

    def close(self) -> None:
        """Give memory and files back to the host. Closing again does nothing.

        Raises
        ------
        VmError
            A view of guest memory is alive, or the machine runs. It stays open then.
        """
        if self._closed:
            return
        self._check_not_pumping()
        self._code.close()
        self._closed = True
        self._direct = None
        self.board.close()

    def __del__(self) -> None:
        # Devices and core name each other: without this, guest memory would wait for the cycle collector. Where a
        # view of it is alive, it does wait.
        if not getattr(self, "_closed", True):
            with suppress(VmError):
                self.close()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except VmError:
            # An error that is on its way says more than that a view was left behind by it.
            if error is None:
                raise


def _check_append(append: object) -> None:
    if not isinstance(append, str) or "\0" in append:
        raise ConfigError(f"append={append!r} is no command line", hint="Give a str without NUL characters")


def _extra_banks(banks: Sequence[tuple[int, int | str]]) -> tuple[tuple[int, int], ...]:
    checked = []
    for entry in banks:
        try:
            base, size = entry
        except (TypeError, ValueError):
            raise ConfigError(f"extra_ram entry {entry!r} is no pair of start and size") from None
        start = parse_count(base, "start of extra_ram", least=memmap.DRAM, most=(1 << 55) - 1)
        checked.append((start, parse_size(size, "size of extra_ram", least=4096, most=16 << 30, multiple=4096)))
    return tuple(checked)
