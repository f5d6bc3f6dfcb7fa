"""One timer for all that is deferred."""

from tests.support.delivery import START, Clock

from outgate.delivery.schedule import LOOK_AGAIN_SECONDS, DueHeap


def pending(clock: Clock) -> list[float]:
    return sorted(at for at, number, _ in clock.timers if number not in clock.cancelled)


def test_entries_come_in_order_of_time_and_not_before() -> None:
    clock = Clock()
    heap = DueHeap(clock, lambda: None)
    for at, queue_id in ((START + 5, "B"), (START + 1, "A"), (START + 5, "A")):
        heap.put(at, queue_id)
    assert heap.pop() is None
    clock.seconds = 5
    assert [heap.pop(), heap.pop(), heap.pop(), heap.pop()] == [
        (START + 1, "A"),
        (START + 5, "A"),
        (START + 5, "B"),
        None,
    ]


def test_there_is_one_timer_for_the_first_entry() -> None:
    clock = Clock()
    heap = DueHeap(clock, lambda: None)
    heap.put(START + 30, "A")
    heap.put(START + 20, "B")
    heap.put(START + 40, "C")
    assert pending(clock) == [20.0]


def test_the_timer_rings_and_is_set_again_by_wait() -> None:
    clock = Clock()
    rung: list[float] = []
    heap = DueHeap(clock, lambda: rung.append(clock.seconds))
    heap.put(START + 20, "A")
    heap.put(START + 30, "B")
    clock.seconds = 20
    clock.timers.pop()[2]()
    assert rung == [20]
    heap.pop()
    heap.wait()
    assert pending(clock) == [30.0]


def test_a_far_time_is_looked_at_again_since_the_wall_clock_may_be_set() -> None:
    clock = Clock()
    heap = DueHeap(clock, lambda: None)
    heap.put(START + 10_000, "A")
    assert pending(clock) == [LOOK_AGAIN_SECONDS]


def test_after_stop_there_is_no_timer() -> None:
    clock = Clock()
    heap = DueHeap(clock, lambda: None)
    heap.put(START + 20, "A")
    heap.stop()
    heap.put(START + 10, "B")
    heap.wait()
    assert pending(clock) == []
