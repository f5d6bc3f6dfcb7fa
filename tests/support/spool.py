"""For tests of the spool: a disk that forgets what was not flushed, a loop by hand, and a ledger of promises."""

import errno
import os
import queue
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Self

from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import Message, Progress, QueueId, RecipientProgress, Status, fresh_progress, queue_id
from outgate.spool.directory import SpoolDirectory
from outgate.spool.event_log import read_events
from outgate.spool.files import Files
from outgate.spool.interface import ContentReader, SpoolError
from outgate.spool.segments import SegmentSettings, SegmentSpool
from outgate.spool.segments.readers import InlineReader, LargeReader
from outgate.spool.segments.recovery import Recovery

SECTOR: Final = 512  # octets that a disk writes whole or not at all
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
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def post(self, call: Callable[[], None]) -> None:
        self._calls.put(call)

    def run_until(self, is_reached: Callable[[], bool]) -> None:
        while not is_reached():
            self._calls.get(timeout=WAIT_SECONDS)()

    def run_posted(self) -> None:
        """What is posted by now, and no more."""
        for _ in range(self._calls.qsize()):
            self._calls.get()()


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


# A disk

CHANGES: Final = frozenset({"create", "allocate", "pwritev", "fdatasync", "fsync_directory", "rename", "unlink"})


@dataclass(eq=False)
class _Node:
    """A file. octets: as processes see it. durable: as it is after the worst crash. dirty: sectors that may differ."""

    octets: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)

    def copy(self) -> "_Node":
        return _Node(bytearray(self.octets), bytearray(self.durable), set(self.dirty))

    def flush(self) -> None:
        _resize(self.durable, len(self.octets))
        for sector in self.dirty:
            part = slice(sector * SECTOR, (sector + 1) * SECTOR)
            self.durable[part] = self.octets[part]
        self.dirty.clear()

    def after_crash(self, keep: Callable[[], bool]) -> "_Node":
        """Every sector that was not flushed is there or not, in any combination."""
        survivor = bytearray(self.durable)
        for sector in sorted(self.dirty):
            if keep():
                end = min((sector + 1) * SECTOR, len(self.octets))
                if len(survivor) < end:
                    _resize(survivor, end)
                survivor[sector * SECTOR : end] = self.octets[sector * SECTOR : end]
        if len(survivor) != len(self.octets) and keep():
            _resize(survivor, len(self.octets))
        return _Node(survivor, bytearray(survivor))


def _resize(octets: bytearray, length: int) -> None:
    del octets[length:]
    octets.extend(bytes(length - len(octets)))


