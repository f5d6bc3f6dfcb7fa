"""`outgate providers`."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from tests.support.dns_server import DnsServer, Zone
from tests.support.portal import actions
from tests.support.provider_server import MICROSOFT, VERSION, ProviderServer, answer, records, running_provider_server

from outgate.app.commands.providers import app
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.providers.models import ProviderState

pytestmark = pytest.mark.django_db(databases="__all__")

GOOGLE = '"v=spf1 ip4:74.125.0.0/16 ip4:209.85.128.0/17 ip6:2001:4860:4864::/56 ip6:2404:6800:4864::/56 {more} ~all"'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ProviderServer]:
    """Both sources on loopback, and settings that name them."""
    text = GOOGLE.format(more="ip6:2607:f8b0:4864::/56 ip6:2800:3f0:4864::/56")
    with running_provider_server(tmp_path) as running, DnsServer(Zone({"_spf.google.com": {"TXT": [text]}})) as dns:
        providers = {
            "microsoft_url": running.url,
            "ca_file": str(running.ca_file),
            "nameservers": [f"127.0.0.1:{dns.port}"],
        }
        (tmp_path / "outgate.toml").write_text(tomli_w.dumps({"state": str(tmp_path), "providers": providers}))
        yield running


def shown(run: Any) -> dict[str, dict[str, Any]]:
    result = run(app)("--json")
    assert result.exit_code == 0, result.output
    return {row["provider"]: row for row in json.loads(result.stdout)}


def test_lists_that_came_with_outgate_are_shown_with_their_age(run: Any, server: ProviderServer) -> None:
    rows = shown(run)

    assert rows["microsoft"]["origin"] == rows["google"]["origin"] == "package"
    assert rows["microsoft"]["state"] == "stale"
    assert set(rows["microsoft"]["networks"]) == set(MICROSOFT)
    assert rows["microsoft"]["checked_at"] is None
    table = run(app)().stdout
    assert "stale" in table
    assert "now" in table
    assert server.asked == []


def test_refresh_asks_both_and_says_what_changed(run: Any, server: ProviderServer) -> None:
    server.endpoints = records(*MICROSOFT, "52.112.0.0/14")

    result = run(app)("refresh")

    assert result.exit_code == 0, result.output
    assert f"microsoft: version {VERSION} taken\n  + 52.112.0.0/14\n" in result.stdout
    assert "google: taken\n  - 2a00:1450:4864::/56\n  - 2c0f:fb50:4864::/56\n" in result.stdout
    rows = shown(run)
    assert rows["microsoft"]["version"] == VERSION
    assert rows["microsoft"]["state"] == rows["google"]["state"] == "current"
    assert rows["microsoft"]["origin"] == "source"
    assert rows["microsoft"]["age_seconds"] < 60
    assert rows["microsoft"]["retry_at"] is not None
    assert "ann at the command line" in AuditEntry.objects.values_list("actor", flat=True)
    assert actions() == ["provider.changed", "provider.changed"]
    assert "in 60 minutes" in run(app)().stdout or "in 59 minutes" in run(app)().stdout

    again = run(app)("refresh")  # at once, whatever the time
    assert f"microsoft: version {VERSION} confirmed, unchanged\n" in again.stdout


def test_large_removal_needs_accept(run: Any, server: ProviderServer) -> None:
    server.endpoints = records("40.92.0.0/15", "2a01:111:f400::/48")

    refused = run(app)("refresh", "--json")

    assert refused.exit_code == 1
    assert "--accept" in {row["provider"]: row for row in json.loads(refused.stdout)}["microsoft"]["error"]
    assert "--accept" in shown(run)["microsoft"]["last_error"]
    assert set(shown(run)["microsoft"]["networks"]) == set(MICROSOFT)

    accepted = run(app)("refresh", "--accept")

    assert accepted.exit_code == 0, accepted.output
    assert shown(run)["microsoft"]["networks"] == ["40.92.0.0/15", "2a01:111:f400::/48"]


def test_failure_is_told_and_shown_until_it_is_over(run: Any, server: ProviderServer) -> None:
    server.faults["version"] = lambda request: answer(request, "", 302, Location="https://x.example/[/red]")

    failed = run(app)("refresh")

    assert failed.exit_code == 1
    assert "microsoft: localhost/version/Worldwide: status 302" in failed.stdout
    assert "what was known of them stays in force" in failed.stderr
    assert "[/red]" in run(app)().stdout  # a stranger's text is no markup
    assert shown(run)["microsoft"]["failures"] == 1
    server.faults.clear()
    assert run(app)("refresh").exit_code == 0
    assert shown(run)["microsoft"]["last_error"] == ""


def test_provider_that_a_clerk_is_asking_about_is_left_alone(run: Any, server: ProviderServer) -> None:
    run(app)()
    ProviderState.objects.filter(provider="microsoft").update(claimed_until=datetime.now(UTC) + timedelta(seconds=60))

    result = run(app)("refresh")

    assert result.exit_code == 1
    assert "microsoft: a clerk is asking the source just now" in result.stdout
    assert server.asked == []


def test_refresh_that_is_switched_off_is_shown_as_such(run: Any, server: ProviderServer, tmp_path: Path) -> None:
    settings = tmp_path / "outgate.toml"
    settings.write_text(settings.read_text().replace("[providers]", "[providers]\nrefresh = false"))

    assert "switched off" in run(app)().stdout
    assert run(app)("refresh").exit_code == 0  # a person's word counts
    assert shown(run)["microsoft"]["retry_at"] is None
