"""Next hops that stall, drop, drip, babble and answer what was not asked, against the real process: each message gets
the right outcome, none is delivered twice without need, none is taken for delivered that was not, memory stays bounded,
and no log line or DSN is broken by what was said."""

import contextlib
import email
import email.policy
import itertools
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme
from tests.support.client import RawClient
from tests.support.dns_server import DnsServer, Zone
from tests.support.installation import Installation, customer, short_directory
from tests.support.messages import head
from tests.support.sink import ALL_EXTENSIONS, Says, Sink, Then, running_sink

BDAT = ALL_EXTENSIONS
DATA = tuple(name for name in ALL_EXTENSIONS if name != "CHUNKING")
CONTENT = head() + b"\r\n.Hello\r\n"
MIB = 1024 * 1024
LOST = "connection-lost"


def octet_by_octet(reply: bytes) -> Says:
    return Says(tuple(bytes((octet,)) for octet in reply + b"\r\n"))


@dataclass
class Case:
    """What a next hop does, once, at `verb`, and the outcome and reason of the attempt. deliveries: at most, in the
    end."""

    name: str
    verb: str
    does: str | Says
    outcome: str = "deferred"
    reason: str = LOST
    deliveries: int = 1
    extensions: tuple[str, ...] = BDAT
    offers_tls: bool = False
    text: str = ""  # stands in the log line
    sink: Sink = field(default_factory=Sink)


RELAYED: dict[str, Any] = {"outcome": "relayed", "reason": "relayed"}
# A connection that ends before anything was said to the message is no attempt: another one is tried at once.
UNHEARD = RELAYED
TWICE: dict[str, Any] = {"deliveries": 2}  # it took the message, and we could not know


def cases() -> Iterator[Case]:
    stall = Says(then=Then.STALL)
    for verb in ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END"):
        about: dict[str, Any] = {"extensions": DATA, **(UNHEARD if verb == "MAIL" else {})}
        yield Case(f"stall-{verb}", verb, stall, **about)
        yield Case(f"drop-{verb}", verb, "DROP", **about)
        yield Case(f"421-{verb}", verb, "421 4.3.2 not now", **{"reason": "next-hop-deferred", **about})
        yield Case(f"half-a-line-{verb}", verb, Says((b"250 fi",), Then.STALL), **about)
        yield Case(f"line-without-end-{verb}", verb, Says(itertools.repeat(b"250 " + b"x" * 65_536)), **about)
        yield Case(f"reply-without-end-{verb}", verb, Says(itertools.repeat(b"250-more\r\n" * 100)), **about)
        yield Case(f"nonsense-{verb}", verb, Says((b"\x00\xff\x1b[2J\r\n",), Then.REFUSE), **about)
    for verb in ("GREETING", "EHLO", "MAIL", "RCPT", "END"):
        yield Case(f"354-{verb}", verb, "354 go on", extensions=DATA, **(TWICE if verb == "END" else {}))
    for verb in ("RCPT", "END"):
        yield Case(f"stall-{verb}-bdat", verb, stall)
        yield Case(f"drop-{verb}-bdat", verb, "DROP")
    yield Case("stall-STARTTLS", "STARTTLS", stall, offers_tls=True)
    yield Case("drop-STARTTLS", "STARTTLS", "DROP", offers_tls=True)
    yield Case("421-STARTTLS", "STARTTLS", "421 4.3.2 no", reason="next-hop-deferred", offers_tls=True)
    # What is injected behind the 220 to STARTTLS: CVE-2011-0411 from the other side
    yield Case(
        "injection", "STARTTLS", Says((b"220 2.0.0 go\r\n250-injected\r\n250 SIZE 1\r\n",)), reason="next-hop-tls",
        offers_tls=True, text="plain text came behind the reply to STARTTLS",
    )  # fmt: skip
    # A handshake that never comes: opportunistic TLS gives up, and the mail goes in clear
    yield Case("stall-handshake", "STARTTLS", Says((b"220 2.0.0 go\r\n",), Then.STALL), offers_tls=True, **RELAYED)
    # The message was taken, and nobody said so: twice is what RFC 1047 allows, and no more
    yield Case("drop-behind-the-dot", "TAKEN", "DROP", **TWICE)
    yield Case("drop-behind-the-dot-data", "TAKEN", "DROP", extensions=DATA, **TWICE)
    yield Case("stall-QUIT", "QUIT", stall, **RELAYED)
    # Replies in octets, long ones and odd ones
    for verb, reply in {"GREETING": b"220 hop", "MAIL": b"250 2.1.0 ok", "RCPT": b"250 ok", "END": b"250 ok"}.items():
        yield Case(f"octets-{verb}", verb, octet_by_octet(reply), **RELAYED)
    yield Case("long-line", "MAIL", f"250 {'x' * 500_000}", **RELAYED)
    yield Case("ten-megabytes", "RCPT", Says((b"250 " + b"x" * 10_000_000 + b"\r\n",), Then.REFUSE))
    yield Case("non-ascii", "END", "250 2.0.0 принято", **RELAYED)
    yield Case("latin-1", "END", Says((b"250 2.0.0 accept\xe9\r\n",)), **RELAYED)
    # More replies than commands, or fewer: whatever the next hop then said of the content is not believed
    yield Case("extra-END", "END", "250 fine\r\n250 once more", **TWICE)
    yield Case("extra-MAIL-data", "MAIL", "250 fine\r\n250 once more", extensions=DATA)
    yield Case("extra-RCPT-data", "RCPT", "250 fine\r\n354 go on", extensions=DATA, **TWICE)
    yield Case("too-early", "DATA", "354 go on\r\n250 2.0.0 have it already", extensions=DATA)
    yield Case("none-RCPT", "RCPT", Says(), **TWICE)


