"""How quick the portal is. Not a test; `make bench-portal` runs it.

    python bench/portal.py [--customers 10000] [--messages 500000] [--saves 100] [--reuse] [--directory D]

*Pages*: ten thousand customers with domains, sources and the mail of a day are written into SQLite files; then pages
are asked for in this process, through the whole of Django from the first middleware to the last octet. *Saving*: a
whole installation with two workers; somebody signs in and changes settings in the portal over HTTP, and the time from
the POST until the page says that all workers have applied it is taken. The page is asked every 20 ms for that, where a
browser asks every 500 ms, so that the time is the workers' and not the asking's. --reuse measures pages with the rows
that an earlier run has written.
"""

import argparse
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from installation import machine

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "correct-horse-battery"
DAY_SECONDS = 86_400
LIST_MARK, PAGE_MARK, SAVE_MARK = 300.0, 100.0, 2_000.0  # milliseconds that are the aim
BATCH = 5_000
LARGE = 100  # domains of the customer whose own pages are asked for


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=500_000)
    parser.add_argument("--saves", type=int, default=100)
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "portal")
    parser.add_argument("--reuse", action="store_true")
    options = parser.parse_args()
    directory: Path = options.directory.absolute()
    shutil.rmtree(directory / "saving" if options.reuse else directory, ignore_errors=True)
    print(machine())
    set_up_django(directory / "pages")
    if not options.reuse:
        begun = time.perf_counter()
        fill(options.customers, options.messages)
        took = time.perf_counter() - begun
        print(f"{options.customers} customers, {options.messages} messages: {took:.0f} s to write")
    print()
    print("| milliseconds | p50 | p99 | worst | aim |\n|---|--:|--:|--:|--:|")
    pages(options.customers)
    if options.saves:
        saves(directory / "saving", options.saves)


def set_up_django(state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True)
    os.environ |= {"DJANGO_SETTINGS_MODULE": "outgate.portal.web.settings", "OUTGATE_STATE": str(state)}
    os.environ.pop("OUTGATE_DATABASE", None)
    import django  # noqa: PLC0415 - the environment first
    from django.core.management import call_command  # noqa: PLC0415

    django.setup()
    from outgate.portal.start import migrate  # noqa: PLC0415
    from outgate.portal.web.readiness import readiness  # noqa: PLC0415

    call_command("collectstatic", interactive=False, verbosity=0)
    migrate()
    readiness.set_ready()


def fill(customers: int, messages: int) -> None:
    """A hundred partners; half of the customers on; mail as it is: few have much."""
    from django.utils import timezone  # noqa: PLC0415

    from outgate.portal.accounts.audit import Actor  # noqa: PLC0415
    from outgate.portal.accounts.models import Role  # noqa: PLC0415
    from outgate.portal.accounts.services import add_user  # noqa: PLC0415
    from outgate.portal.customers.models import Customer, Partner, Plan, Region  # noqa: PLC0415
    from outgate.portal.outbound.models import OutboundSource, Proof, SendingDomain  # noqa: PLC0415

    actor, now = Actor("bench"), timezone.now()
    partners = Partner.objects.bulk_create(Partner(name=f"Partner {number:03}") for number in range(100))
    regions = Region.objects.bulk_create(
        Region(slug=name.lower(), name=name, smarthost=f"{name.lower()}.smarthost.example") for name in ("EU", "US")
    )
    made = Customer.objects.bulk_create(
        [
            Customer(
                partner=partners[number % 100],
                region=regions[number % 2],
                slug=slug(number),
                name=f"{WORDS[number % len(WORDS)]} {number}",
                plan=list(Plan)[number % 2].value,
                outbound="active" if number % 2 else "off",
            )
            for number in range(customers)
        ],
        BATCH,
    )
    domains = (
        SendingDomain(
            customer=customer, name=f"d{place}.{customer.slug}.example", challenge="c", proof=Proof.DNS, verified_at=now
        )
        for number, customer in enumerate(made)
        for place in range(LARGE if number == 0 else 1 + number % 3)
    )
    SendingDomain.objects.bulk_create(domains, BATCH)
    OutboundSource.objects.bulk_create(
        (
            OutboundSource(customer=customer, network=f"11.{number >> 8}.{number & 255}.7/32")
            for number, customer in enumerate(made)
        ),
        BATCH,
    )
    track(customers, messages)
    add_user(actor=actor, email="operator@example.com", role=Role.OPERATOR, password=PASSWORD)
    add_user(actor=actor, email="staff@example.com", role=Role.PARTNER, password=PASSWORD, partner=partners[0])
    add_user(actor=actor, email="admin@example.com", role=Role.CUSTOMER_ADMIN, password=PASSWORD, customer=made[0])
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret  # noqa: PLC0415

    from outgate.portal.accounts.models import User  # noqa: PLC0415

    for user in User.objects.exclude(role=Role.CUSTOMER_ADMIN):
        TOTP.activate(user, generate_totp_secret())


