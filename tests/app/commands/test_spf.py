"""`outgate spf`."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.dns_server import DnsServer, Zone
from tests.support.portal import customer, region, sending_customer
from tests.support.spf_zone import GOOD_RECORD, ready, zone
from typer.testing import Result

from outgate.app.cli import app
from outgate.portal.spf.models import SpfState

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def outgate(run: Any) -> Callable[..., Result]:
    command: Callable[..., Result] = run(app)
    return lambda *arguments: command("spf", *arguments)


@pytest.fixture
def dns(quiet_state: None) -> Iterator[Zone]:
    ready(region())
    sending_customer("Alpha", "alpha.example")
    served = zone(alpha=[GOOD_RECORD])
    with DnsServer(served) as server:
        with Path(os.environ["OUTGATE_CONFIG"]).open("a") as settings:
            settings.write(f"[delivery]\nnameservers = ['127.0.0.1:{server.port}']\n")
        yield served


def test_shows_and_asks_only_if_told_to(outgate: Callable[..., Result], dns: Zone) -> None:
    before = outgate("alpha")
    assert before.exit_code == 1
    assert "Not asked yet" in before.stdout
    assert not dns.asked

    after = outgate("alpha", "--check")
    assert after.exit_code == 0, after.output
    assert "Our mail passes" in after.stdout
    assert "1 of 10" in after.stdout


def test_json_has_all_of_the_report(outgate: Callable[..., Result], dns: Zone) -> None:
    dns.records["alpha.example"] = {"TXT": ['"v=spf1 mx -all"']}
    result = outgate("alpha", "--check", "--json")
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)
    assert (found["domain"], found["passes"], found["trouble"]) == ("alpha.example", False, "")
    assert found["report"]["state"] == "not-included"
    assert found["report"]["to_publish"] == "v=spf1 mx include:spf.ours.example -all"


def test_a_customer_without_domains(outgate: Callable[..., Result]) -> None:
    customer("Empty")
    assert outgate("empty").exit_code == 0
    assert outgate("nobody").exit_code == 1
    assert not SpfState.objects.exists()
