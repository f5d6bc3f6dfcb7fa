"""SPF records by the API."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.dns_server import DnsServer, Zone
from tests.support.portal import ACTOR
from tests.support.spf_zone import GOOD_RECORD, ready, zone

from outgate.portal.accounts.keys import Scope
from outgate.portal.outbound import services as outbound
from outgate.portal.spf.models import SpfState

pytestmark = pytest.mark.django_db(databases="__all__")
PATH = "/customers/alpha/spf"


@pytest.fixture(autouse=True)
def dns(settings: Any, people: People) -> Iterator[Zone]:
    ready(people.alpha.region)
    outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")
    served = zone(alpha=[GOOD_RECORD])
    with DnsServer(served) as server:
        settings.SITE = msgspec.structs.replace(settings.SITE, nameservers=(f"127.0.0.1:{server.port}",))
        yield served


def test_domain_is_listed_asked_about_and_listed_again(alpha: Api) -> None:
    (before,) = alpha.get(PATH).json()["items"]
    assert (before["domain"], before["state"], before["passes"], before["asked_at"]) == (
        "alpha.example",
        "unknown",
        False,
        None,
    )

    answer = alpha.send("POST", f"{PATH}/alpha.example/check")

    found = answer.json()
    assert answer.status_code == 200
    assert (found["state"], found["passes"], found["include"], found["lookups"]) == ("good", True, "direct", 1)
    assert found["records"] == ["v=spf1 include:spf.ours.example -all"]
    assert [(each["address"], each["result"]) for each in found["results"]] == [
        ("192.0.2.25", "pass"),
        ("2001:db8::25", "pass"),
    ]
    assert found["costs"] == [{"term": "include:spf.ours.example", "lookups": 1, "problem": ""}]
    assert alpha.get(PATH).json() == {"items": [found], "next": None}


def test_asked_again_at_once_it_is_told_to_wait(alpha: Api, dns: Zone) -> None:
    alpha.send("POST", f"{PATH}/alpha.example/check")
    asked = sum(dns.asked.values())
    answer = alpha.send("POST", f"{PATH}/alpha.example/check")
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (429, "asked-just-now", "10")
    assert sum(dns.asked.values()) == asked


def test_failure_of_dns_is_told(alpha: Api, dns: Zone) -> None:
    dns.rcodes["alpha.example"] = "SERVFAIL"
    found = alpha.send("POST", f"{PATH}/alpha.example/check").json()
    assert (found["state"], found["trouble"]) == ("unknown", "the name servers answered SERVFAIL for alpha.example")


def test_asking_needs_its_scope_and_the_own_tenant(people: People) -> None:
    reader = api_of(people.admin, Scope.CUSTOMERS_READ)
    assert reader.get(PATH).status_code == 200
    assert reader.send("POST", f"{PATH}/alpha.example/check").status_code == 403
    foreign = api_of(people.foreign_admin)
    assert foreign.get(PATH).status_code == 404
    assert foreign.send("POST", f"{PATH}/alpha.example/check").status_code == 404
    assert foreign.send("POST", "/customers/beta/spf/alpha.example/check").status_code == 404
    assert SpfState.objects.get().asked_at is None
