"""What replies mean for recipients. Pure. RFC 5321 §4.2.1: judged by the first digit alone."""

from collections.abc import Sequence

from outgate.mail.message import Progress, RecipientProgress, Status
from outgate.mail.reply import Reply
from outgate.policy.reasons import Reason

OUTCOMES = {Status.RELAYED: "relayed", Status.PENDING: "deferred", Status.FAILED: "failed"}


def judge(reply: Reply, next_hop: str) -> RecipientProgress:
    """One recipient after a try. A code that is none (1yz, or nonsense) is doubt, and doubt defers."""
    if 200 <= reply.code < 300:
        status = Status.RELAYED
    elif reply.code >= 500:
        status = Status.FAILED
    else:
        status = Status.PENDING
    return RecipientProgress(status, str(reply), next_hop)


def reason_of(results: Sequence[RecipientProgress], local_reason: str) -> str:
    """The code under which an attempt is recorded: the local reason, or what the next hop's worst answer was."""
    if local_reason:
        return local_reason
    statuses = {result.status for result in results}
    if Status.FAILED in statuses:
        return Reason.NEXT_HOP_REFUSED.value
    return Reason.NEXT_HOP_DEFERRED.value if Status.PENDING in statuses else Reason.RELAYED.value


def merged(progress: Progress, results: dict[int, RecipientProgress]) -> tuple[RecipientProgress, ...]:
    """The recipients of `progress` with `results` in their places."""
    recipients = list(progress.recipients)
    for place, result in results.items():
        recipients[place] = result
    return tuple(recipients)
