"""Limits of senders with the real process: the slow lane, locks, restarts, two workers that share."""

import json
import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from tests.support.client import RawClient
from tests.support.installation import Installation, customer
from tests.support.limits import set_limits
from tests.support.messages import head
from tests.support.sink import Sink, running_sink

from outgate.contract.policy import Counted, Limit, LimitScope, SenderLimits
from outgate.policy.failures import FAILED_PROOFS_MAX

CONTENT = head() + b"\r\nHello\r\n"
ALICE = "alice@alpha.example"
SECONDS = 60.0


DEFAULTS: dict[str, Any] = {}


def of_mailbox(maximum: int, seconds: int, **settings: int | float) -> dict[str, Any]:
    """Limits as a customer's text has them."""
    rule = {"scope": "mailbox", "counted": "recipients", "seconds": seconds, "maximum": maximum}
    return {"rules": [rule], **settings}


def send(outgate: Installation, *recipients: str, sender: str = ALICE, content: bytes = CONTENT) -> str:
    """One message on a connection of its own; the last reply, in one line."""
    with RawClient(outgate.smtp_port) as client:
        client.ehlo()
        code, text = client.say(f"MAIL FROM:<{sender}>")
        for recipient in recipients or ("bob@receiver.example",):
            if code == 250:
                code, text = client.say(f"RCPT TO:<{recipient}>")
        if code == 250:
            _, text = client.data(content)
        return text.strip()


def burst(outgate: Installation, count: int) -> list[str]:
    """Messages of one recipient each on one connection; the replies."""
    with RawClient(outgate.smtp_port) as client:
        client.ehlo()
        replies = []
        for number in range(count):
            client.envelope(ALICE, f"bob{number}@receiver.example")
            replies.append(client.data(CONTENT)[1].strip())
        return replies


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)  # polling other processes, which offer nothing to wait on


def written_down(database: sqlite3.Connection, subject: str) -> int:
    """What the clerk has written of all workers' use of one limit."""
    rows = database.execute("SELECT parts FROM limits_nodecount WHERE key LIKE ?", (f"%{subject}%",)).fetchall()
    return sum(sum(json.loads(parts).values()) for (parts,) in rows)


def states(outgate: Installation) -> list[str]:
    return sorted(message["state"] for message in outgate.queue())


def start(outgate: Installation, sink: Sink, limits: dict[str, Any]) -> None:
    outgate.start()
    outgate.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port), limits=limits))


def test_the_default_limit_passes_50_and_the_51st_waits_in_the_slow_lane(installation: Installation) -> None:
    with running_sink() as sink:
        start(installation, sink, DEFAULTS)
        replies = burst(installation, 51)
        assert all(reply.startswith("250") for reply in replies)
        sink.wait_for(50)
        (waiting,) = installation.queue()
        assert (waiting["state"], waiting["lane_reason"]) == ("slow", "over-limit")
        assert time.time() < waiting["expected_at"] < time.time() + 331
        shown = installation.command("queue", "show", waiting["queue_id"])
        assert re.search(r"^waits for: +over-limit$", shown, re.MULTILINE)
        assert "slow" in installation.command("queue", "list", "--slow")
        assert installation.metric("outgate_limits_slow_messages") == 1
        listed = json.loads(installation.command("sender", "list", "--json"))["senders"]
        assert {(use["subject"], use["used"], use["maximum"]) for use in listed if use["seconds"] == 300} == {
            (ALICE, 50, 50)
        }
        # A person lets it go at once.
        installation.command("queue", "release", waiting["queue_id"])
        sink.wait_for(51)


def test_a_slow_message_leaves_by_itself_when_its_window_allows(installation: Installation) -> None:
    with running_sink() as sink:
        start(installation, sink, DEFAULTS)
        few = SenderLimits(limits=(Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 4, 3),))
        set_limits(installation.state, few, ["alpha"])
        began = time.monotonic()
        replies = burst(installation, 6)
        assert all(reply.startswith("250") for reply in replies)
        received = sink.wait_for(6)
        assert time.monotonic() - began >= 4 * 0.9
        assert len({message.recipients[0] for message in received}) == 6
        until(lambda: installation.queue() == [], "the queue is empty")
        assert installation.metric("outgate_limits_drained_total") == 3


