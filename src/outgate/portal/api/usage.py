"""Routes of how much a customer sends: figures, who is near a limit, what waits, what came through which pool.

All of it tells of mail, so that it needs the scope of mail, as the pages need the right to it.
"""

from datetime import datetime, timedelta

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema

from outgate.contract.policy import Counted, LimitScope
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import customer_of
from outgate.portal.api.authentication import Key, caller_of
from outgate.portal.held.selectors import SENDERS_MAX, slow_by_sender
from outgate.portal.tracker.recent import DAYS, MESSAGES_MAX, recent_mail
from outgate.portal.web.figures import mail_of
from outgate.portal.web.near_limit import PERCENT, SHOWN_MAX, near_limit

router = Router(tags=["senders"])
READ = Key(Scope.MESSAGES_READ)
FIGURE_HOURS = 24  # as the pages show them
# A worker of another version may tell of what this one does not know.
_SCOPES = frozenset(each.value for each in LimitScope)
_COUNTED = frozenset(each.value for each in Counted)


class FiguresOut(Schema):
    """Messages of the last 24 hours."""

    since: datetime
    messages: int = Field(description="All, refused ones too", examples=[812])
    waiting: int = Field(description="Queued, deferred, held or in the slow lane", examples=[3])
    refused: int = Field(description="Or told to come again", examples=[1])
    last_at: datetime | None = Field(description="When the last one came")


class NearSenderOut(Schema):
    scope: LimitScope = Field(description="Whose mail is counted together", examples=["mailbox"])
    subject: str = Field(
        description="Mailbox, domain or source; empty for the customer's own limit and that of the null reverse-path",
        examples=["ann@example.com"],
    )
    counted: Counted = Field(examples=["recipients"])
    seconds: int = Field(examples=[300])
    maximum: int = Field(examples=[50])
    used: int = Field(examples=[41])


class NearLimitOut(Schema):
    answered: bool = Field(description="Did a worker answer? If not, nothing is known: ask again", examples=[True])
    percent: int = Field(description="Of a limit, from which on a sender is told", examples=[PERCENT])
    senders: list[NearSenderOut] = Field(description=f"The {SHOWN_MAX} nearest, the fullest first")


class SlowSenderOut(Schema):
    sender: str = Field(description="Reverse-path; empty is the null one", examples=["ann@example.com"])
    messages: int = Field(examples=[120])
    octets: int = Field(examples=[491520])
    oldest_at: datetime


class SlowLaneOut(Schema):
    senders: list[SlowSenderOut] = Field(description="By how much waits")
    is_cut: bool = Field(description=f"Are there more senders than these {SENDERS_MAX}?", examples=[False])


class CloudMailOut(Schema):
    messages: int = Field(examples=[700])
    pools: dict[str, int] = Field(description="Of them by Microsoft's pool", examples=[{"normal": 690, "relay": 10}])
    judged: int = Field(description="Messages whose signatures were looked at", examples=[700])
    unsigned: int = Field(description="Those of them of which no signature passed", examples=[2])


class CloudsOut(Schema):
    """What a customer's last messages from clouds showed."""

    days: int = Field(examples=[DAYS])
    looked_at: int = Field(description="At most so many messages, the last ones", examples=[MESSAGES_MAX])
    microsoft: CloudMailOut
    google: CloudMailOut


@router.get("/{slug:customer_id}/figures", auth=READ, response=FiguresOut, summary="Count a day's mail")
def figures(request: HttpRequest, customer_id: str) -> FiguresOut:
    """As the customer's first page shows it."""
    customer = customer_of(caller_of(request), customer_id)
    since = timezone.now() - timedelta(hours=FIGURE_HOURS)
    found = mail_of([customer.slug], since).get(customer.slug)
    return FiguresOut(
        since=since,
        messages=found.messages if found else 0,
        waiting=found.waiting if found else 0,
        refused=found.refused if found else 0,
        last_at=found.last_at if found else None,
    )


@router.get("/{slug:customer_id}/near-limits", auth=READ, response=NearLimitOut, summary="Show who is near a limit")
def near(request: HttpRequest, customer_id: str) -> NearLimitOut:
    """Asks the workers of the machine that answers, which count; takes a second at most. Of one limit the highest use
    that a worker knows."""
    customer = customer_of(caller_of(request), customer_id)
    uses = near_limit(customer.slug)
    senders = [
        NearSenderOut(
            scope=LimitScope(use.scope),
            subject=use.subject,
            counted=Counted(use.counted),
            seconds=use.seconds,
            maximum=use.maximum,
            used=use.used,
        )
        for use in uses or ()
        if use.scope in _SCOPES and use.counted in _COUNTED
    ]
    return NearLimitOut(answered=uses is not None, percent=PERCENT, senders=senders)


@router.get("/{slug:customer_id}/slow-lane", auth=READ, response=SlowLaneOut, summary="Show whose mail waits as slow")
def slow(request: HttpRequest, customer_id: str) -> SlowLaneOut:
    """What is over a limit and leaves bit by bit, by sender. The messages are listed with `status=slow`."""
    senders = slow_by_sender(customer_of(caller_of(request), customer_id).slug)
    return SlowLaneOut(
        senders=[
            SlowSenderOut(sender=each.sender, messages=each.messages, octets=each.octets, oldest_at=each.oldest)
            for each in senders
        ],
        is_cut=len(senders) >= SENDERS_MAX,
    )


@router.get("/{slug:customer_id}/cloud-mail", auth=READ, response=CloudsOut, summary="Show how mail from clouds came")
def clouds(request: HttpRequest, customer_id: str) -> CloudsOut:
    """Through which of Microsoft's pools, and with or without a signature: what rules for them would do."""
    customer = customer_of(caller_of(request), customer_id)
    return CloudsOut(
        days=DAYS,
        looked_at=MESSAGES_MAX,
        microsoft=_cloud(customer.slug, "microsoft"),
        google=_cloud(customer.slug, "google"),
    )


def _cloud(customer_id: str, source_class: str) -> CloudMailOut:
    found = recent_mail(customer_id, source_class, timezone.now())
    return CloudMailOut(messages=found.messages, pools=dict(found.pools), judged=found.judged, unsigned=found.unsigned)
