"""Mail by a sender relay that wants a login, with the real processes; no password is left lying about."""

import json
import ssl
from pathlib import Path

import trustme
from tests.support.client import RawClient
from tests.support.installation import Installation, customer, short_directory
from tests.support.messages import head
from tests.support.sink import Sink

PASSWORD = "correct-horse-9"
CONTENT = head() + b"\r\nHello\r\n"


def text(sink: Sink, password: str) -> dict[str, object]:
    relay = {
        "domain": "alpha.example", "host": "127.0.0.1", "port": sink.port, "login": "alpha", "password": password,
    }  # fmt: skip
    return customer("Alpha", ["alpha.example"], sender_relays=[relay])


def send(outgate: Installation) -> str:
    with RawClient(outgate.smtp_port) as client:
        client.ehlo()
        client.envelope("alice@alpha.example", "bob@receiver.example")
        return client.data(CONTENT)[1]


def test_login_is_said_behind_tls_and_a_wrong_one_only_delays() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    sink = Sink(context=context, logins={"alpha": PASSWORD}).start()
    with short_directory() as directory:
        outgate = Installation(directory, settings={"delivery": {"retry_intervals_seconds": [0.3]}})
        outgate.start()
        try:
            outgate.apply(text(sink, "wrong-pony-3"))
            assert "queued" in send(outgate)
            [line] = outgate.wait_for_log("attempted", where=lambda line: line["reason"] == "relay-login")[:1]
            assert "does not take the login" in json.dumps(line)
            assert sink.messages == []

            outgate.apply(text(sink, PASSWORD))
            [message] = sink.wait_for(1)
            assert message.is_tls
            assert sink.logged_in == ["alpha"]
            exported = outgate.command("customer", "export", "alpha")
            assert 'login = "alpha"' in exported
            assert "password" not in exported
            (directory / "again.toml").write_text(exported)
            assert "password" not in outgate.command("customer", "diff", str(directory / "again.toml"), check=False)
        finally:
            outgate.stop()
            sink.stop()
        for path in readable(directory):
            octets = path.read_bytes()
            assert PASSWORD.encode() not in octets, path
            assert b"wrong-pony-3" not in octets, path


def readable(directory: Path) -> list[Path]:
    """What is not the database, nor a worker's copy of its policy, nor the text that the test itself wrote."""
    kept = ("outgate.sqlite3", "policy", "Alpha.toml")
    return [path for path in directory.rglob("*") if path.is_file() and not path.name.startswith(kept)]
