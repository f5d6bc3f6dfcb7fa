"""The one catalogue of reason codes: every refusal, delay, hold and admission has one, in replies, logs, events and docs.

A code is stable for ever: people write rules against it. docs/reasons.md is made from this table (a test holds it).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from outgate.mail.reply import Reply


class Reason(StrEnum):
    """The codes. What each means stands in `CATALOGUE`."""

    # Admitted
    DOMAIN_OWN = "domain-own"
    AUTO_FORWARD = "auto-forward"
    NULL_REVERSE_PATH = "null-reverse-path"
    POSTMASTER = "postmaster"
    OWN_NOTICE = "own-notice"
    # Refused or delayed in the envelope
    SOURCE_UNKNOWN = "source-unknown"
    SENDER_NOT_REGISTERED = "sender-not-registered"
    OUTBOUND_OFF = "outbound-off"
    ACTIVATING = "activating"
    POLICY_STALE = "policy-stale"
    RECIPIENT_SPLIT = "recipient-split"
    # Refused for the content
    BARE_LINE_ENDING = "bare-line-ending"
    MESSAGE_TOO_LARGE = "message-too-large"
    HEADER_TOO_LARGE = "header-too-large"
    HOP_LIMIT = "hop-limit"
    FROM_MISSING = "from-missing"
    FROM_REPEATED = "from-repeated"
    FROM_UNREADABLE = "from-unreadable"
    FROM_MISMATCH = "from-mismatch"
    CUSTOMER_AMBIGUOUS = "customer-ambiguous"
    # Not for now
    SPOOL_FULL = "spool-full"
    SPOOL_FAILED = "spool-failed"
    OVERLOADED = "overloaded"
    SHUTTING_DOWN = "shutting-down"
    # Delivery
    RELAYED = "relayed"
    NEXT_HOP_REFUSED = "next-hop-refused"
    NEXT_HOP_DEFERRED = "next-hop-deferred"
    NEXT_HOP_UNREACHABLE = "next-hop-unreachable"
    NEXT_HOP_FORBIDDEN = "next-hop-forbidden"
    NEXT_HOP_LACKS_EXTENSION = "next-hop-lacks-extension"
    NEXT_HOP_TLS = "next-hop-tls"
    CONNECTION_LOST = "connection-lost"
    DOMAIN_NOT_FOUND = "domain-not-found"
    DOMAIN_TAKES_NO_MAIL = "domain-takes-no-mail"
    DNS_TROUBLE = "dns-trouble"
    EXPIRED = "expired"
    CONTENT_DAMAGED = "content-damaged"
    DELETED = "deleted"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the catalogue.

    code: of the reply to the sender, 250 for an admission, 0 where no reply is given. status: enhanced status code.
    text: of the reply; `{context}` names what it is about. meaning and remedy: for the docs and the public page.
    """

    code: int
    status: str
    text: str
    meaning: str
    remedy: str


CATALOGUE: Final[dict[Reason, Entry]] = {}
