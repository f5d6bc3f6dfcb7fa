"""Set-up guides by the API."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support import sightings
from tests.support.portal import ACTOR
from tests.support.sightings import FITTING, TENANT, record, refused
from tests.support.tracked import accept

from outgate.mail.evidence import DkimVerdict, Evidence, SignatureResult
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.services import change_region
from outgate.portal.guides.kinds import GUIDES
from outgate.portal.guides.models import GuideProof

pytestmark = pytest.mark.django_db(databases="__all__")
PATH = "/customers/alpha/guides"


@pytest.fixture(autouse=True)
def region(people: People) -> None:
    change_region(
        actor=ACTOR,
        region=people.alpha.region,
        smarthost="smtp.eu.example.net",
        spf_include="spf.eu.example.net",
        sending_addresses=["192.0.2.25"],
    )


def test_guides_have_the_customers_values(alpha: Api) -> None:
    alpha.send("PUT", "/customers/alpha/outbound/platform", {"mail_platform": "google-workspace"})
    listed = alpha.get(PATH).json()
    assert listed["next"] is None
    assert [each["kind"] for each in listed["items"]] == sorted(guide.kind for guide in GUIDES)
    (first,) = [each for each in listed["items"] if each["for_platform"]]
    assert first["kind"] == "google-workspace"
    fits = {each["kind"]: each["platform_fits"] for each in listed["items"]}
    assert [kind for kind, is_fit in fits.items() if not is_fit] == ["microsoft-365", "microsoft-365-exclaimer"]
    part = alpha.get(PATH, limit=3).json()
    rest = alpha.get(PATH, limit=3, cursor=part["next"]).json()
    assert part["items"] + rest["items"] == listed["items"]
    assert rest["next"] is None
    assert alpha.get(f"{PATH}/{first['kind']}").json() == first
    assert (first["smarthost"], first["port"], first["spf_term"]) == (
        "smtp.eu.example.net",
        25,
        "include:spf.eu.example.net",
    )
    assert first["sending_addresses"] == ["192.0.2.25"]
    assert first["proven_at"] is None


def test_scripts_come_as_text(alpha: Api) -> None:
    assert alpha.get(f"{PATH}/microsoft-365").json()["scripts"] == ["set-up", "undo"]
    answer = alpha.get(f"{PATH}/microsoft-365/scripts/set-up")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert "$SmartHost = 'smtp.eu.example.net'" in answer.content.decode()
    assert alpha.get(f"{PATH}/third-party").json()["scripts"] == []
    for path in ("third-party/scripts/set-up", "microsoft-365/scripts/rm", "nothing", "nothing/proof"):
        assert alpha.get(f"{PATH}/{path}").status_code == 404


def test_refused_message_is_told_with_remedy_and_reply(
    alpha: Api, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    monkeypatch.setattr(sightings, "AT", now.timestamp() - 30)
    record(refused(people.alpha, FITTING, 1))
    found = alpha.get(f"{PATH}/microsoft-365/proof").json()
    assert found["proven_at"] is None
    message = found["message"]
    assert (message["accepted"], message["reason"], message["reply"]) == (
        False,
        "tenant-unconfirmed",
        "451 4.7.1 later",
    )
    assert message["remedy"]
    assert (message["tenant_ids"], message["tenant_confirmed"]) == ([TENANT], False)
    assert message["signatures"] == [{"domain": sightings.OWN, "verdict": "pass"}]
    assert alpha.get(f"{PATH}/google-workspace/proof").json()["message"] is None


def test_accepted_message_is_the_proof(alpha: Api) -> None:
    now = timezone.now()
    shown = Evidence("google", signatures=(SignatureResult("alpha.example", "google", DkimVerdict.PASS),), dkim="pass")
    name = accept(customer="alpha", at=now.timestamp() - 60, evidence=shown)
    late: Any = (now - timedelta(seconds=10)).isoformat()
    assert alpha.get(f"{PATH}/google-workspace/proof", since=late).json() == {"proven_at": None, "message": None}

    found = [alpha.get(f"{PATH}/google-workspace/proof").json() for _ in range(2)]

    assert found[0] == found[1]
    assert found[0]["message"]["accepted"] is True
    assert (found[0]["message"]["remedy"], found[0]["message"]["tenant_confirmed"]) == ("", None)
    guide = alpha.get(f"{PATH}/google-workspace").json()
    assert (guide["proven_at"], guide["proven_by"]) == (found[0]["proven_at"], name)
    assert AuditEntry.objects.filter(action="guide.proven", object="alpha").count() == 1


def test_beginning_is_at_most_a_quarter_of_an_hour_ago_and_not_yet_to_come(alpha: Api) -> None:
    now = timezone.now()
    accept(customer="alpha", at=now.timestamp() - 2_000, evidence=Evidence("declared"))
    path = f"{PATH}/exchange/proof"
    assert alpha.get(path, since="2026-01-01T00:00:00").json()["message"] is None
    assert alpha.get(path, since="0001-01-01T00:00:00Z").json()["message"] is None
    for since in (now + timedelta(hours=1)).isoformat(), "9999-12-31T23:59:59-12:00", "x", "9" * 12:
        assert alpha.get(path, since=since).status_code in (200, 422)
    assert alpha.get(path, since=(now + timedelta(hours=1)).isoformat()).status_code == 422


def test_reading_needs_its_scope_and_the_own_tenant(people: People) -> None:
    """What came is mail: that needs the scope for mail."""
    reader, other = api_of(people.admin, Scope.CUSTOMERS_READ), api_of(people.admin, Scope.MESSAGES_READ)
    foreign = api_of(people.foreign_admin)
    for path in ("", "/microsoft-365", "/microsoft-365/scripts/undo", "/microsoft-365/proof"):
        is_mail = path.endswith("proof")
        assert reader.get(PATH + path).status_code == (403 if is_mail else 200)
        assert other.get(PATH + path).status_code == (200 if is_mail else 403)
        assert foreign.get(PATH + path).status_code == 404
    assert not GuideProof.objects.exists()


def test_look_of_staff_is_told_to_the_customer(people: People) -> None:
    name = accept(customer="alpha", at=timezone.now().timestamp() - 60, evidence=Evidence("declared"))
    assert api_of(people.operator).get(f"{PATH}/exchange/proof").json()["message"]["queue_id"] == name
    (entry,) = AuditEntry.objects.filter(action="message.viewed")
    assert entry.object == f"alpha/{name}"
