"""What an operator does and sees: start, stop, queue, health, certificates, a database that is away."""

import json
import os
import signal
import socket
import ssl
from pathlib import Path

from tests.support.client import RawClient
from tests.support.installation import Installation, customer, free_port
from tests.support.messages import head
from tests.support.sink import running_sink

from outgate.app.metrics import METRICS, split_labels
from outgate.contract.wire import Measured, Statistics
from outgate.net.control import ask

CONTENT = head() + b"\r\nHello\r\n"


def send(outgate: Installation, recipient: str = "bob@receiver.example") -> str:
    with RawClient(outgate.smtp_port) as client:
        client.ehlo()
        client.envelope("alice@alpha.example", recipient)
        code, text = client.data(CONTENT)
        assert code == 250, text
        return text.split()[-1]


def test_the_queue_can_be_listed_and_acted_on(installation: Installation) -> None:
    port = free_port()
    installation.start()
    installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", port)))
    ids = [send(installation, f"bob{number}@receiver.example") for number in range(3)]
    installation.wait_for_log("attempted", 1)
    assert {message["queue_id"] for message in installation.queue()} == set(ids)
    shown = json.loads(installation.command("queue", "show", ids[0], "--json"))
    assert shown["recipients"][0]["forward_path"] == "bob0@receiver.example"
    assert "3" not in installation.command("queue", "hold", ids[0])
    installation.command("queue", "delete", ids[1])
    assert json.loads(installation.command("queue", "show", ids[0], "--json"))["state"] == "held"
    assert "not in the queue" in installation.command("queue", "delete", ids[1], check=False)
    # What people decided outlives the process.
    installation.stop()
    installation.start()
    left = {message["queue_id"]: message["state"] for message in installation.queue()}
    assert left == {ids[0]: "held", ids[2]: left[ids[2]]}
    with running_sink(port=port) as sink:
        installation.command("queue", "release", ids[0])
        installation.command("queue", "retry", "--all")
        recipients = {message.recipients[0] for message in sink.wait_for(2)}
    assert recipients == {"RCPT TO:<bob0@receiver.example>", "RCPT TO:<bob2@receiver.example>"}


def test_interrupt_ends_cleanly_and_keeps_what_is_not_delivered(installation: Installation) -> None:
    installation.start()
    installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", free_port())))
    queue_id = send(installation)
    assert installation.stop(signal.SIGINT) == 0
    installation.start()
    assert [message["queue_id"] for message in installation.queue()] == [queue_id]


def test_mail_flows_while_clerk_and_database_are_away(installation: Installation) -> None:
    """Known customers are served from the local copy; who is unknown is told to come again, never refused for good."""
    with running_sink() as sink:
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port)))
        send(installation)
        sink.wait_for(1)
        installation.stop()
        for path in installation.state.glob("*.sqlite3*"):
            path.rename(path.with_suffix(".away"))
        (installation.state / "outgate.sqlite3").mkdir()  # no database can be made there
        installation.start()
        send(installation)
        sink.wait_for(2)
        with RawClient(installation.smtp_port) as client:
            client.ehlo()
            client.say("MAIL FROM:<mallory@gamma.example>")
            code, text = client.say("RCPT TO:<bob@receiver.example>")
            assert code == 451
            assert "policy-stale" in text


def test_a_new_certificate_is_shown_without_a_restart(installation: Installation) -> None:
    installation.start()
    directory = installation.state / "tls"
    before = shown_certificate(installation.smtp_port)
    for name in ("self-signed.pem", "self-signed.key"):
        (directory / name).unlink()
    from outgate.net.certificate import ensure_self_signed

    ensure_self_signed(directory, "outgate.example")
    os.kill(installation.process_ids("worker-1")[-1], signal.SIGHUP)
    installation.wait_for_log("certificate-loaded")
    assert shown_certificate(installation.smtp_port) != before


def shown_certificate(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.recv(1000)
        connection.sendall(b"EHLO a\r\n")
        connection.recv(1000)
        connection.sendall(b"STARTTLS\r\n")
        assert connection.recv(1000).startswith(b"220")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(connection) as secured:
            shown = secured.getpeercert(binary_form=True)
            assert shown is not None
            return shown


def test_health_and_metrics(installation: Installation) -> None:
    with running_sink() as sink:
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port)))
        send(installation)
        sink.wait_for(1)
        installation.wait_for_log("attempted", 1)
        assert json.loads(installation.fetch("/healthz")) == {
            "status": "good",
            "workers": {"1": "good"},
            "portal": "off",
        }
        metrics = installation.fetch("/metrics")
        assert 'outgate_messages_accepted_total{worker="1"} 1.0' in metrics
        assert 'outgate_recipients_total{outcome="relayed",worker="1"} 1.0' in metrics.replace(
            '{worker="1",outcome="relayed"}', '{outcome="relayed",worker="1"}'
        )


def test_every_value_that_a_worker_reports_is_documented(installation: Installation) -> None:
    installation.start()
    installation.apply(customer("Alpha", ["alpha.example"]))  # then the clerk is there too
    for socket_name in ("worker-1.sock", "clerk-control.sock"):
        answer = ask(installation.state / "run" / socket_name, Statistics())
        assert isinstance(answer, Measured)
        assert {split_labels(name)[0] for name in answer.values} <= METRICS.keys()


def test_settings_that_make_no_sense_are_named(installation: Installation, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[limits]\nrecipient = 10\n")
    installation.directory.mkdir()
    installation.write_settings()
    installation.settings_path.write_text(path.read_text())
    output = installation.command("check-configuration", check=False)
    assert "limits.recipient: there is no such setting; did you mean `limits.recipients`?" in output


def test_proxy_header_gives_the_client_address(installation: Installation) -> None:
    port = free_port()
    installation.settings = {"listeners": [{"address": "127.0.0.1", "port": port, "proxies": ["127.0.0.1/32"]}]}
    installation.smtp_port = port
    with running_sink() as sink:
        installation.start()
        installation.apply(
            customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port), sources=["198.51.100.7/32"])
        )
        with RawClient(port, greet=False) as client:
            client.send(b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 25\r\n")
            assert client.reply()[0] == 220
            client.ehlo()
            client.envelope()
            assert client.data(CONTENT)[0] == 250
        assert b"from client.example ([198.51.100.7])" in sink.wait_for(1)[0].content
        with RawClient(port, greet=False) as client:
            client.send(b"EHLO client.example\r\n")
            assert client.reply() == (0, "")
