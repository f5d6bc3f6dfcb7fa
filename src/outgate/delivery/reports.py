"""What delivery tells the record: one event for each job of a round that has ended."""

from collections.abc import Sequence
from typing import Final

from outgate.contract.events import DeliveryAttempted, RecipientOutcome
from outgate.delivery.interface import TransactionResult
from outgate.delivery.item import Item
from outgate.delivery.means import Means
from outgate.delivery.outcome import OUTCOMES
from outgate.mail.message import Message, RecipientProgress
from outgate.policy.reasons import Reason

_RELAYED: Final = Reason.RELAYED.value


class Reports:
    def __init__(self, means: Means) -> None:
        self._emit = means.emit
        self._clock = means.clock
        self._worker = means.settings.worker

    def relayed(self, item: Item, result: TransactionResult) -> None:
        """The ordinary end: all recipients at once."""
        message = item.message
        replies = [str(reply) for reply in result.replies]
        self._emit(
            DeliveryAttempted(
                message.queue_id,
                item.progress.attempts + 1,
                result.peer,
                self._worker,
                self._clock.now(),
                message.customer_id,
                tuple(
                    [
                        RecipientOutcome(place, path.text, "relayed", replies[place])
                        for place, path in enumerate(message.forward_paths)
                    ]
                ),
                _RELAYED,
                result.tls,
                self._clock.monotonic() - item.begun_at,
                0.0,
                True,
            )
        )

    def attempted(
        self,
        item: Item,
        places: Sequence[int],
        results: Sequence[RecipientProgress],
        reason: str,
        next_hop: str,
        tls: str,
        *,
        next_attempt_at: float = 0.0,
        is_final: bool = False,
    ) -> None:
        """What became of the recipients at `places` in the round under way."""
        self.settled(
            item.message,
            item.progress.attempts + 1,
            places,
            results,
            reason,
            next_hop,
            tls,
            seconds=self._clock.monotonic() - item.begun_at if item.begun_at else 0.0,
            next_attempt_at=next_attempt_at,
            is_final=is_final,
        )

    def settled(
        self,
        message: Message,
        attempt: int,
        places: Sequence[int],
        results: Sequence[RecipientProgress],
        reason: str,
        next_hop: str = "",
        tls: str = "",
        *,
        seconds: float = 0.0,
        next_attempt_at: float = 0.0,
        is_final: bool = False,
    ) -> None:
        """The same, also for what is settled without a try."""
        paths = message.forward_paths
        self._emit(
            DeliveryAttempted(
                message.queue_id,
                attempt,
                next_hop,
                self._worker,
                self._clock.now(),
                message.customer_id,
                tuple(
                    [
                        RecipientOutcome(place, paths[place].text, OUTCOMES[result.status], result.reply)
                        for place, result in zip(places, results, strict=True)
                    ]
                ),
                reason,
                tls,
                seconds,
                next_attempt_at,
                is_final,
            )
        )
