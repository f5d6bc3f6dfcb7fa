"""`outgate providers`: what is known of Microsoft's and Google's addresses, and how old that is.

Exit status: 0 is done; 1 is not done, as when a source did not answer or its list was refused.
"""
# ruff: noqa: PLC0415 - Django takes half a second to import: only the command that needs it does

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from outgate.app.commands.control_plane import actor, control_plane, fail, print_json, print_table
from outgate.app.commands.settings import settings_of
from outgate.contract.policy import Provider
from outgate.policy.providers import STALE_SECONDS

if TYPE_CHECKING:
    from outgate.app.provider_refresh import Refreshed
    from outgate.portal.providers.models import ProviderState

DAY_SECONDS: Final = 86_400
HOUR_SECONDS: Final = 3_600
MINUTE_SECONDS: Final = 60

app = typer.Typer(help="The addresses of Microsoft 365 and Google, and how old the lists are.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.callback(invoke_without_command=True)
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show each provider's list: version, age, the last error, the next try."""
    if context.invoked_subcommand is not None:
        return
    refreshes = settings_of(context).providers.refresh
    with control_plane(context):
        from outgate.app.provider_data import packaged_documents
        from outgate.portal.providers import selectors, services

        services.enter(packaged_documents())
        states = selectors.states()
        now = datetime.now(UTC)
    rows = [_row(state, now, refreshes) for state in states]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["provider", "version", "networks", "confirmed", "state", "next try", "last error"],
        [
            [
                str(row["provider"]),
                str(row["version"] or "-"),
                str(len(state.networks)),
                f"{_duration(float(str(row['age_seconds'])))} ago",
                str(row["state"]),
                _next_try(state, now, refreshes),
                escape(str(row["last_error"] or "-")),
            ]
            for row, state in zip(rows, states, strict=True)
        ],
    )


@app.command()
def refresh(
    context: typer.Context,
    accept: Annotated[
        bool, typer.Option("--accept", help="Take a list also if more than half of the former addresses are gone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the sources now, whether it is time or not."""
    with control_plane(context):
        results = [_refreshed(context, provider, accept) for provider in Provider]
    if as_json:
        print_json(
            [
                {
                    "provider": each.provider.value,
                    "version": each.version,
                    "error": each.error,
                    "added": list(each.added),
                    "removed": list(each.removed),
                }
                for each in results
            ]
        )
    else:
        for each in results:
            print(_told(each))
    if any(each.error for each in results):
        fail("not all lists are confirmed; what was known of them stays in force")


def _refreshed(context: typer.Context, provider: Provider, accept: bool) -> "Refreshed":
    from outgate.app import provider_refresh

    claimed = provider_refresh.claim(provider, datetime.now(UTC), at_once=True)
    if claimed is None:
        return provider_refresh.Refreshed(provider, error="a clerk is asking the source just now; try again in a while")
    answer = provider_refresh.ask(claimed, settings_of(context), allow_removal=accept)
    done = provider_refresh.settle(claimed, answer, now=datetime.now(UTC), jitter_seconds=0.0, actor=actor())
    return done or provider_refresh.Refreshed(provider, error="it took too long, and a clerk has asked meanwhile")


def _told(each: "Refreshed") -> str:
    if each.error:
        return f"{each.provider.value}: {each.error}"
    version = f" version {each.version}" if each.version else ""
    changes = [f"+ {network}" for network in each.added] + [f"- {network}" for network in each.removed]
    if not changes:
        return f"{each.provider.value}:{version} confirmed, unchanged"
    return "\n  ".join([f"{each.provider.value}:{version} taken", *changes])


def _row(state: "ProviderState", now: datetime, refreshes: bool) -> dict[str, object]:
    age_seconds = (now - state.confirmed_at).total_seconds()
    retry_at = state.retry_at if refreshes else None
    return {
        "provider": state.provider,
        "version": state.version,
        "networks": state.networks,
        "state": "stale" if abs(age_seconds) > STALE_SECONDS else "current",
        "origin": "source" if state.fetched_at else "package",
        "age_seconds": round(age_seconds),
        "confirmed_at": state.confirmed_at.isoformat(),
        "checked_at": state.checked_at.isoformat() if state.checked_at else None,
        "retry_at": retry_at.isoformat() if retry_at else None,
        "refresh": refreshes,
        "failures": state.failures,
        "last_error": state.last_error,
        "client_request_id": str(state.client_request_id),
    }


def _next_try(state: "ProviderState", now: datetime, refreshes: bool) -> str:
    if not refreshes:
        return "switched off"
    if state.retry_at is None or state.retry_at <= now:
        return "now"
    return f"in {_duration((state.retry_at - now).total_seconds())}"


def _duration(seconds: float) -> str:
    """In the largest unit of which there are at least two."""
    seconds = abs(seconds)
    if seconds >= 2 * DAY_SECONDS:
        return f"{seconds / DAY_SECONDS:.0f} days"
    if seconds >= 2 * HOUR_SECONDS:
        return f"{seconds / HOUR_SECONDS:.0f} hours"
    if seconds >= 2 * MINUTE_SECONDS:
        return f"{seconds / MINUTE_SECONDS:.0f} minutes"
    return f"{seconds:.0f} seconds"
