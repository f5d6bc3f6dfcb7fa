"""Claim, ask, settle: what is kept, what is told to the workers, and when the source is asked again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.dns_server import DnsServer, Zone
from tests.support.portal import ACTOR, actions
from tests.support.portal import documents_since as feed_since
from tests.support.provider_server import MICROSOFT, VERSION, ProviderServer, answer, records, running_provider_server

from outgate.app.configuration import Configuration
from outgate.app.provider_refresh import (
    BACK_OFF_MAX_SECONDS,
    BACK_OFF_SECONDS,
    PERIOD_SECONDS,
    Refreshed,
    ask,
    claim,
    pause_seconds,
    settle,
)
from outgate.app.provider_sources import SourceFailed
from outgate.contract.policy import Provider, ProviderDocument
from outgate.policy.providers import STALE_SECONDS
from outgate.portal.providers.models import ProviderState
from outgate.portal.providers.services import CLAIM_SECONDS, RENEW_SECONDS

pytestmark = pytest.mark.django_db(databases="__all__")

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ProviderServer]:
    with running_provider_server(tmp_path) as running:
        yield running


def refresh(
    configuration: Configuration,
    now: datetime = NOW,
    provider: Provider = Provider.MICROSOFT,
    *,
    at_once: bool = False,
    accept: bool = False,
) -> Refreshed | None:
    claimed = claim(provider, now, at_once=at_once)
    if claimed is None:
        return None
    answer = ask(claimed, configuration, allow_removal=accept)
    return settle(claimed, answer, now=now, jitter_seconds=0.0, actor=ACTOR)


def state(provider: Provider = Provider.MICROSOFT) -> ProviderState:
    return ProviderState.objects.get(provider=provider.value)


def published(provider: Provider = Provider.MICROSOFT) -> ProviderDocument | None:
    """What the workers are told."""
    documents = {item.key: item.document for item in feed_since().items}
    found = documents.get(f"provider:{provider.value}")
    assert found is None or isinstance(found, ProviderDocument)
    return found


def test_first_refresh_takes_the_list_and_tells_the_workers(server: ProviderServer) -> None:
    server.endpoints = records(*MICROSOFT, "52.112.0.0/14")
    refreshed = refresh(server.configuration())

    assert refreshed is not None
    assert (refreshed.error, refreshed.added, refreshed.removed) == ("", ("52.112.0.0/14",), ())
    document = published()
    assert document is not None
    assert set(document.networks) == {*MICROSOFT, "52.112.0.0/14"}
    assert (document.version, document.confirmed_at) == (VERSION, NOW.timestamp())
    assert state().fetched_at == state().checked_at == state().confirmed_at == NOW
    assert actions() == ["provider.changed"]


def test_source_is_not_asked_again_before_its_time(server: ProviderServer) -> None:
    assert refresh(server.configuration())
    assert refresh(server.configuration(), NOW + HOUR - timedelta(seconds=1)) is None
    assert refresh(server.configuration(), NOW + HOUR)
    assert server.asked == ["version", "endpoints", "version"]
    assert refresh(server.configuration(), NOW + HOUR, at_once=True)


def test_unchanged_list_is_confirmed_and_told_at_least_daily(server: ProviderServer) -> None:
    """So that workers see how old it is, and are not told each hour."""
    server.version = "2022072800"  # what came with Outgate
    revisions = []
    for hour in range(49):
        assert refresh(server.configuration(), NOW + hour * HOUR)
        (item,) = feed_since().items
        revisions.append(item.revision)
        assert state().confirmed_at == NOW + hour * HOUR
        document = published()
        assert document is not None
        age_seconds = (NOW + hour * HOUR).timestamp() - document.confirmed_at
        assert age_seconds <= RENEW_SECONDS
    assert "endpoints" not in server.asked
    assert len(set(revisions)) == 5
    assert state().fetched_at is None


def test_client_request_id_is_made_once_and_kept(server: ProviderServer) -> None:
    refresh(server.configuration())
    server.version = "2026112400"
    refresh(server.configuration(), NOW + HOUR)
    assert server.request_ids == {str(state().client_request_id)}
    assert refresh(server.configuration(), NOW, Provider.GOOGLE)
    assert state(Provider.GOOGLE).client_request_id != state().client_request_id


def test_networks_come_and_go(server: ProviderServer) -> None:
    refresh(server.configuration())
    server.version = "2026112400"
    server.endpoints = records(*MICROSOFT[1:], "52.112.0.0/14")
    refreshed = refresh(server.configuration(), NOW + HOUR)
    assert refreshed is not None
    assert refreshed.added == ("52.112.0.0/14",)
    assert refreshed.removed == ("40.92.0.0/15",)
    document = published()
    assert document is not None
    assert "40.92.0.0/15" not in document.networks


@pytest.mark.parametrize(
    ("networks", "problem"),
    [
        ((), "empty"),
        (("0.0.0.0/0", *MICROSOFT), "wider than /8"),
        (("10.0.0.0/8", *MICROSOFT), "reserved"),
        (("nonsense", *MICROSOFT), "no network"),
        (MICROSOFT[:1], "--accept"),
        (MICROSOFT[4:], "100 % of the former IPv4 addresses are gone"),
    ],
)
def test_list_that_is_not_believed_changes_nothing_but_the_error(
    server: ProviderServer, networks: tuple[str, ...], problem: str
) -> None:
    refresh(server.configuration())
    before, told = state(), published()
    server.version, server.endpoints = "2026112400", records(*networks)

    refreshed = refresh(server.configuration(), NOW + HOUR)

    assert refreshed is not None
    assert refreshed.is_refused
    assert problem in refreshed.error
    after = state()
    assert (after.networks, after.version, after.confirmed_at) == (before.networks, VERSION, NOW)
    assert after.last_error == refreshed.error
    assert after.failures == 1
    assert after.retry_at == NOW + 2 * HOUR
    assert published() == told


def test_person_may_accept_that_most_addresses_are_gone_but_not_nonsense(server: ProviderServer) -> None:
    server.endpoints = records("52.100.0.0/14", "2a01:111:f400::/48")
    configuration = server.configuration()
    assert refresh(configuration, at_once=True, accept=True)
    assert state().networks == ["52.100.0.0/14", "2a01:111:f400::/48"]
    server.version, server.endpoints = "2026112400", records("0.0.0.0/0")
    refused = refresh(configuration, at_once=True, accept=True)
    assert refused is not None
    assert refused.is_refused
    assert state().networks == ["52.100.0.0/14", "2a01:111:f400::/48"]


def test_failures_wait_longer_and_longer_and_success_forgets_them(server: ProviderServer) -> None:
    server.faults["version"] = lambda request: answer(request, "", 500)
    now, waits = NOW, []
    for _ in range(9):
        assert refresh(server.configuration(), now)
        retry_at = state().retry_at
        assert retry_at is not None
        waits.append((retry_at - now).total_seconds())
        assert refresh(server.configuration(), retry_at - timedelta(seconds=1)) is None
        now = retry_at
    assert waits == [3_600, 7_200, *[14_400] * 7]
    assert published() is None
    assert state().networks == list(MICROSOFT)
    server.faults.clear()
    assert refresh(server.configuration(), now)
    assert (state().failures, state().last_error) == (0, "")


def test_source_that_is_asked_too_often_is_left_alone_for_an_hour(server: ProviderServer) -> None:
    server.faults["endpoints"] = lambda request: answer(request, "", 429)
    assert refresh(server.configuration())
    assert state().retry_at == NOW + HOUR
    assert "429" in state().last_error
    assert state().networks == list(MICROSOFT)


def test_pauses_have_bounds() -> None:
    for provider, first in BACK_OFF_SECONDS.items():
        assert pause_seconds(provider, 0, SourceFailed("x")) == first
        assert pause_seconds(provider, 1, SourceFailed("x")) == first * 2
        assert pause_seconds(provider, 1_000_000, SourceFailed("x")) == BACK_OFF_MAX_SECONDS
    assert pause_seconds(Provider.GOOGLE, 0, SourceFailed("x", 3_600.0)) == 3_600.0


def test_microsofts_version_is_asked_for_hourly_at_most_whatever_fails() -> None:
    assert pause_seconds(Provider.MICROSOFT, 0, SourceFailed("x")) >= 3_600.0


def test_even_the_longest_pause_leaves_many_tries_before_a_list_is_stale() -> None:
    assert STALE_SECONDS / BACK_OFF_MAX_SECONDS > 200


def test_google_is_refreshed_from_its_record_every_few_hours() -> None:
    text = '"v=spf1 ip4:74.125.0.0/16 ip4:209.85.128.0/17 ip6:2001:4860:4864:1::/56 ip6:2a00:1450:4864::/56 ~all"'
    zone = Zone({"_spf.google.com": {"TXT": [text]}})
    with DnsServer(zone) as dns:
        configuration = msgspec.convert({"providers": {"nameservers": [f"127.0.0.1:{dns.port}"]}}, Configuration)
        refused = refresh(configuration, NOW, Provider.GOOGLE)
        assert refused is not None
        assert "no network" in refused.error  # host bits are set
        zone.records["_spf.google.com"] = {"TXT": [text.replace(":1::/56", "::/56")]}
        refused = refresh(configuration, NOW + HOUR, Provider.GOOGLE)
        assert refused is not None
        assert "former IPv6 addresses are gone" in refused.error
        done = refresh(configuration, NOW + 2 * HOUR, Provider.GOOGLE, at_once=True, accept=True)
    assert done is not None
    assert done.error == ""
    document = published(Provider.GOOGLE)
    assert document is not None
    assert document.networks == ("74.125.0.0/16", "209.85.128.0/17", "2001:4860:4864::/56", "2a00:1450:4864::/56")
    retry_at = state(Provider.GOOGLE).retry_at
    assert retry_at == NOW + 2 * HOUR + timedelta(seconds=PERIOD_SECONDS[Provider.GOOGLE])


def test_two_nodes_do_not_ask_at_a_time_and_a_dead_one_is_waited_for(server: ProviderServer) -> None:
    dead = claim(Provider.MICROSOFT, NOW)
    assert dead is not None
    assert claim(Provider.MICROSOFT, NOW + timedelta(seconds=1)) is None
    assert claim(Provider.MICROSOFT, NOW + timedelta(seconds=1), at_once=True) is None
    later = NOW + timedelta(seconds=CLAIM_SECONDS)

    assert refresh(server.configuration(), later)

    late = settle(dead, SourceFailed("too late"), now=later, jitter_seconds=0.0, actor=ACTOR)
    assert late is None
    assert state().last_error == ""


def test_laboratory_may_use_private_networks(server: ProviderServer) -> None:
    server.endpoints = records(*MICROSOFT, "127.0.0.0/16")
    refused = refresh(server.configuration())
    assert refused is not None
    assert "reserved" in refused.error
    assert refresh(server.configuration(allow_private_sources=True), at_once=True)
    document: Any = published()
    assert "127.0.0.0/16" in document.networks
