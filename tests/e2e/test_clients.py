"""Real clients in: swaks, msmtp, curl, smtplib, Postfix."""

import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import Relay
from tests.support.postfix import Postfix

MESSAGE = (
    b"From: alice@alpha.example\r\nTo: bob@receiver.example\r\nSubject: from a real client\r\n\r\n.dot\r\nHello\r\n"
)


def run(*command: str, octets: bytes = b"") -> str:
    done = subprocess.run(command, input=octets, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.decode()


@pytest.mark.parametrize("options", [(), ("--tls",), ("--pipeline",)], ids=["plain", "tls", "pipelined"])
def test_swaks(relay: Relay, options: tuple[str, ...]) -> None:
    run(
        "swaks", "--server", f"127.0.0.1:{relay.port}", "--from", "alice@alpha.example", "--to", "bob@receiver.example",
        "--helo", "client.example", *options,
    )  # fmt: skip
    assert b"This is a test mailing" in relay.sink.wait_for(1)[0].content


def test_msmtp(relay: Relay) -> None:
    run(
        "msmtp", "--host=127.0.0.1", f"--port={relay.port}", "--from=alice@alpha.example", "--tls=on",
        "--tls-certcheck=off", "--auth=off", "--file=/dev/null", "bob@receiver.example",
        octets=MESSAGE.replace(b"\r\n", b"\n"),
    )  # fmt: skip
    assert relay.sink.wait_for(1)[0].body_behind_trace.endswith(b".dot\r\nHello\r\n")


def test_curl(relay: Relay, tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_bytes(MESSAGE)
    run(
        "curl", "--silent", "--show-error", f"smtp://127.0.0.1:{relay.port}/client.example", "--mail-from",
        "alice@alpha.example", "--mail-rcpt", "bob@receiver.example", "--ssl-reqd", "--insecure", "--upload-file",
        str(path),
    )  # fmt: skip
    assert relay.sink.wait_for(1)[0].body_behind_trace == MESSAGE


def test_smtplib_over_tls(relay: Relay) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=30) as client:
        client.starttls(context=context)
        for number in range(3):
            assert client.sendmail("alice@alpha.example", [f"bob{number}@receiver.example"], MESSAGE) == {}
    assert {message.body_behind_trace for message in relay.sink.wait_for(3)} == {MESSAGE}


@pytest.fixture
def postfix(tmp_path: Path) -> Iterator[Postfix]:
    server = Postfix(tmp_path / "postfix")
    yield server
    server.stop()


def test_postfix_as_the_customers_mail_server(relay: Relay, postfix: Postfix) -> None:
    postfix.start(relay_host=f"[127.0.0.1]:{relay.port}")
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as client:
        for number in range(20):
            client.sendmail("alice@alpha.example", [f"bob{number}@receiver.example"], MESSAGE)
    messages = relay.sink.wait_for(20)
    assert all(message.content.endswith(b".dot\r\nHello\r\n") for message in messages)
    assert all(b"with ESMTP" in message.content for message in messages)


def test_a_refusal_reaches_the_sender_through_postfix(relay: Relay, postfix: Postfix) -> None:
    postfix.start(relay_host=f"[127.0.0.1]:{relay.port}")
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as client:
        client.sendmail("mallory@gamma.example", ["bob@receiver.example"], MESSAGE)
    postfix.wait_for_log("sender-not-registered")
