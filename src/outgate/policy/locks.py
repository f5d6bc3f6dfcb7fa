"""Which mailboxes may not send for now. Pure.

A worker that locks a mailbox does so at once, by itself, and tells the control plane; from there the lock comes back in
the customer's document, to all workers. What the document says of a mailbox counts, whether it is in force (`until` is
to come) or over (`until` has passed, or is when somebody unlocked it): it ends each lock that a worker made by itself
before that `until`. Since a document keeps what is over for some days, and the control plane records no lock that is
older than the unlocking, a lock that was ended stays ended, in whatever order document and event travel. A lock that a
worker makes after the unlocking is a new one. Clocks of nodes must agree to about a second.
"""

from typing import Final

from msgspec import Struct

from outgate.contract.policy import CustomerDocument, LockedSender

OWN_LOCKS_MAX: Final = 10_000  # locks that a worker remembers by itself; the control plane has them all
_NONE: Final[dict[str, LockedSender]] = {}


class Lock(Struct, frozen=True):
    """`mailbox` of the customer may not send from `at` until `until`. reason: code of the catalogue. max_seconds: how
    long it may last if it is repeated."""

    customer_id: str
    mailbox: str
    at: float
    until: float
    reason: str
    max_seconds: int = 0


class Locks:
    def __init__(self) -> None:
        self._own: dict[tuple[str, str], Lock] = {}
        self._ended: dict[tuple[str, str], float] = {}  # until when own locks stood that are over
        self._listed: dict[str, tuple[CustomerDocument, dict[str, LockedSender]]] = {}

    @property
    def own(self) -> tuple[Lock, ...]:
        """Those that this worker made, for a copy on disk."""
        return tuple(self._own.values())

    def add(self, lock: Lock) -> None:
        self._own[lock.customer_id, lock.mailbox] = lock
        if len(self._own) > OWN_LOCKS_MAX:
            del self._own[min(self._own, key=lambda key: self._own[key].until)]

    def find(self, document: CustomerDocument, mailbox: str, now: float) -> Lock | None:
        """The lock that is in force; cheap where there is none."""
        if not self._own and not document.locked_senders:
            return None
        customer_id = document.customer_id
        listed = self._listed_of(document).get(mailbox)
        if listed is not None and listed.until > now:
            return Lock(customer_id, mailbox, 0.0, listed.until, listed.reason)
        own = self._own.get((customer_id, mailbox))
        if own is None:
            return None
        if own.until <= now or (listed is not None and own.at <= listed.until):
            del self._own[customer_id, mailbox]
            self._ended[customer_id, mailbox] = own.until
            if len(self._ended) > OWN_LOCKS_MAX:
                del self._ended[next(iter(self._ended))]
            return None
        return own

    def ended_at(self, document: CustomerDocument, mailbox: str) -> float:
        """When the last lock of a mailbox that is not locked now ended; 0.0 if none is known. The document's word is
        the same on all workers."""
        listed = self._listed_of(document).get(mailbox) if document.locked_senders else None
        return listed.until if listed is not None else self._ended.get((document.customer_id, mailbox), 0.0)

    def _listed_of(self, document: CustomerDocument) -> dict[str, LockedSender]:
        if not document.locked_senders:
            self._listed.pop(document.customer_id, None)
            return _NONE
        known = self._listed.get(document.customer_id)
        if known is None or known[0] is not document:
            known = document, {locked.mailbox.lower(): locked for locked in document.locked_senders}
            self._listed[document.customer_id] = known
        return known[1]
