"""Limits, locked senders and the slow lane on the page."""

import html
import re
from typing import Any

import msgspec
import pytest
from msgspec import structs
from tests.portal.web.conftest import People, SignedIn
from tests.support.portal import ACTOR, living_document
from tests.support.tracked import accept

from outgate.contract.policy import DEFAULT_LIMITS, Counted, Limit, LimitScope, SenderLimits
from outgate.contract.wire import SenderUse
from outgate.portal.accounts.models import Right
from outgate.portal.api.senders import LimitsIn
from outgate.portal.customers.text import LimitsText
from outgate.portal.limits.models import LockedMailbox
from outgate.portal.limits.services import lock_sender
from outgate.portal.outbound.cloud_services import set_limits
from outgate.portal.outbound.selectors import sender_limits
from outgate.portal.web.sections import limits as sections
from outgate.portal.web.sections.limits import key_of, stamp_of, time_text

pytestmark = pytest.mark.django_db(databases="__all__")
PAGE = "/customers/alpha/outbound/"


@pytest.fixture
def browser(people: People, signed_in: SignedIn) -> Any:
    return signed_in(people.admin)


def form(**changed: str) -> dict[str, str]:
    filled = {
        "lock_factor": "10", "lock_minutes": "60", "lock_max_minutes": "1440",
        "invalid_percent": "50", "invalid_minimum": "20", "slow_messages_max": "10000", "slow_megabytes": "2048",
        "exempt": "", "scope": "mailbox", "counted": "recipients", "minutes": "60", "maximum": "",
        "stamp": stamp_of(SenderLimits()),
    }  # fmt: skip
    for number, rule in enumerate(DEFAULT_LIMITS):
        filled |= {f"rule{number}": key_of(rule), f"maximum{number}": str(rule.maximum)}
    return {**filled, **changed}


def test_defaults_are_shown_and_saved_as_defaults(browser: Any, people: People) -> None:
    page = browser.get(PAGE).content.decode()
    assert "One mailbox: recipients in 5 minutes, at most" in page
    assert browser.post(f"{PAGE}limits/", form()).status_code == 302
    assert sender_limits(people.alpha) == SenderLimits()


def test_numbers_are_changed_removed_and_added(browser: Any, people: People) -> None:
    posted = form(
        maximum0="70", maximum1="", scope="domain", counted="messages", minutes="10", maximum="500", lock_factor="2.5",
        lock_minutes="120", lock_max_minutes="180", invalid_percent="0", invalid_minimum="7", slow_messages_max="8",
        slow_megabytes="9", exempt="News@alpha.example\n@bulk.example",
    )  # fmt: skip
    page = browser.post(f"{PAGE}limits/", posted, follow=True).content.decode()
    limits = living_document(people.alpha).limits
    assert "The limits were saved." in page
    assert Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 300, 70) in limits.limits
    assert Limit(LimitScope.DOMAIN, Counted.MESSAGES, 600, 500) in limits.limits
    assert len(limits.limits) == len(DEFAULT_LIMITS)
    assert (limits.lock_factor, limits.lock_seconds, limits.lock_max_seconds) == (2.5, 7_200, 10_800)
    assert (limits.invalid_percent, limits.invalid_minimum) == (0, 7)
    assert (limits.slow_messages_max, limits.slow_octets_max) == (8, 9 * 1_048_576)
    assert limits.exempt == ("@bulk.example", "news@alpha.example")
    assert "Back to the defaults" in page

    browser.post(f"{PAGE}limits/reset/")
    assert sender_limits(people.alpha) == SenderLimits()


