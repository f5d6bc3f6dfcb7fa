"""Senders that mean harm, against the real process: smuggling, injection before TLS, drips, harvests."""

import contextlib
import re
import select
import socket
from collections.abc import Callable, Iterator

import pytest
from tests.e2e.conftest import Relay
from tests.support.client import RawClient
from tests.support.installation import Installation, customer, short_directory
from tests.support.messages import head, line_ended
from tests.support.sink import running_sink

# What some server took for the end of the content, as published in VU#302671 and since. An end is CR LF . CR LF alone.
FORMS = {
    "lf-dot-lf": b"\n.\n",
    "lf-dot-crlf": b"\n.\r\n",
    "crlf-dot-lf": b"\r\n.\n",
    "cr-dot-cr": b"\r.\r",
    "crlf-dot-cr": b"\r\n.\r",
    "cr-dot-crlf": b"\r.\r\n",
    "cr-dot-lf": b"\r.\n",
    "lf-dot-cr": b"\n.\r",
    "cr-crlf-dot-crlf": b"\r\r\n.\r\r\n",
    "lf-dots-lf": b"\n..\n",
    "lf-dots-crlf": b"\n..\r\n",
    "crlf-dots-lf": b"\r\n..\n",
    "cr-dots-cr": b"\r..\r",
    "crlf-dots-cr": b"\r\n..\r",
    "cr-dots-crlf": b"\r..\r\n",
    "crlf-nul-dot-crlf": b"\r\n\x00.\r\n",
    "crlf-dot-nul-crlf": b"\r\n.\x00\r\n",
    "nul-crlf-dot-nul-crlf": b"\x00\r\n.\x00\r\n",
    "crlf-nul-dot-nul-crlf": b"\r\n\x00.\x00\r\n",
}
# These hold no bare CR or LF, so that they are content like any other.
HARMLESS = {name for name in FORMS if "nul" in name}
SMUGGLED = (
    b"MAIL FROM:<ceo@alpha.example>\r\nRCPT TO:<victim@receiver.example>\r\nDATA\r\n"
    b"From: <ceo@alpha.example>\r\n\r\nsmuggled\r\n"
)
LENIENT_END = re.compile(rb"(?:\r\n|\r|\n)\x00*\.\x00*(?:\r\n|\r|\n)")


def content_with(form: bytes) -> bytes:
    return head() + b"\r\nfirst" + form + SMUGGLED


def whole(octets: bytes) -> list[bytes]:
    return [octets]


def octet_by_octet(octets: bytes) -> list[bytes]:
    return [octets[start : start + 1] for start in range(len(octets))]


def cut_in_the_form(octets: bytes) -> list[bytes]:
    start = octets.index(b"first") + len(b"first")
    return [octets[:start], *octet_by_octet(octets[start : start + 10]), octets[start + 10 :]]


CUTS: list[Callable[[bytes], list[bytes]]] = [whole, cut_in_the_form, octet_by_octet]


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.__name__)
def test_no_form_makes_two_messages_of_one(relay: Relay, cut: Callable[[bytes], list[bytes]]) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        taken = []
        for name, form in FORMS.items():
            client.envelope("alice@alpha.example", f"{name}@receiver.example")
            assert client.say("DATA")[0] == 354
            for octets in cut(content_with(form) + b".\r\n"):
                client.send(octets)
            code, text = client.reply()
            if name in HARMLESS:
                assert code == 250, (name, text)
                taken.append(name)
            else:
                assert text.startswith("550 5.5.2 bare-line-ending"), (name, text)
            assert client.say("NOOP")[1] == "250 2.0.0 fine\r\n", name  # no reply was left over
    received = relay.sink.wait_for_recipients({f"{name}@receiver.example" for name in taken})
    for name in taken:
        expected = content_with(FORMS[name]).replace(b"\r\n.", b"\r\n")  # the server's share of dot transparency
        assert received[f"{name}@receiver.example"].body_behind_trace == expected
    assert not any("victim" in " ".join(message.recipients) for message in relay.sink.messages)


