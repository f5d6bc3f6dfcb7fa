"""How much a customer sends, by the API."""

import time
from typing import Any

import pytest
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.sightings import AT, evidence, record, refused
from tests.support.tracked import accept, refuse

from outgate.contract.wire import SenderUse
from outgate.portal.accounts.keys import Scope
from outgate.portal.api import usage

pytestmark = pytest.mark.django_db(databases="__all__")
PATHS = ("figures", "near-limits", "slow-lane", "cloud-mail")


def test_a_days_mail_is_counted(alpha: Api, people: People) -> None:
    now = time.time()
    accept(1, at=now - 60)
    refuse(2, at=now - 50)
    accept(3, at=now - 25 * 3600)
    accept(4, at=now - 60, customer="beta")

    counted = alpha.get("/customers/alpha/figures").json()
    assert (counted["messages"], counted["waiting"], counted["refused"]) == (2, 1, 1)
    assert counted["last_at"] > counted["since"]
    assert api_of(people.foreign_admin).get("/customers/beta/figures").json()["messages"] == 1


def test_who_sent_nothing_has_figures_all_the_same(alpha: Api, people: People) -> None:
    counted = alpha.get("/customers/alpha/figures").json()

    assert (counted["messages"], counted["last_at"]) == (0, None)


def test_workers_are_asked_who_is_near_a_limit(alpha: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    told = SenderUse("alpha", "mailbox", "ann@alpha.example", "recipients", 300, 50, 41)
    unknown = SenderUse("alpha", "planet", "", "recipients", 300, 50, 41)

    def near(customer_id: str) -> list[SenderUse]:
        asked.append(customer_id)
        return [told, unknown]

    monkeypatch.setattr(usage, "near_limit", near)
    assert alpha.get("/customers/alpha/near-limits").json() == {
        "answered": True,
        "percent": 50,
        "senders": [
            {
                "scope": "mailbox",
                "subject": "ann@alpha.example",
                "counted": "recipients",
                "seconds": 300,
                "maximum": 50,
                "used": 41,
            }
        ],
    }
    assert asked == ["alpha"]


def test_without_a_worker_it_says_that_nobody_answered(alpha: Api, settings: Any, tmp_path: object) -> None:
    settings.STATE_DIRECTORY = str(tmp_path)

    assert alpha.get("/customers/alpha/near-limits").json() == {"answered": False, "percent": 50, "senders": []}


def test_slow_mail_is_told_by_sender(alpha: Api) -> None:
    for number, sender in enumerate(("a@alpha.example", "A@alpha.example", "b@alpha.example")):
        accept(number, reverse_path=sender, lane="slow", lane_reason="over-limit", size_octets=100)

    told = alpha.get("/customers/alpha/slow-lane").json()
    assert [(each["sender"], each["messages"], each["octets"]) for each in told["senders"]] == [
        ("a@alpha.example", 2, 200),
        ("b@alpha.example", 1, 100),
    ]
    assert told["is_cut"] is False


def test_mail_from_clouds_is_told_by_pool(alpha: Api, people: People) -> None:
    record(refused(people.alpha, evidence(pool="relay", dkim="fail"), int(time.time() - AT) - 60))

    told = alpha.get("/customers/alpha/cloud-mail").json()
    assert told["microsoft"] == {"messages": 1, "pools": {"relay": 1}, "judged": 1, "unsigned": 1}
    assert told["google"]["messages"] == 0


@pytest.mark.parametrize("path", PATHS)
def test_it_is_for_who_may_see_mail_of_the_own_customer(path: str, people: People) -> None:
    others = [scope for scope in Scope if scope is not Scope.MESSAGES_READ and scope is not Scope.INSTALLATION_WRITE]
    others = [scope for scope in others if scope not in (Scope.CUSTOMERS_MANAGE, Scope.TEMPLATES_WRITE)]

    assert api_of(people.admin, *others).get(f"/customers/alpha/{path}").json()["code"] == "scope-missing"
    assert api_of(people.admin).get(f"/customers/beta/{path}").status_code == 404
