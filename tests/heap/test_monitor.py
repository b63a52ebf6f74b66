"""The fragmentation monitor: ratios, histories, thresholds, advice, compaction, callbacks."""

import gc
import threading

import pytest

from vmcore._fast.dev.virtqueue import VirtQueue
from vmcore._fast.memory.slabheap import SlabHeap, Survey
from vmcore.errors import ClosedError, ConfigError, HeapError
from vmcore.heap import ManagedHeap
from vmcore.heap.monitor import FragmentationMonitor, Sample, ThreadHeaps, process_monitor

KIB = 1024


class Fixed:
    """A source that says what it is told to."""

    def __init__(self, free=0, largest=0, held=4096 * KIB):
        self.set(free, largest, held)

    def set(self, free, largest, held=4096 * KIB):
        self.found = Survey(held, free, largest, (0,) * 10 + (free // KIB,))

    def survey(self):
        return self.found


class Movable(Fixed):
    """One that can be compacted, and is then as `after` says."""

    def __init__(self, free, largest, after):
        super().__init__(free, largest)
        self.after = after
        self.compactions = 0

    def compact(self):
        self.compactions += 1
        self.set(*self.after)


class Ticks:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1
        return self.now


def monitor_of(source, **options):
    monitor = FragmentationMonitor(clock=Ticks())
    monitor.register("it", source, **({"least": 0} | options))
    events = []
    monitor.on_event(events.append)
    return monitor, events


@pytest.mark.parametrize(
    "free, largest, ratio", [(0, 0, 0), (100, 100, 0), (100, 25, 0.75), (1 << 40, 1 << 30, 1 - 2**-10)]
)
def test_the_ratio_is_what_the_largest_piece_lacks(free, largest, ratio):
    assert Sample(0, 1 << 41, free, largest, ()).ratio == ratio


def test_a_source_crosses_its_threshold_once_each_way():
    source = Fixed(100 * KIB, 100 * KIB)
    monitor, events = monitor_of(source, threshold=0.5)
    for largest in (100, 60, 50, 49, 10, 20, 50, 60, 1):
        source.set(100 * KIB, largest * KIB)
        monitor.sample()
    told = [(event.kind, event.after.largest // KIB) for event in events]
    assert told == [("above", 49), ("below", 50), ("above", 1)]
    assert events[1].before.largest == 20 * KIB
    assert monitor.metrics()["it"] == {
        "samples": 9, "alerts": 2, "compactions": 0, "back": 0, "held": 4096 * KIB, "free": 100 * KIB, "largest": KIB,
        "ratio": 0.99, "pieces": 100,
    }  # fmt: skip


def test_little_free_memory_is_no_matter():
    source = Fixed(999, 1)
    monitor, events = monitor_of(source, least=1000)
    monitor.sample()
    assert events == [] and monitor.advice("it").action == "nothing"
    source.set(1000, 1)
    monitor.sample()
    assert [event.kind for event in events] == ["above"]


def test_history_is_bounded_and_in_order():
    monitor = FragmentationMonitor(history=3, clock=Ticks())
    source = Fixed()
    monitor.register("it", source)
    for free in range(5):
        source.set(free, free)
        assert monitor.sample()["it"].free == free
    assert [(sample.time, sample.free) for sample in monitor.history("it")] == [(3, 2), (4, 3), (5, 4)]


def test_what_is_scattered_is_compacted():
    source = Movable(1000, 10, after=(100, 90, 1024 * KIB))
    monitor, events = monitor_of(source)
    assert monitor.sample()["it"].free == 100
    assert [event.kind for event in events] == ["above", "compacted", "below"]
    assert monitor.metrics()["it"]["back"] == 3072 * KIB
    monitor.sample()
    assert source.compactions == 1


def test_what_does_not_help_is_tried_ever_more_seldom():
    source = Movable(1000, 10, after=(1000, 10))
    monitor, events = monitor_of(source)
    tried = []
    for _ in range(200):
        before = source.compactions
        monitor.sample()
        tried.append(source.compactions > before)
    at = [number for number, one in enumerate(tried) if one]
    assert at == [0, 2, 6, 14, 30, 62, 126, 190]
    assert [event.kind for event in events].count("above") == 1
    assert monitor.advice("it").action == "wait"


def test_nobody_is_compacted_who_did_not_ask():
    source = Movable(1000, 10, after=(10, 10))
    monitor, events = monitor_of(source, automatic=False)
    monitor.sample()
    assert source.compactions == 0 and monitor.advice("it").action == "compact"
    before, after = monitor.compact("it")
    assert (before.free, after.free) == (1000, 10)
    assert [event.kind for event in events] == ["above", "compacted"]
    monitor.sample()
    assert monitor.advice("it").action == "nothing"


def test_advice_where_nothing_can_move():
    monitor, _ = monitor_of(Fixed(1000, 10))
    assert monitor.advice("it").action == "wait"
    monitor.sample()
    advice = monitor.advice("it")
    assert advice.action == "release" and "ratio 0.99" in advice.reason
    with pytest.raises(ConfigError, match="no compact"):
        monitor.compact("it")


def test_wrong_use_says_what_is_wrong():
    monitor = FragmentationMonitor()
    monitor.register("it", Fixed())
    for wrong, message in (
        (lambda: monitor.register("it", Fixed()), "watched already"),
        (lambda: monitor.register("other", Fixed(), threshold=1.5), "threshold of 1.5"),
        (lambda: monitor.register("other", object()), "has no survey"),
        (lambda: monitor.history("other"), "Watched are: it"),
        (lambda: monitor.unregister("other"), "nothing called 'other'"),
        (lambda: monitor.start(0), "interval of 0"),
        (lambda: FragmentationMonitor(history=0), "history of 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            wrong()
    monitor.unregister("it")
    assert monitor.names == () and monitor.sample() == {}


def test_a_thread_takes_samples_until_it_is_stopped():
    source = Movable(1000, 10, after=(10, 10))
    monitor, events = monitor_of(source)
    compacted = threading.Event()
    monitor.on_event(lambda event: event.kind == "below" and compacted.set())
    monitor.start(0.001)
    with pytest.raises(ConfigError, match="started already"):
        monitor.start()
    assert compacted.wait(30)
    monitor.stop()
    monitor.stop()
    assert [event.kind for event in events] == ["above", "compacted", "below"]
    assert "vmcore-fragmentation" not in [thread.name for thread in threading.enumerate()]


def test_a_callback_that_fails_does_not_end_the_watch(caplog):
    source = Fixed(1000, 10)
    monitor, events = monitor_of(source)
    seen = threading.Event()

    def fail(event):
        if event.kind == "below":
            seen.set()
        source.set(1000, 1000)
        raise ValueError("not today")

    monitor.on_event(fail)
    monitor.start(0.001)
    assert seen.wait(30)
    monitor.stop()
    assert [event.kind for event in events] == ["above", "below"]
    assert "not today" in caplog.text


def test_a_churned_heap_is_compacted_to_less_than_half():
    heap = SlabHeap()
    blocks = [heap.alloc(size) for size in (48, 200, 1000, 3000) for _ in range(2000)]
    kept = blocks[::11]
    del blocks
    before = heap.survey()
    ratio = 1 - before.largest / before.free
    assert ratio > 0.5
    monitor = FragmentationMonitor()
    monitor.register("heap", heap)
    after = monitor.sample()["heap"]
    assert after.ratio <= ratio / 2 and after.held < before.held / 2
    assert heap.statistics().blocks == len(kept)


def test_the_heaps_of_all_threads_can_be_watched():
    queue = VirtQueue(0, 64)
    monitor = FragmentationMonitor()
    monitor.register("threads", ThreadHeaps())
    before, after = monitor.compact("threads")
    assert before.held >= after.held > 0 and before.free >= after.free > 0
    assert monitor.metrics()["threads"]["compactions"] == 1
    assert queue.size == 64


def heaps_watched():
    return {name for name in process_monitor().names if name.startswith("heap-")}


def test_the_process_monitor_knows_the_allocator_and_every_open_heap():
    before = heaps_watched()
    with ManagedHeap("16M") as heap:
        (name,) = heaps_watched() - before
        kept = [heap.alloc(payload=4000) for _ in range(200)]
        found = process_monitor().sample()
        assert found["threads"].held > 0 and found[name].held >= 200 * 4000
        del kept
        assert process_monitor().compact(name)[1].held < found[name].held
    assert name not in process_monitor().names
    assert name not in process_monitor().metrics()
    with pytest.raises(ConfigError):
        process_monitor().history(name)


def test_a_heap_that_nobody_holds_is_watched_no_more():
    before = heaps_watched()
    heap = ManagedHeap("16M")
    assert len(heaps_watched() - before) == 1
    del heap
    gc.collect()
    assert heaps_watched() == before


def test_a_heap_that_cannot_be_closed_yet_stays_watched():
    before = heaps_watched()
    with ManagedHeap("16M") as heap:
        block = heap.alloc(payload=64)
        with memoryview(block), pytest.raises(HeapError):
            heap.close()
        assert len(heaps_watched() - before) == 1
    assert heaps_watched() == before


def test_a_source_that_goes_while_it_is_looked_at_is_left_out():
    monitor = FragmentationMonitor()

    class Closing(Fixed):
        def survey(self):
            monitor.gone("closing")
            raise ClosedError("closed")

    monitor.register("closing", Closing())
    monitor.register("other", Fixed())
    assert list(monitor.sample()) == ["other"]


def test_a_source_that_fails_and_stays_is_no_secret():
    class Failing(Fixed):
        def survey(self):
            raise ClosedError("closed")

    monitor = FragmentationMonitor()
    monitor.register("failing", Failing())
    with pytest.raises(ClosedError):
        monitor.sample()
