"""A sender relay is tried as delivery would, and the dialogue told."""

import asyncio
import gc
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trustme
from tests.support.sink import Says, Sink, Then, running_sink

from outgate.contract.policy import Login, RelayTls
from outgate.contract.wire import RelayTest, RelayTested
from outgate.delivery.interface import Addresses, Lookup
from outgate.net import relay_tester
from outgate.net.relay import _context
from outgate.net.relay_tester import LINE_MAX, LINES_MAX, RelayTester, certificate_text

OPPORTUNISTIC, VERIFIED = RelayTls.OPPORTUNISTIC, RelayTls.VERIFIED


class FakeResolver:
    def __init__(self, *addresses: str, lookup: Lookup = Lookup.FOUND) -> None:
        self.found = Addresses(lookup, addresses)

    async def addresses(self, _host: str) -> Addresses:
        return self.found


def relay_trier(*addresses: str, lookup: Lookup = Lookup.FOUND, **more: Any) -> RelayTester:
    resolver: Any = FakeResolver(*(addresses or ("127.0.0.1",)), lookup=lookup)
    return RelayTester(
        "outgate.example", resolver, lambda tls: _context(verify=tls is VERIFIED), **{"allow_private": True, **more}
    )


def tried(port: int, tls: RelayTls = OPPORTUNISTIC, login: Login | None = None, **more: Any) -> RelayTested:
    return asyncio.run(relay_trier(**more).test(RelayTest("relay.example", port, tls, login)))


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("relay.example").configure_cert(context)
    return context


def texts(result: RelayTested, direction: str) -> list[str]:
    return [line.text for line in result.lines if line.direction == direction]


def test_plain_relay() -> None:
    with running_sink() as sink:
        result = tried(sink.port)
    assert result.is_good
    assert result.verdict == "The relay takes connections without TLS. No message was sent."
    assert texts(result, ">") == ["EHLO outgate.example", "QUIT"]
    assert texts(result, "<")[0] == "220 sink.example ESMTP"
    assert sink.messages == []


@contextmanager
def secure_sink(**logins: str) -> Iterator[Sink]:
    sink = Sink(context=server_context(), logins=logins or None)
    sink.start()
    try:
        yield sink
    finally:
        sink.stop()


def test_relay_with_tls_and_login_shows_no_password() -> None:
    with secure_sink(ann="pa55word") as sink:
        result = tried(sink.port, login=Login("ann", "pa55word"))
    assert result.is_good, result
    assert "TLSv1" in result.tls
    assert "for relay.example" in result.certificate
    assert "the login was accepted" in result.verdict
    assert texts(result, ">")[-3:] == ["AUTH PLAIN", "(user name or password)", "QUIT"]
    assert "pa55word" not in repr(result)
    assert sink.logged_in == ["ann"]


def test_wrong_password_says_so() -> None:
    with secure_sink(ann="right") as sink:
        result = tried(sink.port, login=Login("ann", "wrong"))
    assert not result.is_good
    assert "does not take the login" in result.verdict


def test_certificate_that_is_not_trusted_says_why() -> None:
    with secure_sink() as sink:
        result = tried(sink.port, VERIFIED)
    assert not result.is_good
    assert "the certificate is not trusted" in result.verdict


def test_tls_that_is_required_and_not_offered() -> None:
    with running_sink() as sink:
        result = tried(sink.port, RelayTls.REQUIRED)
    assert "TLS is required" in result.verdict


def test_private_addresses_ports_and_ourselves_are_no_relay() -> None:
    assert "no address that mail may go to" in tried(25, allow_private=False).verdict
    assert "Only the ports" in tried(22, allow_private=False).verdict
    own = frozenset((("127.0.0.1", 25),))
    assert "in circles" in tried(25, own_addresses=own).verdict


@pytest.mark.parametrize(("lookup", "text"), [(Lookup.TROUBLE, "does not answer"), (Lookup.NO_SUCH_NAME, "no host")])
def test_dns(lookup: Lookup, text: str) -> None:
    result = asyncio.run(relay_trier(lookup=lookup).test(RelayTest("relay.example", 25, OPPORTUNISTIC)))
    assert text in result.verdict


def test_nobody_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        result = tried(closed.getsockname()[1])
    assert result.verdict.startswith("No connection")


@contextmanager
def says(octets: bytes) -> Iterator[int]:
    """A server of something else, that says this and then nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(octets)
                over.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


def test_what_is_no_mail_server_is_cut_and_made_printable() -> None:
    with says(b"\x1b[31mSSH-2.0-secret\x00" + b"x" * 100_000 + b"\n" * 1_000) as port:
        result = tried(port)
    assert not result.is_good
    assert len(result.lines) <= LINES_MAX
    assert all(line.text.isprintable() and len(line.text) <= LINE_MAX for line in result.lines)


def test_silence_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_tester, "SECONDS", 0.3)
    with says(b"") as port:
        assert "no end within" in tried(port).verdict


def test_relay_that_keeps_its_tls_open_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_tester, "SECONDS", 1.0)
    with secure_sink() as sink:
        sink.script = lambda verb, _line: Says(then=Then.STALL) if verb == "QUIT" else None
        assert "no end within" in tried(sink.port).verdict
        gc.collect()  # a connection that is still open would be warned of


def test_certificate_that_is_none() -> None:
    assert certificate_text(b"rubbish") == "certificate: unreadable"
