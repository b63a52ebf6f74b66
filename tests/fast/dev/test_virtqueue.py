"""Virtqueues against drivers that lie: nothing raises, nothing is endless, nothing outside of RAM is touched."""

from __future__ import annotations

import gc
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.virtio_driver import BASE, BORDER, EVENT_IDX, INDIRECT, INDIRECT_DESC, NEXT, SIZE, WRITE, Queue, Ram

from vmcore._fast.dev.virtqueue import VirtQueue
from vmcore._fast.memory.alloc import live
from vmcore.errors import ConfigError, DeviceError

N = 8
DATA = BASE + 0x10_0000


class Direct:
    """A transport that is the queue itself."""

    def __init__(self, queue: VirtQueue, ram: Ram, features: int) -> None:
        self.queue, self.ram, self.features = queue, ram, features

    def set_queue(self, index: int, size: int, desc: int, avail: int, used: int) -> None:
        self.queue.size, self.queue.desc, self.queue.driver, self.queue.device = size, desc, avail, used
        assert self.queue.enable(self.ram.dma, self.features)


def pair(features: int = INDIRECT_DESC | EVENT_IDX, size: int = N) -> tuple[VirtQueue, Queue]:
    """The device's and the driver's side of one queue."""
    ram = Ram()
    queue = VirtQueue(0, 16)
    driver = Queue(ram, Direct(queue, ram, features), 0, size, bool(features & EVENT_IDX))  # type: ignore[arg-type]
    driver.start()
    return queue, driver


def descriptors(driver: Queue, *rows: tuple[int, int, int, int], table: int = 0) -> None:
    """Write (gpa, size, flags, next) rows from index 0 on, and make 0 available."""
    for i, row in enumerate(rows):
        driver.descriptor(table or driver.desc, i, *row)
    if not table:
        driver.expose(0)


def test_a_chain_is_read_and_written_across_its_buffers():
    queue, driver = pair()
    head = driver.add([b"abc", b"", b"defgh"], [2, 0, 5])
    chain = queue.pop()
    assert (chain.head, chain.length, chain.capacity) == (head, 8, 7)
    assert chain.read(2) == b"ab"
    assert chain.skip(2) == 2
    assert (chain.read(3), chain.readable) == (b"efg", 1)
    assert chain.read(100) == b"h"
    assert chain.read() == b""
    assert chain.skip(1) == 0
    assert chain.write(b"1") == 1
    assert chain.write(b"23456789") == 6
    assert chain.write(b"x") == 0
    assert chain.write_at(5, b"**")
    assert not chain.write_at(6, b"**")
    assert not chain.write_at(2**64 - 1, b"**")
    assert queue.push(chain)
    assert driver.collect() == [(head, 7)]
    assert driver.release(head) == b"12345**"


def test_a_chain_can_be_begun_anew():
    queue, driver = pair()
    head = driver.add([b"", b"ab", b"cd"], [0, 3])
    chain = queue.pop()
    for n in (0, 1, 3, 4):
        chain.rewind()
        assert chain.read(n) == b"abcd"[:n]
        chain.write(b"xyz"[:n])
        assert (chain.readable, chain.writable) == (4 - n, 3 - min(n, 3))
    chain.rewind()
    assert chain.read() == b"abcd"
    assert chain.write(b"1") == 1
    queue.push(chain)
    assert driver.collect() == [(head, 1)]
    assert driver.release(head) == b"1yz"


def test_a_buffer_may_cross_banks_of_ram():
    queue, driver = pair()
    driver.ram.dma.write(BORDER - 3, b"across")
    descriptors(driver, (BORDER - 3, 6, NEXT, 1), (BORDER - 100, 200, WRITE, 0))
    chain = queue.pop()
    assert chain.read() == b"across"
    assert chain.write(bytes(range(200))) == 200
    assert driver.ram.dma.read(BORDER - 100, 200) == bytes(range(200))


def test_chains_come_in_order_and_go_back_in_any():
    queue, driver = pair()
    heads = [driver.add([bytes([i])], [1]) for i in range(4)]
    chains = [queue.pop() for _ in range(4)]
    assert [c.head for c in chains] == heads
    assert queue.pop() is None
    for i in (2, 0, 3, 1):
        chains[i].write(chains[i].read())
        assert queue.push(chains[i])
    assert driver.collect() == [(heads[i], 1) for i in (2, 0, 3, 1)]


