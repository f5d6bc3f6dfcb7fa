"""One suite for every spool: what `spool.interface` promises, on disk and in memory."""

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from msgspec import structs
from tests.support.disk import Luck, SimulatedDisk, ThreadFlusher
from tests.support.spool import (
    Answers,
    Ledger,
    ManualLoop,
    Scenario,
    all_events,
    event_of,
    message,
    progress,
    read_content,
    recover,
)

from outgate.mail.message import Lane, Message, Progress, QueueId, first_progress, fresh_progress
from outgate.spool.files import Files, Flusher
from outgate.spool.interface import INLINE_MAX, Health, LargeContent, Spool, SpoolError, SpoolFailed
from outgate.spool.memory import MemoryDisk, MemorySpool
from outgate.spool.sealed import SealedSpool
from outgate.spool.segments import SegmentSettings, SegmentSpool


class Harness(Protocol):
    """A spool, and what outlives it."""

    loop: ManualLoop
    answers: Answers
    recovered: list[tuple[Message, Progress]]

    @property
    def spool(self) -> Spool: ...

    def reopen(self) -> list[tuple[Message, Progress]]: ...

    def set_available(self, octets: int) -> None: ...

    def events(self) -> list[bytes]: ...


class _SomewhatFull(Files):
    octets: int | None = None

    def __init__(self, flusher: Callable[[Files], Flusher] | None) -> None:
        self._flusher = flusher

    def flusher(self) -> Flusher | None:
        return None if self._flusher is None else self._flusher(self)

    def available_octets(self, directory: Path) -> int:
        return super().available_octets(directory) if self.octets is None else self.octets


class OnDisk:
    """flusher: has the loop commit, with this flusher; else the writer thread does."""

    def __init__(self, directory: Path, flusher: Callable[[Files], Flusher] | None = None) -> None:
        self._flusher = flusher
        self.loop = ManualLoop()
        self.answers = Answers(self.loop)
        self._directory = directory
        self._files = _SomewhatFull(flusher)
        self._open()

    def _open(self) -> None:
        settings = SegmentSettings(segment_octets=256 * 1024, reserve_octets=0)
        loop = self.loop if self._flusher is not None else None
        self.spool = SegmentSpool(self._directory, post=self.loop.post, loop=loop, settings=settings, files=self._files)
        self.recovered = list(self.spool.recover())

    def reopen(self) -> list[tuple[Message, Progress]]:
        self.spool.close()
        self._open()
        return self.recovered

    def set_available(self, octets: int) -> None:
        self._files.octets = octets + 65536  # what a message takes beside its content
        self.reopen()

    def events(self) -> list[bytes]:
        return all_events(self._files, self._directory / "events")


class InMemory:
    spool: Spool

    def __init__(self) -> None:
        self.loop = ManualLoop()
        self.answers = Answers(self.loop)
        self._disk = MemoryDisk()
        self._open()

    def _open(self) -> None:
        self.spool = MemorySpool(post=self.loop.post, disk=self._disk)
        self.recovered = list(self.spool.recover())

    def reopen(self) -> list[tuple[Message, Progress]]:
        self.spool.close()
        self._open()
        return self.recovered

    def set_available(self, octets: int) -> None:
        self._disk.available_octets = octets

    def events(self) -> list[bytes]:
        return self._disk.events


def compiled_flusher(_: Files) -> Flusher:
    flusher = Files().flusher()
    if flusher is None:
        pytest.skip("the flusher is not compiled here")
    return flusher


class Sealed(InMemory):
    """What is not sealed passes through the store of held mail."""

    def _open(self) -> None:
        self.spool = SealedSpool(MemorySpool(post=self.loop.post, disk=self._disk), run=asyncio.to_thread)
        self.recovered = list(self.spool.recover())


