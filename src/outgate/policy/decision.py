"""What a decision is: a verdict, and the reason that everybody downstream is told."""

from dataclasses import dataclass
from enum import Enum

from outgate.policy.reasons import Reason


class Verdict(Enum):
    """What becomes of it; the value is the reply's code where there is nothing more exact."""

    ACCEPT = 250
    SPLIT = 452  # this recipient in a transaction of its own
    DEFER = 451
    REJECT = 550


@dataclass(frozen=True, slots=True)
class Decision:
    """reason: stable: logged, counted, shown. context: what the reply's text may name, such as the domain."""

    verdict: Verdict
    reason: Reason
    context: str = ""
