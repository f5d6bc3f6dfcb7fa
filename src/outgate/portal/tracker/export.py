"""A list of messages as comma-separated values (RFC 4180) that a spreadsheet shows as text and never runs."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from django.db.models import Count, Min

from outgate.portal.tracker.models import TrackedMessage, TrackedRecipient
from outgate.portal.tracker.search import Every, MessageFilter

EXPORT_ROWS_MAX: Final = 50_000
EXPORT_LOOKED_AT_MAX: Final = 500_000  # messages that are looked at for these rows
PATHS_MAX: Final = 20  # recipients of one row; of a message with more the first one and how many more
BATCH: Final = 500  # messages in memory at a time

COLUMNS: Final = (
    *("time", "reference", "status", "reason", "sender", "from_field", "recipients", "recipient_count", "subject"),
    *("message_id", "size_octets", "source", "lane", "lane_reason", "tls"),
)
# What begins a formula in one spreadsheet or another; of these the wide ones are taken for the narrow ones.
FORMULA_MARKS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(value: object) -> str:
    """As text, harmless: what would be a formula begins with an apostrophe."""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_MARKS) else text


def line(values: Iterable[object]) -> str:
    """One record; every field is quoted."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow([cell(value) for value in values])
    return out.getvalue()


def export(customer_id: str, wanted: MessageFilter, *, now: datetime, rows_max: int = EXPORT_ROWS_MAX) -> Iterator[str]:
    """The records, newest first, the names of the columns before them. Where `rows_max` or `EXPORT_LOOKED_AT_MAX` ends
    it early, a last record of one field says so."""
    yield line(COLUMNS)
    found = Every(customer_id, wanted, now=now, looked_at_max=EXPORT_LOOKED_AT_MAX)
    messages = iter(found)
    left = rows_max
    while batch := list(islice(messages, min(BATCH, left))):
        yield "".join(_records(batch))
        left -= len(batch)
        if not left:
            if next(messages, None) is not None:
                yield line([f"The export ends here, at its limit of {rows_max:,} rows. Choose a shorter time."])
            return
    if found.is_cut:
        looked_at = f"{EXPORT_LOOKED_AT_MAX:,}"
        yield line([f"The export ends here: it has looked at the newest {looked_at} messages. Choose another time."])


def _records(messages: list[TrackedMessage]) -> Iterator[str]:
    recipients = _recipients([message.queue_id for message in messages])
    for message in messages:
        paths, count = recipients.get(message.queue_id, ("", 0))
        yield line(
            (
                message.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                message.queue_id,
                message.status,
                message.reason,
                message.reverse_path or "<>",
                message.header_from,
                paths,
                count,
                message.subject,
                message.message_id_field,
                message.size_octets,
                message.source,
                message.lane,
                message.lane_reason,
                message.tls,
            )
        )


def _recipients(ids: list[str]) -> dict[str, tuple[str, int]]:
    """Of each message its recipients as one text, and how many there are."""
    rows = TrackedRecipient.objects.filter(queue_id__in=ids).values("queue_id").order_by()
    counted = rows.annotate(first=Min("forward_path"), count=Count("forward_path"))
    found = {row["queue_id"]: (row["first"], row["count"]) for row in counted}
    few = [name for name, (_, count) in found.items() if 1 < count <= PATHS_MAX]
    paths: dict[str, list[str]] = {}
    listed = TrackedRecipient.objects.filter(queue_id__in=few).order_by("queue_id", "forward_path")
    for name, path in listed.values_list("queue_id", "forward_path"):
        paths.setdefault(name, []).append(path)
    for name, (first, count) in found.items():
        if name in paths:
            found[name] = " ".join(paths[name]), count
        elif count > 1:
            found[name] = f"{first} and {count - 1} more", count
    return found
