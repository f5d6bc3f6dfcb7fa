"""The clerk's loop for the providers: what workers get of it, and that its troubles are nobody else's."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from tests.support.clerk import Running, running_clerk, worker_of
from tests.support.dns_server import DnsServer, Zone
from tests.support.portal import customer
from tests.support.provider_server import MICROSOFT, VERSION, ProviderServer, answer, running_provider_server

from outgate.app import clerk_providers
from outgate.app.clerk_feed import CURRENT_SECONDS
from outgate.app.clerk_providers import in_thread
from outgate.app.configuration import Configuration, Providers
from outgate.app.provider_data import packaged_lists
from outgate.contract.policy import Provider, ProviderDocument
from outgate.contract.wire import Current, Documents
from outgate.portal.providers import services
from outgate.portal.providers.models import ProviderState

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

GOOGLE = " ".join(
    f"ip6:{network}" if ":" in network else f"ip4:{network}" for network in packaged_lists()[Provider.GOOGLE].networks
)
SPF = {"_spf.google.com": {"TXT": [f'"v=spf1 ip4:64.233.160.0/19 {GOOGLE[:150]}" "{GOOGLE[150:]} ~all"']}}
LABEL = '{provider="microsoft"}'


@pytest.fixture(autouse=True)
def state(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STATE_DIRECTORY = tmp_path
    monkeypatch.setattr(clerk_providers, "LOOK_SECONDS", 0.05)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ProviderServer]:
    with running_provider_server(tmp_path) as running:
        yield running


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer(Zone(SPF)) as running:
        yield running


async def until_logged(running: Running, event: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while event not in running.log.events():  # noqa: ASYNC110 - the log of a test gives no sign
            await asyncio.sleep(0.01)
    return next(fields for name, fields in running.log.lines if name == event)


async def until_young(running: Running) -> None:
    """Until the clerk knows that the list was just confirmed."""
    async with asyncio.timeout(20):
        while running.clerk.statistics()[f"outgate_provider_age_seconds{LABEL}"] > 60:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)


def test_workers_are_told_what_the_sources_say(tmp_path: Path, server: ProviderServer, dns: DnsServer) -> None:
    configuration = server.configuration([f"127.0.0.1:{dns.port}"])

    async def scenario() -> dict[str, ProviderDocument]:
        told: dict[str, ProviderDocument] = {}
        async with (
            running_clerk(tmp_path, configuration=configuration) as running,
            worker_of(running.socket) as worker,
        ):
            async with asyncio.timeout(20):
                while len(told) < 2:
                    for item in (await worker.hear_a(Documents)).items:
                        assert isinstance(item.document, ProviderDocument)
                        told[item.key] = item.document
            await until_young(running)
            measured = running.clerk.statistics()
            assert measured[f"outgate_provider_networks{LABEL}"] == len(MICROSOFT)
            assert measured[f"outgate_provider_refresh_failures{LABEL}"] == 0
            assert "provider-stale" not in running.log.events()
        return told

    told = asyncio.run(scenario())

    assert told["provider:microsoft"].version == VERSION
    assert set(told["provider:microsoft"].networks) == set(MICROSOFT)
    assert "64.233.160.0/19" in told["provider:google"].networks


def test_next_clerk_goes_on_where_the_last_one_ended(tmp_path: Path, server: ProviderServer, dns: DnsServer) -> None:
    """It asks when it is time, and is the same client to the service."""
    configuration = server.configuration([f"127.0.0.1:{dns.port}"])

    async def run() -> None:
        async with running_clerk(tmp_path, configuration=configuration) as running:
            await running.until(lambda: ProviderState.objects.filter(checked_at=None).count() == 0)
            await running.until(lambda: ProviderState.objects.count() == 2)
            await until_young(running)

    asyncio.run(run())
    asyncio.run(run())
    assert server.asked == ["version", "endpoints"]
    ProviderState.objects.update(retry_at=None)
    asyncio.run(_refresh_again(tmp_path, configuration))
    assert server.asked == ["version", "endpoints", "version"]
    assert len(server.request_ids) == 1


async def _refresh_again(directory: Path, configuration: Configuration) -> None:
    async with running_clerk(directory, configuration=configuration) as running:
        await running.until(lambda: ProviderState.objects.filter(retry_at=None).count() == 0)


def test_source_that_hangs_holds_up_neither_the_feed_nor_the_end(tmp_path: Path, server: ProviderServer) -> None:
    asked, ended = threading.Event(), threading.Event()

    def hang(request: BaseHTTPRequestHandler) -> None:
        asked.set()
        ended.wait(20)

    server.faults["version"] = hang

    async def scenario() -> None:
        configuration = server.configuration()
        async with running_clerk(tmp_path, configuration=configuration) as running, worker_of(running.socket) as worker:
            await asyncio.to_thread(asked.wait, 20)
            await worker.load()
            for _ in range(2):
                assert isinstance(await worker.hear_a(Current), Current)
            await running.ask(customer, "Example")
            async with asyncio.timeout(10 * CURRENT_SECONDS):
                assert (await worker.hear_a(Documents)).items
            assert not ended.is_set()

    try:
        asyncio.run(scenario())  # which ends while the source still hangs
    finally:
        ended.set()


def test_source_that_never_ends_is_a_failure(
    tmp_path: Path, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def hang(request: BaseHTTPRequestHandler) -> None:
        ended.wait(20)

    server.faults["version"] = hang
    monkeypatch.setattr(clerk_providers, "ASK_SECONDS", 0.2)

    async def scenario() -> dict[str, Any]:
        async with running_clerk(tmp_path, configuration=server.configuration()) as running:
            return await until_logged(running, "provider-refresh-failed")

    try:
        assert asyncio.run(scenario())["error"].startswith("no end after")
    finally:
        ended.set()


def test_failure_is_logged_and_counted(tmp_path: Path, server: ProviderServer) -> None:
    server.faults["version"] = lambda request: answer(request, "", 503)

    async def scenario() -> None:
        async with running_clerk(tmp_path, configuration=server.configuration()) as running:
            failed = await until_logged(running, "provider-refresh-failed")
            assert failed["provider"] == "microsoft"
            assert "status 503" in failed["error"]
            assert failed["retry_seconds"] >= 300
            measured = running.clerk.statistics()
            assert measured[f"outgate_provider_refresh_failures{LABEL}"] == 1
            assert measured[f"outgate_provider_age_seconds{LABEL}"] > 86_400

    asyncio.run(scenario())
    assert server.asked == ["version"]


def test_refused_list_is_logged_as_such(tmp_path: Path, server: ProviderServer) -> None:
    server.endpoints = [{"id": 10, "serviceArea": "Exchange", "tcpPorts": "25", "ips": []}]

    async def scenario() -> dict[str, Any]:
        async with running_clerk(tmp_path, configuration=server.configuration()) as running:
            return await until_logged(running, "provider-list-refused")

    assert "empty" in asyncio.run(scenario())["error"]


def test_closed_installation_asks_nobody_and_is_told_that_its_lists_are_old(
    tmp_path: Path, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clerk_providers, "STALE_SECONDS", 1.0)
    configuration = Configuration(
        providers=Providers(refresh=False, microsoft_url=server.url, ca_file=str(server.ca_file))
    )

    async def scenario() -> None:
        async with running_clerk(tmp_path, configuration=configuration) as running:
            stale = await until_logged(running, "provider-stale")
            assert stale["age_days"] > 1
            looks = running.clerk._providers
            assert looks is not None
            looks._looked(await running.ask(lambda: list(ProviderState.objects.all())))
            assert running.log.events().count("provider-stale") == 2  # one for each provider, once a day

    asyncio.run(scenario())
    assert server.asked == []


def test_database_that_is_away_ends_no_loop(
    tmp_path: Path, server: ProviderServer, dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_away = True
    enter = services.enter

    def failing_enter(*arguments: Any) -> None:
        if is_away:
            raise OperationalError("gone")
        enter(*arguments)

    monkeypatch.setattr(services, "enter", failing_enter)

    async def scenario() -> None:
        nonlocal is_away
        configuration = server.configuration([f"127.0.0.1:{dns.port}"])
        async with running_clerk(tmp_path, configuration=configuration) as running:
            await until_logged(running, "provider-look-failed")
            is_away = False
            await running.until(lambda: ProviderState.objects.exclude(fetched_at=None).count() == 2)

    asyncio.run(scenario())


def test_thread_of_its_own_brings_results_and_errors() -> None:
    def fail() -> int:
        raise ZeroDivisionError

    async def scenario() -> None:
        assert await in_thread(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await in_thread(fail)

    asyncio.run(scenario())


def test_thread_that_ends_after_the_loop_harms_nobody() -> None:
    go, done = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def late() -> None:
        threads.append(threading.current_thread())
        go.wait(20)
        done.set()

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await in_thread(late)

    asyncio.run(scenario())
    go.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert done.is_set()
