"""What a customer's last messages from a cloud showed: through which pool they came, and whether signed.

Only so many are looked at, the last ones, so that it costs a page the same however much a customer sends.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from outgate.mail.evidence import DkimVerdict
from outgate.mail.queue_ids import queue_id
from outgate.portal.tracker.models import TrackedMessage

DAYS: Final = 7
MESSAGES_MAX: Final = 1_000  # the last ones of a customer, from wherever they came


@dataclass(slots=True)
class RecentMail:
    """messages: how many of those looked at came from the cloud. pools: of these, by `Evidence.pool`. judged: those
    whose signatures were looked at; unsigned: those of them of which none passed."""

    messages: int = 0
    judged: int = 0
    unsigned: int = 0
    pools: Counter[str] = field(default_factory=Counter)


def recent_mail(customer_id: str, source_class: str, now: datetime) -> RecentMail:
    """Of the last `MESSAGES_MAX` messages within `DAYS`, refused ones too. source_class: of `Evidence`."""
    floor = queue_id(int((now - timedelta(days=DAYS)).timestamp() * 1000), 0, 0)
    rows = TrackedMessage.objects.filter(customer_id=customer_id, queue_id__gte=floor).order_by("-queue_id")
    found = RecentMail()
    for evidence in rows.values_list("evidence", flat=True)[:MESSAGES_MAX]:
        if evidence.get("source_class") != source_class:
            continue
        found.messages += 1
        if pool := evidence.get("pool"):
            found.pools[pool] += 1
        if dkim := evidence.get("dkim"):
            found.judged += 1
            found.unsigned += dkim != DkimVerdict.PASS.value
    return found