def test_indexes_wrap_around():
    queue, driver = pair()
    for i in range(70_000):
        # The tables' contents stay: only the indexes move.
        if i == 0:
            head = driver.add([b"x"])
        else:
            driver.expose(head)
        assert queue.push(queue.pop())
    assert driver.ram.u16(driver.used + 2) == 70_000 % 65536
    assert not queue.broken


def test_indirect_chains():
    queue, driver = pair()
    driver.indirect = True
    head = driver.add([b"in", b"direct"], [3, 4])
    chain = queue.pop()
    assert chain.read() == b"indirect"
    assert chain.write(b"answers") == 7
    queue.push(chain)
    assert driver.collect() == [(head, 7)]
    assert driver.release(head) == b"answers"


def test_direct_buffers_may_come_before_an_indirect_table():
    queue, driver = pair()
    table = driver.ram.alloc(32)
    # 2.7.5.3.2: the write flag of the descriptor that names a table means nothing.
    descriptors(driver, (DATA, 4, NEXT, 1), (table, 32, INDIRECT | WRITE, 0))
    descriptors(driver, (DATA + 4, 4, NEXT, 1), (DATA + 8, 4, WRITE, 0), table=table)
    driver.ram.dma.write(DATA, b"ABCDEFGH")
    chain = queue.pop()
    assert (chain.read(), chain.capacity) == (b"ABCDEFGH", 4)


BAD_CHAINS = {
    "next past the table": ([(DATA, 1, NEXT, N)], "next is past"),
    "a loop of one": ([(DATA, 1, NEXT, 0)], "loop"),
    "a loop of two": ([(DATA, 1, NEXT, 1), (DATA, 1, NEXT, 0)], "loop"),
    "readable after writable": ([(DATA, 1, NEXT | WRITE, 1), (DATA, 1, 0, 0)], "readable buffer after"),
    "a buffer outside of RAM": ([(0x1000, 1, 0, 0)], "buffer is not inside RAM"),
    "a buffer past the end of RAM": ([(BASE + SIZE - 1, 2, 0, 0)], "buffer is not inside RAM"),
    "a buffer around 2**64": ([(2**64 - 1, 2, 0, 0)], "buffer is not inside RAM"),
    "a huge buffer": ([(BASE, 0xFFFF_FFFF, WRITE, 0)], "buffer is not inside RAM"),
    "a nested table": ([(DATA, 16, INDIRECT, 0)], "inside another"),
    "a table with next": ([(DATA, 16, INDIRECT | NEXT, 1)], "does not end"),
    "an empty table": ([(DATA, 0, INDIRECT, 0)], "length is not allowed"),
    "a table of parts": ([(DATA, 24, INDIRECT, 0)], "length is not allowed"),
    "a table too long": ([(BASE, 16 * 1025, INDIRECT, 0)], "length is not allowed"),
    "a table of 4 GiB": ([(BASE, 0xFFFF_FFF0, INDIRECT, 0)], "length is not allowed"),
    "a table outside of RAM": ([(BASE + SIZE - 16, 32, INDIRECT, 0)], "table is not inside RAM"),
    "a table around 2**64": ([(2**64 - 16, 32, INDIRECT, 0)], "table is not inside RAM"),
}


@pytest.mark.parametrize("name", BAD_CHAINS)
def test_bad_chains_break_the_queue(name):
    rows, words = BAD_CHAINS[name]
    queue, driver = pair()
    # Where a table is meant to be good, it holds a table.
    driver.descriptor(DATA, 0, DATA, 16, INDIRECT)
    descriptors(driver, *rows)
    assert queue.pop() is None
    assert words in queue.broken
    reason = queue.broken
    driver.add([b"good"])
    assert queue.pop() is None, "a broken queue gives nothing more"
    assert queue.broken == reason
    assert not queue.notify_needed()
    assert driver.collect() == []
    queue.reset()
    assert queue.broken == ""


def test_an_indirect_table_needs_the_feature():
    queue, driver = pair(0)
    descriptors(driver, (DATA, 16, INDIRECT, 0))
    assert queue.pop() is None
    assert "without the feature" in queue.broken


