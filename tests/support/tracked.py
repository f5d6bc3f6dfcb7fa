"""Messages in the tracker, recorded from events as the clerk does."""

from datetime import UTC, datetime
from typing import Any

from outgate.contract.events import DeliveryAttempted, MessageAccepted, MessageEvent, MessageRefused, RecipientOutcome
from outgate.mail.queue_ids import queue_id
from outgate.portal.tracker.recording import record_events

AT = 1_795_000_000.0  # seconds since the epoch
NOW = datetime.fromtimestamp(AT, UTC)


def name_at(seconds: float, number: int = 0) -> str:
    """A queue id of that time."""
    return queue_id(int(seconds * 1000), 1, number)


def accept(
    number: int = 0,
    *,
    customer: str = "alpha",
    at: float = AT - 60,
    paths: tuple[str, ...] = ("b@b.example",),
    **more: Any,
) -> str:
    """Its queue id. A later `number` is a newer message."""
    name = name_at(at, number)
    facts: dict[str, Any] = {
        "worker": "mx1/1",
        "source": "9.9.9.9",
        "hello_name": "mail.example.com",
        "tls": "TLSv1.3",
        "reverse_path": "a@alpha.example",
        "size_octets": 1234,
        "reason": "domain-own",
        "message_id_field": f"<{number}@alpha.example>",
        "header_from": "a@alpha.example",
        "subject": f"Number {number}",
        **more,
    }
    record_events([MessageAccepted(queue_id=name, at=at, customer_id=customer, forward_paths=paths, **facts)])
    return name


def attempt(name: str, *outcomes: tuple[str, str, str], number: int = 1, at: float = AT - 59, **more: Any) -> None:
    """outcomes: path, outcome, reply."""
    facts: dict[str, Any] = {"next_hop": "mx.b.example", "reason": "relayed", "tls": "TLSv1.2", **more}
    results = tuple(RecipientOutcome(place, *outcome) for place, outcome in enumerate(outcomes))
    record_events(
        [
            DeliveryAttempted(
                queue_id=name, attempt=number, worker="mx1/1", at=at, customer_id="alpha", outcomes=results, **facts
            )
        ]
    )


def refuse(number: int = 0, *, customer: str = "alpha", at: float = AT - 60, **more: Any) -> str:
    name = name_at(at, number)
    facts: dict[str, Any] = {
        "ordinal": 1,
        "worker": "mx1/1",
        "source": "9.9.9.9",
        "hello_name": "x",
        "tls": "",
        "stage": "rcpt",
        "reverse_path": "x@stranger.example",
        "forward_paths": ("b@b.example",),
        "reason": "sender-not-registered",
        "reply": "550 5.7.1 sender-not-registered: no",
        **more,
    }
    events: list[MessageEvent] = [MessageRefused(queue_id=name, at=at, customer_id=customer, **facts)]
    record_events(events)
    return name
