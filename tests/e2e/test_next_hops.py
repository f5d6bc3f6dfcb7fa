"""Real and scripted next hops out: Postfix, aiosmtpd, a sink that refuses, defers, drops and lacks extensions."""

import email
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from tests.support.client import RawClient
from tests.support.dns_server import DnsServer, Zone
from tests.support.installation import Installation, customer, free_port, short_directory
from tests.support.messages import head
from tests.support.postfix import Postfix
from tests.support.sink import Sink, running_sink

CONTENT = head() + b"\r\n.Hello\r\n"
QUICK = {"delivery": {"retry_intervals_seconds": [1.0]}}


def deliver(outgate: Installation, content: bytes = CONTENT, *recipients: str, parameters: str = "") -> str:
    """Send one message; its queue id."""
    with RawClient(outgate.smtp_port) as client:
        client.ehlo()
        client.envelope("alice@alpha.example", *recipients, parameters=parameters)
        code, text = client.data(content)
        assert code == 250, text
        return text.split()[-1]


@pytest.fixture
def outgate(installation: Installation) -> Callable[..., Installation]:
    def start(port: int, **settings: Any) -> Installation:
        installation.settings = settings or QUICK
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", port)))
        return installation

    return start


@pytest.fixture
def postfix(tmp_path: Path) -> Iterator[Postfix]:
    server = Postfix(tmp_path / "postfix")
    yield server
    server.stop()


def test_postfix_as_next_hop(outgate: Callable[..., Installation], postfix: Postfix) -> None:
    postfix.start(mailbox_domain="receiver.example")
    relay = outgate(postfix.port)
    for number in range(10):
        deliver(relay, CONTENT, f"bob{number}@receiver.example")
    messages = postfix.wait_for_mail(10)
    assert all(message.endswith(CONTENT.replace(b"\r\n", b"\n")) for message in messages)


def test_aiosmtpd_as_next_hop_without_chunking(outgate: Callable[..., Installation]) -> None:
    arrived: list[bytes] = []
    done = threading.Event()

    class Handler:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
            assert isinstance(envelope.original_content, bytes)
            arrived.append(envelope.original_content)
            done.set()
            return "250 fine"

    controller = Controller(Handler(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        deliver(outgate(controller.port))
        assert done.wait(30)
    finally:
        controller.stop()
    assert arrived[0].endswith(CONTENT)


class ImpatientServer(Controller):
    """Ends each connection with 421 when it has had so many messages."""

    def __init__(self, each: int) -> None:
        super().__init__(None, hostname="127.0.0.1", port=free_port())
        self.each = each
        self.ended = 0

    def factory(self) -> SMTP:
        controller = self

        class Server(SMTP):
            transactions = 0

            async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
                self.transactions += 1
                if self.transactions <= controller.each:
                    await super().smtp_MAIL(arg)
                    return
                controller.ended += 1
                await self.push("421 4.7.0 enough of you")
                assert self.transport is not None
                self.transport.close()

        return Server(None)


def test_a_next_hop_that_wants_few_messages_a_connection_defers_none(outgate: Callable[..., Installation]) -> None:
    """What one connection is told counts for those that follow, so that few are in the way of a 421, and each of these
    goes at once on another."""
    server = ImpatientServer(each=5)
    server.start()
    try:
        relay = outgate(server.port)
        for _ in range(60):
            deliver(relay)
        lines = relay.wait_for_log("attempted", 60)
    finally:
        server.stop()
    assert {line["reason"] for line in lines} == {"relayed"}
    assert len(lines) == 60
    assert 1 <= server.ended <= 3


def scripted(answers: dict[str, list[str | None]]) -> Callable[[str, str], str | None]:
    """Each verb's answers in turn; then the ordinary ones."""
    left = {verb: list(replies) for verb, replies in answers.items()}
    return lambda verb, line: left[verb].pop(0) if left.get(verb) else None


@pytest.mark.parametrize(
    "answers",
    [
        {"GREETING": ["421 4.3.2 not now"]},
        {"GREETING": ["DROP"]},
        {"EHLO": ["421 4.3.2 not now"]},
        {"EHLO": ["DROP"]},
        {"MAIL": ["451 4.3.0 later"]},
        {"MAIL": ["DROP"]},
        {"RCPT": ["450 4.2.1 later"]},
        {"RCPT": ["DROP"]},
        {"DATA": ["451 4.3.0 later"]},
        {"DATA": ["DROP"]},
        {"END": ["451 4.3.0 later"]},
        {"END": ["421 4.3.2 not now"]},
        {"END": ["DROP"]},
    ],
    ids=lambda answers: "-".join(f"{verb}-{replies[0][:4].strip()}" for verb, replies in answers.items()),
)
@pytest.mark.parametrize("chunking", [True, False], ids=["bdat", "data"])
def test_what_fails_for_now_is_tried_again(
    shared: tuple[Installation, Sink], answers: dict[str, list[str | None]], chunking: bool
) -> None:
    relay, sink = shared
    if chunking and "DATA" in answers:
        pytest.skip("there is no DATA by BDAT")
    sink.messages.clear()
    sink.extensions = tuple(name for name in sink.extensions if name != "CHUNKING") + (
        ("CHUNKING",) if chunking else ()
    )
    sink.drop_connections()
    sink.script = scripted(answers)
    deliver(relay)
    assert sink.wait_for(1)[0].body_behind_trace == CONTENT
    assert sink.messages[0].verb == ("BDAT" if chunking else "DATA")


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Installation, Sink]]:
    with running_sink() as sink, short_directory() as directory:
        installation = Installation(
            directory,
            {"delivery": {"retry_intervals_seconds": [0.2], "idle_seconds": 0.05}},
        ).start()
        try:
            installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port)))
            yield installation, sink
        finally:
            installation.stop()


