"""Routes of held mail, and of what is decided over waiting mail."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Field, Router, Schema
from pydantic import Strict

from outgate.contract.commands import QueueAction
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import customer_of
from outgate.portal.api.authentication import Key, caller_of
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, read_cursor, write_cursor
from outgate.portal.api.problems import Problem
from outgate.portal.api.schemas import In
from outgate.portal.errors import Invalid
from outgate.portal.held.selectors import ORDER_SECONDS, HeldRow, held_of
from outgate.portal.held.services import ACTIONS, CHOSEN_MAX, Taken, order
from outgate.portal.tracker.models import Status
from outgate.portal.tracker.search import TEXT_MAX, read_queue_id

router = Router(tags=["messages"])
READ, DECIDE = Key(Scope.MESSAGES_READ), Key(Scope.MESSAGES_DECIDE)
Text = Annotated[str, Field(max_length=TEXT_MAX)]


class OrderOut(Schema):
    """What somebody has ordered, and a worker has not carried out or not told of yet."""

    action: QueueAction = Field(examples=["release"])
    actor: str = Field(examples=["ada@example.com"])
    at: datetime
    is_late: bool = Field(
        description=f"No worker has carried it out {ORDER_SECONDS} seconds after. It may be ordered again",
        examples=[False],
    )


class HeldMessageOut(Schema):
    reference: str = Field(description="The queue id", examples=["T463Z0H4G0G01"])
    at: datetime
    reason: str = Field(description="Reason code of the hold", examples=["content-data-loss"])
    findings: list[str] = Field(description="What scanning found that led to it", examples=[["card-number"]])
    reverse_path: str = Field(examples=["ada@example.com"])
    header_from: str = Field(examples=["ada@example.com"])
    recipient: str = Field(description="One of them", examples=["bob@example.net"])
    recipient_count: int = Field(examples=[1])
    subject: str = Field(examples=["The quarter's figures"])
    size_octets: int = Field(examples=[4096])
    order: OrderOut | None


class HeldPageOut(Schema):
    items: list[HeldMessageOut]
    next: str | None = Field(examples=[None])


class DecisionIn(In):
    action: Annotated[QueueAction, Strict(False)] = Field(description="`release`, `retry` or `delete`")
    references: list[Annotated[str, Field(max_length=40)]] = Field(
        min_length=1, max_length=CHOSEN_MAX, examples=[["T463Z0H4G0G01"]]
    )


class TakenOut(Schema):
    """What became of one message of a decision."""

    reference: str = Field(description="As it was given", examples=["T463Z0H4G0G01"])
    outcome: Taken = Field(
        description="`ordered`; `not-waiting` any more, or not so that this can be done; `staff-only`: held as malware "
        "or phishing, released by the provider's staff; `unknown`: no message of the customer's",
        examples=["ordered"],
    )


class DecisionOut(Schema):
    ordered: int = Field(description="Messages that wait still, for which it is ordered", examples=[1])
    messages: list[TakenOut] = Field(description="One for each reference, in their order")


@router.get("/{slug:customer_id}/held", auth=READ, response=HeldPageOut, summary="List held messages")
def index(
    request: HttpRequest,
    customer_id: str,
    text: Annotated[Text, Field(description="Part of sender, recipient or subject")] = "",
    reason: Text = "",
    standing: Annotated[
        Literal["held", "slow"], Field(description="`held`, or `slow`: over a limit, in the slow lane")
    ] = "held",
    cursor: Cursor = "",
    limit: Limit = LIMIT_DEFAULT,
) -> HeldPageOut:
    """Newest first, in pages: mail that waits until somebody decides, or until there is room for it."""
    customer = customer_of(caller_of(request), customer_id)
    before = read_queue_id(read_cursor(cursor)) if cursor else ""
    if cursor and not before:
        raise Problem(422, "cursor-unknown", "This is no cursor of this list. Leave it out for the first page.")
    found = held_of(customer.slug, standing=Status(standing), text=text, reason=reason, before=before, limit=limit)
    following = write_cursor(found.next_before) if found.next_before else None
    return HeldPageOut(items=[_out(row) for row in found.rows], next=following)


@router.post(
    "/{slug:customer_id}/messages/decide", auth=DECIDE, response=DecisionOut, summary="Decide over waiting messages"
)
def decide(request: HttpRequest, customer_id: str, wanted: DecisionIn) -> DecisionOut:
    """Workers carry it out within seconds. `release`: held mail, or mail in the slow lane; `retry`: deferred mail;
    `delete`: any of it, without a notice to the sender. What does not wait any more is passed over, and so is
    what the key's owner may not release, if there is other mail: `messages` says of each what became of it."""
    caller = caller_of(request)
    customer = customer_of(caller, customer_id)
    if wanted.action not in ACTIONS:
        raise Invalid("action", "Give one of these: 'release', 'retry' or 'delete'.")
    if not any(map(read_queue_id, wanted.references)):
        raise Invalid(
            "references", "None of these is a reference. One is 13 letters and digits, as `reference` has it."
        )
    try:
        ordered = order(caller=caller, customer=customer, references=wanted.references, action=wanted.action)
    except Invalid as error:
        raise Invalid("references" if error.field == "chosen" else error.field, error.public_message) from error
    told = [
        TakenOut(reference=each, outcome=ordered.taken.get(read_queue_id(each), Taken.UNKNOWN))
        for each in wanted.references
    ]
    return DecisionOut(ordered=ordered.count(), messages=told)


def _out(row: HeldRow) -> HeldMessageOut:
    message, placed = row.message, row.order
    return HeldMessageOut(
        reference=message.queue_id,
        at=message.at,
        reason=message.lane_reason,
        findings=row.findings,
        reverse_path=message.reverse_path,
        header_from=message.header_from,
        recipient=row.recipient,
        recipient_count=row.more + bool(row.recipient),
        subject=message.subject,
        size_octets=message.size_octets,
        order=OrderOut(action=QueueAction(placed.action), actor=placed.actor, at=placed.at, is_late=row.is_late)
        if placed
        else None,
    )