def test_next_inside_a_table_stays_inside():
    queue, driver = pair()
    descriptors(driver, (DATA, 32, INDIRECT, 0))
    descriptors(driver, (BASE, 1, NEXT, 1), (BASE, 1, NEXT, 2), table=DATA)
    assert queue.pop() is None
    assert "next is past" in queue.broken


def test_a_chain_of_4_gib_is_refused():
    queue, driver = pair()
    descriptors(driver, (DATA, 16 * 1024, INDIRECT, 0))
    for i in range(1024):
        driver.descriptor(DATA, i, BASE, SIZE, WRITE | (NEXT if i < 1023 else 0), i + 1)
    assert queue.pop() is None
    assert "2**32" in queue.broken


@pytest.mark.parametrize("ahead", [N + 1, 100, 0x8000, 0xFFFF])
def test_an_available_index_too_far_ahead(ahead):
    queue, driver = pair()
    driver.ram.put16(driver.avail + 2, ahead)
    assert queue.pop() is None
    assert "more than the queue size ahead" in queue.broken


@pytest.mark.parametrize("head", [N, 255, 0xFFFF])
def test_a_head_past_the_table(head):
    queue, driver = pair()
    driver.expose(head)
    assert queue.pop() is None
    assert "head is past" in queue.broken


def test_a_head_twice_before_its_completion():
    queue, driver = pair()
    head = driver.add([b"x"])
    assert queue.pop().head == head
    driver.expose(head)
    assert queue.pop() is None
    assert "again before" in queue.broken


def test_a_head_twice_after_its_completion_is_fine():
    queue, driver = pair()
    head = driver.add([b"x"])
    for _ in range(3):
        queue.push(queue.pop())
        driver.expose(head)
    assert not queue.broken


@pytest.mark.parametrize(
    ("size", "desc", "driver", "device"),
    [
        (0, 0, 0, 0), (3, 0, 0, 0), (32, 0, 0, 0), (2**32 - 1, 0, 0, 0), (8, 8, 0, 0), (8, 0, 1, 0), (8, 0, 0, 2),
        (8, -BASE, 0, 0), (8, 0, SIZE - 0x2000, 0), (8, 0, 0, 2**63), (8, 2**64 - BASE - 0x1000 - 16, 0, 0),
    ],
)  # fmt: skip
def test_queues_that_cannot_be(size, desc, driver, device):
    ram, queue = Ram(), VirtQueue(0, 16)
    queue.size = size
    queue.desc = (BASE + 0x1000 + desc) % 2**64
    queue.driver = (BASE + 0x2000 + driver) % 2**64
    queue.device = (BASE + 0x3000 + device) % 2**64
    assert not queue.enable(ram.dma, 0)
    assert queue.broken
    assert queue.pop() is None
    assert not queue.notify_needed()
    queue.load(queue.save(), ram.dma)
    assert queue.pop() is None


def test_rings_may_end_with_ram():
    ram, queue = Ram(), VirtQueue(0, 16)
    queue.size, queue.desc, queue.driver = 8, BASE + 0x1000, BASE + 0x2000
    queue.device = BASE + SIZE - 72
    assert queue.enable(ram.dma, EVENT_IDX) is True
    queue.reset()
    queue.size, queue.desc, queue.driver = 8, BASE + 0x1000, BASE + 0x2000
    queue.device = BASE + SIZE - 68
    assert queue.enable(ram.dma, EVENT_IDX) is False


def test_chains_of_a_reset_queue_are_dead():
    queue, driver = pair()
    driver.add([b"secret"], [6])
    chain = queue.pop()
    queue.reset()
    assert chain.stale
    assert chain.read() == b""
    assert chain.write(b"x") == 0
    assert not chain.write_at(0, b"x")
    assert queue.push(chain) is False
    assert driver.collect() == []
    assert queue.pending() == []


def test_wrong_use_by_a_device_is_an_error():
    queue, driver = pair()
    other, _ = pair()
    driver.add([b"x"], [4])
    chain = queue.pop()
    with pytest.raises(DeviceError, match="was pushed to queue"):
        other.push(chain)
    with pytest.raises(DeviceError, match="capacity is 4"):
        queue.push(chain, 5)
    queue.push(chain, 4)
    with pytest.raises(DeviceError, match="pushed already"):
        queue.push(chain)
    for size in (0, 3, 2048, -1):
        with pytest.raises(ConfigError, match="powers of two"):
            VirtQueue(0, size)