@pytest.fixture(params=["segments", "segments-by-loop", "segments-by-loop-compiled", "memory", "sealed"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    harness: Harness
    match request.param:
        case "segments":
            harness = OnDisk(tmp_path / "spool")
        case "segments-by-loop":
            harness = OnDisk(tmp_path / "spool", ThreadFlusher)
        case "segments-by-loop-compiled":
            harness = OnDisk(tmp_path / "spool", compiled_flusher)
        case "memory":
            harness = InMemory()
        case _:
            harness = Sealed()
    yield harness
    harness.spool.close()
    harness.loop.run_posted()


def accepted(harness: Harness, number: int, content: bytes = b"content\r\n") -> Message:
    asked = message(number, size_octets=len(content))
    harness.spool.accept(asked, content, harness.answers[asked.queue_id])
    assert harness.answers.wait(asked.queue_id) is None
    return asked


def large_of(harness: Harness, content: bytes, chunk_octets: int = 70_000) -> LargeContent:
    large = harness.spool.large()
    for start in range(0, len(content), chunk_octets):
        large.write(content[start : start + chunk_octets])
    return large


def accepted_large(harness: Harness, number: int, content: bytes) -> Message:
    asked = message(number, size_octets=len(content))
    harness.spool.accept(asked, large_of(harness, content), harness.answers[asked.queue_id])
    assert harness.answers.wait(asked.queue_id) is None
    return asked


def test_new_spool_is_empty_and_good(harness: Harness) -> None:
    assert harness.recovered == []
    assert harness.spool.health is Health.GOOD
    assert harness.spool.can_accept(1_000_000)


def test_accepted_messages_are_recovered_with_fresh_progress(harness: Harness) -> None:
    asked = [accepted(harness, number) for number in range(20)]
    assert harness.reopen() == [(one, fresh_progress(1)) for one in asked]
    assert harness.reopen() == [(one, fresh_progress(1)) for one in asked]


def test_held_message_is_recovered_as_held(harness: Harness) -> None:
    held = structs.replace(message(1), lane=int(Lane.HELD), lane_reason="pool-relay")
    harness.spool.accept(held, b"content", harness.answers[1])
    assert harness.answers.wait(1) is None
    assert harness.reopen() == [(held, first_progress(held))]
    assert first_progress(held).held


def test_done_comes_later_and_by_post(harness: Harness) -> None:
    harness.spool.accept(message(1), b"x", harness.answers["one"])
    assert not harness.answers.given
    assert harness.answers.wait("one") is None


@pytest.mark.parametrize("size_octets", [0, 1, 63, 64, 4096, 100_000, INLINE_MAX])
def test_content_is_kept_octet_for_octet(harness: Harness, size_octets: int) -> None:
    content = random.Random(size_octets).randbytes(size_octets)
    asked = accepted(harness, 1, content)
    assert read_content(harness.spool.content(asked.queue_id)) == content
    harness.reopen()
    assert read_content(harness.spool.content(asked.queue_id)) == content


@pytest.mark.parametrize("size_octets", [0, 1, INLINE_MAX + 1, 3 * INLINE_MAX, 1_500_000])
def test_large_content_is_kept_octet_for_octet(harness: Harness, size_octets: int) -> None:
    content = random.Random(size_octets).randbytes(size_octets)
    asked = accepted_large(harness, 1, content)
    assert read_content(harness.spool.content(asked.queue_id)) == content
    assert harness.reopen() == [(asked, fresh_progress(1))]
    assert read_content(harness.spool.content(asked.queue_id)) == content


@pytest.mark.parametrize("is_large", [False, True])
def test_reader_reads_any_part(harness: Harness, is_large: bool) -> None:
    content = random.Random(1).randbytes(700_000 if is_large else 20_000)
    asked = accepted_large(harness, 1, content) if is_large else accepted(harness, 1, content)
    reader = harness.spool.content(asked.queue_id)
    assert reader.size_octets == len(content)
    for offset, length in ((0, 10), (5, 0), (262_140, 10), (len(content) - 3, 10), (len(content), 5), (0, 10**9)):
        assert reader.read(offset, length) == content[offset : offset + length]
    reader.close()
    reader.close()


@pytest.mark.parametrize("is_large", [False, True])
def test_reader_stays_valid_after_finish_and_no_new_one_is_given(harness: Harness, is_large: bool) -> None:
    content = bytes(500_000 if is_large else 5)
    asked = accepted_large(harness, 1, content) if is_large else accepted(harness, 1, content)
    reader = harness.spool.content(asked.queue_id)
    harness.spool.finish(asked.queue_id)
    with pytest.raises(SpoolError):
        harness.spool.content(asked.queue_id)
    for number in range(2, 40):
        harness.spool.finish(accepted(harness, number, bytes(30_000)).queue_id)
    assert read_content(reader) == content


def test_content_of_an_unknown_message_is_an_error(harness: Harness) -> None:
    with pytest.raises(SpoolError):
        harness.spool.content("0000000000000")


def test_update_replaces_the_progress(harness: Harness) -> None:
    asked = accepted(harness, 1)
    for attempts in (1, 2, 3):
        harness.spool.update(asked.queue_id, progress(attempts), harness.answers[attempts])
        assert harness.answers.wait(attempts) is None
    assert harness.reopen() == [(asked, progress(3))]


def test_update_without_done_is_kept_too(harness: Harness) -> None:
    asked = accepted(harness, 1)
    harness.spool.update(asked.queue_id, progress(1))
    harness.spool.update(asked.queue_id, progress(2))
    assert harness.reopen() == [(asked, progress(2))]


def test_update_of_an_unknown_message_is_told(harness: Harness) -> None:
    harness.spool.update("0000000000000", progress(1))
    harness.spool.update("0000000000000", progress(1), harness.answers["unknown"])
    assert isinstance(harness.answers.wait("unknown"), SpoolError)


def test_finished_messages_do_not_come_back(harness: Harness) -> None:
    asked = [accepted(harness, number) for number in range(10)]
    for one in asked[::2]:
        harness.spool.finish(one.queue_id)
    assert [one for one, _ in harness.reopen()] == asked[1::2]


def test_finish_of_an_unknown_message_is_ignored(harness: Harness) -> None:
    asked = accepted(harness, 1)
    harness.spool.finish("0000000000000")
    harness.spool.finish(asked.queue_id)
    harness.spool.finish(asked.queue_id)
    assert harness.reopen() == []


@pytest.mark.parametrize("is_large", [False, True])
def test_calls_take_effect_in_their_order_without_waiting_for_done(harness: Harness, is_large: bool) -> None:
    for number in (1, 2):
        asked = message(number)
        content = large_of(harness, bytes(400_000)) if is_large else b"content"
        harness.spool.accept(asked, content, harness.answers[number])
        harness.spool.update(asked.queue_id, progress(1))
        harness.spool.update(asked.queue_id, progress(2), harness.answers[-number])
        if number == 1:
            harness.spool.finish(asked.queue_id)
    assert [harness.answers.wait(name) for name in (1, 2, -1, -2)] == [None] * 4
    assert harness.reopen() == [(message(2), progress(2))]


def test_close_keeps_everything_that_was_asked_for(harness: Harness) -> None:
    for number in range(5):
        harness.spool.accept(message(number), b"x" * number, harness.answers[number])
    harness.spool.accept(message(5), large_of(harness, bytes(900_000)), harness.answers[5])
    harness.spool.record(b"event")
    harness.spool.update(message(0).queue_id, progress(7))
    harness.spool.finish(message(1).queue_id)
    found = harness.reopen()
    assert sorted(one.queue_id for one, _ in found) == sorted(message(number).queue_id for number in (0, 2, 3, 4, 5))
    assert {one.queue_id: state for one, state in found}[message(0).queue_id] == progress(7)
    assert harness.events() == [b"event"]
    assert [harness.answers.wait(number) for number in range(6)] == [None] * 6


def test_closed_spool_accepts_nothing(harness: Harness) -> None:
    harness.spool.close()
    harness.spool.close()
    assert not harness.spool.can_accept(1)
    harness.spool.accept(message(1), b"", harness.answers["closed"])
    assert isinstance(harness.answers.wait("closed"), SpoolFailed)
    with pytest.raises(SpoolError):
        harness.spool.large()


def test_events_are_kept_in_order(harness: Harness) -> None:
    for number in range(100):
        harness.spool.record(b"event %d" % number)
    harness.reopen()
    assert harness.events() == [b"event %d" % number for number in range(100)]


def test_abandoned_large_content_is_not_kept(harness: Harness) -> None:
    large = large_of(harness, bytes(800_000))
    assert large.size_octets == 800_000
    large.abandon()
    large.abandon()
    large.write(b"too late")
    assert large.size_octets == 800_000
    assert harness.reopen() == []


def test_abandon_after_accept_does_nothing(harness: Harness) -> None:
    content = bytes(range(256)) * 2000
    large = large_of(harness, content)
    harness.spool.accept(message(1), large, harness.answers["large"])
    large.abandon()
    assert harness.answers.wait("large") is None
    assert read_content(harness.spool.content(message(1).queue_id)) == content


def test_drained_large_content_lets_the_peer_go_on(harness: Harness) -> None:
    large = harness.spool.large()
    resumed: list[bool] = []
    large.on_drained(1, lambda: resumed.append(True))
    assert resumed, "at once if there is nothing to wait for"
    large.write(bytes(3_000_000))
    large.on_drained(1000, lambda: resumed.append(True))
    harness.loop.run_until(lambda: len(resumed) == 2)
    assert large.unwritten_octets < 1000
    harness.loop.run_posted()
    assert len(resumed) == 2
    large.abandon()


def test_spool_without_room_takes_no_mail_and_keeps_what_it_has(harness: Harness) -> None:
    asked = accepted(harness, 1)
    harness.set_available(10_000)
    assert harness.spool.can_accept(9_000)
    assert not harness.spool.can_accept(11_000)
    harness.set_available(-1)
    assert harness.spool.health is Health.FULL
    assert not harness.spool.can_accept(1)
    assert harness.reopen() == [(asked, fresh_progress(1))]
    harness.set_available(10**9)
    assert harness.spool.can_accept(1)
    accepted(harness, 2)


def test_room_is_counted_beside_what_is_under_way(harness: Harness) -> None:
    harness.set_available(1_000_000)
    large = large_of(harness, bytes(600_000))
    assert harness.spool.can_accept(300_000)
    assert not harness.spool.can_accept(500_000)
    large.abandon()
    assert harness.spool.can_accept(900_000)


def test_message_with_many_recipients_is_kept(harness: Harness) -> None:
    asked = message(1, recipients=2000)
    harness.spool.accept(asked, b"x", harness.answers["many"])
    assert harness.answers.wait("many") is None
    harness.spool.update(asked.queue_id, progress(1, 2000))
    assert harness.reopen() == [(asked, progress(1, 2000))]


class SpoolMachine(RuleBasedStateMachine):
    """Random work, clean and unclean ends. The spool on disk is held against the ledger of its promises, and against
    its twin in memory as long as it was never killed."""

    def __init__(self) -> None:
        super().__init__()
        self.scenario = Scenario(SimulatedDisk(), seed=1)
        self.memory = InMemory()
        self.is_twin = True

    @rule(size_octets=st.sampled_from((0, 1, 60, 500, 4000, 7000)))
    def accept(self, size_octets: int) -> None:
        content = self.scenario.random.randbytes(size_octets)
        asked = message(self.scenario.next, size_octets=size_octets)
        self.scenario.next += 1
        self.scenario.spool.accept(asked, content, self.scenario.ledger.accepting(asked, content))
        self.memory.spool.accept(asked, content, lambda error: None)

    @rule(size_octets=st.sampled_from((0, 1, 40_000)), is_abandoned=st.booleans())
    def accept_large(self, size_octets: int, is_abandoned: bool) -> None:
        content = self.scenario.random.randbytes(size_octets)
        asked = message(self.scenario.next, size_octets=size_octets)
        self.scenario.next += 1
        large, twin = self.scenario.spool.large(), self.memory.spool.large()
        for start in range(0, size_octets, 9000):
            large.write(content[start : start + 9000])
            twin.write(content[start : start + 9000])
        if is_abandoned:
            large.abandon()
            twin.abandon()
        else:
            self.scenario.spool.accept(asked, large, self.scenario.ledger.accepting(asked, content))
            self.memory.spool.accept(asked, twin, lambda error: None)

    @rule(choice=st.integers(0, 99), is_awaited=st.booleans())
    def update(self, choice: int, is_awaited: bool) -> None:
        name = self._chosen(choice)
        if name is None:
            return
        new = progress(self.scenario.next)
        self.scenario.next += 1
        self.scenario.spool.record(event_of(name, new))
        done = self.scenario.ledger.updating(name, new)
        self.scenario.spool.update(name, new, done if is_awaited else None)
        self.memory.spool.update(name, new)

    @rule(choice=st.integers(0, 99))
    def finish(self, choice: int) -> None:
        name = self._chosen(choice)
        if name is not None:
            self.scenario.finish(name)
            self.memory.spool.finish(name)

    def _chosen(self, choice: int) -> QueueId | None:
        """A confirmed message. What is drawn must not depend on how fast the threads are."""
        self.scenario.settle()
        known = self.scenario.ledger.confirmed()
        return known[choice % len(known)] if known else None

    @rule()
    def settle(self) -> None:
        self.scenario.settle()

    @rule()
    def reopen(self) -> None:
        scenario = self.scenario
        scenario.spool.close()
        scenario.settle()
        found = recover(scenario.disk)
        scenario.ledger.check(found, is_clean=True)
        self.memory.reopen()
        if self.is_twin:
            by_id = {one.queue_id: (one, state) for one, state in self.memory.recovered}
            assert {one.queue_id: (one, state) for one, state in found.messages} == by_id
        self.scenario = Scenario(scenario.disk, scenario.next, Ledger.of(found), scenario.next)

    @rule(seed=st.integers(0, 1000))
    def crash(self, seed: int) -> None:
        scenario = self.scenario
        with scenario.disk.paused():
            survivor = scenario.disk.after_crash(Luck(random.Random(seed)))
            found = recover(survivor)
            scenario.ledger.check(found)
        scenario.spool.close()
        self.is_twin = False
        self.scenario = Scenario(survivor, seed, Ledger.of(found), scenario.next)

    def teardown(self) -> None:
        self.scenario.spool.close()
        self.scenario.ledger.check(recover(self.scenario.disk), is_clean=True)


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(deadline=None, max_examples=30, stateful_step_count=40)
