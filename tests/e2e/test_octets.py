"""What leaves is what came, behind one Received line: by DATA and BDAT, plain and TLS, whatever the octets."""

import pytest
from tests.e2e.conftest import Relay
from tests.support.client import RawClient
from tests.support.messages import by_chunks_only, line_ended

LINE_ENDED = list(line_ended())
CHUNKS_ONLY = list(by_chunks_only())


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
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


@pytest.mark.parametrize(("name", "content"), CHUNKS_ONLY[:6], ids=[name for name, _ in CHUNKS_ONLY[:6]])
def test_bare_line_endings_are_refused_in_data(relay: Relay, name: str, content: bytes) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        client.envelope("alice@alpha.example", f"{name}@bare.example")
        assert client.say("DATA")[0] == 354
        client.send(content + b"\r\n.\r\n" if not content.endswith(b"\r\n") else content + b".\r\n")
        code, text = client.reply()
        if name == "no-final-crlf":  # the end of DATA supplies it: RFC 5321 §4.1.1.4
            assert code == 250
            return
        assert code == 550
        assert "bare-line-ending" in text
        assert client.say("NOOP")[0] == 250
    assert not any(f"{name}@bare.example" in message.recipients[0] for message in relay.sink.messages)


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
