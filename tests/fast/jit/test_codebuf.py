"""Memory for machine code: every way to get it, and what may go wrong. Each test has a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator

import pytest

from vmcore._fast.jit.codebuf import Segment
from vmcore.errors import ClosedError, ConfigError

TWO_VIEWS = ["memfd", "shm", "file"]
METHODS = [*TWO_VIEWS, "mprotect"]

PRELUDE = """
import json, os, resource, signal, sys, threading, traceback
from vmcore._fast.jit.codebuf import Segment, how, stats
from vmcore.errors import ClosedError, ConfigError, VmError

ADD = bytes.fromhex("488d0437c3")      # lea rax, [rdi+rsi]; ret
SUB = bytes.fromhex("4889f84829f0c3")  # mov rax, rdi; sub rax, rsi; ret

def maps():
    for line in open("/proc/self/maps"):
        place, rights, _, _, inode, *name = line.split()
        first, last = (int(part, 16) for part in place.split("-"))
        yield first, last, rights, int(inode), name

def at(address):
    return next(((rights, inode) for first, last, rights, inode, _ in maps() if first <= address < last), None)

def in_child(check):
    pid = os.fork()
    if pid == 0:
        try:
            check()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""
# Runs what it is sent in children of its own, as starting Python for each of them would take seconds.
SERVER = """
for line in sys.stdin:
    def check():
        signal.alarm(60)
        exec(json.loads(line), globals())
    try:
        in_child(check)
        print("passed", flush=True)
    except AssertionError:
        print("failed", flush=True)
"""

