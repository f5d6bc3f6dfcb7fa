"""DKIM signatures that were valid on the way in are valid at the next hop, however strictly they were made."""

from itertools import product
from typing import get_args

import pytest
from tests.e2e.conftest import Relay
from tests.support.client import RawClient
from tests.support.messages import head
from tests.support.signing import Algorithm, Canonicalization, signed, verifies
from tests.support.sink import ALL_EXTENSIONS

# All that a relay might be tempted to tidy up, and that breaks a simple signature.
CONTENT = (
    head("delicate")
    + b"X-Folded: one\r\n\ttwo  \r\n   three\r\nx-oDD-cAsE:no blank\r\nCc:\tcarol@receiver.example \r\n"
    + b"Content-Type: text/plain;  charset=utf-8\r\n\r\n"
    + b"From the start of a line\r\n.\r\n..dots\r\ntrailing blanks  \t\r\n\ttab\r\n"
    + "ж € 漢字\r\n".encode()
    + b"x" * 3_000
    + b"\r\n--\r\n\r\n \r\n\r\n\r\n"
)
FORMS = list(product(get_args(Algorithm), get_args(Canonicalization), get_args(Canonicalization)))
WITHOUT_CHUNKING = tuple(extension for extension in ALL_EXTENSIONS if extension != "CHUNKING")


@pytest.mark.parametrize("out", ["DATA", "BDAT"])
@pytest.mark.parametrize(("verb", "tls"), [("DATA", False), ("DATA", True), ("BDAT", False), ("BDAT", True)])
def test_signatures_stay_valid(relay: Relay, monkeypatch: pytest.MonkeyPatch, verb: str, tls: bool, out: str) -> None:
    if out == "DATA":
        monkeypatch.setattr(relay.sink, "extensions", WITHOUT_CHUNKING)
    relay.sink.drop_connections()
    sent: dict[str, bytes] = {}
    with RawClient(relay.port) as client:
        client.ehlo()
        if tls:
            client.start_tls()
        for algorithm, header, body in FORMS:
            content = signed(CONTENT, algorithm, header, body)
            recipient = f"{algorithm}.{header}.{body}@receiver.example"
            code, text = client.pipeline("alice@alpha.example", recipient, content, verb, chunk_octets=500)
            assert code == 250, text
            sent[recipient] = content
    received = relay.sink.wait_for_recipients(set(sent))
    relay.sink.drop_connections()  # what comes next is to hear other extensions
    assert {message.verb for message in received.values()} == {out}
    invalid = [recipient for recipient, message in received.items() if not verifies(message.content)]
    assert not invalid


@pytest.mark.parametrize(("algorithm", "header", "body"), FORMS)
def test_a_signature_shows_any_octet_that_changes(
    algorithm: Algorithm, header: Canonicalization, body: Canonicalization
) -> None:
    """The proof above would be none with a verifier that is content with anything."""
    content = signed(CONTENT, algorithm, header, body)
    assert verifies(content)
    assert verifies(b"Received: from a by b; Mon, 23 Nov 2026 12:00:00 +0000\r\n" + content)
    assert not verifies(content.replace(b"delicate", b"delicatf"))
    assert not verifies(content.replace(b"..dots", b".dots"))
    if body == "simple":
        assert not verifies(content.replace(b"blanks  \t\r\n", b"blanks\r\n"))
    if header == "simple":
        assert not verifies(content.replace(b"Cc:\t", b"Cc: "))
