"""A customer's own first page."""

from datetime import timedelta

import pytest
from django.utils import timezone
from tests.portal.web.conftest import People, SignedIn
from tests.support.portal import ACTOR

from outgate.mail.queue_ids import queue_id
from outgate.portal.customers.models import Customer, MailPlatform
from outgate.portal.outbound.services import add_domain, vouch_for_domain
from outgate.portal.spf.models import SpfState
from outgate.portal.tracker.models import Status, TrackedMessage
from outgate.spf.report import State

pytestmark = pytest.mark.django_db(databases="__all__")


def track(customer: str, number: int, status: Status = Status.RELAYED, hours: float = 0.0, **more: str) -> None:
    at = timezone.now() - timedelta(hours=hours)
    TrackedMessage.objects.create(
        queue_id=queue_id(int(at.timestamp() * 1000), 0, number), customer_id=customer, at=at, status=status, **more
    )


def test_mail_of_a_day_is_counted_and_that_of_others_not(people: People, signed_in: SignedIn) -> None:
    track("alpha", 1)
    track("alpha", 2, Status.DEFERRED)
    track("alpha", 3, Status.REFUSED)
    track("alpha", 4, hours=25)
    track("beta", 5, subject="Beta's secret")

    answer = signed_in(people.admin).get("/customers/alpha/")
    mail = answer.context["mail"]
    assert (mail.messages, mail.waiting, mail.refused) == (3, 1, 1)
    assert "secret" not in answer.content.decode()


def test_what_is_held_or_slow_waits_too(people: People, signed_in: SignedIn) -> None:
    track("alpha", 1, Status.HELD)
    track("alpha", 2, Status.SLOW)
    assert signed_in(people.admin).get("/customers/alpha/").context["mail"].waiting == 2


@pytest.mark.parametrize("platform", MailPlatform.values)
def test_only_who_is_in_no_cloud_is_told_to_add_a_source(platform: str, people: People, signed_in: SignedIn) -> None:
    Customer.objects.filter(slug="alpha").update(mail_platform=platform)
    steps = signed_in(people.admin).get("/customers/alpha/").context["steps"]
    is_cloud = platform in (MailPlatform.MICROSOFT_365, MailPlatform.GOOGLE)
    assert ("sources" in [part for _, _, part in steps]) is not is_cloud


def test_what_strangers_wrote_is_shown_as_text(people: People, signed_in: SignedIn) -> None:
    hostile = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    track("alpha", 1, subject=hostile, reverse_path=hostile, source=hostile)

    page = signed_in(people.admin).get("/customers/alpha/").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_steps_say_what_is_to_do(people: People, signed_in: SignedIn) -> None:
    page = signed_in(people.viewer).get("/customers/alpha/").content.decode()

    assert "Domain added" in page
    assert "/customers/alpha/outbound/#domains" in page


def test_domains_whose_spf_record_leaves_us_out_are_named_once_mail_flows(people: People, signed_in: SignedIn) -> None:
    domain = add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")
    vouch_for_domain(actor=ACTOR, domain=domain)
    SpfState.objects.filter(domain=domain).update(state=State.NOT_INCLUDED.value)
    browser = signed_in(people.viewer)
    assert "Receivers may refuse your mail" not in browser.get("/customers/alpha/").content.decode()

    people.alpha.outbound = "active"
    people.alpha.save(update_fields=["outbound"])
    page = browser.get("/customers/alpha/").content.decode()
    assert "Receivers may refuse your mail" in page
    assert "/customers/alpha/outbound/#spf" in page

    SpfState.objects.update(state=State.GOOD.value)
    assert "Receivers may refuse your mail" not in browser.get("/customers/alpha/").content.decode()
