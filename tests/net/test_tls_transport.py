"""TLS over a transport by hand: no octet in clear, none lost, whatever the cuts; and how it ends."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.net.certificate import Certificate, ensure_self_signed
from outgate.net.tls_transport import TlsTransport


class Below:
    """The transport below: keeps what is written."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.protocol: asyncio.BaseProtocol | None = None
        self.is_closed = False
        self.is_aborted = False
        self.paused = 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, octets: bytes) -> None:
        self.written += octets

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.paused -= 1

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 25)}.get(name, default)

    def take(self) -> bytes:
        octets = bytes(self.written)
        self.written.clear()
        return octets


class Above(asyncio.Protocol):
    """The protocol above: keeps what it hears."""

    def __init__(self, *, keeps_open: bool = False) -> None:
        self.heard = b""
        self.ends = 0
        self.lost = 0
        self.stuffed = 0
        self.keeps_open = keeps_open

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def eof_received(self) -> bool:
        self.ends += 1
        return self.keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost += 1

    def pause_writing(self) -> None:
        self.stuffed += 1

    def resume_writing(self) -> None:
        self.stuffed -= 1


class Timer:
    is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Loop:
    """Only tells time."""

    def __init__(self) -> None:
        self.timer = Timer()
        self.late: Any = None

    def call_later(self, _seconds: float, callback: Any, *arguments: Any) -> Timer:
        self.late = lambda: callback(*arguments)
        return self.timer


class Pair:
    """Server and client, each over a transport of its own; `settle` carries octets between them."""

    def __init__(
        self, context: ssl.SSLContext, client: ssl.SSLContext | None = None, *, keeps_open: bool = False
    ) -> None:
        self.loop = Loop()
        self.ended: dict[str, list[OSError | None]] = {"server": [], "client": []}
        self.below = {"server": Below(), "client": Below()}
        self.above = {"server": Above(keeps_open=keeps_open), "client": Above()}
        if client is None:
            client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        self.tls = {
            side: TlsTransport(
                self.below[side],  # type: ignore[arg-type]
                self.above[side],
                context if side == "server" else client,
                self.ended[side].append,
                "mx.example" if side == "client" else None,
            )
            for side in ("server", "client")
        }

    def begin(self) -> None:
        for tls in self.tls.values():
            tls.begin(self.loop, 30.0)  # type: ignore[arg-type]

    def settle(self, step: int = 1 << 20) -> None:
        while any(below.written for below in self.below.values()):
            for side, other in (("client", "server"), ("server", "client")):
                octets = self.below[side].take()
                for start in range(0, len(octets), step):
                    self.tls[other].data_received(octets[start : start + step])


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    chain, key = ensure_self_signed(tmp_path_factory.mktemp("tls"), "mx.example")
    return Certificate(Path(chain), Path(key)).context


def established(context: ssl.SSLContext, **more: Any) -> Pair:
    pair = Pair(context, **more)
    pair.begin()
    pair.settle()
    assert pair.ended == {"server": [None], "client": [None]}
    return pair


