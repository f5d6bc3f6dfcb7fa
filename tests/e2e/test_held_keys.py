"""Customers' keys of held mail with the real processes: after an upgrade, and with another secret key."""

import sqlite3
from contextlib import closing
from typing import Any

from tests.support.installation import Installation, customer

from outgate.contract.policy import CustomerDocument
from outgate.portal.feed.codec import decode_document
from outgate.portal.held.keys import PURPOSE
from outgate.portal.sealed_secrets import unseal
from outgate.sealing.keys import public_key_of

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