CASES = {f"s{number}.example": case for number, case in enumerate(cases())}


def once(case: Case) -> Callable[[str, str], str | Says | None]:
    """The script that plays `case`."""
    is_done = threading.Event()

    def script(verb: str, _line: str) -> str | Says | None:
        if verb != case.verb or is_done.is_set():
            return None
        is_done.set()
        return case.does

    return script


@pytest.fixture(scope="module")
def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def played(server_context: ssl.SSLContext) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """All cases at once, since most of them wait: the log's lines of each message's attempts, by its domain."""
    with contextlib.ExitStack() as stack:
        for case in CASES.values():
            case.sink = stack.enter_context(
                running_sink(
                    extensions=case.extensions,
                    script=once(case),
                    context=server_context if case.offers_tls else None,
                )
            )
        settings = {
            "delivery": {
                "reply_seconds": 1.0, "connect_seconds": 1.0, "retry_intervals_seconds": [0.5], "idle_seconds": 0.3,
            },
        }  # fmt: skip
        outgate = Installation(stack.enter_context(short_directory()), settings).start()
        stack.callback(outgate.stop)
        text = customer("Alpha", CASES)
        text["sender_relays"] = [
            {"domain": domain, "host": "127.0.0.1", "port": case.sink.port} for domain, case in CASES.items()
        ]
        outgate.apply(text)
        ids = {}
        with RawClient(outgate.smtp_port) as client:
            for domain in CASES:
                client.ehlo()
                client.envelope(f"alice@{domain}")
                content = CONTENT.replace(b"alpha.example", domain.encode())
                code, reply = client.data(content)
                assert code == 250, reply
                ids[reply.split()[-1]] = domain
        outgate.wait_until_delivered(60)
        outgate.wait_for_log("attempted", len(CASES), where=lambda line: line["reason"] == "relayed")
        attempts: dict[str, list[dict[str, Any]]] = {domain: [] for domain in CASES}
        for line in outgate.log_lines("attempted"):
            attempts[ids[line["id"]]].append(line)
        assert peak_octets(outgate) < 150 * MIB
        yield attempts


def peak_octets(outgate: Installation) -> int:
    with open(f"/proc/{outgate.process_ids('worker-1')[-1]}/status") as status:  # noqa: PTH123
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


@pytest.mark.parametrize("domain", CASES, ids=[case.name for case in CASES.values()])
def test_whatever_a_next_hop_does_the_outcome_is_right(played: dict[str, list[dict[str, Any]]], domain: str) -> None:
    case, attempts = CASES[domain], played[domain]
    first = attempts[0]
    assert (first["outcomes"][0][2], first["reason"]) == (case.outcome, case.reason), first
    assert case.text in first["outcomes"][0][3]
    assert first["outcomes"][0][3].isprintable()
    assert len(first["outcomes"][0][3]) <= 1_000
    assert attempts[-1]["outcomes"][0][2] == "relayed"
    assert 1 <= len(case.sink.messages) <= case.deliveries
    content = CONTENT.replace(b"alpha.example", domain.encode())
    assert {message.body_behind_trace for message in case.sink.messages} == {content}