def test_no_form_makes_two_messages_of_a_pipelined_group(relay: Relay) -> None:
    """Everything in one write, the 354 not waited for, and a group of commands behind the end."""
    with RawClient(relay.port) as client:
        client.ehlo()
        for name, form in FORMS.items():
            envelope = f"MAIL FROM:<alice@alpha.example>\r\nRCPT TO:<{name}@receiver.example>\r\nDATA\r\n".encode()
            client.send(envelope + content_with(form) + b".\r\nNOOP\r\nRSET\r\nVRFY a\r\n")
            codes = [client.reply()[0] for _ in range(7)]
            assert codes == [250, 250, 354, 250 if name in HARMLESS else 550, 250, 250, 252], name
    relay.sink.wait_for_recipients({f"{name}@receiver.example" for name in HARMLESS})
    assert not any("victim" in " ".join(message.recipients) for message in relay.sink.messages)


def test_no_form_ends_a_chunk(relay: Relay) -> None:
    """By BDAT every octet is content; what stands behind a chunk is a command, and DATA is none there."""
    with RawClient(relay.port) as client:
        client.ehlo()
        for name, form in FORMS.items():
            content = content_with(form)
            middle = content.index(b"first") + 6  # a chunk ends within the form
            client.envelope("alice@alpha.example", f"{name}@receiver.example")
            client.send(b"BDAT %d\r\n%b" % (middle, content[:middle]))
            assert client.reply()[0] == 250
            assert client.say("DATA")[0] == 503
            client.send(b"BDAT %d LAST\r\n%bNOOP\r\n" % (len(content) - middle, content[middle:]))
            assert [client.reply()[0] for _ in range(2)] == [250, 250], name
    received = relay.sink.wait_for_recipients({f"{name}@receiver.example" for name in FORMS})
    for name, form in FORMS.items():
        message = received[f"{name}@receiver.example"]
        assert message.body_behind_trace == content_with(form)
        assert message.verb == "BDAT"


def test_no_form_ends_the_content_at_a_lenient_next_hop() -> None:
    """What leaves by DATA holds nothing that the most lenient server takes for its end, but for the end itself; what
    could not leave so is returned."""
    contents = {name: content_with(form) for name, form in FORMS.items()}
    contents |= {f"whole-{name}": content for name, content in line_ended()}
    with running_sink(extensions=("PIPELINING", "8BITMIME", "SMTPUTF8")) as sink, short_directory() as directory:
        outgate = Installation(directory).start()
        try:
            outgate.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port)))
            with RawClient(outgate.smtp_port) as client:
                client.ehlo()
                for name, content in contents.items():
                    client.envelope("alice@alpha.example", f"{name}@receiver.example", parameters=" BODY=8BITMIME")
                    assert client.bdat(content)[0] == 250
            lines = outgate.wait_for_log(
                "attempted", len(contents), where=lambda line: line["outcomes"][0][1].endswith("@receiver.example")
            )  # the others are DSNs
        finally:
            outgate.stop()
    outcomes = {line["outcomes"][0][1]: (line["outcomes"][0][2], line["reason"]) for line in lines}
    assert len(outcomes) == len(contents)
    assert set(outcomes.values()) == {("relayed", "relayed"), ("failed", "next-hop-lacks-extension")}
    relayed = {message.recipients[0].removeprefix("RCPT TO:<").removesuffix(">") for message in sink.messages}
    assert relayed == {name for name, (outcome, _) in outcomes.items() if outcome == "relayed"}
    leaves_by_data = {"crlf-dot-nul-crlf", "nul-crlf-dot-nul-crlf"}  # their dot begins a line, and is doubled
    assert {name for name in FORMS if f"{name}@receiver.example" in relayed} == leaves_by_data
    for message in sink.messages:
        ends = [match.end() for match in LENIENT_END.finditer(b"\r\n" + message.wire)]
        assert ends == [len(message.wire) + 2], message.recipients


# TLS