def test_each_recipient_has_its_own_outcome(outgate: Callable[..., Installation], tmp_path: Path) -> None:
    """One accepted, one refused, one deferred once: two arrive, and the refused one is told in a DSN to the sender."""

    def script(verb: str, line: str) -> str | None:
        if verb == "RCPT" and "<gone@" in line:
            return "550 5.1.1 nobody here by that name"
        if verb == "RCPT" and "<slow@" in line and not seen:
            seen.append(line)
            return "450 4.2.0 mailbox busy"
        return None

    seen: list[str] = []
    with running_sink(script=script) as sink, DnsServer(Zone({}, rcodes={"alpha.example": "REFUSED"})) as dns:
        relay = outgate(
            sink.port, delivery={"retry_intervals_seconds": [1.0], "nameservers": [f"127.0.0.1:{dns.port}"]}
        )
        queue_id = deliver(relay, CONTENT, "bob@receiver.example", "gone@receiver.example", "slow@receiver.example")
        messages = sink.wait_for(2)
        told = sorted(recipient for message in messages for recipient in message.recipients)
        assert told == ["RCPT TO:<bob@receiver.example>", "RCPT TO:<slow@receiver.example>"]
        lines = relay.wait_for_log("attempted", 3)
        outcomes = {outcome[1]: outcome[2] for line in lines for outcome in line["outcomes"] if line["id"] == queue_id}
        assert outcomes["gone@receiver.example"] == "failed"
        (notice,) = relay.queue()  # waits: its domain's name server refuses to answer, which is no reason to give up
        assert notice["queue_id"] != queue_id
        assert notice["reverse_path"] == ""
        assert notice["recipients"][0]["forward_path"] == "alice@alpha.example"
        assert notice["recipients"][0]["reply"].startswith("451 4.4.3 dns-trouble")


def test_a_dsn_reaches_the_sender_by_mx(installation: Installation, tmp_path: Path) -> None:
    """The whole way: refused by the next hop, DSN built, its MX looked up, delivered to the sender's own host."""
    zone = Zone({"alpha.example": {"MX": ["10 mx.alpha.example."]}, "mx.alpha.example": {"A": ["127.0.0.1"]}})
    refuse = scripted({"RCPT": ["550 5.1.1 no such user"]})
    with running_sink(script=refuse) as refusing, running_sink() as home, DnsServer(zone) as dns:
        installation.settings = {"delivery": {"nameservers": [f"127.0.0.1:{dns.port}"], "smtp_port": home.port}}
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", refusing.port)))
        deliver(installation)
        notice = home.wait_for(1)[0]
    assert notice.mail.startswith("MAIL FROM:<>")
    report = email.message_from_bytes(notice.content)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    status = report.get_payload(1)
    assert isinstance(status, email.message.Message)
    text = status.as_string()
    assert "Final-Recipient: rfc822; bob@receiver.example" in text
    assert "Action: failed" in text
    assert "Status: 5.1.1" in text
    assert b"Message-ID: <1@alpha.example>" in notice.content


@pytest.mark.parametrize(
    ("content", "lacking", "status"),
    [
        (head() + "\r\nж\r\n".encode(), "8BITMIME", "5.6.3"),
        (head() + b"\r\nbare\nline feed\r\n", "CHUNKING", "5.6.1"),
    ],
    ids=["8BITMIME", "CHUNKING"],
)
def test_what_the_next_hop_cannot_take_is_returned_never_converted(
    outgate: Callable[..., Installation], content: bytes, lacking: str, status: str
) -> None:
    with running_sink(extensions=("PIPELINING", *({"8BITMIME", "CHUNKING"} - {lacking}))) as sink:
        relay = outgate(sink.port)
        with RawClient(relay.smtp_port) as client:
            client.ehlo()
            client.envelope(parameters=" BODY=8BITMIME")
            assert client.bdat(content)[0] == 250
        line = relay.wait_for_log("attempted")[0]
        assert line["outcomes"][0][2] == "failed"
        assert status in line["outcomes"][0][3]
        assert not sink.messages


def test_private_next_hops_are_refused_unless_the_operator_allows_them(outgate: Callable[..., Installation]) -> None:
    with running_sink() as sink:
        relay = outgate(sink.port, delivery={"allow_private_next_hops": False})
        deliver(relay)
        line = relay.wait_for_log("attempted")[0]
        assert line["reason"] == "next-hop-forbidden"
        assert not sink.connections