def test_what_the_form_did_not_change_is_kept_to_the_second_and_octet(browser: Any, people: People) -> None:
    before = SenderLimits(lock_seconds=90, lock_factor=2.12345678, lock_max_seconds=91, slow_octets_max=1_048_577)
    set_limits(actor=ACTOR, customer=people.alpha, limits=before)
    page = browser.get(PAGE).content.decode()
    for told in ("Set to 90 seconds", "Set to 91 seconds", "Set to 1048577 bytes"):
        assert told in page
    shown = {"lock_minutes": "1", "lock_max_minutes": "1", "slow_megabytes": "1", "lock_factor": "2.12346"}
    posted = form(stamp=stamp_of(before), **shown, invalid_percent="51")
    assert browser.post(f"{PAGE}limits/", posted).status_code == 302
    after = sender_limits(people.alpha)
    assert (after.lock_seconds, after.lock_max_seconds, after.lock_factor) == (90, 91, 2.12345678)
    assert (after.slow_octets_max, after.invalid_percent) == (1_048_577, 51)

    browser.post(f"{PAGE}limits/", form(stamp=stamp_of(after), lock_minutes="2", lock_max_minutes="3"))
    after = sender_limits(people.alpha)
    assert (after.lock_seconds, after.lock_max_seconds) == (120, 180)


def test_what_somebody_else_saved_meanwhile_stands_beside_what_was_typed(browser: Any, people: People) -> None:
    kept = DEFAULT_LIMITS[0]
    others = SenderLimits(
        limits=(Limit(LimitScope.DOMAIN, Counted.MESSAGES, 60, 7), structs.replace(kept, maximum=40)),
        lock_factor=5,
        exempt=("@bulk.example",),
    )
    set_limits(actor=ACTOR, customer=people.alpha, limits=others)
    others = sender_limits(people.alpha)
    place = [rule.seconds for rule in others.limits].index(kept.seconds)
    answer = browser.post(
        f"{PAGE}limits/", form(maximum0="70", maximum2="301", lock_minutes="60", exempt="x@y.example")
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sender_limits(people.alpha) == others
    assert f'name="maximum{place}" aria-label="One mailbox: recipients in 5 minutes, at most" value="70"' in page
    assert "Now 40" in page
    assert "Now: 5" in page
    assert "Now: @bulk.example" in page
    assert page.count('class="form-hint stands"') == 3
    named = time_text(DEFAULT_LIMITS[2].seconds)
    assert f"recipients in {named} (you entered 301)" in page
    assert f'name="stamp" value="{stamp_of(others)}"' in page


def test_without_any_nothing_is_slowed(browser: Any, people: People) -> None:
    empty = {f"maximum{number}": "" for number in range(len(DEFAULT_LIMITS))}
    page = browser.post(f"{PAGE}limits/", form(**empty), follow=True).content.decode()
    assert "nothing is slowed" in page
    assert living_document(people.alpha).limits.limits == ()


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"maximum0": "0"}, "Enter a number from 1 to"),
        ({"maximum0": "x"}, "&#x27;x&#x27; is not a number"),
        ({"maximum": "5", "minutes": "5"}, "Change its number instead"),
        ({"maximum": "5", "minutes": "99999"}, "Enter 1 to 10080 minutes"),
        ({"maximum": "5", "scope": "planet"}, "Choose whose mail"),
        ({"lock_factor": "0.5"}, "0.5 is not taken"),
        ({"lock_factor": "nan"}, "nan is not taken"),
        ({"lock_factor": "many"}, "Enter one such as 10"),
        ({"lock_minutes": "0"}, "Enter 1 to 43200 minutes"),
        ({"lock_minutes": "100", "lock_max_minutes": "99"}, "Enter 100 to 43200 minutes"),
        ({"lock_max_minutes": "43201"}, "Enter 60 to 43200 minutes"),
        ({"lock_max_minutes": ""}, "Enter digits only"),
        ({"invalid_percent": "101"}, "from 0 to 100"),
        ({"invalid_minimum": "0"}, "from 1 to"),
        ({"slow_messages_max": "10000001"}, "from 0 to 10000000"),
        ({"slow_megabytes": "1048577"}, "Enter 0 to 1048576 megabytes"),
        ({"slow_megabytes": "2 GB"}, "Enter digits only"),
        ({"exempt": "nobody"}, "Enter a mailbox such as"),
        ({"stamp": ""}, "Somebody else has changed"),
    ],
    ids=str,
)
def test_mistake_stands_beside_its_field_and_nothing_is_saved(
    browser: Any, people: People, changed: dict[str, str], text: str
) -> None:
    answer = browser.post(f"{PAGE}limits/", form(**changed))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert text in page
    assert sender_limits(people.alpha) == SenderLimits()
    if (name := next(reversed(changed))) in OF_ALL_MAIL:
        error = re.search(rf'<div class="field-error" id="limits-{name}-error" role="alert">([^<]+)', page)
        assert error is not None
        assert text in html.unescape(error[1])
        assert re.search(rf'aria-describedby="[^"]*limits-{name}-error', page)


