"""Held mail."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from tests.portal.web.conftest import People, SignedIn
from tests.support.tracked import accept, attempt

from outgate.contract.commands import QueueAction
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.portal.accounts.models import Right
from outgate.portal.held.models import MessageOrder
from outgate.portal.held.selectors import ORDER_SECONDS
from outgate.portal.held.services import ACTIONS
from outgate.portal.web import mail_words

pytestmark = pytest.mark.django_db(databases="__all__")
PAGE = "/customers/alpha/held/"
HELD: dict[str, Any] = {
    "lane": "held",
    "lane_reason": "content-data-loss",
    "report": ScanReport((Finding(Category.DATA_LOSS, "data-loss", "card-number", 3),), seconds=0.1),
}


def test_nothing_is_held(people: People, signed_in: SignedIn) -> None:
    assert "No mail is held" in signed_in(people.admin).get(PAGE).content.decode()


def test_held_mail_is_shown_with_what_was_found(people: People, signed_in: SignedIn) -> None:
    accept(1, subject="Figures <script>alert(1)</script>", **HELD)
    page = signed_in(people.admin).get(PAGE).content.decode()
    assert "1 waiting" in page
    assert "Figures &lt;script&gt;" in page
    assert "card-number" in page
    assert "/r/content-data-loss" in page
    assert "Release chosen" in page


def test_chosen_messages_are_released_and_the_page_says_so(people: People, signed_in: SignedIn) -> None:
    first, second = accept(1, **HELD), accept(2, **HELD)
    browser = signed_in(people.admin)
    page = browser.post(f"{PAGE}decide/", {"chosen": [first, second], "do": "release"}, follow=True).content.decode()
    assert "2 messages are to be released." in page
    assert "Release ordered" in page
    assert "by admin@alpha.example" in page
    assert f"held/orders/?watch={second}.{first}&amp;late=&amp;gone=0" in page
    assert 'hx-trigger="every 3s"' in page
    assert set(MessageOrder.objects.values_list("queue_id", "action")) == {(first, "release"), (second, "release")}


@pytest.mark.parametrize(
    ("posted", "text"),
    [
        ({"do": "release"}, "Nothing is chosen"),
        ({"chosen": "T0000000000000", "do": "hold"}, "Choose what is to be done"),
        ({"chosen": "T0000000000000", "do": ""}, "Choose what is to be done"),
    ],
)
def test_mistake_is_told(people: People, signed_in: SignedIn, posted: dict[str, str], text: str) -> None:
    accept(1, **HELD)
    answer = signed_in(people.admin).post(f"{PAGE}decide/", posted)
    assert answer.status_code == 422
    assert text in answer.content.decode()


def test_filter_and_its_end(people: People, signed_in: SignedIn) -> None:
    accept(1, subject="Alpha plan", **HELD)
    accept(2, subject="Beta plan", **HELD)
    browser = signed_in(people.admin)
    page = browser.get(f"{PAGE}?q=beta").content.decode()
    assert "Beta plan" in page
    assert "Alpha plan" not in page
    assert "Nothing matches" in browser.get(f"{PAGE}?q=zzz").content.decode()
    assert browser.get(f"{PAGE}?reason=never-was&before=rubbish").status_code == 200


def test_viewer_sees_and_decides_nothing(people: People, signed_in: SignedIn) -> None:
    name = accept(1, **HELD)
    browser = signed_in(people.viewer)
    page = browser.get(PAGE).content.decode()
    assert "Release chosen" not in page
    assert 'name="chosen"' not in page
    assert browser.post(f"{PAGE}decide/", {"chosen": name, "do": "release"}).status_code == 403
    assert not MessageOrder.objects.exists()


def test_malware_is_released_by_staff_alone(people: People, signed_in: SignedIn) -> None:
    name = accept(1, lane="held", lane_reason="content-malware")
    browser = signed_in(people.admin)
    assert "released by your provider's staff alone" in browser.get(PAGE).content.decode()
    answer = browser.post(f"{PAGE}decide/", {"chosen": name, "do": "release"})
    assert answer.status_code == 422
    assert "staff alone" in answer.content.decode()

    people.staff.rights = [Right.LOGIN_AS.value, Right.TRACKER.value, Right.QUARANTINE.value]
    people.staff.save(update_fields=["rights"])
    staff = signed_in(people.staff)
    staff.post("/customers/alpha/login-as/")
    assert staff.post(f"{PAGE}decide/", {"chosen": name, "do": "release"}).status_code == 302


def test_dangerous_mail_among_others_is_left_and_named(people: People, signed_in: SignedIn) -> None:
    fine, dangerous = accept(1, **HELD), accept(2, lane="held", lane_reason="content-phishing", subject="<b>Pay</b>")
    browser = signed_in(people.admin)
    page = browser.post(f"{PAGE}decide/", {"chosen": [fine, dangerous], "do": "release"}, follow=True).content.decode()
    assert "1 message is to be released." in page
    assert "Left as before, since mail that is held as malware or phishing is released by your provider" in page
    assert f"&lt;b&gt;Pay&lt;/b&gt;</bdi> ({dangerous})" in page
    assert set(MessageOrder.objects.values_list("queue_id", flat=True)) == {fine}


def test_what_was_gone_already_is_counted(people: People, signed_in: SignedIn) -> None:
    held, gone = accept(1, **HELD), accept(2)
    attempt(gone, ("b@b.example", "relayed", "250 ok"), is_final=True)
    browser = signed_in(people.admin)
    page = browser.post(f"{PAGE}decide/", {"chosen": [held, gone], "do": "delete"}, follow=True).content.decode()
    assert "1 message is to be deleted." in page
    assert "1 other does not wait any more." in page
    page = browser.post(f"{PAGE}decide/", {"chosen": [gone], "do": "delete"}, follow=True).content.decode()
    assert "Nothing was to be done" in page


def test_staff_without_the_right_decides_nothing(people: People, signed_in: SignedIn) -> None:
    name = accept(1, **HELD)
    people.staff.rights = [Right.LOGIN_AS.value, Right.TRACKER.value]
    people.staff.save(update_fields=["rights"])
    staff = signed_in(people.staff)
    staff.post("/customers/alpha/login-as/")
    assert "Release chosen" not in staff.get(PAGE).content.decode()
    assert staff.post(f"{PAGE}decide/", {"chosen": name, "do": "release"}).status_code == 404


def test_message_page_offers_what_can_be_done(people: People, signed_in: SignedIn) -> None:
    held, deferred, relayed = accept(1, **HELD), accept(2), accept(3)
    attempt(deferred, ("b@b.example", "deferred", "451 later"))
    attempt(relayed, ("b@b.example", "relayed", "250 ok"), is_final=True)
    browser = signed_in(people.admin)
    shown = {name: browser.get(f"/customers/alpha/mail/{name}/").content.decode() for name in (held, deferred, relayed)}
    assert 'value="release"' in shown[held]
    assert 'value="delete"' in shown[held]
    assert 'value="retry"' in shown[deferred]
    assert 'name="do"' not in shown[relayed]

    page = browser.post(
        f"{PAGE}decide/", {"chosen": held, "do": "release", "next": f"/customers/alpha/mail/{held}/"}, follow=True
    ).content.decode()
    assert "1 message is to be released." in page
    assert "Release ordered by admin@alpha.example" in page
    assert 'name="do"' not in signed_in(people.viewer).get(f"/customers/alpha/mail/{held}/").content.decode()


def test_open_list_learns_only_what_has_changed(people: People, signed_in: SignedIn) -> None:
    first, second = accept(1, **HELD), accept(2, **HELD)
    browser = signed_in(people.admin)
    browser.post(f"{PAGE}decide/", {"chosen": [first, second], "do": "release"})
    asked = {"watch": f"{first}.{second}", "late": "", "gone": "0"}
    told = browser.get(f"{PAGE}orders/", asked).content.decode()
    assert "hx-swap-oob" not in told
    assert f"watch={first}.{second}&amp;late=&amp;gone=0" in told

    attempt(first, ("b@b.example", "relayed", "250 ok"), is_final=True)
    told = browser.get(f"{PAGE}orders/", asked).content.decode()
    assert f'<div id="order-{first}" hx-swap-oob="true"><span class="state state-on">Relayed' in told
    assert f"order-{second}" not in told
    assert "1 message does not wait any more." in told
    assert f"watch={second}&amp;late=&amp;gone=1" in told

    MessageOrder.objects.update(at=timezone.now() - timedelta(seconds=ORDER_SECONDS + 1))
    told = browser.get(f"{PAGE}orders/", {"watch": second, "gone": "1"}).content.decode()
    assert "No worker has carried it out since" in told
    assert "held-news" not in told
    assert f"watch={second}&amp;late={second}&amp;gone=1" in told
    assert 'hx-trigger="every 15s"' in told
    told = browser.get(f"{PAGE}orders/", {"watch": second, "late": second, "gone": "1"}).content.decode()
    assert "hx-swap-oob" not in told
    assert "It can be ordered again" in browser.get(PAGE).content.decode()
    assert "No worker has carried it out yet" in browser.get(f"/customers/alpha/mail/{second}/").content.decode()


@pytest.mark.parametrize("watch", ["", "rubbish", ".".join(["T0000000000000"] * 500)])
def test_strange_questions_for_orders_do_no_harm(watch: str, people: People, signed_in: SignedIn) -> None:
    answer = signed_in(people.admin).get(f"{PAGE}orders/", {"watch": watch, "late": watch, "gone": "many"})
    assert answer.status_code == 200
    assert "hx-get" not in answer.content.decode()


def test_orders_of_others_tell_nothing(people: People, signed_in: SignedIn) -> None:
    name = accept(1, customer="beta", **HELD)
    told = signed_in(people.admin).get(f"{PAGE}orders/", {"watch": name}).content.decode()
    assert name not in told
    assert signed_in(people.foreign_admin).get(f"{PAGE}orders/", {"watch": name}).status_code == 404


def test_nobody_is_led_to_another_site(people: People, signed_in: SignedIn) -> None:
    name = accept(1, **HELD)
    for wanted in ("https://evil.example/", "//evil.example/", "\\\\evil.example"):
        answer = signed_in(people.admin).post(f"{PAGE}decide/", {"chosen": name, "do": "delete", "next": wanted})
        assert answer["Location"] == PAGE


def test_every_action_has_its_words() -> None:
    assert {action.value for action in ACTIONS} == set(mail_words.ACTIONS) == set(mail_words.ORDERED)
    assert QueueAction.HOLD not in ACTIONS
