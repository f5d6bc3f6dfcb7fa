"""Connections to next hops on real sockets: content of every size, time, and ends of every kind."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme
from msgspec import structs
from tests.support.hop import ALL_EXTENSIONS, Hop, Script
from tests.support.hop_server import HopServer
from tests.support.relay import (
    BOB,
    CONTENT,
    LOOPS,
    TRACE,
    Reader,
    begin,
    closed,
    connector,
    next_hop,
    run,
    transaction,
    until,
)

from outgate.delivery.interface import TransactionResult
from outgate.mail.fingerprint import fingerprint_of
from outgate.net.hop_connection import ENVELOPE_SECONDS_MAX, PIECE_OCTETS, SmtpHopConnection
from outgate.policy.reasons import Reason

WITHOUT_CHUNKING = ("PIPELINING", "SIZE", "8BITMIME")
LARGE = CONTENT + b".0123456789\r\n" * (3 * PIECE_OCTETS // 13)


def hop(extensions: tuple[str, ...] = ALL_EXTENSIONS, script: Script | None = None) -> Callable[[], Hop]:
    return lambda: Hop(extensions, script)


async def connected(server: HopServer, **settings: Any) -> SmtpHopConnection:
    await server.start()
    return await connector(**settings).connect(next_hop(server.port))


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("extensions", [ALL_EXTENSIONS, WITHOUT_CHUNKING, ()], ids=["bdat", "data", "slow"])
@pytest.mark.parametrize("size", ["small", "cold", "large", "empty"])
@pytest.mark.parametrize("is_tls", [False, True], ids=["clear", "tls"])
def test_the_octets_arrive(loop: str, extensions: tuple[str, ...], size: str, is_tls: bool) -> None:
    async def main() -> None:
        context = None
        if is_tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
        server = HopServer(hop(extensions), context)
        connection = await connected(server)
        content = {"small": CONTENT, "cold": CONTENT, "large": LARGE, "empty": b""}[size]
        for _ in range(2):
            source = content if size == "small" else Reader(content)
            result = await begin(connection, transaction(source))
            assert [str(reply) for reply in result.replies] == ["250 2.0.0 taken"]
            assert result.peer == f"[127.0.0.1]:{server.port}"
        assert [taken.content for taken in server.hops[0].taken] == [TRACE + content] * 2
        assert len(server.hops) == 1

    run(main(), loop)


AUTHORITY = trustme.CA()


def test_no_more_than_a_piece_is_read_at_a_time() -> None:
    async def main() -> None:
        reader = Reader(LARGE)
        server = HopServer()
        connection = await connected(server)
        await begin(connection, transaction(reader))
        assert max(length for _, length in reader.reads) == PIECE_OCTETS
        assert sum(length for _, length in reader.reads) == len(LARGE)

    run(main())


def test_a_slow_next_hop_holds_back_the_reading() -> None:
    """What a large message takes in memory does not grow with its size."""

    async def main() -> None:
        def script(verb: str, _count: int) -> None:
            if verb == "RCPT":
                server.pause_all()

        server = HopServer(hop(script=script))
        connection = await connected(server)
        reader = Reader(b"x" * (64 * PIECE_OCTETS))
        result = begin(connection, transaction(reader))
        await until(lambda: connection._drained is not None and len(reader.reads) > 1)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(reader.reads) < 40  # the rest is in the buffers of the system
        connection.check_time(connection._heard_at + 179)
        assert not result.done()
        connection.check_time(connection._heard_at + 181)
        assert "fell silent while it was sent the content" in str((await result).replies[0])

    run(main())


def test_done_waits_for_the_thread_that_reads() -> None:
    """After `done` the caller closes the reader: a thread must not have it in its hands then."""

    async def main() -> None:
        server = HopServer(hop(script=lambda verb, _: "421 4.3.2 bye" if verb == "MAIL" else None))
        connection = await connected(server)
        order: list[str] = []
        reading: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        class SlowThreads:
            def run(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
                order.append("read")
                return reading

        connection._keeper.threads = SlowThreads()
        connection.when_closed(lambda: order.append("closed"))
        ended = asyncio.Event()

        def done(_: TransactionResult) -> None:
            order.append("done")
            ended.set()

        connection.send(transaction(Reader(CONTENT)), done)
        server.drop_all()
        await until(lambda: connection._transport is None)
        assert order == ["read"]
        reading.set_result(CONTENT)
        await ended.wait()
        assert order == ["read", "done", "closed"]

    run(main())


# Content that cannot be read


def test_damaged_content_troubles_no_next_hop() -> None:
    async def main() -> None:
        server = HopServer()
        connection = await connected(server)
        result = await begin(connection, transaction(Reader(CONTENT, damaged_from=1)))
        assert result.reason == Reason.CONTENT_DAMAGED
        assert server.hops[0].commands == ["EHLO b.example"]
        assert (await begin(connection)).replies[0].code == 250

    run(main())


@pytest.mark.parametrize("extensions", [ALL_EXTENSIONS, WITHOUT_CHUNKING], ids=["bdat", "data"])
def test_content_damaged_further_back_is_never_completed(extensions: tuple[str, ...]) -> None:
    async def main() -> None:
        server = HopServer(hop(extensions))
        connection = await connected(server)
        result = await begin(connection, transaction(Reader(LARGE, damaged_from=2 * PIECE_OCTETS)))
        assert result.reason == Reason.CONTENT_DAMAGED
        assert not connection.is_usable
        await closed(connection)
        assert not server.hops[0].taken

    run(main())


@pytest.mark.parametrize("extensions", [ALL_EXTENSIONS, WITHOUT_CHUNKING], ids=["bdat", "data"])
@pytest.mark.parametrize("size", ["small", "cold", "large"])
def test_content_other_than_what_came_reaches_nobody(extensions: tuple[str, ...], size: str) -> None:
    async def main() -> None:
        server = HopServer(hop(extensions))
        connection = await connected(server)
        came = LARGE if size == "large" else CONTENT
        altered = came[:-3] + bytes([came[-3] ^ 1]) + came[-2:]
        for content in (came, altered):
            source = content if size == "small" else Reader(content)
            sent = structs.replace(transaction(source), fingerprint=fingerprint_of(came))
            result = await begin(connection, sent)
            if content is came:
                assert result.replies[0].code == 250
        assert result.reason == Reason.CONTENT_DAMAGED
        assert [taken.content for taken in server.hops[0].taken] == [TRACE + came]
        assert connection.is_usable is (size != "large")  # what had begun to leave cannot be taken back

    run(main())


# Ends


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
@pytest.mark.parametrize("reply", ["DROP", "421 4.3.2 bye"])
@pytest.mark.parametrize("content", [CONTENT, LARGE], ids=["small", "large"])
def test_an_end_in_the_middle_defers(verb: str, reply: str, content: bytes) -> None:
    async def main() -> None:
        server = HopServer(hop(WITHOUT_CHUNKING, lambda asked, _: reply if asked == verb else None))
        connection = await connected(server)
        result = await begin(connection, transaction(Reader(content)))
        assert result.replies[0].is_transient
        assert (result.reason == Reason.CONNECTION_LOST) is (reply == "DROP")
        assert result.is_heard is (verb != "MAIL")
        assert not connection.is_usable
        await closed(connection)

    run(main())


def test_a_kept_connection_that_was_closed_meanwhile_is_not_usable() -> None:
    async def main() -> None:
        server = HopServer()
        connection = await connected(server)
        server.drop_all()
        await closed(connection)
        assert not connection.is_usable

    run(main())


def test_a_kept_connection_that_is_told_421_is_not_usable() -> None:
    async def main() -> None:
        server = HopServer()
        connection = await connected(server)
        server.say_to_all(b"421 4.4.2 idle too long\r\n")
        await closed(connection)
        assert not connection.is_usable

    run(main())


def test_a_connection_lost_while_its_content_is_read() -> None:
    """Nothing was said yet: a new connection at once is right."""

    async def main() -> None:
        server = HopServer()
        connection = await connected(server)
        result = begin(connection, transaction(Reader(CONTENT)))
        connection.abort()
        connection.connection_lost(None)
        ended = await result
        assert ended.reason == Reason.CONNECTION_LOST
        assert not ended.is_heard

    run(main())


def test_done_is_called_outside_of_send_even_if_nothing_is_sent() -> None:
    async def main() -> None:
        server = HopServer(hop(()))
        connection = await connected(server)
        result = await begin(connection, transaction(needs=1))  # `begin` asserts it
        assert result.reason == Reason.NEXT_HOP_LACKS_EXTENSION
        assert connection.is_usable

    run(main())


def test_transactions_are_counted() -> None:
    async def main() -> None:
        server = HopServer()
        connection = await connected(server)
        counts = [connection.transactions]
        for _ in range(2):
            await begin(connection)
            counts.append(connection.transactions)
        assert counts == [0, 1, 2]

    run(main())


def test_close_says_quit_to_an_idle_peer_and_drops_a_busy_one() -> None:
    async def main() -> None:
        server = HopServer()
        connection = await connected(server)
        connection.close()
        connection.close()
        await closed(connection)
        busy = await connector().connect(next_hop(server.port))
        result = begin(busy)
        busy.close()
        assert (await result).reason == Reason.CONNECTION_LOST
        assert server.hops[0].commands[-1] == "QUIT"

    run(main())


# Time


def test_an_unused_connection_ends_with_quit() -> None:
    async def main() -> None:
        server = HopServer()
        connection = await connected(server, idle_seconds=0.02)
        await closed(connection)
        assert server.hops[0].commands == ["EHLO b.example", "QUIT"]

    run(main())


def test_a_peer_that_does_not_answer_quit_is_dropped() -> None:
    async def main() -> None:
        server = HopServer(hop(script=lambda verb, _: "250-" if verb == "QUIT" else None))
        connection = await connected(server)
        connection.close()
        connection.check_time(connection._heard_at + 4)
        assert connection._transport is not None
        connection.check_time(connection._heard_at + 6)
        await closed(connection)

    run(main())


def test_a_peer_that_falls_silent_is_dropped_and_the_message_deferred() -> None:
    async def main() -> None:
        server = HopServer(hop(script=lambda verb, _: "250-" if verb == "END" else None))
        connection = await connected(server)
        result = begin(connection)
        await until(lambda: connection._session.patience_seconds == 600)
        connection.check_time(connection._heard_at + 599)
        assert not result.done()
        connection.check_time(connection._heard_at + 601)
        ended = await result
        assert str(ended.replies[0]).endswith("the next hop fell silent before it replied to the content")
        await closed(connection)

    run(main())


def test_every_wait_can_be_shortened() -> None:
    async def main() -> None:
        server = HopServer(hop(script=lambda verb, _: "250-" if verb == "END" else None))
        connection = await connected(server, reply_seconds=20.0)
        result = begin(connection)
        await until(lambda: connection._session.patience_seconds == 600)
        connection.check_time(connection._heard_at + 19)
        assert not result.done()
        connection.check_time(connection._heard_at + 21)
        assert "fell silent before it replied to the content" in str((await result).replies[0])

    run(main())


def test_an_envelope_that_drips_is_given_up() -> None:
    async def main() -> None:
        server = HopServer(hop((), lambda verb, count: "250-" if (verb, count) == ("RCPT", 1) else None))
        connection = await connected(server)
        result = begin(connection, transaction(CONTENT, BOB, BOB, BOB))
        await until(lambda: len(server.hops[0].commands) == 4)
        connection._heard_at += ENVELOPE_SECONDS_MAX
        connection.check_time(connection._idle_since + ENVELOPE_SECONDS_MAX - 1)
        assert not result.done()
        connection.check_time(connection._idle_since + ENVELOPE_SECONDS_MAX + 1)
        assert "fell silent at RCPT" in str((await result).replies[0])

    run(main())
