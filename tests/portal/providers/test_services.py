"""What is kept of the providers, beyond what `tests/app/test_provider_refresh.py` tries through the whole way."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from django.db import connections
from tests.support.portal import ACTOR, actions
from tests.support.portal import documents_since as feed_since

from outgate.contract.policy import Provider, ProviderDocument
from outgate.portal.providers import services
from outgate.portal.providers.models import ERROR_MAX, ProviderState
from outgate.portal.providers.selectors import document_of, states

pytestmark = pytest.mark.django_db(databases="__all__")

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PACKAGED = ProviderDocument(Provider.GOOGLE, ("74.125.0.0/16",), "", (NOW - timedelta(days=100)).timestamp())
MICROSOFT = ProviderDocument(Provider.MICROSOFT, ("40.92.0.0/15",), "1", PACKAGED.confirmed_at)
LATER = NOW + timedelta(hours=1)


def claimed(now: datetime = NOW) -> services.Claim:
    services.enter([PACKAGED])
    claim = services.claim(provider=Provider.GOOGLE, now=now, at_once=True)
    assert claim is not None
    return claim


def take(*networks: str, now: datetime = NOW) -> None:
    assert services.record_list(claimed=claimed(now), networks=networks, version="", now=now, retry_at=now, actor=ACTOR)


def test_what_came_with_outgate_is_entered_once_and_told_to_nobody() -> None:
    services.enter([PACKAGED, MICROSOFT])
    first = [(state.provider, state.client_request_id) for state in states()]
    services.enter([PACKAGED, MICROSOFT])

    assert [(state.provider, state.client_request_id) for state in states()] == first
    assert [document_of(state) for state in states()] == [PACKAGED, MICROSOFT]
    assert feed_since().items == ()
    assert actions() == []


def test_newer_version_of_outgate_brings_newer_networks_but_none_older_than_the_sources() -> None:
    services.enter([PACKAGED])
    newer = msgspec.structs.replace(PACKAGED, networks=("209.85.128.0/17",), confirmed_at=PACKAGED.confirmed_at + 9)
    services.enter([newer])
    assert document_of(ProviderState.objects.get()) == newer
    assert feed_since().items == ()

    take("74.125.0.0/16", "209.85.128.0/17")
    services.enter([newer])
    assert ProviderState.objects.get().networks == ["74.125.0.0/16", "209.85.128.0/17"]

    newest = msgspec.structs.replace(newer, confirmed_at=LATER.timestamp())
    services.enter([newest])
    assert feed_since().items[0].document == newest  # workers follow the feed: it must not keep the older one
    assert ProviderState.objects.get().fetched_at is None


def test_list_without_change_writes_no_audit_line() -> None:
    take("74.125.0.0/16")
    take("74.125.0.0/16", now=LATER)
    assert actions() == []
    take("74.125.0.0/16", "209.85.128.0/17", now=LATER)
    assert actions() == ["provider.changed"]


def test_claim_that_was_lost_changes_nothing() -> None:
    late = claimed()
    after = NOW + timedelta(seconds=services.CLAIM_SECONDS)
    take("74.125.0.0/16", now=after)
    before = ProviderState.objects.values().get()

    assert not services.record_confirmed(claimed=late, now=LATER, retry_at=LATER)
    assert not services.record_list(
        claimed=late, networks=("8.8.8.0/24",), version="", now=LATER, retry_at=LATER, actor=ACTOR
    )
    assert not services.record_failure(claimed=late, error="x", now=LATER, retry_at=LATER)

    assert ProviderState.objects.values().get() == before


def test_claim_of_a_clock_that_was_put_right_is_no_obstacle() -> None:
    claimed(NOW + timedelta(days=400))
    assert services.claim(provider=Provider.GOOGLE, now=NOW, at_once=True) is not None


def test_unknown_provider_cannot_be_claimed() -> None:
    assert services.claim(provider=Provider.MICROSOFT, now=NOW) is None


def test_error_is_cut_to_what_the_table_takes() -> None:
    assert services.record_failure(claimed=claimed(), error="x" * 10_000, now=NOW, retry_at=LATER)
    assert len(ProviderState.objects.get().last_error) == ERROR_MAX


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_of_many_that_claim_together_one_gets_it() -> None:
    from concurrent.futures import ThreadPoolExecutor

    services.enter([PACKAGED])

    def claim(_: int) -> bool:
        try:
            return services.claim(provider=Provider.GOOGLE, now=NOW) is not None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(claim, range(16))).count(True) == 1
