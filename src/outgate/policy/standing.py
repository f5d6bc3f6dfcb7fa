"""What decisions of admission hand on from MAIL to the end of the content, and what they have in common. Pure."""

from collections.abc import Set

from msgspec import Struct

from outgate.contract.policy import Outbound
from outgate.mail.address import ReversePath
from outgate.mail.message import Lane
from outgate.policy.decision import Decision, Verdict
from outgate.policy.reasons import Reason
from outgate.policy.snapshot import Snapshot, SourceStanding


class RecipientDecision(Struct, frozen=True):
    """candidates: whose message it may be with this recipient in it; where that is not accepted, without it. Perhaps a
    live and very large set (see `SourceStanding`): hand it on, and never walk, copy or compare it."""

    decision: Decision
    candidates: Set[str]


class SenderStanding(Struct, frozen=True):
    """What source and reverse-path say, whatever the recipients are: made once for each MAIL.

    owner_id: the customer whose domain the reverse-path has, or ""; for the record only, since anybody may write any
    reverse-path. is_foreign: a known source, and a domain that is not of its customers: Auto Forward may admit it.
    accepted: what every recipient is told; if None, `refusal` is, but for those that Auto Forward admits.
    generation: of the snapshot that this was read from. is_rewritten: a forwarding server has put a domain of the
    customer into the reverse-path of foreign mail.
    """

    reverse_path: ReversePath
    source: SourceStanding
    owner_id: str
    is_foreign: bool
    accepted: RecipientDecision | None
    refusal: Decision
    generation: int
    is_rewritten: bool = False

    @property
    def needs_proof(self) -> bool:
        """Does `settle` need a `Proof`? Of mail from a provider's addresses only."""
        return self.source.provider is not None


class Settled(Struct, frozen=True):
    """customer_id: whose message it is, also where it is refused as far as that is known; else "". It is proven only if
    the message is accepted.

    lane: of what is accepted; if it is not DIRECT, lane_reason is the code of the reason. pool: Microsoft's, as the
    decision took it, or "".
    """

    decision: Decision
    customer_id: str
    lane: Lane = Lane.DIRECT
    lane_reason: str = ""
    pool: str = ""


def not_active(*, has_activating: bool, context: str) -> Decision:
    if has_activating:
        return Decision(Verdict.DEFER, Reason.ACTIVATING, context)
    return Decision(Verdict.REJECT, Reason.OUTBOUND_OFF, context)


def is_activating(snapshot: Snapshot, customer_id: str) -> bool:
    customer = snapshot.customer(customer_id)
    return customer is not None and customer.outbound is Outbound.ACTIVATING


def only_one(candidates: Set[str]) -> str:
    return next(iter(candidates)) if len(candidates) == 1 else ""
