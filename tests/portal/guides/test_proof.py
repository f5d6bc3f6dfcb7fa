"""The first message from a system that is being set up."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support import sightings
from tests.support.portal import ACTOR, customer
from tests.support.sightings import FITTING, OWN, TENANT, record, refused

from outgate.contract.events import MessageAccepted
from outgate.mail.evidence import Evidence
from outgate.mail.message import queue_id
from outgate.portal.customers.models import Customer
from outgate.portal.guides.kinds import GUIDES, guide_of, guides_for
from outgate.portal.guides.models import GuideProof
from outgate.portal.guides.proof import WAIT_SECONDS, first_seen, keep, since_of
from outgate.portal.outbound.cloud_services import confirm_tenant
from outgate.portal.tracker.recording import record_events

pytestmark = pytest.mark.django_db(databases="__all__")

MICROSOFT = GUIDES[0]
THIRD = GUIDES[-1]
SINCE = datetime.fromtimestamp(sightings.AT, UTC)


def accepted(made: Customer, evidence: Evidence, seconds: int) -> None:
    at = sightings.AT + seconds
    event = MessageAccepted(
        queue_id(int(at * 1000), 1, 1), "mx1/1", at, made.slug, "192.0.2.7", "h", "TLSv1.3", f"a@{OWN}",
        ("b@example.net",), 500, "domain-own", evidence=evidence,
    )  # fmt: skip
    assert record_events([event]) == 0


def test_nothing_came() -> None:
    assert first_seen(customer("Alpha"), THIRD, SINCE) is None


def test_message_of_this_kind_of_system_and_of_this_customer_only() -> None:
    made, other = customer("Alpha"), customer("Beta")
    accepted(other, Evidence("declared"), 10)
    accepted(made, FITTING, 11)
    assert first_seen(made, THIRD, SINCE) is None
    seen = first_seen(made, MICROSOFT, SINCE)
    assert seen is not None
    assert seen.is_accepted
    assert seen.passed == [OWN]
    assert [each.forward_path for each in seen.recipients] == ["b@example.net"]


def test_what_came_before_the_wait_does_not_count() -> None:
    made = customer("Alpha")
    accepted(made, Evidence("declared"), -60)
    assert first_seen(made, THIRD, SINCE) is None


def test_refused_message_is_seen_until_one_is_accepted() -> None:
    made = customer("Alpha")
    record(refused(made, FITTING, 1))
    seen = first_seen(made, MICROSOFT, SINCE)
    assert seen is not None
    assert not seen.is_accepted
    assert seen.message.reason == "tenant-unconfirmed"
    accepted(made, FITTING, 2)
    seen = first_seen(made, MICROSOFT, SINCE)
    assert seen is not None
    assert seen.is_accepted


def test_tenant_fits_when_it_is_confirmed() -> None:
    made = customer("Alpha")
    accepted(made, FITTING, 1)
    seen = first_seen(made, MICROSOFT, SINCE)
    assert seen is not None
    assert seen.tenant_fits is False
    confirm_tenant(actor=ACTOR, customer=made, tenant_id=TENANT)
    seen = first_seen(made, MICROSOFT, SINCE)
    assert seen is not None
    assert seen.tenant_fits is True


def test_proof_is_kept_once() -> None:
    made = customer("Alpha")
    accepted(made, Evidence("declared"), 1)
    seen = first_seen(made, THIRD, SINCE)
    assert seen is not None
    for _ in range(2):
        keep(made, THIRD, seen)
    assert [str(proof) for proof in GuideProof.objects.all()] == [f"{made.pk} by third-party"]


def test_wait_has_an_end_and_a_beginning() -> None:
    now = SINCE
    assert since_of(str(int(now.timestamp())), now) == now
    assert since_of(str(int(now.timestamp())), now + timedelta(seconds=WAIT_SECONDS + 10)) is None
    assert since_of(str(int(now.timestamp()) + 3600), now) is None
    for text in ("", "x", "-1", "9" * 13, "\u0661"):
        assert since_of(text, now) is None


def test_guide_of_the_platform_comes_first() -> None:
    for platform, kind in (
        ("google-workspace", "google-workspace"),
        ("exchange", "exchange"),
        ("other", "third-party"),
    ):
        assert guides_for(platform)[0].kind == kind
    assert guide_of("nothing") is None
