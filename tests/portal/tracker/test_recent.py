"""What a customer's last messages from a cloud showed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.portal import customer
from tests.support.sightings import AT, evidence, record, refused

from outgate.portal.tracker import recent
from outgate.portal.tracker.recent import DAYS, recent_mail

pytestmark = pytest.mark.django_db(databases="__all__")
NOW = datetime.fromtimestamp(AT + 100, UTC)


def test_pools_and_signatures_are_counted_of_one_cloud_and_one_customer() -> None:
    made, other = customer("Alpha"), customer("Other")
    google: dict[str, Any] = {"source_class": "google", "tenant_ids": (), "originator_orgs": (), "auth_as": ()}
    record(
        refused(made, evidence(pool="relay", dkim="pass"), 1),
        refused(made, evidence(pool="relay", dkim="fail"), 2),
        refused(made, evidence(pool="normal"), 3),
        refused(made, evidence(**google, dkim="none"), 4),
        refused(other, evidence(pool="high-risk", dkim="none"), 5),
    )
    found = recent_mail(made.slug, "microsoft", NOW)
    assert (found.messages, found.judged, found.unsigned) == (3, 2, 1)
    assert found.pools == {"relay": 2, "normal": 1}
    found = recent_mail(made.slug, "google", NOW)
    assert (found.messages, found.judged, found.unsigned, found.pools) == (1, 1, 1, {})
    assert recent_mail("nobody", "microsoft", NOW).messages == 0


def test_only_the_last_ones_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    made = customer("Alpha")
    record(*(refused(made, evidence(pool="relay" if second < 3 else "normal"), second) for second in range(5)))
    monkeypatch.setattr(recent, "MESSAGES_MAX", 3)
    assert recent_mail(made.slug, "microsoft", NOW).pools == {"normal": 2, "relay": 1}
    assert recent_mail(made.slug, "microsoft", NOW + timedelta(days=DAYS, seconds=1)).messages == 0
