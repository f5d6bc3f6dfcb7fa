"""Set-up guides."""

import html
import re
from typing import Any

import pytest
from django.utils import timezone
from tests.portal.web.conftest import People, SignedIn, without_right
from tests.support import sightings
from tests.support.portal import ACTOR
from tests.support.sightings import FITTING, record, refused
from tests.support.tracked import accept

from outgate.contract.events import MessageAccepted
from outgate.mail.evidence import Evidence
from outgate.mail.queue_ids import queue_id
from outgate.portal.accounts.models import AuditEntry, Right
from outgate.portal.guides.kinds import GUIDES
from outgate.portal.outbound.services import add_domain
from outgate.portal.spf import services as spf
from outgate.portal.spf.models import SpfState
from outgate.portal.tracker.recording import record_events
from outgate.spf.report import Report, State

pytestmark = pytest.mark.django_db(databases="__all__")
BASE = "/customers/alpha/guides/"


@pytest.fixture
def browser(people: People, signed_in: SignedIn) -> Any:
    people.alpha.region.smarthost = "smtp.eu.example.net"
    people.alpha.region.spf_include = "spf.eu.example.net"
    people.alpha.region.save()
    return signed_in(people.admin)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.kind)
def test_each_guide_has_the_customers_own_values_and_ends_in_proof(browser: Any, guide: Any) -> None:
    page = browser.get(f"{BASE}{guide.kind}/").content.decode()
    assert "smtp.eu.example.net" in page
    assert "include:spf.eu.example.net" in page
    assert f'hx-get="{BASE}{guide.kind}/proof/?since=' in page
    drawings = re.findall(r"<svg .*?</svg>", page.partition("<article")[2].partition("<section")[0], re.DOTALL)
    assert len(drawings) == 2
    for drawing in drawings:
        assert 'role="img"' in drawing
        assert "<title id=" in drawing
        assert "goes through" in drawing or guide.kind == "third-party"
        assert "to Outgate (smtp.eu.example.net)" in drawing
        assert ">smtp.eu.example.net</text>" in drawing
        assert ("Exclaimer</text>" in drawing) is guide.kind.endswith("exclaimer")
        assert ("flow-past" in drawing) is guide.is_cloud
    assert (".ps1" in page) is guide.has_script


@pytest.mark.parametrize(
    ("platform", "kind"), [("microsoft-365", "microsoft-365-exclaimer"), ("google-workspace",) * 2]
)
def test_guide_of_a_cloud_asks_for_the_platform(browser: Any, people: People, platform: str, kind: str) -> None:
    """Mail from a cloud's addresses is nobody's whose platform is another."""
    assert "to do: it is Other" in browser.get(f"{BASE}{kind}/").content.decode()
    people.alpha.mail_platform = platform
    people.alpha.save(update_fields=["mail_platform"])
    page = browser.get(f"{BASE}{kind}/").content.decode()
    assert "Your mail platform is" in page
    assert "to do: it is" not in page
    assert "Your mail platform is" not in browser.get(f"{BASE}exchange/").content.decode()


def test_guide_says_that_the_plan_has_no_outbound(browser: Any, people: People) -> None:
    assert "has no outbound" not in browser.get(f"{BASE}exchange/").content.decode()
    people.alpha.plan = "365"
    people.alpha.save(update_fields=["plan"])
    assert "has no outbound" in browser.get(f"{BASE}exchange/").content.decode()


def test_list_begins_with_the_guide_of_the_platform(browser: Any, people: People) -> None:
    people.alpha.mail_platform = "google-workspace"
    people.alpha.save(update_fields=["mail_platform"])
    page = browser.get(BASE).content.decode()
    assert page.index("Google Workspace") < page.index("Microsoft 365 with Exclaimer")


def test_unknown_guide_and_script_are_not_there(browser: Any) -> None:
    for path in ("nothing/", "nothing/proof/", "third-party/set-up.ps1", "microsoft-365/rm.ps1"):
        assert browser.get(BASE + path).status_code == 404


def test_script_is_downloaded_with_its_values(browser: Any) -> None:
    answer = browser.get(f"{BASE}microsoft-365/set-up.ps1")
    assert answer["Content-Disposition"] == 'attachment; filename="outgate-set-up.ps1"'
    assert "$SmartHost = 'smtp.eu.example.net'" in answer.content.decode()
    assert "'outgate:alpha'" in browser.get(f"{BASE}microsoft-365-exclaimer/undo.ps1").content.decode()