@settings(max_examples=30, deadline=None)
@given(
    step=st.integers(1, 5_000),
    said=st.lists(st.tuples(st.sampled_from(["client", "server"]), st.integers(1, 100_000)), max_size=6),
)
def test_octets_arrive_in_order_whatever_the_cuts(
    context: ssl.SSLContext, step: int, said: list[tuple[str, int]]
) -> None:
    pair = Pair(context)
    pair.begin()
    pair.settle(step)
    wanted = {"client": b"", "server": b""}
    for number, (side, length) in enumerate(said):
        octets = bytes((number, number + 1)) * (length // 2 + 1)
        pair.tls[side].write(octets)
        wanted["client" if side == "server" else "server"] += octets
        assert octets not in pair.below[side].written
        if number % 2:
            pair.settle(step)
    pair.settle(step)
    assert {side: above.heard for side, above in pair.above.items()} == wanted
    assert pair.tls["server"].cipher == pair.tls["client"].cipher
    assert pair.tls["server"].cipher.startswith("TLSv1.3 TLS_")


def test_what_comes_in_one_read_with_the_end_of_the_handshake_is_heard_behind_it(context: ssl.SSLContext) -> None:
    pair = Pair(context)
    pair.begin()
    pair.tls["server"].data_received(pair.below["client"].take())
    pair.tls["client"].data_received(pair.below["server"].take())
    pair.tls["client"].write(b"EHLO c\r\n")
    assert pair.ended["server"] == []
    pair.tls["server"].data_received(pair.below["client"].take())
    assert pair.ended["server"] == [None]
    assert pair.above["server"].heard == b"EHLO c\r\n"
    assert pair.loop.timer.is_cancelled


@pytest.mark.parametrize("keeps_open", [False, True])
def test_farewell_is_an_end_and_is_answered(context: ssl.SSLContext, keeps_open: bool) -> None:
    pair = established(context, keeps_open=keeps_open)
    pair.tls["client"].write(b"QUIT\r\n")
    pair.tls["client"].close()
    pair.tls["client"].close()
    pair.tls["client"].write(b"too late")
    pair.settle()
    server = pair.above["server"]
    assert (server.heard, server.ends) == (b"QUIT\r\n", 1)
    assert pair.below["client"].is_closed
    assert pair.tls["server"].is_closing() is not keeps_open
    if keeps_open:
        pair.tls["server"].write(b"221 bye\r\n")
        pair.tls["server"].close()
    assert pair.below["server"].is_closed


@pytest.mark.parametrize("keeps_open", [False, True])
def test_end_without_a_farewell_is_an_end_too(context: ssl.SSLContext, keeps_open: bool) -> None:
    pair = established(context, keeps_open=keeps_open)
    assert pair.tls["server"].eof_received() is keeps_open
    assert pair.above["server"].ends == 1


def test_octets_that_were_changed_end_the_connection_behind_what_was_good(context: ssl.SSLContext) -> None:
    pair = established(context)
    pair.tls["client"].write(b"good")
    good = pair.below["client"].take()
    pair.tls["client"].write(b"evil")
    evil = bytearray(pair.below["client"].take())
    evil[-1] ^= 1
    pair.tls["server"].data_received(good + evil)
    assert pair.above["server"].heard == b"good"
    assert pair.below["server"].is_aborted


@pytest.mark.parametrize("octets", [b"EHLO in clear\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 70_000, b"\0" * 100])
def test_what_is_no_handshake_fails_it(context: ssl.SSLContext, octets: bytes) -> None:
    pair = Pair(context)
    pair.begin()
    pair.tls["server"].data_received(octets)
    (error,) = pair.ended["server"]
    assert isinstance(error, ssl.SSLError)
    pair.tls["server"].data_received(octets)
    pair.tls["server"].connection_lost(None)
    assert (pair.above["server"].heard, pair.above["server"].lost) == (b"", 0)


def test_handshake_that_takes_too_long_or_is_cut_or_given_up_fails_once(context: ssl.SSLContext) -> None:
    late, cut, ended, given_up = (Pair(context) for _ in range(4))
    for pair in (late, cut, ended, given_up):
        pair.begin()
    late.loop.late()
    cut.tls["server"].connection_lost(None)
    assert ended.tls["server"].eof_received() is False
    given_up.tls["server"].fail(ConnectionAbortedError("enough"))
    for pair in (late, cut, ended, given_up):
        side = "client" if pair is late else "server"  # the loop of the pair keeps the last timer
        pair.tls[side].fail(ConnectionAbortedError("again"))
        (error,) = pair.ended[side]
        assert isinstance(error, ConnectionError)
        assert "again" not in str(error)


def test_client_that_expects_another_name_fails(context: ssl.SSLContext, tmp_path: Path) -> None:
    chain, _ = ensure_self_signed(tmp_path, "other.example")
    client = ssl.create_default_context(cafile=str(chain))
    pair = Pair(context, client)
    pair.begin()
    pair.settle()
    (error,) = pair.ended["client"]
    assert isinstance(error, ssl.SSLCertVerificationError)
    with pytest.raises(ValueError, match=r".*"):
        TlsTransport(Below(), Above(), client, [].append, ".")  # type: ignore[arg-type]


def test_flow_and_the_end_are_handed_on(context: ssl.SSLContext) -> None:
    pair = Pair(context)
    server = pair.tls["server"]
    server.pause_writing()
    server.resume_writing()
    pair.begin()
    pair.settle()
    server.pause_writing()
    assert pair.above["server"].stuffed == 1
    server.resume_writing()
    server.pause_reading()
    assert pair.below["server"].paused == 1
    server.resume_reading()
    assert server.get_extra_info("peername") == ("192.0.2.1", 25)
    assert not server.is_closing()
    server.connection_lost(None)
    assert (pair.above["server"].lost, pair.above["server"].stuffed) == (1, 0)
    server.write(b"nobody is there")
    assert pair.below["server"].take() == b""


def test_aborted_connection_hears_and_says_nothing_more(context: ssl.SSLContext) -> None:
    pair = established(context)
    pair.tls["client"].write(b"NOOP\r\n")
    pair.tls["server"].abort()
    pair.settle()
    assert pair.above["server"].heard == b""
    assert pair.below["server"].is_aborted
