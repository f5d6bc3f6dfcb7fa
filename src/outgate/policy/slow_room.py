"""How much waits in the slow lanes of this worker, by customer, and whether there is room for more. Pure."""

from typing import Final

from msgspec import Struct

from outgate.contract.policy import SenderLimits

SLOW_MESSAGES_MAX: Final = 200_000  # slow messages of all customers in all workers of a machine
SLOW_OCTETS_MAX: Final = 17_179_869_184  # octets of these, 16 GiB


class SlowUse(Struct):
    """What one customer has in its slow lane."""

    messages: int = 0
    octets: int = 0


class SlowRoom:
    """workers: on this machine; each may fill its part of every quota."""

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._by_customer: dict[str, SlowUse] = {}
        self.all = SlowUse()

    def of(self, customer_id: str) -> SlowUse:
        return self._by_customer.get(customer_id) or SlowUse()

    def has_room(self, customer_id: str, octets: int, limits: SenderLimits) -> bool:
        """May a message of so many octets be taken into the customer's slow lane?"""
        workers, use, everything = self._workers, self.of(customer_id), self.all
        return (
            (use.messages + 1) * workers <= limits.slow_messages_max
            and (use.octets + octets) * workers <= limits.slow_octets_max
            and (everything.messages + 1) * workers <= SLOW_MESSAGES_MAX
            and (everything.octets + octets) * workers <= SLOW_OCTETS_MAX
        )

    def enter(self, customer_id: str, octets: int) -> None:
        use = self._by_customer.setdefault(customer_id, SlowUse())
        for each in (use, self.all):
            each.messages += 1
            each.octets += octets

    def leave(self, customer_id: str, octets: int) -> None:
        use = self._by_customer.get(customer_id)
        if use is None:
            return
        for each in (use, self.all):
            each.messages -= 1
            each.octets -= octets
        if not use.messages:
            del self._by_customer[customer_id]