OF_ALL_MAIL = {
    "lock_factor": "lock_factor",
    "lock_minutes": "lock_seconds",
    "lock_max_minutes": "lock_max_seconds",
    "invalid_percent": "invalid_percent",
    "invalid_minimum": "invalid_minimum",
    "slow_messages_max": "slow_messages_max",
    "slow_megabytes": "slow_octets_max",
    "exempt": "exempt",
}  # what each field of the form sets; the limits themselves have a table


def test_page_api_and_text_have_the_same_limits(browser: Any) -> None:
    every = {field.name for field in msgspec.structs.fields(SenderLimits)} - {"limits"}
    assert set(OF_ALL_MAIL.values()) == every
    assert set(LimitsIn.model_fields) - {"rules"} == every
    assert {field.name for field in msgspec.structs.fields(LimitsText)} - {"rules"} == every
    page = browser.get(PAGE).content.decode()
    assert [name for name in OF_ALL_MAIL if f'id="limits-{name}"' not in page] == []


def test_mailbox_is_locked_shown_and_unlocked(browser: Any, people: People) -> None:
    page = browser.post(f"{PAGE}locked/", {"mailbox": "Eve@alpha.example", "hours": "2"}, follow=True).content.decode()
    assert "eve@alpha.example is locked" in page
    assert "locked by a person" in page
    assert [each.mailbox for each in living_document(people.alpha).locked_senders] == ["eve@alpha.example"]
    page = browser.post(f"{PAGE}locked/unlock/", {"mailbox": "eve@alpha.example"}, follow=True).content.decode()
    assert "eve@alpha.example may send again" in page
    assert "No mailbox is locked" in page


@pytest.mark.parametrize(
    ("posted", "text"),
    [
        ({"mailbox": "nobody", "hours": "1"}, "Give the whole address"),
        ({"mailbox": "eve@alpha.example", "hours": "0"}, "Enter 1 to 720 hours"),
        ({"mailbox": "eve@alpha.example", "hours": "many"}, "is not a number"),
    ],
)
def test_mistake_in_a_lock(browser: Any, posted: dict[str, str], text: str) -> None:
    answer = browser.post(f"{PAGE}locked/", posted)
    assert answer.status_code == 422
    assert text in answer.content.decode()
    assert not LockedMailbox.objects.exists()


def test_unlocking_who_is_not_locked_or_anothers(browser: Any, people: People) -> None:
    lock_sender(actor=ACTOR, customer=people.beta, mailbox="eve@beta.example", seconds=60)
    assert browser.post(f"{PAGE}locked/unlock/", {"mailbox": "eve@beta.example"}).status_code == 404


def test_slow_lane_by_sender(browser: Any) -> None:
    assert "Nothing waits." in browser.get(PAGE).content.decode()
    for number in range(2):
        accept(number, lane="slow", lane_reason="over-limit", reverse_path="bulk@alpha.example", subject="News")
    page = browser.get(PAGE).content.decode()
    assert "2 messages" in page
    assert "bulk@alpha.example" in page
    listed = browser.get("/customers/alpha/held/?standing=slow").content.decode()
    assert listed.count("News") >= 2
    assert "Release chosen" in listed


