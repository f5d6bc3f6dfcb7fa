"""Changes what is known of the providers. Asks nobody: whoever asks claims a provider first, and reports.

What a failure leaves behind is the last good list. Whether a list is good is for the caller to say.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Q

from outgate.contract.policy import Provider, ProviderDocument
from outgate.portal.accounts import audit
from outgate.portal.accounts.audit import Actor
from outgate.portal.feed.changes import Changes, changes
from outgate.portal.providers.models import ERROR_MAX, VERSION_MAX, ProviderState
from outgate.portal.providers.selectors import document_of

CLAIM_SECONDS: Final = 240.0  # longer than anybody asks; after it, whoever claimed is taken to be dead
# An unchanged list gets a new revision only so often: each one is a change for all workers. At least daily, since the
# workers take the age from the document.
RENEW_SECONDS: Final = 43_200.0


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to ask about a provider, until `until`, and what to ask with. networks: of the last good list."""

    provider: Provider
    until: datetime
    client_request_id: str
    version: str
    networks: tuple[str, ...]
    failures: int


def enter(documents: Iterable[ProviderDocument]) -> None:
    """See that each provider has a row, and none is older than what came with this version of Outgate."""
    for document in documents:
        confirmed_at = datetime.fromtimestamp(document.confirmed_at, UTC)
        fresh = {"networks": list(document.networks), "version": document.version, "confirmed_at": confirmed_at}
        state, is_new = ProviderState.objects.get_or_create(provider=document.provider.value, defaults=fresh)
        if is_new or state.confirmed_at >= confirmed_at:
            continue
        with changes() as changed:
            older = ProviderState.objects.filter(pk=state.pk, confirmed_at__lt=confirmed_at)
            if older.update(**fresh, fetched_at=None) and state.published_at is not None:
                _publish(changed, ProviderState.objects.get(pk=state.pk))


def claim(*, provider: Provider, now: datetime, at_once: bool = False) -> Claim | None:
    """Take the right to ask about `provider`, if it is due and nobody else has it. at_once: also if it is not due."""
    until = now + timedelta(seconds=CLAIM_SECONDS)
    free = ProviderState.objects.filter(
        # A claim that ends far in the future was made by a clock that has been put right since.
        Q(claimed_until=None) | Q(claimed_until__lte=now) | Q(claimed_until__gt=until),
        provider=provider.value,
    )
    if not at_once:
        free = free.filter(Q(retry_at=None) | Q(retry_at__lte=now))
    if not free.update(claimed_until=until):
        return None
    state = ProviderState.objects.get(provider=provider.value)
    return Claim(provider, until, str(state.client_request_id), state.version, tuple(state.networks), state.failures)


def record_confirmed(*, claimed: Claim, now: datetime, retry_at: datetime) -> bool:
    """The source says that the list is right as it is. False if the claim was lost, which changes nothing."""
    return _record_good(claimed, None, claimed.version, now, retry_at, None)


def record_list(
    *, claimed: Claim, networks: tuple[str, ...], version: str, now: datetime, retry_at: datetime, actor: Actor
) -> bool:
    """The source has given this list, and it is good. False if the claim was lost, which changes nothing."""
    return _record_good(claimed, networks, version, now, retry_at, actor)


def record_failure(*, claimed: Claim, error: str, now: datetime, retry_at: datetime) -> bool:
    """The source did not answer, or with nothing good: the list stays. False if the claim was lost."""
    mine = ProviderState.objects.filter(provider=claimed.provider.value, claimed_until=claimed.until)
    return bool(
        mine.update(
            claimed_until=None,
            checked_at=now,
            retry_at=retry_at,
            failures=claimed.failures + 1,
            last_error=error[:ERROR_MAX],
        )
    )


def _record_good(
    claimed: Claim,
    networks: tuple[str, ...] | None,
    version: str,
    now: datetime,
    retry_at: datetime,
    actor: Actor | None,
) -> bool:
    with changes() as changed:
        mine = ProviderState.objects.filter(provider=claimed.provider.value, claimed_until=claimed.until)
        if not mine.update(
            claimed_until=None, checked_at=now, confirmed_at=now, retry_at=retry_at, failures=0, last_error=""
        ):
            return False
        state = ProviderState.objects.get(provider=claimed.provider.value)
        version = version[:VERSION_MAX]
        is_changed = False
        if networks is not None:
            is_changed = list(networks) != state.networks or version != state.version
            added, removed = len(set(networks) - set(state.networks)), len(set(state.networks) - set(networks))
            state.networks, state.version, state.fetched_at = list(networks), version, now
            state.save(update_fields=["networks", "version", "fetched_at"])
            if actor is not None and (added or removed):
                audit.record(actor, "provider.changed", state.provider, version=version, added=added, removed=removed)
        published_at = state.published_at
        is_due = published_at is None or abs((now - published_at).total_seconds()) >= RENEW_SECONDS
        if is_changed or is_due:
            _publish(changed, state)
    return True


def _publish(changed: Changes, state: ProviderState) -> None:
    """Have the workers told, with the transaction under way."""
    document = document_of(state)
    ProviderState.objects.filter(pk=state.pk).update(published_at=state.confirmed_at)
    changed.write(f"provider:{state.provider}", lambda: document)
