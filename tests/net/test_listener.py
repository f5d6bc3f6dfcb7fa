"""The listener over real sockets, on uvloop and on the standard loop: order, TLS, PROXY, silence, ends."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network
from math import inf
from pathlib import Path

import pytest
import uvloop
from tests.support.client import RawClient

from outgate.mail.reply import Reply
from outgate.net import listener as listener_module
from outgate.net.certificate import Certificate, ensure_self_signed
from outgate.net.listener import READ_AHEAD_MAX, Conversation, Listener, Peer
from outgate.smtp.events import ContentReceived, ContentRequested, Event, TlsRequested, TransactionEnded
from outgate.smtp.server import ServerSettings

ENVELOPE = b"EHLO client.example\r\nMAIL FROM:<a@alpha.example>\r\nRCPT TO:<b@receiver.example>\r\n"


@dataclass
class Guest:
    """Accepts everything; keeps contents; answers the end of a content when told to."""

    peer: Peer
    house: "House"
    is_stranger: bool = False
    tls: str = ""

    def secured(self, tls: str) -> None:
        self.tls = tls

    def closed(self) -> None:
        self.house.closed += 1

    def answer(self, event: Event) -> Reply | None:
        match event:
            case ContentRequested():
                return Reply(354, "", "go on")
            case ContentReceived(octets, is_last):
                self.house.contents.append(octets)
                if not is_last:
                    return None
                if self.house.answers_later:
                    asyncio.get_running_loop().call_soon(self.peer.reply_later, Reply(250, "2.0.0", "have it"))
                    return None
                return Reply(250, "2.0.0", "have it")
            case TransactionEnded():
                return None
            case TlsRequested():
                return Reply(220, "2.0.0", "go ahead")
            case _:
                return Reply(250, "2.0.0", "fine")


@dataclass
class House:
    context: ssl.SSLContext | None = None
    idle: float = 60.0
    whole: float = inf
    delay: float = 0.0
    answers_later: bool = True
    turn_away: Reply | None = None
    guest: type[Guest] = Guest
    guests: list[Guest] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    closed: int = 0

    def session_settings(self) -> ServerSettings:
        return ServerSettings("outgate.example", tls_available=self.context is not None)

    def tls_context(self) -> ssl.SSLContext | None:
        return self.context

    def converse(self, peer: Peer) -> Conversation | Reply:
        if self.turn_away is not None:
            return self.turn_away
        self.guests.append(self.guest(peer, self))
        return self.guests[-1]

    def idle_seconds(self, _conversation: Conversation) -> float:
        return self.idle

    def session_seconds(self, _conversation: Conversation) -> float:
        return self.whole

    def greeting_delay_seconds(self, _conversation: Conversation) -> float:
        return self.delay


Scene = Callable[[int, Listener, asyncio.AbstractEventLoop], None]


@pytest.fixture(params=["uvloop", "asyncio"])
def play(request: pytest.FixtureRequest) -> Callable[..., Listener]:
    """Run a scene in a thread against a listener on a loop of that kind; the listener as it ended."""

    def run(scene: Scene, house: House, proxies: tuple[str, ...] = ()) -> Listener:
        async def main() -> Listener:
            loop = asyncio.get_running_loop()
            listener = Listener(house, loop, tuple(ip_network(proxy) for proxy in proxies))
            listening = socket.create_server(("127.0.0.1", 0))
            port = listening.getsockname()[1]
            await listener.start(listening)
            try:
                await asyncio.wait_for(asyncio.to_thread(scene, port, listener, loop), 30)
            finally:
                listener.stop_accepting()
                listener.drop_all()
                await asyncio.wait_for(listener.wait_until_empty(), 10)
            return listener

        return uvloop.run(main()) if request.param == "uvloop" else asyncio.run(main())

    return run


@pytest.fixture(autouse=True)
def sweeps_are_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "SWEEP_SECONDS", 0.05)


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    return Certificate(*ensure_self_signed(tmp_path, "outgate.example")).context


def secure(connection: socket.socket) -> ssl.SSLSocket:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    return client.wrap_socket(connection)


@pytest.mark.parametrize("answers_later", [True, False])
def test_a_whole_session_sent_at_once_is_answered_in_order(play: Callable[..., Listener], answers_later: bool) -> None:
    house = House(answers_later=answers_later)

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            message = b"MAIL FROM:<a@alpha.example>\r\nRCPT TO:<b@receiver.example>\r\nDATA\r\n%b\r\n.\r\n"
            client.send(b"EHLO c\r\n" + message % b"one" + message % b"two" + b"QUIT\r\n")
            codes = [client.reply()[0] for _ in range(10)]
            assert codes == [250, 250, 250, 354, 250, 250, 250, 354, 250, 221]
            assert client.reply() == (0, "")

    play(scene, house)
    assert house.contents == [b"one\r\n", b"two\r\n"]
    assert house.closed == 1


def test_plaintext_behind_starttls_is_thrown_away(play: Callable[..., Listener], context: ssl.SSLContext) -> None:
    house = House(context)

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            client.ehlo()
            client.send(b"STARTTLS\r\nMAIL FROM:<injected@alpha.example>\r\nNOOP\r\n")
            assert client.reply()[0] == 220
            assert client.buffer == b""  # nothing was answered in clear behind it
            client.socket = secure(client.socket)
            client.ehlo()
            assert client.say("RCPT TO:<b@receiver.example>")[0] == 503

    play(scene, house)
    assert house.guests[0].tls.startswith("TLSv1.3")


def test_what_comes_right_behind_the_handshake_is_answered(
    play: Callable[..., Listener], context: ssl.SSLContext
) -> None:
    """The trap: octets that are decrypted before `start_tls` has returned to its caller."""
    house = House(context)

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(20):
            with RawClient(port) as client:
                client.ehlo()
                assert client.say("STARTTLS")[0] == 220
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                settings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                settings.check_hostname = False
                settings.verify_mode = ssl.CERT_NONE
                tls = settings.wrap_bio(incoming, outgoing)
                while True:
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        client.send(outgoing.read())
                        incoming.write(client.socket.recv(65_536))
                tls.write(b"EHLO c\r\nNOOP\r\n")  # leaves in one segment with the end of the handshake
                client.send(outgoing.read())
                answered = b""
                while b"250 2.0.0" not in answered:
                    incoming.write(client.socket.recv(65_536))
                    try:
                        answered += tls.read(65_536)
                    except ssl.SSLWantReadError:
                        continue
                assert answered.startswith(b"250-outgate.example")

    play(scene, house)


def test_a_failed_handshake_ends_the_connection(play: Callable[..., Listener], context: ssl.SSLContext) -> None:
    house = House(context)

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            client.ehlo()
            assert client.say("STARTTLS")[0] == 220
            client.send(b"MAIL FROM:<a@alpha.example>\r\n" * 10)
            left = b""
            while octets := _receive(client.socket):
                left += octets
            assert b"250" not in left

    assert play(scene, house).counters.tls_failed == 1
    assert house.closed == 1


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionResetError:
        return b""


def test_who_is_silent_is_told_and_cut_off(play: Callable[..., Listener]) -> None:
    house = House(idle=0.1)

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            assert client.reply()[0] == 421
            assert client.reply() == (0, "")

    play(scene, house)


def drip(client: RawClient, octets: bytes) -> str:
    """Send one octet after the other, each as soon as a moment has passed, until the server has had enough."""
    client.socket.settimeout(0.05)
    for octet in octets:
        try:
            client.send(bytes((octet,)))
        except OSError:
            break
        try:
            return client.reply()[1]
        except TimeoutError:
            continue
    client.socket.settimeout(10)
    return client.reply()[1]


def test_a_command_that_drips_is_cut_off(play: Callable[..., Listener]) -> None:
    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            client.ehlo()
            assert drip(client, b"x" * 400).startswith("421 4.4.2 too-slow")
            assert client.reply() == (0, "")
        assert listener.counters.ended == {"too-slow": 1}

    play(scene, House(idle=0.5))


@pytest.mark.parametrize("begin", [b"DATA\r\n", b"BDAT 1000\r\n"])
def test_content_that_drips_is_cut_off(play: Callable[..., Listener], begin: bytes) -> None:
    house = House(idle=0.5)

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            client.ehlo()
            client.envelope("a@alpha.example")
            client.send(begin)
            if begin.startswith(b"DATA"):
                assert client.reply()[0] == 354
            assert drip(client, b"x" * 400).startswith("421 4.4.2 too-slow")
            assert client.reply() == (0, "")

    play(scene, house)
    assert house.closed == 1


def test_chunks_of_an_octet_each_are_cut_off_though_each_has_its_reply(play: Callable[..., Listener]) -> None:
    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            client.ehlo()
            client.envelope("a@alpha.example")
            code, count = 250, 0
            while code == 250:
                client.send(b"BDAT 1\r\nx")
                code, text = client.reply()
                count += 1
                threading.Event().wait(0.02)  # dripping takes time
                assert count < 1000
            assert text.startswith("421 4.4.2 too-slow")

    play(scene, House(idle=0.5))


def test_who_keeps_the_pace_may_be_slow(play: Callable[..., Listener]) -> None:
    """Longer than the stretch over which the pace is measured, at less than 2,000 octets a second."""
    house = House(idle=0.5)

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            client.ehlo()
            client.envelope("a@alpha.example")
            assert client.say("DATA")[0] == 354
            for _ in range(40):
                client.send(b"x" * 78 + b"\r\n")
                threading.Event().wait(0.04)
            assert client.say(".")[0] == 250

    play(scene, house)
    assert len(b"".join(house.contents)) == 3200


def test_a_stranger_has_so_long_in_all(play: Callable[..., Listener]) -> None:
    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            code = 250
            while code == 250:
                code, text = client.say("RSET")
                threading.Event().wait(0.05)
            assert text.startswith("421 4.4.2 too-slow")

    play(scene, House(whole=0.5))


def test_a_handshake_that_never_ends_is_cut_off(play: Callable[..., Listener], context: ssl.SSLContext) -> None:
    house = House(context, idle=0.5)

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            client.ehlo()
            assert client.say("STARTTLS")[0] == 220
            hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(400)
            assert drip(client, hello) == ""

    play(scene, house)
    assert house.closed == 1


def test_who_takes_no_replies_is_read_no_more_and_cut_off(play: Callable[..., Listener]) -> None:
    house = House(idle=0.5)

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            client.ehlo()
            client.envelope("a@alpha.example")
            client.socket.settimeout(20)
            with pytest.raises(ConnectionError):
                client.send(b"BDAT 1\r\nx" * 20_000_000)

    play(scene, house)
    assert house.closed == 1
    assert len(house.contents) * 128 * 1024 < 50_000_000


@pytest.mark.pure
def test_the_greediest_are_ended_when_memory_runs_short(
    play: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "HELD_MAX", 150_000)

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as greedy, RawClient(port) as modest:
            for client in (modest, greedy):
                client.ehlo()
                client.envelope("a@alpha.example")
                assert client.say("DATA")[0] == 354
            modest.send(b"x" * 60_000)
            greedy.send(b"x" * 120_000)
            assert greedy.reply()[1].startswith("421 4.3.2 overloaded")
            modest.send(b"\r\n.\r\n")
            assert modest.reply()[0] == 250
        assert listener.counters.ended == {"overloaded": 1}

    play(scene, House())


def test_who_talks_before_the_greeting_is_cut_off(play: Callable[..., Listener]) -> None:
    house = House(delay=0.2)

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port, greet=False) as client:
            client.send(b"EHLO client.example\r\n")
            code, _ = client.reply()
            assert code in (421, 554)
            assert client.reply() == (0, "")
        assert listener.counters.early_talkers == 1

    play(scene, house)


def test_who_is_turned_away_is_told_why(play: Callable[..., Listener]) -> None:
    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port, greet=False) as client:
            assert client.reply() == (421, "421 4.3.2 full\r\n")
            assert client.reply() == (0, "")

    play(scene, House(turn_away=Reply(421, "4.3.2", "full")))


def test_a_shut_down_lets_the_message_under_way_end(play: Callable[..., Listener]) -> None:
    house = House()

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as busy, RawClient(port) as idle:
            busy.ehlo()
            busy.envelope("a@alpha.example")
            assert busy.say("DATA")[0] == 354
            loop.call_soon_threadsafe(listener.shut_down)
            assert idle.reply()[0] == 421
            busy.send(b"content\r\n.\r\n")
            assert busy.reply()[0] == 250
            assert busy.reply()[0] == 421
            assert busy.reply() == (0, "")

    play(scene, house)
    assert house.contents == [b"content\r\n"]


def test_a_shut_down_that_cuts_content_waits_for_nobody(play: Callable[..., Listener]) -> None:
    house = House()

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as stalled:
            stalled.ehlo()
            stalled.envelope("a@alpha.example")
            assert stalled.say("DATA")[0] == 354
            loop.call_soon_threadsafe(partial(listener.shut_down, cuts_content=True))
            assert stalled.reply()[0] == 421
            assert stalled.reply() == (0, "")

    play(scene, house)
    assert not house.contents


def test_a_proxy_header_is_believed_from_named_proxies_only(play: Callable[..., Listener]) -> None:
    house = House()

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port, greet=False) as client:
            client.send(b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\nEHLO c\r\n"[:20])
            client.send(b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n"[20:])
            assert client.reply()[0] == 220
        with RawClient(port, greet=False) as client:
            client.send(b"PROXY nonsense\r\n")
            assert client.reply() == (0, "")
        with RawClient(port, greet=False) as client:
            client.send(b"PROXY UNKNOWN\r\n")
            assert _receive(client.socket) == b""
        with RawClient(port, source="127.0.0.2", greet=False) as client:
            assert _receive(client.socket) == b""

    play(scene, house, ("127.0.0.1/32",))
    assert [guest.peer.address for guest in house.guests] == ["192.0.2.7"]


def test_a_peer_that_does_not_wait_is_not_read_without_bound(play: Callable[..., Listener]) -> None:
    house = House(answers_later=False)

    class Slow(Guest):
        def answer(self, event: Event) -> Reply | None:
            if isinstance(event, ContentReceived) and event.is_last:
                self.house.contents.append(event.octets)
                return None  # no answer yet
            return super().answer(event)

    house.guest = Slow

    def scene(port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with RawClient(port) as client:
            client.send(ENVELOPE + b"DATA\r\none\r\n.\r\n")
            client.socket.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.send(b"NOOP\r\n" * 20_000_000)
            held = house.guests[0].peer.session.buffered_octets
            assert held <= 2 * READ_AHEAD_MAX
            loop.call_soon_threadsafe(house.guests[0].peer.reply_later, Reply(250, "2.0.0", "at last"))
            client.socket.settimeout(10)
            codes = [client.reply()[0] for _ in range(5)]
            assert codes == [250, 250, 250, 354, 250]

    play(scene, house)
