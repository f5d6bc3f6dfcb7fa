"""How fast the tracker's pages are with a million messages, and what its index costs the recording. Not a test;
`make bench-tracker` runs it.

    python bench/tracker.py [--messages 1000000] [--customers 200] [--directory build/tracker] [--rounds 5]

Events of mail as it is (a third with two recipients or more, some deferred, failed or refused) are recorded in batches
as the clerk does, on SQLite. The largest customer has a sixth of all mail. Then each kind of search is asked as a page,
through the whole portal; and batches are recorded with the index as it is and as it was, in turns.
"""

# ruff: noqa: PLC0415 - Django wants its settings first

import argparse
import os
import platform
import random
import resource
import sqlite3
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outgate.portal.accounts.models import User

ROOT = Path(__file__).resolve().parent.parent
BATCH = 1_000  # events of one transaction, about what the clerk takes at once
DAYS = 6  # that the messages are spread over
OLD_INDEX = "CREATE INDEX message_of_customer ON tracker_trackedmessage (customer_id, queue_id)"
WORDS = ("invoice", "offer", "meeting", "report", "order", "delivery", "question", "reminder", "minutes", "contract")
SEARCHES: tuple[dict[str, str], ...] = (
    {},
    {"status": "failed"},
    {"status": "held"},  # there is none
    {"reason": "from-mismatch"},
    {"source": "203.0.113.1"},  # none
    {"lane": "slow"},  # none
    {"sender": "user7@"},
    {"sender": "nobody-such"},  # none
    {"recipient": "somebody4242@"},  # few
    {"subject": "no such words"},  # none
    {"message_id": "abcdef"},  # few
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "tracker")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(machine_facts())
    is_new = not (arguments.directory / "outgate-tracker.sqlite3").exists()
    start(arguments.directory)
    if is_new:
        fill(arguments.messages, arguments.customers)
    else:
        print(f"{arguments.directory} is taken as it is; remove it to begin anew")
    inserts(arguments.customers, arguments.rounds)


def machine_facts() -> str:
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return (
        f"{os.cpu_count()} x {cpu.partition(':')[2].strip() or platform.machine()}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, load {os.getloadavg()[0]:.1f}"
    )


def start(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        OUTGATE_STATE=str(directory), OUTGATE_DATABASE="", DJANGO_SETTINGS_MODULE="outgate.portal.web.settings"
    )
    import django

    django.setup()
    from outgate.portal.start import migrate

    migrate()