Run = Callable[..., None]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """``run(code, method)``: run the code in a process that has used no memory for machine code yet."""
    servers: dict[str, tuple[subprocess.Popen[str], tempfile._TemporaryFileWrapper[str]]] = {}

    def run(code: str, method: str = "") -> None:
        if method not in servers:
            errors = tempfile.NamedTemporaryFile("w+")  # noqa: SIM115 - closed below
            server = subprocess.Popen(
                [sys.executable, "-c", PRELUDE + SERVER],
                env=os.environ | {"VMCORE_CODE_MEMORY": method},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            servers[method] = server, errors
        server, errors = servers[method]
        assert server.stdin and server.stdout
        print(json.dumps(textwrap.dedent(code)), file=server.stdin, flush=True)
        answer = server.stdout.readline().strip()
        errors.seek(0)
        assert answer == "passed", errors.read()

    yield run
    for server, errors in servers.values():
        with server:
            assert server.stdin
            server.stdin.close()
        errors.close()


@pytest.mark.parametrize("method", METHODS)
def test_code_runs_and_can_be_changed(run: Run, method: str) -> None:
    run(
        f"""
        assert how().method == {method!r} and how().forced and not how().failed
        assert str(how()) == "{method} (VMCORE_CODE_MEMORY)"
        with Segment() as segment:
            segment.write(0, ADD)
            segment.write(4093, SUB)                 # across a page
            assert segment.call(0, 20, 22) == 42
            assert segment.call(4093, 20, 22) == 2**64 - 2
            segment.write(0, SUB)
            assert segment.call(0, 20, 22) == 2**64 - 2
            assert stats().segments == 1
        assert stats()[:3] == (0, 1, 256 << 20)
        """,
        method,
    )


@pytest.mark.parametrize("method", METHODS)
def test_no_page_is_writable_and_executable(run: Run, method: str) -> None:
    run(
        """
        with Segment() as segment, Segment() as other:
            segment.write(0, ADD)
            segment.call(0)
            other.write(100_000, ADD)
            assert at(segment.address)[0][:3] == "r-x"
            assert at(other.address + 100_000)[0][:3] == "r-x"
            assert [rights for _, _, rights, _, _ in maps() if "w" in rights and "x" in rights] == []
            if how().method != "mprotect":
                _, inode = at(segment.address)
                # The process has exactly the two views of that file.
                assert sorted(rights for _, _, rights, node, _ in maps() if node == inode) == ["r-xs", "rw-s"]
        """,
        method,
    )


@pytest.mark.parametrize("method", METHODS)
def test_segments_are_used_again_and_give_their_memory_back(run: Run, method: str) -> None:
    run(
        """
        def resident():
            size, inside = 0, False
            _, inode = at(keeper.address)
            for line in open("/proc/self/smaps"):
                fields = line.split()
                if "-" in fields[0]:
                    first, last = (int(part, 16) for part in fields[0].split("-"))
                    inside = int(fields[4]) == inode if inode else first <= keeper.address < last
                elif inside and fields[0] == "Rss:":
                    size += int(fields[1])
            return size

        keeper, segment, third = Segment(), Segment(), Segment()
        assert [each.index for each in (keeper, segment, third)] == [0, 1, 2]
        assert segment.address == keeper.address + (256 << 10)
        before = resident()
        place = segment.address
        segment.write(0, bytes(256 << 10))
        assert resident() - before in (0, 256)       # committed when it was made, or now
        full = resident()
        segment.close()
        segment.close()
        assert full - resident() == 256
        again = Segment()
        assert (again.index, again.address) == (1, place)
        again.write(0, ADD)
        assert again.call(0, 1, 2) == 3
        assert stats()[:2] == (3, 3)
        """,
        method,
    )


@pytest.mark.parametrize("method", METHODS)
def test_there_is_an_end(run: Run, method: str) -> None:
    run(
        """
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        if os.environ["VMCORE_CODE_MEMORY"] != "mprotect":
            # A limit on files makes the store smaller, and no SIGXFSZ arrives.
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, ((4 << 20) + 5, limits[1]))
        size = stats().reserved
        assert size == (256 << 20 if how().method == "mprotect" else 4 << 20)
        segments = [Segment() for _ in range(size // (256 << 10))]
        try:
            Segment()
        except VmError as error:
            assert "no memory for machine code" in str(error)
        else:
            raise AssertionError("one more than there are")
        assert stats().segments == len(segments) == len({each.address for each in segments})
        segments[-1].write((256 << 10) - len(ADD), ADD)
        assert segments[-1].call((256 << 10) - len(ADD), 3, 4) == 7
        segments[3].close()
        assert Segment().index == 3
        """,
        method,
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_limit_on_addresses_makes_the_store_smaller(run: Run, method: str) -> None:
    run(
        """
        used = int(open("/proc/self/statm").read().split()[0]) * 4096
        limit = used + (150 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        assert stats().reserved == (128 << 20 if how().method == "mprotect" else 64 << 20)
        with Segment() as segment:
            segment.write(0, ADD)
            assert segment.call(0, 20, 22) == 42
        """,
        method,
    )


def test_files_that_may_have_no_size_leave_mprotect(run: Run) -> None:
    run(
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        assert how().method == "mprotect" and not how().forced
        assert list(how().failed) == ["memfd", "shm", "file"]
        assert set(how().failed.values()) == {"files of this process may not be that large (ulimit -f)"}
        """
    )


def test_each_method_says_why_it_failed(run: Run) -> None:
    run(
        """
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        found = how()
        assert found.method == "mprotect"
        assert set(found.failed.values()) == {"the file cannot be made (Too many open files)"}
        assert str(found).startswith("mprotect; memfd: the file cannot be made")
        with Segment() as segment:
            segment.write(0, ADD)
            assert segment.call(0, 20, 22) == 42
        """
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_program_sees_no_descriptor_and_no_child(run: Run, method: str) -> None:
    run(
        """
        seen = []
        signal.signal(signal.SIGCHLD, lambda *_: seen.append(1))
        before = set(os.listdir("/proc/self/fd"))
        segment = Segment()
        assert set(os.listdir("/proc/self/fd")) == before
        assert not seen
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass
        else:
            raise AssertionError("there is a child")
        # Programs that close all their files must not hurt, whoever gets the numbers next.
        os.closerange(3, 1024)
        segment.close()
        with Segment() as segment:
            segment.write(0, ADD)
            assert segment.call(0, 20, 22) == 42
        """,
        method,
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_forked_child_starts_afresh(run: Run, method: str) -> None:
    run(
        """
        segment = Segment()
        segment.write(0, ADD)
        place = segment.address
        before = at(place)
        start = stats().generation

        def child():
            assert stats().generation == start + 1 and stats().segments == 0 and stats().peak == 0
            for use in (lambda: segment.call(0), lambda: segment.write(0, SUB), lambda: segment.address):
                try:
                    use()
                except ClosedError as error:
                    assert "forked" in str(error)
                else:
                    raise AssertionError("the parent's segment was used")
            if before[1]:
                assert before[1] not in [inode for _, _, _, inode, _ in maps()], "the parent's memory is mapped"
            mine = Segment()
            assert how().method == os.environ["VMCORE_CODE_MEMORY"]
            mine.write(0, SUB)
            assert mine.call(0, 22, 20) == 2
            segment.close()
            assert stats().segments == 1, "the parent's segment is not the child's to free"

            def grandchild():
                assert stats().generation == start + 2
                with Segment() as own:
                    own.write(0, ADD)
                    assert own.call(0, 1, 1) == 2

            in_child(grandchild)
            assert mine.call(0, 22, 20) == 2

        in_child(child)
        assert segment.call(0, 20, 22) == 42
        assert at(place) == before and stats()[:2] == (1, 1) and stats().generation == start
        """,
        method,
    )


@pytest.mark.parametrize("method", ["memfd", "mprotect"])
def test_threads_share_the_store_while_the_process_forks(method: str) -> None:
    # A Python of its own: ThreadSanitizer has no threads in the server's children.
    code = """
        keep = threading.Event()
        trouble = []

        def work(number):
            while not keep.is_set():
                segments = [Segment() for _ in range(3)]
                for offset, segment in enumerate(segments):
                    # mov eax, imm32; ret: a number of this segment alone
                    own = number * 1000 + offset
                    segment.write(0, b"\\xb8" + own.to_bytes(4, "little") + b"\\xc3")
                    if segment.call(0) != own:
                        trouble.append(own)
                for segment in segments:
                    if segment.call(0) not in range(number * 1000, number * 1000 + 3):
                        trouble.append(number)
                    segment.close()

        def child():
            with Segment() as segment:
                segment.write(0, ADD)
                assert segment.call(0, 20, 22) == 42

        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            in_child(child)
        keep.set()
        for thread in threads:
            thread.join()
        assert not trouble
        assert stats().segments == 0 and 3 <= stats().peak <= 12
        """
    environment = os.environ | {"VMCORE_CODE_MEMORY": method}
    subprocess.run([sys.executable, "-c", PRELUDE + textwrap.dedent(code)], env=environment, timeout=120, check=True)


def test_the_first_process_is_generation_one() -> None:
    code = "from vmcore._fast.jit import codebuf; assert codebuf.stats().generation == 1"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_none_means_none(run: Run) -> None:
    run(
        """
        assert how() == ("none", True, {})
        assert stats()[:3] == (0, 0, 0)
        try:
            Segment()
        except VmError as error:
            assert "none (VMCORE_CODE_MEMORY)" in str(error)
        else:
            raise AssertionError("a segment of nothing")
        """,
        "none",
    )


def test_a_word_that_is_no_method_is_refused(run: Run) -> None:
    run(
        """
        for use in (how, Segment):
            try:
                use()
            except ConfigError as error:
                assert "VMCORE_CODE_MEMORY is 'memory'" in str(error)
                assert "memfd, shm, file, mprotect and none" in str(error)
            else:
                raise AssertionError("taken")
        """,
        "memory",
    )


def test_wrong_use_of_a_segment_is_refused() -> None:
    segment = Segment()
    for offset, size in [((256 << 10) - 3, 4), (256 << 10, 1), (1 << 40, 1), (2**64 - 1, 2)]:
        with pytest.raises(ConfigError, match="A segment has 0x40000 bytes"):
            segment.write(offset, bytes(size))
    with pytest.raises(ConfigError):
        segment.call(256 << 10)
    with pytest.raises(OverflowError):
        segment.write(-1, b"")
    segment.close()
    with pytest.raises(ClosedError, match="closed"):
        segment.call(0)
    with pytest.raises(ClosedError, match="closed"):
        segment.write(0, b"\xc3")
