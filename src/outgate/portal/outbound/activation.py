"""The second phase of switching outbound on, and what a person is told of it.

*Activating* becomes *active* when every live worker has acknowledged the very document that says activating, with all
that was changed since: then no worker is left that would refuse the customer's mail for good.
"""

from dataclasses import dataclass
from datetime import datetime

from outgate.contract.policy import Outbound
from outgate.portal.accounts import audit
from outgate.portal.customers.models import Customer
from outgate.portal.feed import selectors
from outgate.portal.feed.changes import changes
from outgate.portal.feed.models import WorkerState
from outgate.portal.feed.selectors import DocumentState
from outgate.portal.outbound.documents import customer_key, write_customer
from outgate.portal.outbound.missing import Missing, missing


def is_any_activating() -> bool:
    return Customer.objects.filter(outbound=Outbound.ACTIVATING).exists()


def finish_activations(*, now: datetime) -> list[str]:
    """Make active who can be; returns their ids. While no worker is alive nobody is: there is nothing to be active."""
    if not is_any_activating() or not selectors.live_workers(now):
        return []  # most of the time, and without the lock that the rest needs
    finished = []
    with changes() as changed:
        applied = min(worker.revision for worker in selectors.live_workers(now))
        for customer in Customer.objects.filter(outbound=Outbound.ACTIVATING).order_by("slug"):
            if selectors.document_revision(customer_key(customer)) > applied:
                continue
            customer.outbound = Outbound.ACTIVE.value
            customer.save(update_fields=["outbound"])
            write_customer(changed, customer, is_later_part=True)
            audit.record(audit.CLERK, "outbound.active", customer.slug, revision=applied)
            finished.append(customer.slug)
    return finished


@dataclass(frozen=True, slots=True)
class Activation:
    """How far a customer's newest settings have come, and whether mail passes by them. document: which says them.

    missing: what the customer has to do before, whatever the switch says. unproven: how many domains are mere claims.
    """

    outbound: Outbound
    document: DocumentState
    workers: tuple[WorkerState, ...]
    missing: tuple[Missing, ...]
    unproven: int

    @property
    def revision(self) -> int:
        return self.document.revision

    @property
    def applied_seconds(self) -> float | None:
        """From when somebody saved them until the last worker acted on them; None while that is not known."""
        return self.document.applied_seconds if self.is_everywhere else None

    @property
    def is_everywhere(self) -> bool:
        """Does every live worker act on the newest settings, and is nothing of them still to come?"""
        return (
            bool(self.workers)
            and self.outbound is not Outbound.ACTIVATING
            and all(worker.revision >= self.revision for worker in self.workers)
        )


def activation_of(customer: Customer, now: datetime) -> Activation:
    """As it is now, whatever `customer` has read before."""
    outbound = Customer.objects.values_list("outbound", flat=True).get(pk=customer.pk)
    document = selectors.document_state(customer_key(customer))
    workers = tuple(selectors.live_workers(now))
    unproven = customer.domains.filter(verified_at=None).count()
    return Activation(Outbound(outbound), document, workers, missing(customer), unproven)