def test_what_is_injected_before_tls_is_never_carried_out(relay: Relay) -> None:
    """CVE-2011-0411: in one segment with STARTTLS, a whole message of an attacker's."""
    with RawClient(relay.port) as client:
        client.ehlo()
        client.send(b"STARTTLS\r\nEHLO attacker.example\r\n" + SMUGGLED + b".\r\n")
        assert client.reply()[0] == 220
        assert client.buffer == b""
        client.wrap_socket()
        assert client.say("MAIL FROM:<alice@alpha.example>")[0] == 503  # EHLO before TLS counts no more either
        client.ehlo()
        client.envelope()
        assert client.data(head() + b"\r\nmine\r\n")[0] == 250
        assert client.say("NOOP")[1] == "250 2.0.0 fine\r\n"
    assert relay.sink.wait_for(1)[0].body_behind_trace.endswith(b"mine\r\n")
    assert len(relay.sink.messages) == 1


def test_starttls_is_offered_and_taken_once(relay: Relay) -> None:
    with RawClient(relay.port) as client:
        assert "STARTTLS" in client.ehlo()
        client.start_tls()
        assert "STARTTLS" not in client.ehlo()
        assert client.say("STARTTLS")[0] == 503
        assert client.say("NOOP")[0] == 250


def test_a_transaction_begun_in_clear_is_void_behind_tls(relay: Relay) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        client.envelope()
        client.start_tls()
        assert client.say("DATA")[0] == 503
        assert client.say("RCPT TO:<bob@receiver.example>")[0] == 503


# Time, and the number of things


@pytest.fixture(scope="module")
def impatient() -> Iterator[Installation]:
    with short_directory() as directory:
        outgate = Installation(directory, {"limits": {"idle_seconds": 2.0, "stranger_idle_seconds": 1.0}}).start()
        try:
            outgate.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", 9)))
            yield outgate
        finally:
            outgate.stop()


def test_who_drips_is_cut_off_wherever_it_drips(impatient: Installation) -> None:
    clients = {name: RawClient(impatient.smtp_port, seconds=60) for name in ("command", "data", "chunk", "handshake")}
    stranger = clients["stranger"] = RawClient(impatient.smtp_port, source="127.0.0.9", seconds=60)
    for name, client in clients.items():
        client.ehlo()
        if name in ("data", "chunk"):
            client.envelope()
    assert clients["data"].say("DATA")[0] == 354
    clients["chunk"].send(b"BDAT 100000 LAST\r\n")
    assert clients["handshake"].say("STARTTLS")[0] == 220
    clients["handshake"].send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    sockets: dict[socket.socket, str] = {client.socket: name for name, client in clients.items()}
    order = []
    while sockets:
        for dripping, name in sockets.items():
            with contextlib.suppress(OSError):  # it may have been ended just now
                dripping.send(b"x" if name != "handshake" else b"\x00")
        readable, _, _ = select.select(list(sockets), [], [], 0.2)
        order += [sockets.pop(ended) for ended in readable]
    for name, client in clients.items():
        if name == "handshake":
            with contextlib.suppress(ConnectionResetError):
                assert client.socket.recv(1) == b""  # no word: it would not be TLS
        else:
            assert client.reply()[1].startswith("421 4.4.2 too-slow"), name
        client.socket.close()
    assert order.index("stranger") < order.index("command")  # which has twice its time
    assert stranger.buffer == b""
    assert impatient.metric("outgate_sessions_ended_total", reason="too-slow") == 4


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.9"], ids=["customer", "stranger"])
@pytest.mark.parametrize("is_pipelined", [True, False])
def test_a_harvest_of_recipients_is_cut_off_and_counted(relay: Relay, source: str, is_pipelined: bool) -> None:
    reason = "sender-not-registered" if source == "127.0.0.1" else "source-unknown"
    before = relay.outgate.metric("outgate_refused_total", reason=reason)
    with RawClient(relay.port, source=source) as client:
        client.ehlo()
        assert client.say("MAIL FROM:<mallory@gamma.example>")[0] == 250
        commands = [f"RCPT TO:<user{number}@receiver.example>\r\n".encode() for number in range(5_000)]
        if is_pipelined:
            client.send(b"".join(commands))
        refused = 0
        for command in commands:
            if not is_pipelined:
                client.send(command)
            code, text = client.reply()
            if code != 550:
                break
            refused += 1
        assert text.startswith("421 4.7.0 idle-limit")
        assert refused < 100
    assert relay.outgate.metric("outgate_refused_total", reason=reason) >= before + refused
