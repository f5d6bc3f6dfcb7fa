"""The first message from a system that is being set up."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs
from tests.support import sightings
from tests.support.portal import ACTOR, customer
from tests.support.sightings import FITTING, OWN, TENANT, record, refused

from outgate.app.provider_data import packaged_documents
from outgate.contract.events import MessageAccepted
from outgate.mail.evidence import NO_EVIDENCE, Evidence
from outgate.mail.queue_ids import queue_id
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.models import Customer
from outgate.portal.guides.kinds import GUIDES, Guide, guide_of, guides_for
from outgate.portal.guides.models import GuideProof
from outgate.portal.guides.proof import SHOWN_SECONDS, WAIT_SECONDS, is_over, keep, seen_since, since_of
from outgate.portal.outbound.cloud_services import confirm_tenant
from outgate.portal.providers.services import enter
from outgate.portal.tracker import search
from outgate.portal.tracker.recording import record_events

pytestmark = pytest.mark.django_db(databases="__all__")

MICROSOFT = GUIDES[0]
GOOGLE = GUIDES[2]
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
    assert seen_since(customer("Alpha"), THIRD, SINCE) is None


def test_message_of_this_kind_of_system_and_of_this_customer_only() -> None:
    made, other = customer("Alpha"), customer("Beta")
    accepted(other, Evidence("declared"), 10)
    accepted(made, FITTING, 11)
    assert seen_since(made, THIRD, SINCE) is None
    seen = seen_since(made, MICROSOFT, SINCE)
    assert seen is not None
    assert seen.is_accepted
    assert seen.passed == [OWN]
    assert [each.forward_path for each in seen.recipients] == ["b@example.net"]


def test_what_came_before_the_wait_does_not_count() -> None:
    made = customer("Alpha")
    accepted(made, Evidence("declared"), -60)
    assert seen_since(made, THIRD, SINCE) is None


def test_refused_message_is_seen_until_one_is_accepted() -> None:
    made = customer("Alpha")
    record(refused(made, FITTING, 1))
    seen = seen_since(made, MICROSOFT, SINCE)
    assert seen is not None
    assert not seen.is_accepted
    assert seen.message.reason == "tenant-unconfirmed"
    accepted(made, FITTING, 2)
    seen = seen_since(made, MICROSOFT, SINCE)
    assert seen is not None
    assert seen.is_accepted


def test_tenant_fits_when_it_is_confirmed() -> None:
    made = customer("Alpha")
    accepted(made, FITTING, 1)
    seen = seen_since(made, MICROSOFT, SINCE)
    assert seen is not None
    assert seen.tenant_fits is False
    confirm_tenant(actor=ACTOR, customer=made, tenant_id=TENANT)
    seen = seen_since(made, MICROSOFT, SINCE)
    assert seen is not None
    assert seen.tenant_fits is True


def refused_at_rcpt(made: Customer, source: str, reason: str, seconds: int, reply: str = "550 5.7.1 no") -> None:
    """As a worker tells it: nothing is known but the envelope."""
    event = refused(made, NO_EVIDENCE, seconds)
    record(structs.replace(event, source=source, stage="rcpt", reason=reason, reply=reply))


def test_refusal_at_rcpt_is_seen_with_its_reason_and_reply() -> None:
    """Where the address is not entered yet: the first thing that goes wrong."""
    made = customer("Alpha")
    refused_at_rcpt(made, "192.0.2.9", "source-unknown", 1, "550 5.7.1 source-unknown: 192.0.2.9 may not send")
    seen = seen_since(made, THIRD, SINCE)
    assert seen is not None
    assert not seen.is_accepted
    assert not seen.is_read
    assert not seen.is_postponed
    assert seen.refusal is not None
    assert seen.refusal.reply.startswith("550 5.7.1 source-unknown: 192.0.2.9")
    assert seen.reason is not None
    assert "Outbound Sources" in seen.reason.remedy
    assert seen_since(made, MICROSOFT, SINCE) is None


@pytest.mark.parametrize(
    ("guide", "source"),
    [(MICROSOFT, "40.107.1.7"), (GOOGLE, "209.85.128.1"), (THIRD, "203.0.113.7")],
    ids=["microsoft", "google", "declared"],
)
def test_refusal_before_the_content_belongs_to_the_system_whose_address_it_came_from(guide: Guide, source: str) -> None:
    enter(packaged_documents())
    made = customer("Alpha")
    refused_at_rcpt(made, source, "outbound-off", 1)
    for each in (MICROSOFT, GOOGLE, THIRD):
        assert (seen_since(made, each, SINCE) is not None) is (each is guide)
    seen = seen_since(made, guide, SINCE)
    assert seen is not None
    assert seen.tenant_fits is None


def test_refusal_without_an_address_belongs_to_no_system() -> None:
    made = customer("Alpha")
    refused_at_rcpt(made, "", "outbound-off", 1)
    assert seen_since(made, THIRD, SINCE) is None


def test_message_behind_many_of_another_system_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    made = customer("Alpha")
    accepted(made, FITTING, 1)
    for number in range(10):
        accepted(made, Evidence("declared"), 2 + number)
    monkeypatch.setattr(search, "STRETCH", 3)
    seen = seen_since(made, MICROSOFT, SINCE)
    assert seen is not None
    assert seen.evidence["source_class"] == "microsoft"


def test_of_many_recipients_some_are_shown() -> None:
    made = customer("Alpha")
    at = sightings.AT + 1
    event = MessageAccepted(
        queue_id(int(at * 1000), 1, 1), "mx1/1", at, made.slug, "192.0.2.7", "h", "TLSv1.3", f"a@{OWN}",
        tuple(f"{number}@example.net" for number in range(9)), 500, "domain-own", evidence=Evidence("declared"),
    )  # fmt: skip
    assert record_events([event]) == 0
    seen = seen_since(made, THIRD, SINCE)
    assert seen is not None
    assert (len(seen.recipients), seen.recipient_count) == (3, 9)


def test_proof_is_kept_and_told_to_the_audit_log_once() -> None:
    made = customer("Alpha")
    accepted(made, Evidence("declared"), 1)
    seen = seen_since(made, THIRD, SINCE)
    assert seen is not None
    for _ in range(2):
        keep(actor=ACTOR, customer=made, guide=THIRD, seen=seen)
    assert [str(proof) for proof in GuideProof.objects.all()] == [f"{made.pk} by third-party"]
    (entry,) = AuditEntry.objects.filter(action="guide.proven")
    assert entry.object == made.slug
    assert entry.detail == {"guide": "third-party", "queue_id": seen.message.queue_id}


def test_wait_has_an_end_and_a_beginning() -> None:
    now = SINCE
    text = str(int(now.timestamp()))
    assert since_of(text, now) == now
    assert not is_over(now, now + timedelta(seconds=WAIT_SECONDS))
    assert is_over(now, now + timedelta(seconds=WAIT_SECONDS + 1))
    assert since_of(text, now + timedelta(seconds=WAIT_SECONDS + 1)) == now
    assert since_of(text, now + timedelta(seconds=SHOWN_SECONDS + 10)) is None
    assert since_of(str(int(now.timestamp()) + 3600), now) is None
    for text in ("", "x", "-1", "9" * 12, "9" * 13, "\u0661"):
        assert since_of(text, now) is None


def test_guide_of_the_platform_comes_first() -> None:
    for platform, kind in (
        ("google-workspace", "google-workspace"),
        ("exchange", "exchange"),
        ("other", "third-party"),
    ):
        assert guides_for(platform)[0].kind == kind
    assert guide_of("nothing") is None
