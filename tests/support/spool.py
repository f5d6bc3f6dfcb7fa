"""For tests of the spool: a loop by hand, a ledger of promises, and random work that is held against it."""

import asyncio
import queue
import random
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Self, cast

from tests.support.disk import SimulatedDisk

from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import Message, Progress, QueueId, RecipientProgress, Status, fresh_progress
from outgate.mail.queue_ids import queue_id
from outgate.spool.directory import SpoolDirectory
from outgate.spool.event_log import read_events
from outgate.spool.files import Files
from outgate.spool.interface import ContentReader, SpoolError
from outgate.spool.segments import SegmentSettings, SegmentSpool
from outgate.spool.segments.readers import InlineReader, LargeReader
from outgate.spool.segments.recovery import Recovery

WAIT_SECONDS: Final = 20.0  # a test that waits longer has failed


def message(number: int, *, size_octets: int = 0, recipients: int = 1, subject: str = "") -> Message:
    """A message that differs from all with another number."""
    return Message(
        queue_id(1_700_000_000_000 + number, 1, number),
        f"customer-{number % 3}",
        1_700_000_000.0 + number,
        ReversePath.parse(f"sender-{number}@example.org"),
        tuple(ForwardPath.parse(f"r{index}@example.net") for index in range(recipients)),
        size_octets,
        0,
        b"Received: from test\r\n",
        "domain-verified",
        subject=subject,
    )


def progress(attempts: int, recipients: int = 1) -> Progress:
    reply = RecipientProgress(Status.PENDING, f"451 attempt {attempts}", "mx.example")
    return Progress((reply,) * recipients, attempts, 1_700_000_000.0 + 60 * attempts)


def read_content(reader: ContentReader) -> bytes:
    try:
        return reader.read(0, reader.size_octets)
    finally:
        reader.close()


class ManualLoop:
    """Stands for the event loop: what is posted runs when the test says so, on the test's thread."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._watched: dict[int, threading.Event] = {}

    def post(self, call: Callable[[], object]) -> None:
        self._calls.put(call)

    call_soon = call_soon_threadsafe = post

    def call_later(self, delay: float, call: Callable[[], object]) -> asyncio.TimerHandle:
        timer = threading.Timer(delay, self.post, (call,))
        timer.daemon = True
        timer.start()
        return cast("asyncio.TimerHandle", timer)  # both can be cancelled, and that is all

    def add_reader(self, fd: int, call: Callable[[], object]) -> None:
        removed = self._watched[fd] = threading.Event()
        threading.Thread(target=self._watch, args=(fd, call, removed), daemon=True).start()

    def remove_reader(self, fd: int) -> None:
        self._watched.pop(fd).set()

    def _watch(self, fd: int, call: Callable[[], object], removed: threading.Event) -> None:
        watched = select.poll()
        watched.register(fd, select.POLLIN)
        while not removed.is_set():
            if watched.poll(50) and not removed.is_set():
                has_run = threading.Event()
                self.post(partial(_run, call, has_run))
                has_run.wait()

    def run_until(self, is_reached: Callable[[], bool]) -> None:
        while not is_reached():
            self._calls.get(timeout=WAIT_SECONDS)()

    def run_posted(self) -> None:
        """What is posted by now, and no more."""
        for _ in range(self._calls.qsize()):
            self._calls.get()()


def _run(call: Callable[[], object], has_run: threading.Event) -> None:
    call()
    has_run.set()


class Answers:
    """Collects what `done` was called with, by a name of the test's choice."""

    def __init__(self, loop: ManualLoop) -> None:
        self._loop = loop
        self.given: dict[object, SpoolError | None] = {}

    def __getitem__(self, name: object) -> Callable[[SpoolError | None], None]:
        def done(error: SpoolError | None) -> None:
            assert name not in self.given, "done is called once"
            self.given[name] = error

        return done

    def wait(self, name: object) -> SpoolError | None:
        self._loop.run_until(lambda: name in self.given)
        return self.given[name]


# A ledger