class SimulatedDisk(Files):
    """A file system in memory that knows what is durable.

    before: called with each call's name before it takes effect, while no other call runs; may raise OSError, look at
    the disk, or take a copy. capacity_octets: of all files; beyond it, ENOSPC.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._names: dict[Path, _Node] = {}
        self._durable_names: dict[Path, _Node] = {}
        self._unsynced: list[tuple[Path, Path | None, _Node | None]] = []  # path, renamed from, linked to
        self._directories: set[Path] = set()
        self._open: dict[int, _Node] = {}
        self._next_descriptor = 1000
        self._locked: dict[int, _Node] = {}
        self.before: Callable[[str], None] = lambda call: None
        self.capacity_octets = 1 << 40
        self.short_writes: Callable[[int], int] = lambda length: length

    # What a test does

    def copy(self) -> "SimulatedDisk":
        """The same disk at this moment, with no file open."""
        with self._lock:
            nodes = {id(node): node.copy() for node in (*self._names.values(), *self._durable_names.values())}
            for _, _, node in self._unsynced:
                if node is not None and id(node) not in nodes:
                    nodes[id(node)] = node.copy()
            other = SimulatedDisk()
            other._names = {path: nodes[id(node)] for path, node in self._names.items()}
            other._durable_names = {path: nodes[id(node)] for path, node in self._durable_names.items()}
            other._unsynced = [(a, b, None if node is None else nodes[id(node)]) for a, b, node in self._unsynced]
            other._directories = set(self._directories)
            return other

    def after_crash(self, keep: Callable[[], bool]) -> "SimulatedDisk":
        """The disk after the machine lost power. keep: asked for each thing that was not flushed."""
        source = self.copy()
        for path, renamed_from, node in source._unsynced:
            if keep():
                _apply(source._durable_names, path, renamed_from, node)
        survivor = SimulatedDisk()
        survivor._directories = source._directories
        nodes = {id(node): node.after_crash(keep) for node in source._durable_names.values()}
        survivor._names = {path: nodes[id(node)] for path, node in source._durable_names.items()}
        survivor._durable_names = dict(survivor._names)
        return survivor

    def paused(self) -> AbstractContextManager[bool]:
        """While it is held, no other thread's call goes on: what is promised then was on the disk before."""
        return self._lock

    def read(self, path: Path) -> bytes:
        return bytes(self._names[path].octets)

    def copy_file(self, path: Path, octets: bytes) -> None:
        """Put a file there, durable."""
        self._names[path] = self._durable_names[path] = _Node(bytearray(octets), bytearray(octets))

    def damage(self, path: Path, offset: int, octets: bytes) -> None:
        """Change what is on the disk behind everybody's back."""
        node = self._names[path]
        for content in (node.octets, node.durable):
            content[offset : offset + len(octets)] = octets

    def paths(self, directory: Path) -> list[Path]:
        return sorted(path for path in self._names if path.parent == directory)

    @property
    def open_files(self) -> int:
        return len(self._open)

    # What the spool calls

    def _begin(self, call: str) -> None:
        self.before(call)

    def make_directory(self, path: Path) -> None:
        with self._lock:
            self._directories.update((path, *path.parents))

    def names(self, directory: Path) -> list[str]:
        with self._lock:
            if directory not in self._directories:
                raise FileNotFoundError(errno.ENOENT, "no such directory", str(directory))
            files = {path.name for path in self._names if path.parent == directory}
            return list(files | {path.name for path in self._directories if path.parent == directory and path.name})

    def open(self, path: Path, *, create: bool = False) -> int:
        with self._lock:
            if create:
                self._begin("create")
                if path in self._names:
                    raise FileExistsError(errno.EEXIST, "exists", str(path))
                self._change(path, None, _Node())
            if path not in self._names:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
            self._next_descriptor += 1
            self._open[self._next_descriptor] = self._names[path]
            return self._next_descriptor

    def close(self, descriptor: int) -> None:
        with self._lock:
            del self._open[descriptor]
            self._locked.pop(descriptor, None)

    def size(self, descriptor: int) -> int:
        with self._lock:
            return len(self._open[descriptor].octets)

    def allocate(self, descriptor: int, length: int) -> None:
        with self._lock:
            self._begin("allocate")
            node = self._open[descriptor]
            self._take_room(length - len(node.octets))
            if length > len(node.octets):
                _resize(node.octets, length)

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        with self._lock:
            self._begin("pread")
            return bytes(self._open[descriptor].octets[offset : offset + length])

    def pwritev(self, descriptor: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        with self._lock:
            self._begin("pwritev")
            octets = b"".join(buffers)
            octets = octets[: self.short_writes(len(octets))]
            node = self._open[descriptor]
            end = offset + len(octets)
            self._take_room(end - len(node.octets))
            if len(node.octets) < end:
                _resize(node.octets, end)
            node.octets[offset:end] = octets
            if octets:
                node.dirty.update(range(offset // SECTOR, (end - 1) // SECTOR + 1))
            return len(octets)

    def fdatasync(self, descriptor: int) -> None:
        with self._lock:
            self._begin("fdatasync")
            self._open[descriptor].flush()

    def fsync_directory(self, directory: Path) -> None:
        with self._lock:
            self._begin("fsync_directory")
            later = []
            for change in self._unsynced:
                if change[0].parent == directory:
                    _apply(self._durable_names, *change)
                else:
                    later.append(change)
            self._unsynced = later

    def rename(self, old: Path, new: Path) -> None:
        with self._lock:
            self._begin("rename")
            if old not in self._names:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(old))
            self._change(new, old, None)

    def unlink(self, path: Path) -> None:
        with self._lock:
            self._begin("unlink")
            if path in self._names:
                self._change(path, None, None)

    def available_octets(self, directory: Path) -> int:
        with self._lock:
            self._begin("available_octets")
            return self.capacity_octets - self._used()

    def lock(self, descriptor: int) -> bool:
        with self._lock:
            node = self._open[descriptor]
            if node in self._locked.values():
                return False
            self._locked[descriptor] = node
            return True

    def drop_cached(self, descriptor: int) -> None:
        pass

    def _change(self, path: Path, renamed_from: Path | None, node: _Node | None) -> None:
        self._unsynced.append((path, renamed_from, node))
        _apply(self._names, path, renamed_from, node)

    def _used(self) -> int:
        nodes = {id(node): node for node in (*self._names.values(), *self._open.values())}
        return sum(len(node.octets) for node in nodes.values())

    def _take_room(self, octets: int) -> None:
        if octets > 0 and self._used() + octets > self.capacity_octets:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _apply(names: dict[Path, _Node], path: Path, renamed_from: Path | None, node: _Node | None) -> None:
    if node is not None:
        names[path] = node
    elif renamed_from is None:
        names.pop(path, None)
    elif renamed_from in names:
        names[path] = names.pop(renamed_from)


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


class FailingCalls:
    """A `SimulatedDisk.before` that lets some of the calls that change something fail.

    first, last: from and up to which call, counted from 1.
    """

    def __init__(self, number: int, first: int, last: int) -> None:
        self._number = number
        self._first = first
        self._last = last
        self.seen = 0
        self.failed: list[str] = []

    def __call__(self, call: str) -> None:
        if call in CHANGES:
            self.seen += 1
            if self._first <= self.seen <= self._last:
                self.failed.append(call)
                raise OSError(self._number, os.strerror(self._number))


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


class Luck:
    """Which unflushed things survive a crash: all, none, or any."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._chance = source.choice((0.0, 0.5, 0.9, 1.0))

    def __call__(self) -> bool:
        return self._source.random() < self._chance


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
    return Found(recovered.messages, contents, set(all_events(directory.files, directory.events)), recovered.damaged)


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

    def __init__(self, disk: SimulatedDisk, seed: int, ledger: Ledger | None = None, first: int = 1) -> None:
        self.disk = disk
        self.random = random.Random(seed)
        self.ledger = ledger or Ledger()
        self.next = first
        self._answered: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.spool = SegmentSpool(SPOOL, post=self._post, settings=SMALL, files=disk)
        self.recovered = self.spool.recover()

    def _post(self, call: Callable[[], None]) -> None:
        call()  # at once, so that the ledger knows the promise before anything else happens
        self._answered.put(None)

    def settle(self) -> None:
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