WORDS = ("Nordwind", "Linde", "Hafen", "Baum", "Sommer", "Bogen", "Quelle", "Anker", "Fjord", "Stein")


def slug(number: int) -> str:
    return f"{WORDS[number % len(WORDS)].lower()}-{number}"


def track(customers: int, messages: int) -> None:
    from outgate.mail.message import queue_id  # noqa: PLC0415
    from outgate.portal.tracker.models import Status, TrackedMessage, TrackedRecipient  # noqa: PLC0415

    chance = random.Random(1)
    end = time.time()
    states = [Status.RELAYED] * 90 + [Status.REFUSED] * 6 + [Status.DEFERRED] * 3 + [Status.POSTPONED]
    for start in range(0, messages, BATCH):
        rows = []
        for number in range(start, min(start + BATCH, messages)):
            at = end - DAY_SECONDS * (1 - number / messages)
            of = min(int(customers * chance.random() ** 3), customers - 1)  # a tenth of them has half of the mail
            rows.append(
                TrackedMessage(
                    queue_id=queue_id(int(at * 1000), 0, number % 1_000),
                    customer_id=slug(of),
                    worker="bench/1",
                    at=datetime.fromtimestamp(at, UTC),
                    status=chance.choice(states),
                    source="11.0.0.7",
                    reverse_path=f"user@d0.{slug(of)}.example",
                    size_octets=20_000,
                    subject="A message of some kind",
                    facts_from=1,
                )
            )
        TrackedMessage.objects.bulk_create(rows)
        TrackedRecipient.objects.bulk_create(
            TrackedRecipient(
                queue_id=row.queue_id,
                forward_path="someone@receiver.example",
                outcome="relayed",
                rank=1,
                attempt=1,
                at=row.at,
            )
            for row in rows
        )