def test_a_doorbell_is_asked_for_only_when_the_queue_is_empty():
    queue, driver = pair()
    event = driver.used + 4 + 8 * N
    driver.ram.put16(event, 0x1234)
    driver.add([b"a"])
    driver.add([b"b"])
    queue.pop()
    assert driver.ram.u16(event) == 0x1234
    queue.pop()
    assert queue.pop() is None
    assert driver.ram.u16(event) == 2
    queue, driver = pair(0)
    driver.ram.put16(driver.used + 4 + 8 * N, 0x1234)
    assert queue.pop() is None
    assert driver.ram.u16(driver.used + 4 + 8 * N) == 0x1234, "without the feature there is no such field"


@given(st.integers(0, 0xFFFF), st.lists(st.tuples(st.integers(1, N), st.integers(-3, 12)), max_size=30))
def test_notifications_follow_the_specification(start, rounds):
    # 2.7.10.1 gives the driver's and the device's rule: (u16)(new - event - 1) < (u16)(new - old).
    queue, driver = pair(EVENT_IDX)
    saved = queue.save()
    saved.update(next_avail=start, next_used=start, signalled=start, ever_signalled=True)
    queue.load(saved, driver.ram.dma)
    driver.idx = driver.seen = start
    driver.ram.put16(driver.avail + 2, start)
    driver.ram.put16(driver.used + 2, start)
    head = driver.build([(DATA, 1, False)])
    old = start
    for count, distance in rounds:
        event = (driver.seen + distance) & 0xFFFF
        driver.ram.put16(driver.avail + 4 + 2 * N, event)
        for _ in range(count):
            driver.expose(head)
            queue.push(queue.pop())
        new = driver.ram.u16(driver.used + 2)
        assert queue.notify_needed() == ((new - event - 1) & 0xFFFF < (new - old) & 0xFFFF)
        assert not queue.notify_needed(), "told once"
        old = driver.seen = new


def chain_state(queue: VirtQueue) -> list[tuple[int, int, int, int, int]]:
    return [(c.head, c.length, c.capacity, c.consumed, c.written) for c in queue.pending()]


gpas = st.one_of(
    st.integers(BASE, BASE + SIZE),
    st.integers(DATA, DATA + 64),
    st.sampled_from([0, BASE - 1, BASE + SIZE - 1, 2**64 - 1, 2**64 - 16, DATA]),
    st.integers(0, 2**64 - 1),
)
rows = st.tuples(
    gpas,
    st.one_of(st.integers(0, 64), st.sampled_from([16, 32, 2**32 - 1, 2**32 - 16, SIZE]), st.integers(0, 2**32 - 1)),
    st.one_of(st.integers(0, 7), st.integers(0, 0xFFFF)),
    st.one_of(st.integers(0, N), st.integers(0, 0xFFFF)),
)


@given(
    st.lists(rows, max_size=N),
    st.lists(rows, max_size=4),
    st.lists(st.one_of(st.integers(0, N), st.integers(0, 0xFFFF)), max_size=N),
    st.one_of(st.integers(0, N), st.integers(0, 0xFFFF)),
    st.sampled_from([0, EVENT_IDX, INDIRECT_DESC, EVENT_IDX | INDIRECT_DESC]),
    st.binary(max_size=100),
)
@example([(BASE + 0x1000, 128, WRITE, 0)], [], [0], 1, 0, b"\xff" * 100)
def test_random_rings(table, second, ring, idx, features, answer):
    queue, driver = pair(features)
    for i, row in enumerate(table):
        driver.descriptor(driver.desc, i, *row)
    for i, row in enumerate(second):
        driver.descriptor(DATA, i, *row)
    for i, head in enumerate(ring):
        driver.ram.put16(driver.avail + 4 + 2 * i, head)
    driver.ram.put16(driver.avail + 2, idx)
    popped = 0
    while (chain := queue.pop()) is not None:
        popped += 1
        assert popped <= N, "more chains than the ring has"
        assert chain.head < N
        assert chain.length + chain.capacity < 2**32
        saved = queue.save()["inflight"][-1]
        assert len(saved["segments"]) <= N + 1024
        for gpa, size in saved["segments"]:
            assert size == 0 or BASE <= gpa <= gpa + size <= BASE + SIZE
        assert len(chain.read(1000)) == min(1000, chain.length)
        # The answer may go over the rings themselves: the device then sees what it wrote, and no more.
        assert chain.write(answer) == min(len(answer), chain.capacity)
        twin = VirtQueue(0, 16)
        twin.load(queue.save(), driver.ram.dma)
        assert twin.save() == queue.save()
        assert chain_state(twin) == chain_state(queue)
        queue.push(chain)
        queue.notify_needed()
    if queue.broken:
        assert queue.pop() is None
        assert not queue.notify_needed()
    assert queue.pending() == []


