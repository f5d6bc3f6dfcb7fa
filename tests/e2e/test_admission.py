"""The table of admission through the real listener: who may send as whom, and what is said to the others."""

import pytest
from tests.e2e.conftest import Relay
from tests.support.client import RawClient
from tests.support.messages import head

CONTENT = head() + b"\r\nHello\r\n"


def test_own_domain_from_a_declared_source_is_relayed(relay: Relay) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        client.envelope("Alice.Example@ALPHA.example", "Bob@Receiver.Example")
        assert client.data(CONTENT)[0] == 250
    message = relay.sink.wait_for(1)[0]
    assert message.mail.startswith("MAIL FROM:<Alice.Example@ALPHA.example>")
    assert message.recipients == ["RCPT TO:<Bob@Receiver.Example>"]


@pytest.mark.parametrize(
    ("source", "sender", "reason"),
    [
        ("127.0.0.9", "alice@alpha.example", "source-unknown"),
        ("127.0.0.9", "", "source-unknown"),
        ("127.0.0.1", "mallory@gamma.example", "sender-not-registered"),
        ("127.0.0.1", "alice@sub.alpha.example", "sender-not-registered"),
        ("127.0.0.1", "alice@alpha.example.evil.example", "sender-not-registered"),
        ("127.0.0.1", "someone@beta.example", "sender-not-registered"),
        ("127.0.0.2", "alice@alpha.example", "sender-not-registered"),
        ("127.0.0.1", "alice@[127.0.0.1]", "sender-not-registered"),
    ],
)
def test_anybody_else_is_refused_with_the_reason(relay: Relay, source: str, sender: str, reason: str) -> None:
    with RawClient(relay.port, source=source) as client:
        client.ehlo()
        assert client.say(f"MAIL FROM:<{sender}>")[0] == 250
        code, text = client.say("RCPT TO:<bob@receiver.example>")
        assert code == 550
        assert text.startswith("550 5.7.1 ")
        assert reason in text
        assert client.say("DATA")[0] in (503, 554)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (b"From: <ceo@beta.example>\r\n", "from-mismatch"),
        (b"From: <ceo@gamma.example>\r\n", "from-mismatch"),
        (b"From: <alice@alpha.example>\r\nFrom: <ceo@beta.example>\r\n", "from-repeated"),
        (b"From: <alice@alpha.example>\r\nfrom : <ceo@beta.example>\r\n", "from-repeated"),
        (b"From: <alice@alpha.example>, <ceo@beta.example>\r\n", "from-mismatch"),
        (b"From: ceo@beta.example <alice@alpha.example>\r\n", "from-unreadable"),
        (b"From:\r\n <ceo@beta.example>\r\n", "from-mismatch"),
        (b"Subject: no from\r\n", "from-missing"),
    ],
)
def test_the_from_header_must_be_the_customers(relay: Relay, fields: bytes, reason: str) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        client.envelope()
        code, text = client.data(fields + b"To: <bob@receiver.example>\r\n\r\nHello\r\n")
        assert code == 550
        assert reason in text
    assert not relay.sink.messages


def test_a_bare_lf_by_bdat_hides_no_from_field(relay: Relay) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        client.envelope()
        code, text = client.bdat(b"From: <alice@alpha.example>\r\nX-Hidden: x\nFrom: <ceo@beta.example>\r\n\r\nHi\r\n")
        assert code == 550, text
    assert not relay.sink.messages


def test_a_null_reverse_path_is_settled_by_the_from_header(relay: Relay) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        assert client.say("MAIL FROM:<>")[0] == 250
        assert client.say("RCPT TO:<bob@receiver.example>")[0] == 250
        code, text = client.data(b"From: <ceo@beta.example>\r\n\r\nx\r\n")
        assert code == 550, text


def test_a_hop_limit_ends_loops(relay: Relay) -> None:
    with RawClient(relay.port) as client:
        client.ehlo()
        client.envelope()
        code, text = client.data(b"Received: from a by b; Mon, 23 Nov 2026 12:00:00 +0000\r\n" * 101 + CONTENT)
        assert code == 554
        assert "hop-limit" in text


@pytest.mark.parametrize(
    "recipient",
    [
        "bob%receiver.example@alpha.example",
        "@alpha.example:bob@receiver.example",
        '"bob@receiver.example"@alpha.example',
    ],
)
def test_classic_relay_tricks_from_strangers_relay_nothing(relay: Relay, recipient: str) -> None:
    with RawClient(relay.port, source="127.0.0.9") as client:
        client.ehlo()
        assert client.say("MAIL FROM:<alice@alpha.example>")[0] == 250
        assert client.say(f"RCPT TO:<{recipient}>")[0] >= 500