def test_staff_that_may_not_see_mail_sees_no_sender(people: People, signed_in: SignedIn) -> None:
    accept(1, lane="slow", lane_reason="over-limit", reverse_path="bulk@alpha.example")
    people.staff.rights = [Right.LOGIN_AS.value]
    people.staff.save(update_fields=["rights"])
    staff = signed_in(people.staff)
    staff.post("/customers/alpha/login-as/")
    page = staff.get(PAGE).content.decode()
    assert "bulk@alpha.example" not in page
    assert "Your rights do not include looking at mail" in page


def near(browser: Any, monkeypatch: pytest.MonkeyPatch, uses: list[SenderUse] | None) -> tuple[str, list[str]]:
    asked: list[str] = []

    def answer(customer_id: str) -> list[SenderUse] | None:
        asked.append(customer_id)
        return uses

    monkeypatch.setattr(sections, "near_limit", answer)
    return browser.get(f"{PAGE}near/").content.decode(), asked


def test_who_is_near_a_limit(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'hx-trigger="load"' in browser.get(PAGE).content.decode()
    uses = [
        SenderUse("alpha", "mailbox", "<b>@alpha.example", "recipients", 300, 50, 50),
        SenderUse("alpha", "customer", "", "recipients", 3_600, 20_000, 12_000),
    ]
    page, asked = near(browser, monkeypatch, uses)
    assert asked == ["alpha"]
    assert "&lt;b&gt;@alpha.example" in page
    assert "50 of 50 recipients" in page
    assert "full" in page
    assert "12,000 of 20,000 recipients" in page
    assert 'hx-trigger="load"' not in page
    assert "50 of 50 recipients" in browser.get(f"{PAGE}?near=1").content.decode()
    assert "Nobody has used 50 %" in near(browser, monkeypatch, [])[0]


def test_no_worker_answers_who_is_near_a_limit(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No worker has answered" in near(browser, monkeypatch, None)[0]
    assert browser.get(f"{PAGE}?near=1").status_code == 200


def test_who_is_near_a_limit_is_for_who_may_see_mail_of_the_customer(
    people: People, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = signed_in(people.foreign_admin)
    assert foreign.get(f"{PAGE}near/").status_code == 404
    people.staff.rights = [Right.LOGIN_AS.value]
    people.staff.save(update_fields=["rights"])
    staff = signed_in(people.staff)
    staff.post("/customers/alpha/login-as/")
    page, asked = near(staff, monkeypatch, [SenderUse("alpha", "mailbox", "eve@alpha.example", "recipients", 60, 5, 5)])
    assert asked == []
    assert "eve@alpha.example" not in page
    assert "Your rights do not include looking at mail" in page


def test_viewer_reads_and_changes_nothing(people: People, signed_in: SignedIn) -> None:
    limits = SenderLimits(
        (), ("news@alpha.example",), slow_messages_max=4_321, slow_octets_max=3 * 1_048_576, lock_factor=7.5,
        lock_seconds=660, lock_max_seconds=780, invalid_percent=33, invalid_minimum=1_001,
    )  # fmt: skip
    set_limits(actor=ACTOR, customer=people.alpha, limits=limits)
    viewer = signed_in(people.viewer)
    page = html.unescape(viewer.get(PAGE).content.decode()).replace("\xa0", " ")
    assert "Save limits" not in page
    for told in (
        "news@alpha.example",
        "4,321 messages, 3.0 MB",
        "7.5 times a limit",
        "11 minutes, twice as long each time within a day, at most 13 minutes",
        "33 % of recipients that do not exist, of at least 1,001 in an hour",
    ):
        assert told in page
    for path, posted in (("limits/", form()), ("limits/reset/", {}), ("locked/", {}), ("locked/unlock/", {})):
        assert viewer.post(f"{PAGE}{path}", posted).status_code == 403


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(86_400, "a day"), (7_200, "2 hours"), (300, "5 minutes"), (61, "61 seconds"), (60, "a minute")],
)
def test_times_in_words(seconds: int, text: str) -> None:
    assert time_text(seconds) == text