def pages(customers: int) -> None:
    from django.test import Client  # noqa: PLC0415

    from outgate.portal.accounts.models import User  # noqa: PLC0415

    def signed_in(email: str) -> Client:
        client = Client(headers={"host": "localhost"})
        client.force_login(User.objects.get(email=email))
        return client

    chance = random.Random(2)
    operator, staff, admin = (signed_in(f"{who}@example.com") for who in ("operator", "staff", "admin"))
    operator.get("/customers/")  # templates are compiled once
    last = -(-customers // 25)
    sorts = ("name", "-name", "plan", "-plan", "region", "-region", "outbound", "-outbound", "created", "-created")
    every = [f"/customers/?page={page}" for page in range(1, last + 1)]
    row("customers: every page by name", LIST_MARK, timed(operator, every))
    sorted_ = [f"/customers/?sort={sort}&page={chance.randint(1, last)}" for sort in sorts for _ in range(20)]
    row("customers: each way to sort, pages by chance", LIST_MARK, timed(operator, sorted_))
    searched = [f"/customers/?q={search}" for search in searches(chance, customers)]
    row("customers: search", LIST_MARK, timed(operator, searched))
    row("customers of one partner", LIST_MARK, timed(staff, ["/customers/", "/customers/?q=linde"] * 25))
    assert admin.get("/").status_code == 302
    found = {path: timed(client, [path] * 20) for client, path in own_pages(operator, admin)}
    for path, times in sorted(found.items(), key=lambda each: -percentile(each[1], 50))[:8]:
        row(f"{path.replace(slug(0), 'CUSTOMER')}", PAGE_MARK, times)
    row(f"all {len(found)} other pages", PAGE_MARK, [each for times in found.values() for each in times])


def searches(chance: random.Random, customers: int) -> Iterator[str]:
    for _ in range(25):
        number = chance.randrange(customers)
        yield WORDS[number % len(WORDS)][1:4]  # within thousands of names
        yield slug(number)
        yield f"d0.{slug(number)}"
        yield f"nothing-{number}"


def own_pages(operator: Any, admin: Any) -> Iterator[tuple[Any, str]]:
    """Every page without a form's answer, of the operator and of a customer with much of everything."""
    from django.urls import URLPattern, get_resolver  # noqa: PLC0415

    def walk(resolver: Any, prefix: str) -> Iterator[str]:
        for each in resolver.url_patterns:
            path = prefix + str(each.pattern)
            if isinstance(each, URLPattern):
                yield path
            else:
                yield from walk(each, path)

    given = examples()
    for path in walk(get_resolver(), "/"):
        if path.startswith("/api/v1/"):
            continue
        tried = path
        for placeholder, value in given.items():
            tried = tried.replace(placeholder, value)
        assert "<" not in tried, f"{path}: say in `examples` what stands for its placeholder"
        for client in (admin, operator):
            if client.get(tried).status_code == 200:
                yield client, tried
                break


def examples() -> dict[str, str]:
    """What stands for each placeholder: of the customer with much of everything. The longest first."""
    from outgate.portal.accounts.models import User  # noqa: PLC0415
    from outgate.portal.tracker.models import TrackedMessage  # noqa: PLC0415

    newest = TrackedMessage.objects.filter(customer_id=slug(0)).latest("at")
    return {
        "/team/<int:pk>/": f"/team/{User.objects.get(email='staff@example.com').pk}/",
        "<int:pk>": "1",  # of what is only removed, changed or checked
        "<slug:slug>": slug(0),
        "<slug:code>": "source-unknown",
        "<slug:kind>": "microsoft-365",
        "<slug:name>": "set-up",
        "<slug:queue_id>": newest.queue_id,
        "<slug:prefix>": "never-was",
        "<slug:provider_id>": "never-was",
        "<str:secret>": "never-was",
    }


def timed(client: Any, paths: list[str]) -> list[float]:
    """Milliseconds of each."""
    times = []
    for path in paths:
        begun = time.perf_counter()
        answer = client.get(path)
        times.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
    return times


def row(name: str, mark: float, times: list[float]) -> None:
    told = f"{percentile(times, 50):.0f} | {percentile(times, 99):.0f} | {max(times):.0f} | {mark:.0f}"
    print(f"| {name} | {told} |", flush=True)


def percentile(times: list[float], part: int) -> float:
    return sorted(times)[-(-len(times) * part // 100) - 1]


def saves(directory: Path, count: int) -> None:
    sys.path.insert(0, str(ROOT))
    from bench.portal_saving import Portal  # noqa: PLC0415

    with Portal(directory, PASSWORD) as portal:
        sources = [portal.save("sources/", network=f"11.0.{number}.7", label="Bench") for number in range(count)]
        switched = [portal.save("switch/", outbound="on" if number % 2 == 0 else "") for number in range(count)]
        shown = portal.shown
    row(f"a source is added, {count} times", SAVE_MARK, sources)
    row("switched on, in two phases", SAVE_MARK, switched[::2])
    row("switched off", SAVE_MARK, switched[1::2])
    row("as the page says it: Applied in", SAVE_MARK, shown)


if __name__ == "__main__":
    main()
