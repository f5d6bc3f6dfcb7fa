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
    are as good as absent. keys: by id, the content's key of those that are sealed; needed to release them."""

    action: QueueAction
    queue_ids: tuple[str, ...]
    actor: str = ""
    customer_id: str = ""
    keys: dict[str, bytes] = {}


class SendNotice(Struct, frozen=True, tag="notice"):
    """Send a letter of Outgate's own to each of `recipients`, and to the operator's postmaster if one is set.

    is_private: to `recipients` alone, since `text` may open somebody's account. `text` stands in no log.
    """

    recipients: tuple[str, ...]
    subject: str
    text: str
    is_private: bool = False


Command = QueueCommand | SendNotice


class CommandResult(Struct, frozen=True):
    """done: ids for which the wish now holds. absent: ids that this worker does not have (any more). sealed: ids that
    it has and cannot release, since the right key did not come with the command."""

    done: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
