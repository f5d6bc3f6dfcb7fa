"""Routes of the tracker: what became of mail."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema

from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import ABSENT, customer_of
from outgate.portal.api.authentication import Key, caller_of
from outgate.portal.api.pages import LIMIT_DEFAULT, LIMIT_MAX, read_cursor, write_cursor
from outgate.portal.api.problems import FieldProblem, Problem
from outgate.portal.errors import NotFound
from outgate.portal.tracker import reach, search
from outgate.portal.tracker.listing import Row, rows_of
from outgate.portal.tracker.models import TrackedMessage
from outgate.portal.tracker.selectors import message_of
from outgate.portal.tracker.story import Group, Step, story_of

router = Router(tags=["messages"])
staff = Router(tags=["messages"])
READ = Key(Scope.MESSAGES_READ)
Text = Annotated[str, Field(max_length=search.TEXT_MAX)]


class MessageOut(Schema):
    """A message in a list, accepted or refused. Texts are as they came with the mail: trust none."""

    reference: str = Field(description="The queue id, as it stands in replies")
    at: datetime
    status: str
    reason: str = Field(description="Of the last attempt that went wrong, else why it was admitted or refused")
    reverse_path: str = Field(description="Empty is the null reverse-path")
    header_from: str
    recipient: str = Field(description="One of them; the message itself has all")
    recipient_count: int
    subject: str
    message_id: str
    size_octets: int
    source: str
    lane: str = Field(description="Empty is direct")
    lane_reason: str


class MessagePage(Schema):
    items: list[MessageOut]
    next: str | None = Field(description="The cursor of the next page; null at the end")
    searched_to: datetime | None = Field(
        description="Set where the time of one search was up before the page was full: ask on with `next`"
    )


class RecipientOut(Schema):
    forward_path: str
    outcome: str
    reply: str
    next_hop: str
    at: datetime


class GroupOut(Schema):
    """Recipients that fared alike."""

    outcome: str
    reply: str
    recipients: list[str] = Field(description="The first ones")
    more: int


class StepOut(Schema):
    kind: str = Field(description="accepted, refused, postponed, attempt, or decision where no hop was tried")
    at: datetime
    reason: str
    attempt: int | None
    stage: str
    next_hop: str
    tls: str
    duration_seconds: float
    next_attempt_at: datetime | None
    outcomes: list[GroupOut]


class MessageDetailOut(Schema):
    """One message with what happened to it. recipients: at most 200, those that are not relayed first."""

    reference: str
    customer: str = Field(description="The id of the customer whose it is; empty if nobody's")
    at: datetime
    status: str
    is_final: bool
    reasons: list[str] = Field(description="Why it stands as it does; /r/CODE explains each")
    reverse_path: str
    header_from: str
    subject: str
    message_id: str
    size_octets: int
    source: str
    hello_name: str
    tls: str
    worker: str
    lane: str
    lane_reason: str
    evidence: dict[str, Any]
    report: dict[str, Any] = Field(description="What scanning found; empty where nobody looked")
    copies: list[str] = Field(
        description="References of the same message for other recipients, of whom something else was decided"
    )
    recipients: list[RecipientOut]
    recipient_count: int
    next_attempt_at: datetime | None
    steps: list[StepOut]


@router.get("/{slug:customer_id}/messages", auth=READ, response=MessagePage, summary="List messages")
def index(
    request: HttpRequest,
    customer_id: str,
    sender: Text = "",
    recipient: Text = "",
    subject: Text = "",
    message_id: Text = "",
    status: Text = "",
    reason: Text = "",
    source: Text = "",
    lane: Text = "",
    since: Annotated[Text, Field(description="A time, UTC unless it says otherwise; empty is seven days back")] = "",
    until: Text = "",
    cursor: Annotated[str, Field(max_length=200)] = "",
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> MessagePage:
    """Newest first. Parts of sender, recipient, subject and message_id are found; `<>` is the null reverse-path."""
    customer = customer_of(caller_of(request), customer_id)
    wanted, faults = search.read_filter(
        {
            "sender": sender,
            "recipient": recipient,
            "subject": subject,
            "message_id": message_id,
            "status": status,
            "reason": reason,
            "source": source,
            "lane": lane,
            "since": since,
            "until": until,
        }
    )
    if faults:
        fields = [FieldProblem(fault.field, fault.public_message) for fault in faults]
        raise Problem(422, "value-refused", "Some values cannot be taken.", fields)
    before = search.read_queue_id(read_cursor(cursor)) if cursor else ""
    if cursor and not before:
        raise Problem(422, "cursor-unknown", "This is no cursor of this list. Leave it out for the first page.")
    found = search.search(customer.slug, wanted, now=timezone.now(), before=before, limit=limit)
    return MessagePage(
        items=[_message(row) for row in rows_of(found.messages, recipient=wanted.recipient)],
        next=write_cursor(found.next_before) if found.next_before else None,
        searched_to=found.searched_to,
    )


@router.get(
    "/{slug:customer_id}/messages/{slug:reference}", auth=READ, response=MessageDetailOut, summary="Show a message"
)
def show(request: HttpRequest, customer_id: str, reference: str) -> MessageDetailOut:
    """With its recipients, and what happened to it step by step. That it was looked at stands in the audit log."""
    caller = caller_of(request)
    customer = customer_of(caller, customer_id)
    message = message_of(customer.slug, reference)
    reach.record_look(caller, customer, message)
    return _detail(message)


@staff.get("/{slug:reference}", auth=READ, response=MessageDetailOut, summary="Find a message by its reference alone")
def find(request: HttpRequest, reference: str) -> MessageDetailOut:
    """Whosever it is, for staff that has nothing but the reference of a reply: 404 for keys of customers. That it was
    looked at stands in the audit log."""
    caller = caller_of(request)
    if not caller.is_staff:
        raise NotFound(ABSENT)
    message, customer = reach.found_by_staff(caller, reference)
    reach.record_look(caller, customer, message)
    return _detail(message)


def _detail(message: TrackedMessage) -> MessageDetailOut:
    story = story_of(message, now=timezone.now())
    return MessageDetailOut(
        reference=message.queue_id,
        customer=message.customer_id,
        at=message.at,
        status=message.status,
        is_final=story.is_final,
        reasons=story.causes,
        reverse_path=message.reverse_path,
        header_from=message.header_from,
        subject=message.subject,
        message_id=message.message_id_field,
        size_octets=message.size_octets,
        source=message.source,
        hello_name=message.hello_name,
        tls=message.tls,
        worker=message.worker,
        lane=message.lane,
        lane_reason=message.lane_reason,
        evidence=message.evidence,
        report=message.report,
        copies=message.copies or [],
        recipients=[
            RecipientOut(
                forward_path=each.forward_path,
                outcome=each.outcome,
                reply=each.reply,
                next_hop=each.next_hop,
                at=each.at,
            )
            for each in story.recipients
        ],
        recipient_count=story.recipient_count,
        next_attempt_at=story.next_attempt_at,
        steps=[_step(each) for each in story.steps],
    )


def _message(row: Row) -> MessageOut:
    message = row.message
    return MessageOut(
        reference=message.queue_id,
        at=message.at,
        status=message.status,
        reason=row.reason,
        reverse_path=message.reverse_path,
        header_from=message.header_from,
        recipient=row.recipient,
        recipient_count=row.more + bool(row.recipient),
        subject=message.subject,
        message_id=message.message_id_field,
        size_octets=message.size_octets,
        source=message.source,
        lane=message.lane,
        lane_reason=message.lane_reason,
    )


def _step(step: Step) -> StepOut:
    return StepOut(
        kind=step.kind,
        at=step.at,
        reason=step.reason,
        attempt=step.number if step.kind in ("attempt", "decision") else None,
        stage=step.stage,
        next_hop=step.next_hop,
        tls=step.tls,
        duration_seconds=step.duration_seconds,
        next_attempt_at=step.next_attempt_at,
        outcomes=[_group(each) for each in step.groups],
    )


def _group(group: Group) -> GroupOut:
    return GroupOut(outcome=group.outcome, reply=group.reply, recipients=group.paths, more=group.more)
