"""One refresh of a provider's networks, in three steps: claim, ask, settle. The clerk does them, and the command line.

Asking is the only step that waits for strangers; the other two are short work in the database.
"""
# Import it after Django has been set up.

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from outgate.app.configuration import Configuration
from outgate.app.provider_data import packaged_documents
from outgate.app.provider_sources import VERSION_SECONDS, Answer, Asker, SourceFailed, ask_source
from outgate.contract.policy import Provider
from outgate.policy.provider_list import BadList, TooMuchGone, checked_list
from outgate.portal.accounts.audit import Actor
from outgate.portal.providers import services
from outgate.portal.providers.services import Claim

PERIOD_SECONDS: Final = {Provider.MICROSOFT: VERSION_SECONDS, Provider.GOOGLE: 14_400.0}
JITTER_SECONDS: Final = 300.0  # at most, on top: so that installations do not ask all at once
# After the first failure; doubled with each. Microsoft's version is to be asked for hourly at most, and a question that
# failed here may have been counted there.
BACK_OFF_SECONDS: Final = {Provider.MICROSOFT: VERSION_SECONDS, Provider.GOOGLE: 300.0}
BACK_OFF_MAX_SECONDS: Final = 14_400.0  # even then a list is asked for 200 times before it is stale
ACCEPT_HINT: Final = "`outgate providers refresh --accept` takes it"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How it went. error: why the list stays as it was, else empty. added, removed: networks, by their text."""

    provider: Provider
    version: str = ""
    error: str = ""
    is_refused: bool = False
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    retry_seconds: float = 0.0


def claim(provider: Provider, now: datetime, *, at_once: bool = False) -> Claim | None:
    """The right to ask, if it is due. at_once: also if it is not. On the database's thread."""
    services.enter(packaged_documents())
    return services.claim(provider=provider, now=now, at_once=at_once)


def ask(claimed: Claim, configuration: Configuration, *, allow_removal: bool = False) -> Answer | SourceFailed:
    """What the source says, checked; blocking, without the database.

    allow_removal: a person accepts that most of the former addresses are gone.
    """
    try:
        known_version = claimed.version if claimed.networks else ""
        answer = ask_source(claimed.provider, configuration, Asker(claimed.client_request_id, known_version))
        if answer.networks is None:
            return answer
        networks = checked_list(
            answer.networks,
            claimed.networks,
            allow_removal=allow_removal,
            allow_private=configuration.allow_private_sources,
        )
    except TooMuchGone as error:
        return ListRefused(f"the list was refused: {error}; {ACCEPT_HINT}", VERSION_SECONDS)
    except BadList as error:
        return ListRefused(f"the list was refused: {error}", VERSION_SECONDS)
    except SourceFailed as error:
        return error
    return Answer(answer.version, networks)


class ListRefused(SourceFailed):
    """The source has answered, with a list that is not believed."""


def settle(
    claimed: Claim, answer: Answer | SourceFailed, *, now: datetime, jitter_seconds: float, actor: Actor
) -> Refreshed | None:
    """Write down how it went. None if somebody else has claimed the provider meanwhile. On the database's thread."""
    provider = claimed.provider
    if isinstance(answer, SourceFailed):
        seconds = pause_seconds(provider, claimed.failures, answer) + jitter_seconds
        retry_at = now + timedelta(seconds=seconds)
        is_mine = services.record_failure(claimed=claimed, error=str(answer), now=now, retry_at=retry_at)
        failed = Refreshed(
            provider,
            claimed.version,
            str(answer),
            is_refused=isinstance(answer, ListRefused),
            retry_seconds=seconds,
        )
        return failed if is_mine else None
    seconds = PERIOD_SECONDS[provider] + jitter_seconds
    retry_at = now + timedelta(seconds=seconds)
    if answer.networks is None:
        is_mine = services.record_confirmed(claimed=claimed, now=now, retry_at=retry_at)
        return Refreshed(provider, answer.version, retry_seconds=seconds) if is_mine else None
    is_mine = services.record_list(
        claimed=claimed, networks=answer.networks, version=answer.version, now=now, retry_at=retry_at, actor=actor
    )
    before, after = set(claimed.networks), set(answer.networks)
    changed = Refreshed(
        provider,
        answer.version,
        added=tuple(sorted(after - before)),
        removed=tuple(sorted(before - after)),
        retry_seconds=seconds,
    )
    return changed if is_mine else None


def pause_seconds(provider: Provider, failures: int, error: SourceFailed) -> float:
    """After one more failure. failures: before this one, in a row."""
    doubled = BACK_OFF_SECONDS[provider] * 2.0 ** min(failures, 16)
    return max(min(doubled, BACK_OFF_MAX_SECONDS), error.retry_seconds)
