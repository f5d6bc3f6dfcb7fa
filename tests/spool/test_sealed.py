"""The store of held mail: what it holds cannot be read until its key comes, and then octet for octet."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.support.spool import message, read_content

from outgate.delivery.outcome import with_changes
from outgate.mail.message import Lane, Message, Progress, first_progress
from outgate.sealing.content import PIECE_OCTETS, ContentSealer
from outgate.sealing.keys import SEALED_KEY_OCTETS
from outgate.spool.interface import INLINE_MAX, LargeContent, SpoolError, SpoolFailed, SpoolFull
from outgate.spool.memory import MemorySpool
from outgate.spool.sealed import AHEAD_MAX, STEP_PIECES, OpeningReader, SealedSpool
from outgate.spool.segments import SegmentSettings, SegmentSpool

KEY = bytes(range(32))
SETTINGS = SegmentSettings(segment_octets=64 * 1024, reserve_octets=0)
SIZES = (0, 1, 5_000, PIECE_OCTETS, INLINE_MAX - 1, INLINE_MAX)
LARGE = INLINE_MAX + STEP_PIECES * PIECE_OCTETS * 3 + 17
WORDS = b"Nobody may read this before it is released.\r\n"


def words(size: int) -> bytes:
    return (WORDS * (size // len(WORDS) + 1))[:size]


def held_message(number: int, size: int) -> Message:
    return structs.replace(
        message(number, size_octets=size), lane=int(Lane.HELD), lane_reason="spam", sealed_key=b"s" * SEALED_KEY_OCTETS
    )


def in_thread(work: Callable[[], bytes]) -> Awaitable[bytes]:
    return asyncio.to_thread(work)


@contextmanager
def on_disk(directory: Path) -> Iterator[tuple[SealedSpool, list[tuple[Message, Progress]]]]:
    loop = asyncio.get_running_loop()
    spool = SealedSpool(
        SegmentSpool(directory / "held", post=loop.call_soon_threadsafe, settings=SETTINGS), run=in_thread
    )
    recovered = list(spool.recover())
    try:
        yield spool, recovered
    finally:
        spool.close()


@contextmanager
def spool_beside(directory: Path) -> Iterator[SegmentSpool]:
    """That the mail came to."""
    loop = asyncio.get_running_loop()
    spool = SegmentSpool(directory / "spool", post=loop.call_soon_threadsafe, settings=SETTINGS)
    list(spool.recover())
    try:
        yield spool
    finally:
        spool.close()


async def hold(spool: SealedSpool, held: Message, content: bytes | LargeContent) -> SpoolError | None:
    answered: asyncio.Future[SpoolError | None] = asyncio.get_running_loop().create_future()
    spool.hold(held, content, KEY, answered.set_result)
    async with asyncio.timeout(20):
        return await answered


def released(held: Message, key: bytes = KEY) -> Progress:
    return with_changes(first_progress(held), held=False, content_key=key)


def octets_in(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_what_is_held_lies_sealed_and_opens_when_its_key_has_come(tmp_path: Path) -> None:
    async def scenario() -> None:
        asked = [held_message(number, size) for number, size in enumerate(SIZES)]
        with on_disk(tmp_path) as (spool, _):
            for held in asked:
                assert await hold(spool, held, words(held.size_octets)) is None
            assert WORDS[:20] not in octets_in(tmp_path)
            for held in asked:
                with pytest.raises(SpoolError, match="sealed"):
                    spool.content(held.queue_id)
                spool.update(held.queue_id, released(held))
                assert read_content(spool.content(held.queue_id)) == words(held.size_octets)

    run(scenario())


def test_large_content_leaves_the_spool_that_it_came_to(tmp_path: Path) -> None:
    async def scenario() -> None:
        held = held_message(1, LARGE)
        with on_disk(tmp_path) as (spool, _), spool_beside(tmp_path) as beside:
            large = beside.large()
            for start in range(0, LARGE, 100_000):
                large.write(words(LARGE)[start : start + 100_000])
            assert await hold(spool, held, large) is None
            spool.update(held.queue_id, released(held))
            assert read_content(spool.content(held.queue_id)) == words(LARGE)
        assert WORDS[:20] not in octets_in(tmp_path)
        assert not list((tmp_path / "spool" / "large").iterdir())

    run(scenario())


def test_large_content_in_memory_is_sealed_too() -> None:
    async def scenario() -> None:
        post = asyncio.get_running_loop().call_soon
        inner, beside = MemorySpool(post=post), MemorySpool(post=post)
        spool = SealedSpool(inner, run=in_thread)
        large = beside.large()
        large.write(words(LARGE))
        held = held_message(1, LARGE)
        assert await hold(spool, held, large) is None
        assert WORDS[:20] not in inner.disk.messages[held.queue_id][2]
        spool.update(held.queue_id, released(held))
        assert read_content(spool.content(held.queue_id)) == words(LARGE)

    run(scenario())


def test_what_is_held_and_what_was_released_are_found_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        waits, goes = held_message(1, 5_000), held_message(2, 300_000)
        with on_disk(tmp_path) as (spool, _):
            for held in (waits, goes):
                content: LargeContent | bytes = words(held.size_octets)
                if held.size_octets > INLINE_MAX:
                    content = spool.large()
                    content.write(words(held.size_octets))
                assert await hold(spool, held, content) is None
            spool.update(goes.queue_id, released(goes))
        with on_disk(tmp_path) as (spool, recovered):
            assert recovered == [(waits, first_progress(waits)), (goes, released(goes))]
            with pytest.raises(SpoolError, match="sealed"):
                spool.content(waits.queue_id)
            assert read_content(spool.content(goes.queue_id)) == words(300_000)
            spool.finish(goes.queue_id)
            with pytest.raises(SpoolError):
                spool.content(goes.queue_id)

    run(scenario())


def test_wrong_key_and_changed_octets_are_no_content(tmp_path: Path) -> None:
    async def scenario() -> None:
        held = held_message(1, 5_000)
        inner = MemorySpool(post=asyncio.get_running_loop().call_soon)
        spool = SealedSpool(inner, run=in_thread)
        assert await hold(spool, held, words(5_000)) is None

        spool.update(held.queue_id, released(held, bytes(32)))
        with pytest.raises(SpoolError, match="cannot be opened"):
            read_content(spool.content(held.queue_id))

        spool.update(held.queue_id, released(held))  # the right one may come later
        assert read_content(spool.content(held.queue_id)) == words(5_000)

        head, progress, octets = inner.disk.messages[held.queue_id]
        inner.disk.messages[held.queue_id] = head, progress, octets[:100] + bytes((octets[100] ^ 1,)) + octets[101:]
        with pytest.raises(SpoolError, match="cannot be opened"):
            read_content(spool.content(held.queue_id))

    run(scenario())


@pytest.mark.parametrize("error", [SpoolFull("no room"), SpoolFailed("disk on fire")], ids=["full", "failed"])
@pytest.mark.parametrize("size", [100, LARGE], ids=["small", "large"])
def test_what_cannot_be_kept_is_not_promised(error: SpoolError, size: int) -> None:
    async def scenario() -> None:
        post = asyncio.get_running_loop().call_soon
        inner, beside = MemorySpool(post=post), MemorySpool(post=post)
        spool = SealedSpool(inner, run=in_thread)
        inner.fail_next(error)
        content: LargeContent | bytes = words(size)
        if size > INLINE_MAX:
            content = beside.large()
            content.write(words(size))
        held = held_message(1, size)
        assert await hold(spool, held, content) is error
        assert not inner.disk.messages
        with pytest.raises(SpoolError):
            spool.content(held.queue_id)

    run(scenario())


@pytest.mark.parametrize("size", [INLINE_MAX, LARGE], ids=["inline", "large"])
def test_store_that_has_failed_says_so(size: int) -> None:
    async def scenario() -> None:
        post = asyncio.get_running_loop().call_soon
        inner, beside = MemorySpool(post=post), MemorySpool(post=post)
        spool = SealedSpool(inner, run=in_thread)
        inner.close()
        content: LargeContent | bytes = words(size)
        if size > INLINE_MAX:
            content = beside.large()
            content.write(words(size))
        assert isinstance(await hold(spool, held_message(1, size), content), SpoolFailed)

    run(scenario())


def test_file_that_is_gone_is_a_failure_and_not_a_crash(tmp_path: Path) -> None:
    async def scenario() -> None:
        with on_disk(tmp_path) as (spool, _), spool_beside(tmp_path) as beside:
            large = beside.large()
            large.write(words(LARGE))
            drained = asyncio.Event()
            large.on_drained(1, drained.set)
            await drained.wait()
            for path in (tmp_path / "spool" / "large").iterdir():
                path.unlink()
            assert isinstance(await hold(spool, held_message(1, LARGE), large), SpoolFailed)

    run(scenario())


@pytest.mark.pure
def test_no_more_than_a_bound_is_sealed_ahead_of_a_slow_disk(tmp_path: Path) -> None:
    size = AHEAD_MAX * 3

    async def scenario() -> None:
        with on_disk(tmp_path) as (spool, _), spool_beside(tmp_path) as beside:
            most = 0
            make = spool._spool.large

            def watched() -> LargeContent:
                large = make()
                write = large.write

                def counted(octets: bytes) -> None:
                    nonlocal most
                    write(octets)
                    most = max(most, large.unwritten_octets)

                large.write = counted  # type: ignore[method-assign]
                return large

            spool._spool.large = watched  # type: ignore[method-assign]
            content = beside.large()
            for start in range(0, size, 1_000_000):
                content.write(words(size)[start : start + 1_000_000])
            assert await hold(spool, held_message(1, size), content) is None
            assert 0 < most <= AHEAD_MAX + STEP_PIECES * (PIECE_OCTETS + 16)

    run(scenario())


def test_what_is_not_sealed_passes(tmp_path: Path) -> None:
    async def scenario() -> None:
        with on_disk(tmp_path) as (spool, _):
            answered: asyncio.Future[SpoolError | None] = asyncio.get_running_loop().create_future()
            notice = message(1, size_octets=5)
            spool.accept(notice, b"hello", answered.set_result)
            assert await answered is None
            assert read_content(spool.content(notice.queue_id)) == b"hello"

    run(scenario())


class Octets:
    """A `ContentReader` that counts what is read."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.reads = 0
        self.is_closed = False

    @property
    def size_octets(self) -> int:
        return len(self.octets)

    def read(self, offset: int, length: int) -> bytes:
        self.reads += 1
        return self.octets[offset : offset + length]

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("size", [0, 1, PIECE_OCTETS, PIECE_OCTETS * 2 + 5])
@pytest.mark.parametrize("step", [1000, PIECE_OCTETS, PIECE_OCTETS * 4])
def test_reader_reads_any_part_and_opens_each_piece_once(size: int, step: int) -> None:

    sealed = Octets(ContentSealer(KEY, size).seal(0, words(size)))
    reader = OpeningReader(sealed, KEY)

    assert reader.size_octets == size
    parts = [reader.read(offset, step) for offset in range(0, size + 1, step)]

    assert b"".join(parts) == words(size)
    assert reader.read(size, 1) == b""
    assert sealed.reads <= max(1, -(-size // min(step, PIECE_OCTETS))) + size // PIECE_OCTETS + 1
    reader.close()
    assert sealed.is_closed
