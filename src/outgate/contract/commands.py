"""Commands: what people want done with queued mail. Idempotent; asked twice, the second does nothing."""

from enum import StrEnum

from msgspec import Struct


class QueueAction(StrEnum):
    RETRY = "retry"  # try now, whatever the schedule says
    HOLD = "hold"  # not tried until released
    RELEASE = "release"  # ends a hold
    DELETE = "delete"  # gone, without a DSN; the record says by whom


class QueueCommand(Struct, frozen=True, tag="queue"):
    """Do `action` to these messages. actor: who asked, for the record. customer_id: if given, other customers' messages
    are as good as absent."""

    action: QueueAction
    queue_ids: tuple[str, ...]
    actor: str = ""
    customer_id: str = ""


Command = QueueCommand  # a union as soon as there is a second


class CommandResult(Struct, frozen=True):
    """done: ids for which the wish now holds. absent: ids that this worker does not have (any more)."""

    done: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