def test_proof_waits_shows_and_ends(browser: Any, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    monkeypatch.setattr(sightings, "AT", now.timestamp())
    url = f"{BASE}microsoft-365/proof/?since={int(now.timestamp())}"
    part = browser.get(url).content.decode()
    assert "Waiting for a message" in part
    assert "hx-get" in part
    record(refused(people.alpha, FITTING, 1))
    part = browser.get(url).content.decode()
    assert "It arrived and was told to come again" in part
    assert "More on tenant-unconfirmed" in part
    assert "451 4.7.1 later" in part
    asked_next = html.unescape(part.split('hx-get="', 1)[1].split('"', 1)[0])  # the next one may be better
    assert browser.get(asked_next).status_code == 204
    part = browser.get(f"{BASE}microsoft-365/proof/?since=1000").content.decode()
    assert "Nothing came" in part
    assert "every 2s" not in part
    part = browser.get(f"{BASE}microsoft-365/proof/?since={int(now.timestamp()) - 1000}").content.decode()
    assert "tenant-unconfirmed" in part
    assert "every 2s" not in part


def test_wait_that_is_over_can_be_started_again(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    part = browser.get(f"{BASE}microsoft-365/proof/?since=1000").content.decode()
    again = part.split('hx-get="', 1)[1].split('"', 1)[0]
    now = int(timezone.now().timestamp())
    part = browser.get(again).content.decode()
    assert "Waiting for a message" in part
    since = int(part.split("?since=", 1)[1].split("&", 1)[0])
    assert now <= since <= now + 60


@pytest.mark.parametrize("since", ["", "x", "999999999999", "-1"])
def test_beginning_that_is_none_is_a_wait_that_is_over(browser: Any, since: str) -> None:
    answer = browser.get(f"{BASE}third-party/proof/", {"since": since})
    assert answer.status_code == 200
    assert "Start again" in answer.content.decode()


def test_page_without_anything_new_is_left_alone(browser: Any) -> None:
    page = browser.get(f"{BASE}third-party/").content.decode()
    address = html.unescape(page.split('<div id="proof"', 1)[1].split('hx-get="', 1)[1].split('"', 1)[0])
    assert browser.get(address).status_code == 204


def test_accepted_message_proves_the_guide(browser: Any, people: People) -> None:
    now = timezone.now().timestamp()
    accepted = MessageAccepted(
        queue_id(int(now * 1000), 1, 1), "mx1/1", now, "alpha", "192.0.2.7", "h", "TLSv1.3", f"a@{sightings.OWN}",
        ("b@example.net",), 500, "domain-own", evidence=Evidence("declared", dkim="none"),
    )  # fmt: skip
    assert record_events([accepted]) == 0
    for _ in range(2):
        part = browser.get(f"{BASE}exchange/proof/?since={int(now)}&shown=").content.decode()
        assert "The set-up works" in part
        assert "hx-get" not in part
    (entry,) = AuditEntry.objects.filter(action="guide.proven")
    assert (entry.actor, entry.object) == (people.admin.email, "alpha")
    assert "Seen to work" in browser.get(f"{BASE}exchange/").content.decode()
    assert "Seen to work" in browser.get(BASE).content.decode()


def test_proof_says_whether_the_domain_passes_spf(
    browser: Any, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    monkeypatch.setattr(sightings, "AT", now.timestamp())
    url = f"{BASE}microsoft-365/proof/?since={int(now.timestamp())}"
    record(refused(people.alpha, FITTING, 1))
    assert "<dt>SPF</dt>" not in browser.get(url).content.decode()  # not a domain of the customer's
    domain = add_domain(actor=ACTOR, customer=people.alpha, name=sightings.OWN)
    assert f"Check the record of {sightings.OWN}" in browser.get(url).content.decode()
    for state, text in ((State.NO_RECORD, "Does not pass"), (State.GOOD, "Passes")):
        SpfState.objects.all().delete()
        claimed = spf.claim(domain=domain, now=now)
        spf.settle(claimed=claimed, report=Report(domain.name, state), now=now, spread=0, actor=ACTOR)
        assert text in browser.get(url).content.decode()


def test_guide_without_a_smarthost_says_so(people: People, signed_in: SignedIn) -> None:
    people.alpha.region.smarthost = ""
    people.alpha.region.save()
    browser = signed_in(people.admin)
    assert "has not named the smarthost" in browser.get(f"{BASE}microsoft-365/").content.decode()
    assert browser.get(f"{BASE}microsoft-365/set-up.ps1").status_code == 404


def test_staff_without_the_right_to_see_mail_learns_that_it_works_and_not_who_wrote(
    people: People, signed_in: SignedIn
) -> None:
    now = timezone.now().timestamp()
    name = accept(customer="alpha", at=now, evidence=Evidence("declared"))
    without_right(people.staff, Right.TRACKER)
    for user, sees_all in ((people.staff, False), (people.other_staff, None), (people.operator, True)):
        browser = signed_in(user)
        browser.post("/customers/alpha/login-as/")
        answer = browser.get(f"{BASE}exchange/proof/?since={int(now)}")
        if sees_all is None:
            assert answer.status_code == 404
            continue
        part = answer.content.decode()
        assert "The set-up works" in part
        for text in ("a@alpha.example", "b@b.example", name):
            assert (text in part) is sees_all
    (entry,) = AuditEntry.objects.filter(action="message.viewed")
    assert (entry.actor, entry.acting_as, entry.object) == (people.operator.email, "alpha", f"alpha/{name}")