def test_what_a_next_hop_says_breaks_no_dsn(installation: Installation) -> None:
    """Control characters, octets that are no UTF-8, and a header of its own in the refusal."""
    refusals = [
        b"550 5.1.1 nul\x00 bell\x07 escape\x1b[31m csi\x9b31m end\r\n",
        b"550 5.1.1 latin \xe9\xe8 \xff\xfe\r\n",
        "550 5.1.1 кириллица \u202e\u2028\x85\r\n".encode(),
        b"550-5.1.1 one\r\n550-5.1.1 \rFinal-Recipient: rfc822; other@receiver.example\r\n550 5.1.1 --boundary\r\n",
        b"550 5.1.1 " + b"long " * 20_000 + b"\r\n",
    ]
    said = iter(refusals)
    zone = Zone({"alpha.example": {"MX": ["10 mx.alpha.example."]}, "mx.alpha.example": {"A": ["127.0.0.1"]}})

    def refuse(verb: str, _line: str) -> Says | None:
        return Says((next(said),), Then.REFUSE) if verb == "RCPT" else None

    with running_sink(script=refuse) as refusing, running_sink() as home, DnsServer(zone) as dns:
        installation.settings = {"delivery": {"nameservers": [f"127.0.0.1:{dns.port}"], "smtp_port": home.port}}
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", refusing.port)))
        with RawClient(installation.smtp_port) as client:
            client.ehlo()
            for number in range(len(refusals)):
                client.envelope("alice@alpha.example", f"bob{number}@receiver.example")
                assert client.data(CONTENT)[0] == 250
        notices = home.wait_for(len(refusals))
        log = installation.log_path.read_bytes()
    for line in log.splitlines():
        json.loads(line)
    assert not set(range(32)) - {10} & set(log)
    for notice in notices:
        assert max(map(len, notice.content.split(b"\r\n"))) <= 998
        assert not {0, 7, 27, 0x7F} & set(notice.content)
        assert b"\r" not in notice.content.replace(b"\r\n", b"")
        report = email.message_from_bytes(notice.content, policy=email.policy.default)
        assert not report.defects
        _, one_recipient = list(report.iter_parts())[1].iter_parts()
        assert one_recipient["Status"] == "5.1.1"
        assert re.fullmatch(r"rfc822; bob\d@receiver\.example", one_recipient["Final-Recipient"])


# Tar pits

TAR_PITS = 200
HEALTHY = 300


class TarPit:
    """Accepts whoever comes and sends each an octet now and then: a reply that never comes to its end."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=1_024)
        self.port: int = self.listening.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.most = 0
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._accept, self._drip)]

    def __enter__(self) -> "TarPit":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for thread in self.threads:
            thread.join()
        for connection in self.connections:
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.connections.append(self.listening.accept()[0])

    def _drip(self) -> None:
        while not self.is_over.wait(1.0):
            for connection in tuple(self.connections):
                try:
                    connection.send(b"2")
                except OSError:
                    self.connections.remove(connection)
            self.most = max(self.most, len(self.connections))


@pytest.mark.parametrize("connections", [500, 100], ids=["room-for-all", "more-pits-than-room"])
def test_tar_pits_do_not_hold_up_healthy_mail(installation: Installation, connections: int) -> None:
    with contextlib.ExitStack() as stack:
        sink, pit = stack.enter_context(running_sink()), stack.enter_context(TarPit())
        # Next hops found by DNS have one port: the healthy one gets an address of its own.
        by_mx = stack.enter_context(running_sink(address="127.0.0.3", port=pit.port))
        zone = Zone(
            {f"pit{number}.example": {"A": ["127.0.0.1"]} for number in range(TAR_PITS)}
            | {"healthy.example": {"A": ["127.0.0.3"]}}
        )
        with DnsServer(zone) as dns:
            installation.settings = {
                    "delivery": {
                        "nameservers": [f"127.0.0.1:{dns.port}"], "smtp_port": pit.port, "connections": connections,
                    },
                }  # fmt: skip
            installation.start()
            installation.apply(
                customer("Alpha", ["alpha.example"]),
                customer("Beta", ["beta.example"], relay=("127.0.0.1", sink.port)),
            )
            with RawClient(installation.smtp_port) as client:
                client.ehlo()
                client.envelope("alice@alpha.example", "first@healthy.example")  # the next hop has taken mail before
                assert client.data(CONTENT)[0] == 250
                by_mx.wait_for(1)
                for number in range(TAR_PITS):
                    client.envelope("alice@alpha.example", f"bob@pit{number}.example")
                    assert client.data(CONTENT)[0] == 250
                for number in range(HEALTHY):
                    client.envelope("alice@alpha.example", f"bob{number}@healthy.example")
                    assert client.data(CONTENT)[0] == 250
                    client.envelope("carol@beta.example", f"bob{number}@receiver.example")
                    assert client.data(CONTENT.replace(b"alice@alpha", b"carol@beta"))[0] == 250
            by_mx.wait_for(1 + HEALTHY)
            sink.wait_for(HEALTHY)
            stuck = installation.metric("outgate_delivery_connections")
            assert min(TAR_PITS, connections // 2) <= stuck <= connections
            assert installation.metric("outgate_delivery_queued") == TAR_PITS
            assert len(pit.connections) <= connections * 0.8  # a part is kept for next hops that take mail