@dataclass
class _Account:
    message: Message
    content: bytes
    is_confirmed: bool = False
    is_refused: bool = False
    is_finished: bool = False
    is_ended: bool = False  # and that is durable: something that was asked for later has been confirmed
    asked: list[Progress] = field(default_factory=list)  # every progress, the fresh one first
    confirmed: int = 0  # place in `asked` of the latest that was confirmed


class Ledger:
    """What was asked of a spool, what it promised, and so what must be found after a crash."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[QueueId, _Account] = {}
        self._finished: list[_Account] = []

    @classmethod
    def of(cls, found: "Found") -> Self:
        """A ledger to go on with after a crash: what was found is what was promised."""
        ledger = cls()
        for message, progress in found.messages:
            content = found.contents[message.queue_id]
            ledger._accounts[message.queue_id] = _Account(message, content, is_confirmed=True, asked=[progress])
        return ledger

    def accepting(self, message: Message, content: bytes) -> Callable[[SpoolError | None], None]:
        """To be called before `accept`; returns its `done`."""
        account = _Account(message, content, asked=[fresh_progress(len(message.forward_paths))])
        with self._lock:
            self._accounts[message.queue_id] = account

        def done(error: SpoolError | None) -> None:
            with self._lock:
                assert not account.is_confirmed
                assert not account.is_refused, "done is called once"
                account.is_confirmed = error is None
                account.is_refused = error is not None

        return done

    def updating(self, queue_id: QueueId, progress: Progress) -> Callable[[SpoolError | None], None]:
        with self._lock:
            account = self._accounts[queue_id]
            account.asked.append(progress)
            place = len(account.asked) - 1
            finished_before = list(self._finished)

        def done(error: SpoolError | None) -> None:
            if error is None:
                with self._lock:
                    account.confirmed = max(account.confirmed, place)
                    for finished in finished_before:
                        finished.is_ended = True

        return done

    def finishing(self, queue_id: QueueId) -> None:
        with self._lock:
            account = self._accounts[queue_id]
            account.is_finished = True
            self._finished.append(account)

    def confirmed(self) -> list[QueueId]:
        with self._lock:
            return [
                name for name, account in self._accounts.items() if account.is_confirmed and not account.is_finished
            ]

    def is_settled(self) -> bool:
        """Has every acceptance been answered?"""
        with self._lock:
            return all(account.is_confirmed or account.is_refused for account in self._accounts.values())

    def check(self, recovered: "Found", *, is_clean: bool = False, was_full: bool = False) -> None:
        """Is everything there that was promised, octet for octet, and nothing that was never asked for?

        Before each mark, `event_of` must have been recorded. is_clean: the spool was closed in good order: then
        everything that was asked for holds. was_full: the disk was, and marks may have come late.
        """
        events = recovered.events
        with self._lock:
            found = {message.queue_id: (message, progress) for message, progress in recovered.messages}
            assert len(found) == len(recovered.messages), "each message once"
            for name, account in self._accounts.items():
                if name not in found:
                    assert account.is_finished or not account.is_confirmed, f"{name} is lost"
                    assert not account.is_confirmed or event_of(name, None) in events, f"{name} ended unrecorded"
                    continue
                assert was_full or not account.is_ended, f"{name} has come back"
                message, progress = found.pop(name)
                assert message == account.message
                place = account.asked.index(progress)
                assert place >= account.confirmed, f"{name} went back to an older progress"
                assert not place or event_of(name, progress) in events, f"{name} went on unrecorded"
                assert recovered.contents[name] == account.content
                if is_clean:
                    assert account.is_confirmed
                    assert not account.is_finished
                    assert place == len(account.asked) - 1
            assert not found, "messages that were never accepted"


def event_of(queue_id: QueueId, progress: Progress | None) -> bytes:
    """What a test records before it updates, or before it finishes."""
    return f"{queue_id} {'finished' if progress is None else progress.attempts}".encode()


class Found(NamedTuple):
    """What recovery makes of a disk."""

    messages: list[tuple[Message, Progress]]
    contents: dict[QueueId, bytes]
    events: set[bytes]
    damaged: int


SMALL: Final = SegmentSettings(  # everything happens within a few hundred messages
    segment_octets=32 * 1024,
    reserve_octets=0,
    segments_kept=2,
    spares_kept=1,
    event_file_octets=2048,
    events_seconds=0.0,
    marks_seconds=0.0,
    check_seconds=0.001,
)
SPOOL: Final = Path("/spool")  # on a simulated disk


def recover(disk: SimulatedDisk) -> Found:
    """Recover a copy of `disk`, which stays as it is."""
    directory = SpoolDirectory.open(disk.copy(), SPOOL)
    recovered = Recovery(directory).run()
    contents = {}
    for entry in recovered.entries:
        if entry.reference is not None:
            reader: ContentReader = LargeReader(directory.files, directory.large, entry.reference)
        else:
            assert entry.location is not None
            reader = InlineReader(directory.files, entry.location)
            assert entry.location.segment.pin()
        contents[entry.queue_id] = read_content(reader)
    return Found(
        list(recovered.messages()), contents, set(all_events(directory.files, directory.events)), recovered.damaged
    )


def all_events(files: Files, directory: Path) -> list[bytes]:
    events: list[bytes] = []
    cursor = (0, 0)
    while True:
        more, end = read_events(directory, cursor, 4096, files=files)
        if end == cursor:
            return events
        events += more
        cursor = end


class Scenario:
    """A spool at work on a simulated disk, with random work, and a ledger of what it promised."""

    def __init__(
        self,
        disk: SimulatedDisk,
        seed: int,
        ledger: Ledger | None = None,
        first: int = 1,
        loop: ManualLoop | None = None,
    ) -> None:
        """loop: has the commits begun and ended by the loop, with a flusher; else by the writer thread."""
        self._loop = loop
        self.disk = disk
        self.random = random.Random(seed)
        self.ledger = ledger or Ledger()
        self.next = first
        self._answered: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.spool = SegmentSpool(
            SPOOL, post=self._post if loop is None else loop.post, loop=loop, settings=SMALL, files=disk
        )
        self.recovered = self.spool.recover()

    def _post(self, call: Callable[[], None]) -> None:
        call()  # at once, so that the ledger knows the promise before anything else happens
        self._answered.put(None)

    def settle(self) -> None:
        if self._loop is not None:
            self._loop.run_until(self.ledger.is_settled)
            return
        while not self.ledger.is_settled():
            self._answered.get(timeout=WAIT_SECONDS)

    def work(self, steps: int) -> None:
        for _ in range(steps):
            known = self.ledger.confirmed()
            chance = self.random.random()
            if chance < 0.55 or not known:
                self.accept()
            elif chance < 0.60:
                self.accept_large()
            elif chance < 0.75:
                self.update(self.random.choice(known))
            else:
                # Mostly the newest, as in life: the old ones stay and must be copied forward.
                self.finish(known[-1] if chance < 0.95 else self.random.choice(known))
            if self.random.random() < 0.3:
                self.settle()
        self.settle()

    def accept(self) -> None:
        content = self.random.randbytes(self.random.choice((0, 1, 100, 1000, 4096, 6000)))
        asked = message(self.next, size_octets=len(content))
        self.next += 1
        self.spool.accept(asked, content, self.ledger.accepting(asked, content))

    def accept_large(self) -> None:
        content = self.random.randbytes(self.random.choice((1, 5000, 20000)))
        asked = message(self.next, size_octets=len(content))
        self.next += 1
        try:
            large = self.spool.large()
        except SpoolError:
            return
        for start in range(0, len(content), 3000):
            large.write(content[start : start + 3000])
        if self.random.random() < 0.2:
            large.abandon()
        else:
            self.spool.accept(asked, large, self.ledger.accepting(asked, content))

    def update(self, name: QueueId) -> None:
        new = progress(self.next)
        self.next += 1
        self.spool.record(event_of(name, new))
        done = self.ledger.updating(name, new)
        self.spool.update(name, new, done if self.random.random() < 0.5 else None)

    def finish(self, name: QueueId) -> None:
        self.spool.record(event_of(name, None))
        self.ledger.finishing(name)
        self.spool.finish(name)
