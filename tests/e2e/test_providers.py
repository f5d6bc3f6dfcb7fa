"""The providers' networks in a whole installation: from the source to the feed, the command and the metrics."""

import json
from pathlib import Path
from typing import Any

from tests.support.dns_server import DnsServer, Zone
from tests.support.installation import Installation, short_directory
from tests.support.provider_server import MICROSOFT, VERSION, records, running_provider_server

from outgate.app.configuration import load
from outgate.app.demo import demo_configuration, settings_path
from outgate.app.provider_data import packaged_lists
from outgate.contract.policy import Provider

MICROSOFT_NETWORKS = 'outgate_provider_networks{provider="microsoft"}'


def rows(outgate: Installation) -> dict[str, dict[str, Any]]:
    return {row["provider"]: row for row in json.loads(outgate.command("providers", "--json"))}


def test_installation_asks_its_sources_and_remembers_over_a_restart(tmp_path: Path) -> None:
    networks = packaged_lists()[Provider.GOOGLE].networks
    text = " ".join(f"ip6:{each}" if ":" in each else f"ip4:{each}" for each in networks)
    zone = Zone({"_spf.google.com": {"TXT": [f'"v=spf1 {text[:200]}" "{text[200:]} ~all"']}})
    with running_provider_server(tmp_path) as server, DnsServer(zone) as dns, short_directory() as directory:
        server.endpoints = records(*MICROSOFT, "52.112.0.0/14")
        providers = {
            "refresh": True,
            "microsoft_url": server.url,
            "ca_file": str(server.ca_file),
            "nameservers": [f"127.0.0.1:{dns.port}"],
        }
        outgate = Installation(directory, {"providers": providers}).start()
        try:
            outgate.wait_for_metric(f"{MICROSOFT_NETWORKS} 7.0")
            outgate.wait_for_metric('outgate_policy_documents{worker="1"} 2.0')
            first = rows(outgate)
            assert (first["microsoft"]["version"], first["microsoft"]["origin"]) == (VERSION, "source")
            assert first["google"]["state"] == first["microsoft"]["state"] == "current"
            assert 'outgate_provider_refresh_failures_total{provider="microsoft"} 0.0' in outgate.fetch("/metrics")
            assert outgate.stop() == 0

            outgate.start()
            outgate.wait_for_metric(f"{MICROSOFT_NETWORKS} 7.0")
            assert outgate.command("providers", "refresh").startswith("microsoft: version")
            again = rows(outgate)
        finally:
            outgate.stop()
    assert server.asked == ["version", "endpoints", "version"]  # the restart asked nothing before its time
    assert server.request_ids == {again["microsoft"]["client_request_id"]}


def test_sample_installation_asks_nobody(tmp_path: Path) -> None:
    configuration, _ = demo_configuration(tmp_path)
    assert not configuration.providers.refresh
    assert not load(settings_path(tmp_path)).providers.refresh


def test_installation_of_a_test_asks_nobody(tmp_path: Path) -> None:
    with running_provider_server(tmp_path) as server, short_directory() as directory:
        providers = {"microsoft_url": server.url, "ca_file": str(server.ca_file)}
        outgate = Installation(directory, {"providers": providers}).start()
        try:
            outgate.wait_for_metric(f"{MICROSOFT_NETWORKS} 6.0")
            outgate.wait_for_log("provider-stale", 2)
            assert rows(outgate)["microsoft"]["checked_at"] is None
        finally:
            outgate.stop()
    assert server.asked == []
