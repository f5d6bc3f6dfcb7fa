"""What replies mean for recipients. Pure. RFC 5321 §4.3.2: judged by the first digit alone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from outgate.mail.message import Progress, RecipientProgress, Status
from outgate.mail.reply import Reply
from outgate.policy.reasons import Reason, reply_of

REPLY_KEPT_MAX: Final = 1_000  # characters of a reply that are kept with the recipient and recorded

_UNKNOWN: Final = re.compile(
    r"5\d\d 5\.1\.(?:1|6) |"
    r"55[013] (?!\d\.\d)(?=.*(?:unknown|not? (?:such|exist|found)|n't exist|invalid (?:user|recip|mail)))",
    re.IGNORECASE | re.DOTALL,
)

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


def unknown_recipients(results: Iterable[RecipientProgress]) -> int:
    """How many of these the next hop does not know, by its enhanced status code where it gave one (RFC 3463 §3.2),
    else by a 550, 551 or 553 that says so."""
    return sum(
        one.status is Status.FAILED and bool(one.next_hop) and _UNKNOWN.match(one.reply) is not None for one in results
    )


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


def with_changes(
    progress: Progress,
    *,
    recipients: tuple[RecipientProgress, ...] | None = None,
    held: bool | None = None,
    next_attempt_at: float | None = None,
    tries_begun: int | None = None,
    content_key: bytes | None = None,
    told: bool | None = None,
) -> Progress:
    """`progress` but for what is given."""
    return Progress(
        progress.recipients if recipients is None else recipients,
        progress.attempts,
        progress.next_attempt_at if next_attempt_at is None else next_attempt_at,
        progress.held if held is None else held,
        progress.tries_begun if tries_begun is None else tries_begun,
        progress.content_key if content_key is None else content_key,
        progress.told if told is None else told,
    )
