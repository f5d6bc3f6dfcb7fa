"""Customers' keys of held mail with the real processes: after an upgrade, and with another secret key."""

import sqlite3
import time
from base64 import b64decode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.client import RawClient
from tests.support.decisions import decide
from tests.support.installation import Installation, customer
from tests.support.messages import head
from tests.support.sink import running_sink

from outgate.contract.commands import QueueCommand
from outgate.contract.policy import CustomerDocument
from outgate.portal.feed.codec import decode_command, decode_document
from outgate.portal.held.keys import PURPOSE
from outgate.portal.sealed_secrets import unseal
from outgate.sealing.keys import open_key, public_key_of

OWN_SECRET = "o" * 40  # the operator's


def ask(installation: Installation, statement: str) -> list[Any]:
    with closing(sqlite3.connect(installation.state / "outgate.sqlite3", timeout=30)) as database, database:
        return database.execute(statement).fetchall()


def private_key(installation: Installation, secret_key: str) -> bytes:
    ((sealed,),) = ask(installation, "SELECT private_key FROM held_heldkey")
    return unseal(sealed, [secret_key], PURPOSE)


def public_key(installation: Installation) -> bytes:
    """As the workers have it."""
    ((body,),) = ask(installation, "SELECT body FROM feed_policydocument WHERE key = 'customer:alpha'")
    document = decode_document(body)
    assert isinstance(document, CustomerDocument)
    return document.held_key


def test_what_is_held_is_readable_nowhere_until_a_person_releases_it(installation: Installation) -> None:
    content = head() + b"\r\nAll about Project Falcon, and Falcon's price\r\n"
    with running_sink() as sink:
        installation.start()
        scanning = {"is_on": True, "words": ["Project Falcon"], "data": [{"name": "words"}]}
        relay = ("127.0.0.1", sink.port)
        installation.apply(customer("Alpha", ["alpha.example"], relay=relay, scanning=scanning))
        with RawClient(installation.smtp_port) as client:
            client.ehlo()
            client.envelope("alice@alpha.example", "bob@receiver.example")
            assert client.data(content)[0] == 250
        (message,) = installation.queue()
        name = message["queue_id"]
        assert (message["state"], len(b64decode(message["sealed_key"]))) == ("held", 80)
        assert "sealed until it is released" in installation.command("queue", "show", name)
        assert not files_with(installation, b"Falcon's price")
        until(lambda: tracked_as(installation, name) == "held")

        assert decide(installation.state, "alpha", "release", name) == 1

        assert sink.wait_for(1)[0].body_behind_trace == content
        until(lambda: tracked_as(installation, name) == "relayed")
        until(lambda: bool(ask(installation, "SELECT 1 FROM feed_orderedcommand WHERE done_at IS NOT NULL")))
        ((body,),) = ask(installation, "SELECT body FROM feed_orderedcommand")
        command = decode_command(body)
        assert isinstance(command, QueueCommand)
        assert (command.queue_ids, command.keys) == ((name,), {})
        ((sealed, public),) = ask(installation, "SELECT private_key, public_key FROM held_heldkey")
        secret = (installation.state / "secret-key").read_text()
        private = unseal(sealed, [secret], PURPOSE)
        assert public_key_of(private) == public
        assert not files_with(installation, open_key(b64decode(message["sealed_key"]), private), under="log")


def files_with(installation: Installation, octets: bytes, under: str = "") -> list[Path]:
    """Files of the state directory that hold them."""
    files = [path for path in (installation.state / under).rglob("*") if path.is_file()]
    return [path for path in files if octets in path.read_bytes()]


def tracked_as(installation: Installation, name: str) -> str:
    with closing(sqlite3.connect(installation.state / "outgate-tracker.sqlite3", timeout=30)) as tracker:
        rows = tracker.execute("SELECT status FROM tracker_trackedmessage WHERE queue_id = ?", [name]).fetchall()
    return str(rows[0][0]) if rows else ""


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)  # polling another process's files


def test_keys_are_given_after_an_upgrade_and_follow_the_secret_key(installation: Installation) -> None:
    installation.start()
    installation.apply(customer("Alpha", ["alpha.example"]))
    installation.stop()
    former = (installation.state / "secret-key").read_text()
    first = public_key(installation)
    assert public_key_of(private_key(installation, former)) == first

    ask(installation, "DELETE FROM held_heldkey")  # as if its document had been made before there were keys
    installation.start()
    (line,) = installation.wait_for_log("held-keys")
    assert (line["given"], line["sealed_anew"], line["unreadable"]) == (1, 0, 0)
    second = public_key(installation)
    assert second != first
    assert public_key_of(private_key(installation, former)) == second
    installation.stop()

    own = installation.directory / "secret"
    own.write_text(OWN_SECRET)
    installation.settings["portal"] = {"secret_key_file": str(own)}
    installation.start()
    line = installation.wait_for_log("held-keys", 2)[1]
    assert (line["given"], line["sealed_anew"], line["unreadable"]) == (0, 1, 0)
    assert public_key_of(private_key(installation, OWN_SECRET)) == public_key(installation) == second
    # What the command line makes is sealed with the same secret as what the clerk makes.
    ask(installation, "DELETE FROM held_heldkey")
    installation.apply(customer("Alpha", ["alpha.example", "more.example"]))
    assert public_key_of(private_key(installation, OWN_SECRET)) == public_key(installation)
    assert f"{own} is not in it" in installation.command("backup", str(installation.directory / "backup.tar"))