class Mail:
    """Makes the events of messages, in the order of time."""

    def __init__(self, customers: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = [name_of(number) for number in range(customers)]
        self.weights = [1 / (number + 1) for number in range(customers)]
        self.counter = 0

    def events(self, count: int, first: float, last: float) -> Iterator[object]:
        customers = self.random.choices(range(len(self.names)), self.weights, k=count)
        for place, customer in enumerate(customers):
            yield from self.message(customer, first + (last - first) * place / count)

    def message(self, customer: int, at: float) -> Iterator[object]:
        from outgate.contract.events import DeliveryAttempted, MessageAccepted, MessageRefused, RecipientOutcome
        from outgate.mail.evidence import Evidence
        from outgate.mail.queue_ids import queue_id

        self.counter += 1
        chance, name = self.random.random(), self.names[customer]
        name_id = queue_id(int(at * 1000), 1, self.counter & 0x3FFF)
        sender = f"user{self.random.randrange(50)}@{name}.example"
        recipients = 1 if self.random.random() < 0.66 else self.random.randrange(2, 5)
        paths = tuple(
            f"somebody{self.random.randrange(100_000)}@receiver{self.random.randrange(500)}.example"
            for _ in range(recipients)
        )
        facts = {
            "queue_id": name_id,
            "worker": "node/1",
            "at": at,
            "customer_id": name,
            "source": f"198.51.{customer}.{self.random.randrange(3)}",
            "hello_name": f"mail.{name}.example",
            "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
            "reverse_path": sender,
            "forward_paths": paths,
            "size_octets": self.random.randrange(2_000, 200_000),
            "message_id_field": f"<{self.random.randbytes(12).hex()}@{name}.example>",
            "header_from": sender,
            "subject": " ".join(self.random.choices(WORDS, k=6)) + f" {self.counter}",
            "evidence": Evidence("declared", dkim="none"),
        }
        if chance < 0.03:
            reply = f"550 5.7.1 from-mismatch: the From field's domain is not yours (ref {name_id})"
            yield MessageRefused(**facts, ordinal=1, stage="content", reason="from-mismatch", reply=reply)
            return
        yield MessageAccepted(**facts, reason="domain-own")
        reply = f"250 2.0.0 Ok: queued as {self.random.randbytes(6).hex()}"
        outcome = "relayed"
        if chance < 0.06:
            outcome, reply = "deferred", "451 4.7.1 Greylisted, come again later"
        elif chance < 0.08:
            outcome, reply = "failed", "550 5.1.1 User unknown"
        outcomes = tuple(RecipientOutcome(place, path, outcome, reply) for place, path in enumerate(paths))
        yield DeliveryAttempted(
            name_id, 1, "relay.receiver.example", "node/1", at + 0.5, name, outcomes, f"next-hop-{outcome}", "TLSv1.3",
            0.2, 0.0 if outcome != "deferred" else at + 900, outcome != "deferred",
        )  # fmt: skip


def name_of(customer: int) -> str:
    return f"customer-{customer}"


def record(events: Iterator[object]) -> int:
    from outgate.portal.tracker.recording import record_events

    batch, count = [], 0
    for event in events:
        batch.append(event)
        if len(batch) == BATCH:
            record_events(batch)
            count += len(batch)
            batch = []
    record_events(batch)
    return count + len(batch)


def fill(messages: int, customers: int) -> None:
    now, begun = time.time(), time.perf_counter()
    record(Mail(customers, 1).events(messages, now - DAYS * 86_400, now))
    seconds = time.perf_counter() - begun
    print(f"{messages:,} messages of {customers} customers recorded in {seconds:.0f} s, their making included")


def pages(customers: int, rounds: int) -> None:
    """Each search as a signed-in person asks it: the whole answer's time, the median and the longest of `rounds`."""
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "whitenoise" not in each]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    from outgate.portal.web.readiness import readiness

    readiness.set_ready()
    sizes = (0, customers // 10, customers - 1)
    for slug in map(name_of, sizes):
        client = Client()
        client.force_login(admin_of(slug))
        client.get(f"/customers/{slug}/mail/")  # whatever is loaded once
        for query in SEARCHES:
            seconds, shown, is_whole = [], 0, True
            for _ in range(rounds):
                begun = time.perf_counter()
                answer = client.get(f"/customers/{slug}/mail/", query)
                seconds.append(time.perf_counter() - begun)
                assert answer.status_code == 200, answer.status_code
                shown = len(answer.context["rows"])
                is_whole = answer.context["found"].searched_to is None
            name = ", ".join(f"{key}={value}" for key, value in query.items()) or "nothing"
            end = "" if is_whole else ", stopped when its time was up"
            print(
                f"{slug}, filtered by {name}: {statistics.median(seconds) * 1000:.0f} ms, at most "
                f"{max(seconds) * 1000:.0f} ms, {shown} shown{end}"
            )


def admin_of(slug: str) -> "User":
    from outgate.portal.accounts.audit import Actor
    from outgate.portal.accounts.models import Role, User
    from outgate.portal.accounts.services import add_user
    from outgate.portal.customers.models import Customer, Partner, Region
    from outgate.portal.customers.services import create_customer, create_partner, create_region

    actor, email = Actor("bench"), f"admin@{slug}.example"
    found = User.objects.filter(email=email).first()
    if found is not None:
        return found
    partner = Partner.objects.first() or create_partner(actor=actor, name="Bench")
    region = Region.objects.first() or create_region(actor=actor, name="Bench")
    customer = Customer.objects.filter(slug=slug).first()
    if customer is None:
        customer = create_customer(actor=actor, name=slug, partner=partner, region=region)
    return add_user(actor=actor, email=email, role=Role.CUSTOMER_ADMIN, password="no-secret-at-all", customer=customer)


def inserts(customers: int, rounds: int) -> None:
    """Batches in turns with the index as it is and as it was; CPU of this process, and the wall clock."""
    from django.conf import settings
    from django.db import connections

    connection = connections[settings.TRACKER_DATABASE]
    with connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE name = 'message_of_customer'")
        present = cursor.fetchone()[0]
    if present.lower().count(",") == 1:
        print("the index is as it was: nothing to compare")
    mail, count = Mail(customers, int(time.time())), 5_000
    taken: dict[str, list[tuple[float, float]]] = {"as it was": [], "as it is": []}
    for _ in range(rounds):
        for label, statement in (("as it was", OLD_INDEX), ("as it is", present)):
            with connection.cursor() as cursor:
                cursor.execute("DROP INDEX message_of_customer")
                cursor.execute(statement)
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            now = time.time()
            events = iter(list(mail.events(count, now, now + 60)))
            wall, cpu = time.perf_counter(), cpu_seconds()
            record(events)
            taken[label].append((cpu_seconds() - cpu, time.perf_counter() - wall))
    for label, values in taken.items():
        cpu, wall = (statistics.median(each) for each in zip(*values, strict=True))
        print(f"recording {count:,} messages, index {label}: {cpu:.2f} s CPU, {wall:.2f} s in all (median of {rounds})")


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