def test_a_full_slow_lane_is_said_with_the_time(installation: Installation) -> None:
    with running_sink() as sink:
        start(installation, sink, of_mailbox(1, 600, slow_messages_max=2, lock_factor=0))
        for _ in range(3):
            assert send(installation).startswith("250")
        reply = send(installation)
        assert re.match(r"451 4\.7\.1 slow-lane-full: alice@alpha\.example may send again at \d\d:\d\d:\d\d UTC", reply)
        assert send(installation, sender="carol@alpha.example").startswith("250")


def test_slow_mail_and_counters_survive_a_kill(installation: Installation) -> None:
    with running_sink() as sink:
        start(installation, sink, of_mailbox(2, 3_600))
        burst(installation, 4)
        sink.wait_for(2)
        copy = installation.state / "workers" / "1" / "senders"
        until(copy.exists, "the counts are on disk")
        until(lambda: ALICE.encode() in copy.read_bytes(), "the counts are on disk")
        installation.stop(signal.SIGKILL)
        installation.start()
        assert states(installation) == ["slow", "slow"]
        assert send(installation).startswith("250")
        assert states(installation) == ["slow", "slow", "slow"]
        assert len(sink.messages) == 2


def test_a_wild_sender_is_locked_admins_are_told_and_a_person_unlocks(installation: Installation) -> None:
    with running_sink() as sink:
        installation.settings["postmaster"] = "operator@alpha.example"
        installation.settings["delivery"] = {"nameservers": ["127.0.0.1:1"]}  # nobody: the letter waits in the queue
        start(installation, sink, DEFAULTS)
        recipients = [f"r{number}@receiver.example" for number in range(501)]
        reply = send(installation, *recipients)
        assert re.match(r"550 5\.7\.1 sender-locked: alice@alpha\.example is locked until ", reply)
        assert send(installation).startswith("550 5.7.1 sender-locked")
        assert send(installation, sender="carol@alpha.example").startswith("250")

        def locked() -> list[str]:
            found = json.loads(installation.command("sender", "list", "--customer", "alpha", "--json"))["locked"]
            return [lock["mailbox"] for lock in found]

        until(lambda: locked() == [ALICE], "the lock is recorded")
        notices = installation.wait_for_log("notice")
        assert [notice["recipients"] for notice in notices] == [1]
        letters = [message for message in installation.queue() if not message["customer_id"]]
        assert [(letter["reason"], letter["reverse_path"], letter["subject"]) for letter in letters] == [
            ("own-notice", "", "alice@alpha.example is locked and cannot send")
        ]
        assert letters[0]["recipients"][0]["forward_path"] == "operator@alpha.example"
        assert re.search(
            rf"alpha +mailbox +{ALICE} +locked until .* over-limit", installation.command("sender", "list")
        )
        installation.command("sender", "unlock", ALICE, "--customer", "alpha")
        again = installation.command("sender", "unlock", ALICE, "--customer", "alpha", check=False)
        assert f"{ALICE} of alpha is not locked" in again
        until(lambda: send(installation).startswith("250"), "alice may send again")
        assert locked() == []
        # Locked by hand it is locked on the workers too.
        installation.command("sender", "lock", "carol@alpha.example", "--customer", "alpha", "--for", "600")
        until(lambda: send(installation, sender="Carol@alpha.example").startswith("550"), "carol is locked")
        assert len(installation.log_lines("notice")) == 1


def test_nobody_exhausts_or_locks_anothers_limits_with_mail_that_is_not_proven(installation: Installation) -> None:
    with running_sink() as sink:
        start(installation, sink, of_mailbox(2, 3_600, lock_factor=2.0))
        installation.apply(
            customer("Beta", ["beta.example"], relay=("127.0.0.1", sink.port), limits=of_mailbox(2, 3_600))
        )
        forged = CONTENT.replace(ALICE.encode(), b"alice@gamma.example")
        for _ in range(20):
            assert not send(installation, content=forged).startswith("250")  # not alpha's From
            assert not send(installation, sender="alice@beta.example").startswith("250")  # alpha's From, beta's path
        assert send(installation).startswith("250")
        assert states(installation).count("slow") == 0
        assert json.loads(installation.command("sender", "list", "--json"))["locked"] == []