@given(st.binary(min_size=64, max_size=2000), st.integers(0, 40))
def test_a_guest_that_scribbles_over_everything_while_the_device_works(noise, steps):
    queue, driver = pair()
    for i in range(N):
        driver.add([bytes([i]) * 10], [10]) if len(driver.free) >= 2 else None
    held = []
    for step in range(steps):
        where = driver.desc + step * 37 % 600
        driver.ram.dma.write(where, noise[step % len(noise) :][:40])
        if (chain := queue.pop()) is not None:
            held.append(chain)
        if step % 3 == 2 and held:
            chain = held.pop(0)
            chain.write(chain.read())
            queue.push(chain)
        queue.notify_needed()
        assert len(held) <= N


def test_the_layout_is_that_of_the_specification():
    # Bytes written by hand from 2.7.5, 2.7.6 and 2.7.8: the mock and the queue cannot be wrong in the same way.
    ram = Ram()
    ram.dma.write(BASE + 0x1000, bytes.fromhex("00 00 10 80 00 00 00 00  05 00 00 00  01 00  03 00"))
    ram.dma.write(BASE + 0x1030, bytes.fromhex("00 01 10 80 00 00 00 00  04 00 00 00  02 00  00 00"))
    ram.dma.write(BASE + 0x2000, bytes.fromhex("00 00  01 00  00 00"))
    ram.dma.write(BASE + 0x10_0000, b"hello")
    queue = VirtQueue(0, 4)
    queue.size, queue.desc, queue.driver, queue.device = 4, BASE + 0x1000, BASE + 0x2000, BASE + 0x3000
    assert queue.enable(ram.dma, 0)
    chain = queue.pop()
    assert chain.read() == b"hello"
    assert chain.write(b"bye") == 3
    assert queue.push(chain)
    assert queue.notify_needed()
    assert ram.dma.read(BASE + 0x3000, 12) == bytes.fromhex("00 00  01 00  00 00 00 00  03 00 00 00")
    assert ram.dma.read(BASE + 0x10_0100, 4) == b"bye\0"
    assert struct.unpack("<HH", ram.dma.read(BASE + 0x3000, 4)) == (0, 1)


def test_segments_of_chains_are_used_again():
    queue, driver = pair()
    for _ in range(20):
        driver.add([b"abc"], [4])
        chain = queue.pop()
        assert queue.push(chain)
        del chain
        for head, _ in driver.collect():
            driver.release(head)
    used = queue.pool.statistics()
    assert (used.live, used.made, used.hits, used.misses, used.refused) == (0, 1, 19, 1, 0)


def test_more_chains_than_the_pool_holds():
    queue, driver = pair()
    kept = []
    for _ in range(30):
        for _ in range(4):
            driver.add([b"abc"], [4])
            kept.append(queue.pop())
            queue.push(kept[-1])
        for head, _ in driver.collect():
            driver.release(head)
    # More than the pool has: the others are blocks of their own.
    assert queue.pool.statistics().live == 16
    assert [(chain.length, chain.capacity) for chain in kept] == [(3, 4)] * 120
    kept.clear()
    assert queue.pool.statistics().live == 0


def test_a_queue_and_its_chains_in_flight_go_together():
    gc.collect()
    before = live()
    queue, driver = pair()
    driver.add([b"abc"], [4])
    assert queue.pop().readable == 3
    assert live() != before
    del queue, driver
    gc.collect()
    assert live() == before
