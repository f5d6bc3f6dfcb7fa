"""Data of the public page of each reason code, made from the catalogue: the portal may not import policy."""

import json
import re
from enum import StrEnum
from typing import Any, Final

from outgate.policy.reasons import CATALOGUE, Entry, Reason, text_of

REFERENCE: Final = "T4226ZR000G00"  # in the example of a reply


class Actor(StrEnum):
    """Who can do something about it."""

    NOBODY = "nobody"  # nothing is to be done, or the sending system does it by itself
    SENDER = "sender"  # who wrote the message
    ADMINISTRATOR = "administrator"  # of the sending mail system
    OPERATOR = "operator"  # of this server
    RECIPIENT = "recipient"  # the recipient's side


# Where it is not what `_actor` takes a code's class to mean.
_ACTORS: Final[dict[Actor, tuple[Reason, ...]]] = {
    Actor.NOBODY: (Reason.OVER_LIMIT, Reason.RELAYED, Reason.NEXT_HOP_DEFERRED, Reason.DELETED),
    Actor.SENDER: (
        Reason.MESSAGE_TOO_LARGE,
        Reason.DOMAIN_NOT_FOUND,
        Reason.DOMAIN_TAKES_NO_MAIL,
        Reason.EXPIRED,
    ),
    Actor.ADMINISTRATOR: (
        Reason.ERROR_LIMIT,
        Reason.IDLE_LIMIT,
        Reason.SENT_AHEAD,
        Reason.LINE_LIMIT,
        Reason.NOT_SMTP,
        Reason.TOO_MANY_FAILURES,
        Reason.TENANT_UNCONFIRMED,
    ),
    Actor.OPERATOR: (
        Reason.POLICY_STALE,
        Reason.POSTMASTER_UNSET,
        Reason.TLS_UNAVAILABLE,
        Reason.SPOOL_FULL,
        Reason.SPOOL_FAILED,
        Reason.CONTENT_DAMAGED,
        Reason.INTERNAL_ERROR,
        Reason.SET_ASIDE,
    ),
    Actor.RECIPIENT: (Reason.NEXT_HOP_REFUSED, Reason.NEXT_HOP_FORBIDDEN),
}
_ACTOR_OF: Final = {reason: actor for actor, reasons in _ACTORS.items() for reason in reasons}


def reason_pages() -> str:
    """The file: JSON, one entry a code, in the order of the catalogue."""
    return (
        json.dumps([_page(reason, entry) for reason, entry in CATALOGUE.items()], indent=1, ensure_ascii=False) + "\n"
    )


def _page(reason: Reason, entry: Entry) -> dict[str, Any]:
    return {
        "code": reason.value,
        "title": _title(reason),
        "kind": _kind(entry),
        "meaning": entry.meaning,
        "remedy": entry.remedy,
        "actor": _actor(reason, entry).value,
        "example_reply": f"{entry.code} {entry.status} {text_of(reason, reference=REFERENCE)}"
        if entry.code >= 400
        else "",
    }


def _title(reason: Reason) -> str:
    """What the reply's text says first, in words that name nobody."""
    text = text_of(reason).removeprefix(f"{reason}: ").replace("[", "").replace("]", "").partition(";")[0]
    text = re.sub(r" \([^)]*\)", "", text)
    return text[:1].upper() + text[1:]


def _kind(entry: Entry) -> str:
    if not entry.code:
        return "recorded"
    return {2: "accepted", 4: "delayed", 5: "refused"}[entry.code // 100]


def _actor(reason: Reason, entry: Entry) -> Actor:
    """A refusal is for the administrator, and a delay ends by itself."""
    by_class = {0: Actor.ADMINISTRATOR, 2: Actor.NOBODY, 4: Actor.NOBODY, 5: Actor.ADMINISTRATOR}
    return _ACTOR_OF.get(reason, by_class[entry.code // 100])