def test_two_workers_share_one_limit(installation: Installation) -> None:
    installation.settings["workers"] = 2
    with running_sink() as sink:
        start(installation, sink, of_mailbox(20, 3_600, lock_factor=0))
        metrics = installation.wait_for_metric
        metrics('outgate_limits_workers{worker="1"} 2.0')
        metrics('outgate_limits_workers{worker="2"} 2.0')
        for _ in range(60):
            assert send(installation).startswith("250")
        # What a worker may not let go alone waits until it has heard of the other: so it comes to 20 in the end.
        until(lambda: len(sink.messages) >= 20, "20 have left")
        until(lambda: len(states(installation)) <= 40, "the others are slow")
        assert 20 <= len(sink.messages) <= 20 + 10  # the stated overshoot: a half for the second worker
        assert set(states(installation)) == {"slow"}
        with closing(sqlite3.connect(installation.state / "outgate.sqlite3", timeout=30)) as database:
            count = "SELECT count(*) FROM limits_nodecount WHERE key LIKE ?"
            until(lambda: database.execute(count, (f"%{ALICE}%",)).fetchone()[0] == 1, "the clerk wrote it down")


def test_without_a_clerk_workers_keep_to_their_share_and_lose_nothing(installation: Installation) -> None:
    installation.settings["workers"] = 2
    with running_sink() as sink:
        start(installation, sink, of_mailbox(10, 3_600, lock_factor=0))
        installation.wait_for_metric('outgate_limits_workers{worker="1"} 2.0')
        installation.wait_for_metric('outgate_limits_workers{worker="2"} 2.0')
        clerk = installation.process_ids("clerk")[-1]
        os.kill(clerk, signal.SIGSTOP)  # there, and silent
        try:
            for _ in range(30):
                assert send(installation).startswith("250")
            until(lambda: len(states(installation)) <= 25, "a share has left")
            assert set(states(installation)) == {"slow"}
            assert len(sink.messages) <= 10  # five of each worker
        finally:
            os.kill(clerk, signal.SIGCONT)
        until(lambda: len(sink.messages) >= 10, "the rest of the limit leaves when the clerk answers")
        waiting = len(states(installation))  # first: what leaves meanwhile is counted twice, not left out
        assert waiting + len(sink.messages) >= 30


def test_four_workers_lock_a_mailbox_for_what_they_have_seen_together(installation: Installation) -> None:
    """501 messages of 50 in five minutes lock. A single worker sees a quarter of them, and knows little of the last."""
    installation.settings["workers"] = 4
    with running_sink() as sink:
        start(installation, sink, DEFAULTS)
        for worker in "1234":
            installation.wait_for_metric(f'outgate_limits_workers{{worker="{worker}"}} 4.0')
        taken = 0
        while (reply := send(installation)).startswith("250"):
            taken += 1
            assert taken < 750, "it is not locked"
        assert reply.startswith("550 5.7.1 sender-locked: ")
        assert taken >= 500


def test_workers_slow_a_source_for_the_proofs_that_failed_at_all_also_after_a_restart(
    installation: Installation,
) -> None:
    installation.settings["workers"] = 2
    with running_sink() as sink:
        start(installation, sink, DEFAULTS)
        for worker in "12":
            installation.wait_for_metric(f'outgate_limits_workers{{worker="{worker}"}} 2.0')
        forged = CONTENT.replace(ALICE.encode(), b"alice@gamma.example")
        replies = [send(installation, content=forged)]
        while not all("too-many-failures" in reply for reply in replies[-20:]):  # by chance at both workers
            replies.append(send(installation, content=forged))
            assert len(replies) < FAILED_PROOFS_MAX * 3, "it is not slowed"
        refused = sum("from-mismatch" in reply for reply in replies)
        assert FAILED_PROOFS_MAX // 2 < refused <= FAILED_PROOFS_MAX * 3 // 2  # the stated overshoot: a half
        assert send(installation).startswith("250")  # what is proven passes all the same
        with closing(sqlite3.connect(installation.state / "outgate.sqlite3", timeout=30)) as database:
            until(lambda: written_down(database, "source:127.0.0.1") >= FAILED_PROOFS_MAX, "the clerk wrote it down")
        installation.stop()
        installation.start()
        for worker in "12":
            installation.wait_for_metric(f'outgate_policy_current{{worker="{worker}"}} 1.0')
        again = [send(installation, content=forged) for _ in range(FAILED_PROOFS_MAX // 4)]
        assert sum("from-mismatch" in reply for reply in again) <= 5, again  # what each had left of its share
        assert send(installation).startswith("250")
