"""Mail from a cloud as the workers tell of it, for tests of what is learned from it."""

from typing import Any

from outgate.contract.events import MessageRefused
from outgate.mail.evidence import DkimVerdict, Evidence, SignatureResult
from outgate.mail.queue_ids import queue_id
from outgate.portal.customers.models import Customer
from outgate.portal.tracker.recording import record_events

AT = 1_795_000_000.0
OWN = "victim.example"


def tenant(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


TENANT = tenant(0xFFFF)


def evidence(**more: Any) -> Evidence:
    """Of rightful mail of the customer with the domain `OWN`, save for what is given."""
    fields: dict[str, Any] = {
        "source_class": "microsoft",
        "tenant_ids": (TENANT,),
        "originator_orgs": (OWN,),
        "auth_as": ("internal",),
        "signatures": (SignatureResult(OWN, "selector1", DkimVerdict.PASS),),
    }
    return Evidence(**{**fields, **more})


FITTING = evidence()


def refused(made: Customer | None, shown: Evidence, seconds: int) -> MessageRefused:
    """A message that was told to come again, so many seconds after `AT`."""
    at = AT + seconds
    return MessageRefused(
        queue_id=queue_id(int(at * 1000), 1, 0),
        ordinal=0,
        worker="mx1/1",
        at=at,
        customer_id=made.slug if made else "",
        source="40.107.1.7",
        hello_name="x",
        tls="",
        stage="content",
        reverse_path=f"a@{OWN}",
        forward_paths=("b@example.net",),
        reason="tenant-unconfirmed",
        reply="451 4.7.1 later",
        evidence=shown,
    )


def record(*events: MessageRefused) -> None:
    assert record_events(events) == 0
