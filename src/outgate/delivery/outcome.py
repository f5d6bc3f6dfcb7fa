"""What replies mean for recipients. Pure. RFC 5321 §4.3.2: judged by the first digit alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from outgate.mail.message import Progress, RecipientProgress, Status
from outgate.mail.reply import Reply
from outgate.policy.reasons import Reason, reply_of

REPLY_KEPT_MAX: Final = 1_000  # characters of a reply that are kept with the recipient and recorded

OUTCOMES: Final = {Status.RELAYED: "relayed", Status.PENDING: "deferred", Status.FAILED: "failed"}


def judge(reply: Reply, peer: str, local_reason: str) -> RecipientProgress:
    """One recipient after a try. A code that is none (1yz, or nonsense) is doubt, and doubt defers.

    local_reason: the code with which our own replies begin, if there are any in this try; those are not the peer's.
    """
    if 200 <= reply.code < 300:
        status = Status.RELAYED
    elif reply.code >= 500:
        status = Status.FAILED
    else:
        status = Status.PENDING
    is_local = bool(local_reason) and reply.lines[0].startswith(f"{local_reason}:")
    return RecipientProgress(status, str(reply)[:REPLY_KEPT_MAX], "" if is_local else peer)


def reason_of(results: Sequence[RecipientProgress], local_reason: str) -> str:
    """The code under which an attempt is recorded: the local reason, or what the next hop's worst answer was."""
    if local_reason:
        return local_reason
    statuses = {result.status for result in results}
    if Status.FAILED in statuses:
        return Reason.NEXT_HOP_REFUSED.value
    return Reason.NEXT_HOP_DEFERRED.value if Status.PENDING in statuses else Reason.RELAYED.value


def merged(progress: Progress, results: Mapping[int, RecipientProgress]) -> tuple[RecipientProgress, ...]:
    """The recipients of `progress` with `results` in their places."""
    recipients = list(progress.recipients)
    for place, result in results.items():
        recipients[place] = result
    return tuple(recipients)


def is_pending(recipients: Iterable[RecipientProgress]) -> bool:
    """Is there one that is to be tried again?"""
    return any(one.status is Status.PENDING for one in recipients)


def given_up(recipients: Iterable[RecipientProgress]) -> tuple[RecipientProgress, ...]:
    """The same when their time is over; what was said last stands in the text."""
    return tuple(
        [
            RecipientProgress(Status.FAILED, str(reply_of(Reason.EXPIRED, one.reply)))
            if one.status is Status.PENDING
            else one
            for one in recipients
        ]
    )
