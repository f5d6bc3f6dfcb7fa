"""What leaves is what came, behind one Received line: by DATA and BDAT, plain and TLS, whatever the octets."""

import pytest
from tests.e2e.conftest import Relay
from tests.support.client import RawClient
from tests.support.messages import LIMITS, by_chunks_only, has_bare_line_ending, head, line_ended, sized, with_header
from tests.support.sink import ALL_EXTENSIONS

from outgate.policy.header import HEADER_MAX
from outgate.smtp.client_transaction import ONE_WRITE_MAX
from outgate.smtp.content import CONTENT_PIECE_MAX

LINE_ENDED = list(line_ended())
CHUNKS_ONLY = list(by_chunks_only())
WITHOUT_CHUNKING = tuple(extension for extension in ALL_EXTENSIONS if extension != "CHUNKING")

plain_and_tls = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


@plain_and_tls
@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
def test_octets_are_identical(relay: Relay, verb: str, tls: bool) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        if tls:
            client.start_tls()
        sent: dict[str, bytes] = {}
        for name, content in LINE_ENDED if verb == "DATA" else LINE_ENDED + CHUNKS_ONLY:
            recipient = f"{name}.{verb}.{tls}@receiver.example"
            client.envelope("alice@alpha.example", recipient, parameters=" BODY=8BITMIME")
            code, text = client.data(content) if verb == "DATA" else client.bdat(content)
            assert code == 250, (name, text)
            sent[recipient] = content
    received = relay.sink.wait_for_recipients(set(sent))
    for recipient, content in sent.items():
        assert received[recipient].body_behind_trace == content, recipient


@pytest.mark.parametrize("out", ["DATA", "BDAT"])
@plain_and_tls
@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
def test_octets_are_identical_around_each_limit(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, verb: str, tls: bool, out: str
) -> None:
    if out == "DATA":
        monkeypatch.setattr(relay.sink, "extensions", WITHOUT_CHUNKING)
    relay.sink.drop_connections()
    with RawClient(relay.port) as client:
        client.ehlo()
        if tls:
            client.start_tls()
        assert client.pipeline("alice@alpha.example", "first@receiver.example", sized(1_000), verb)[0] == 250
        first = relay.sink.wait_for_recipients({"first@receiver.example"})["first@receiver.example"]
        trace_octets = len(first.content) - 1_000  # is sent with the content, and as long for every message
        sent: dict[str, bytes] = {}
        for limit in (ONE_WRITE_MAX - trace_octets, *LIMITS):
            for octets in (limit - 1, limit, limit + 1):
                content = sized(octets)
                assert len(content) == octets
                recipient = f"{octets}@receiver.example"
                code, text = client.pipeline("alice@alpha.example", recipient, content, verb)
                assert code == 250, (octets, text)
                sent[recipient] = content
    received = relay.sink.wait_for_recipients(set(sent))
    relay.sink.drop_connections()  # what comes next is to hear other extensions
    assert {message.verb for message in received.values()} == {out}
    altered = [one for one, content in sent.items() if received[one].body_behind_trace != content]
    assert not altered


@pytest.mark.parametrize(
    ("chunk_octets", "octets"),
    [
        *[(1, 1_500), (7, 3_000)],
        *[(CONTENT_PIECE_MAX + difference, 700_000) for difference in (-1, 0, 1)],
        (699_999, 700_000),
    ],
)
@plain_and_tls
def test_octets_are_identical_whatever_the_chunks(relay: Relay, tls: bool, chunk_octets: int, octets: int) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        if tls:
            client.start_tls()
        recipient = f"{chunk_octets}@chunks.example"
        code, text = client.pipeline("alice@alpha.example", recipient, sized(octets), "BDAT", chunk_octets)
        assert code == 250, text
    assert relay.sink.wait_for_recipients({recipient})[recipient].body_behind_trace == sized(octets)


@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
def test_header_is_refused_from_the_first_octet_above_its_limit(relay: Relay, verb: str) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        content = with_header(HEADER_MAX - 1)  # and two octets for the empty line
        code, text = client.pipeline("alice@alpha.example", "bob@receiver.example", content, verb)
        assert code == 552
        assert "header-too-large" in text


BARE = [(name, content) for name, content in CHUNKS_ONLY[:-1] if has_bare_line_ending(content)]


@pytest.mark.parametrize(("name", "content"), BARE, ids=[name for name, _ in BARE])
def test_bare_line_endings_are_refused_in_data(relay: Relay, name: str, content: bytes) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        client.envelope("alice@alpha.example", f"{name}@bare.example")
        assert client.say("DATA")[0] == 354
        client.send(content + b".\r\n" if content.endswith(b"\r\n") else content + b"\r\n.\r\n")
        code, text = client.reply()
        assert code == 550
        assert "bare-line-ending" in text
        assert client.say("NOOP")[0] == 250
    assert not any(f"{name}@bare.example" in message.recipients[0] for message in relay.sink.messages)


def test_the_end_of_data_completes_the_last_line(relay: Relay) -> None:
    """RFC 5321 §4.1.1.4: the CR LF in front of the dot belongs to the content."""
    with RawClient(relay.port) as client:
        client.ehlo()
        client.envelope("alice@alpha.example", "bob@receiver.example")
        assert client.say("DATA")[0] == 354
        assert client.say(head() + b"\r\nthe end\r\n.")[0] == 250
    assert relay.sink.wait_for(1)[0].body_behind_trace == head() + b"\r\nthe end\r\n"


def test_the_trace_names_client_and_protocol(relay: Relay) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        client.start_tls()
        client.envelope("alice@alpha.example", "trace@receiver.example")
        code, text = client.data(LINE_ENDED[0][1])
        assert code == 250
    queue_id = text.split()[-1]
    content = relay.sink.wait_for_recipients({"trace@receiver.example"})["trace@receiver.example"].content
    trace = content[: -len(LINE_ENDED[0][1])].decode()
    assert trace.startswith("Received: from client.example ([127.0.0.1])")
    assert "by outgate.example with ESMTPS" in trace
    assert queue_id in trace
