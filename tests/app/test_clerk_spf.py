"""The clerk's loop for SPF records: what it finds, and that its troubles are nobody else's."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.clerk import Running, running_clerk, worker_of
from tests.support.dns_server import DnsServer
from tests.support.portal import ACTOR, customer, region, sending_customer
from tests.support.spf_zone import GOOD_RECORD, ready, zone

from outgate.app import clerk_spf
from outgate.app.configuration import Configuration, Delivery, Providers, Spf
from outgate.contract.wire import Current, Documents
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.outbound.services import add_domain
from outgate.portal.spf.models import SpfState
from outgate.spf.report import report_on

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture(autouse=True)
def state(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STATE_DIRECTORY = tmp_path
    monkeypatch.setattr(clerk_spf, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(clerk_spf, "PACE_SECONDS", 0.01)


def configuration(dns: DnsServer | None = None, *, recheck: bool = True) -> Configuration:
    servers = (f"127.0.0.1:{dns.port}",) if dns is not None else ()
    return Configuration(
        providers=Providers(refresh=False), delivery=Delivery(nameservers=servers), spf=Spf(recheck=recheck)
    )


def good(number: int = 1) -> bool:
    return SpfState.objects.filter(state="good", claimed_until=None).count() == number


async def until_logged(running: Running, event: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while event not in running.log.events():  # noqa: ASYNC110 - the log of a test gives no sign
            await asyncio.sleep(0.01)
    return next(fields for name, fields in running.log.lines if name == event)


def test_domains_are_looked_at_and_a_loss_is_told(tmp_path: Path) -> None:
    ready(region())
    for number in range(6):
        sending_customer(f"C{number}", f"c{number}.example", f"9.9.9.{number}")
    served = zone(**{f"c{number}": [GOOD_RECORD] for number in range(6)})

    async def scenario(dns: DnsServer) -> dict[str, Any]:
        async with running_clerk(tmp_path, configuration=configuration(dns)) as running:
            await running.until(lambda: good(6))
            assert "spf-lost" not in running.log.events()
            served.records["c3.example"] = {"TXT": ['"v=spf1 -all"']}
            retry_at = await running.ask(lambda: SpfState.objects.earliest("asked_at").asked_at)
            await running.ask(lambda: SpfState.objects.filter(domain__name="c3.example").update(retry_at=retry_at))
            return await until_logged(running, "spf-lost")

    with DnsServer(served) as dns:
        told = asyncio.run(scenario(dns))

    assert told == {"customer": "c3", "domain": "c3.example", "state": "not-included"}
    entry = AuditEntry.objects.get(action="spf.lost")
    assert (entry.actor, entry.object) == ("clerk", "c3/c3.example")
    assert served.asked["c0.example", "TXT"] == 1


def test_new_domain_is_looked_at_before_it_is_proven(tmp_path: Path) -> None:
    ready(region())

    async def scenario(dns: DnsServer) -> None:
        async with running_clerk(tmp_path, configuration=configuration(dns)) as running:
            await running.ask(lambda: add_domain(actor=ACTOR, customer=customer("Alpha"), name="alpha.example"))
            await running.until(good)

    with DnsServer(zone(alpha=[GOOD_RECORD])) as dns:
        asyncio.run(scenario(dns))


def test_dns_that_is_silent_holds_up_neither_the_feed_nor_the_end(tmp_path: Path) -> None:
    sending_customer("Alpha", "alpha.example")
    served = zone()
    served.rcodes["alpha.example"] = "SILENT"

    async def scenario(dns: DnsServer) -> None:
        async with (
            running_clerk(tmp_path, configuration=configuration(dns)) as running,
            worker_of(running.socket) as worker,
        ):
            await running.until(lambda: SpfState.objects.exclude(claimed_until=None).exists())
            await worker.load()
            assert isinstance(await worker.hear_a(Current), Current)
            await running.ask(sending_customer, "Beta", "beta.example", "9.9.9.8")
            assert (await worker.hear_a(Documents)).items

    with DnsServer(served) as dns:
        asyncio.run(scenario(dns))


def test_a_bug_of_ours_in_one_check_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready(region())
    sending_customer("Alpha", "alpha.example")
    sending_customer("Beta", "beta.example", "9.9.9.8")

    def fails_once(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "alpha.example":
            raise ZeroDivisionError(name)
        return report_on(name, *arguments, **more)

    monkeypatch.setattr(clerk_spf, "report_on", fails_once)

    async def scenario(dns: DnsServer) -> dict[str, Any]:
        async with running_clerk(tmp_path, configuration=configuration(dns)) as running:
            await running.until(good)
            return await until_logged(running, "spf-check-failed")

    with DnsServer(zone(beta=[GOOD_RECORD])) as dns:
        assert asyncio.run(scenario(dns)) == {"domain": "alpha.example", "error": "ZeroDivisionError: alpha.example"}
    assert SpfState.objects.get(domain__name="alpha.example").trouble == "the check failed on our side"


def test_switched_off_it_asks_nobody(tmp_path: Path) -> None:
    sending_customer("Alpha", "alpha.example")
    served = zone()

    async def scenario(dns: DnsServer) -> None:
        async with running_clerk(tmp_path, configuration=configuration(dns, recheck=False)) as running:
            async with asyncio.timeout(20):
                await running.clerk._look_at_spf()  # it ends at once

    with DnsServer(served) as dns:
        asyncio.run(scenario(dns))
    assert not served.asked
    assert SpfState.objects.get().asked_at is None
