"""Writes the audit log. Called by every service, inside its transaction.

The lines are a chain: each holds a digest of itself and of the line before it, so that who changes, removes or inserts
a line in the database has to change all that follow, and the last digest with them. `outgate audit verify` looks, and
prints that last digest: kept elsewhere, it also shows that the end was cut off.

Every line locks the one `AuditHead` row after whatever else its transaction locks; so nobody waits in a circle.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from outgate.portal.accounts.models import AuditEntry, AuditHead, User
from outgate.portal.customers.models import Customer, Partner

HEAD_ID: Final = 1
VERIFY_CHUNK: Final = 2_000  # lines in memory at a time

# Whose object is not a customer's id, with or without a slash and more behind it. What is not named here is looked up
# among the customers.
_OTHER_OBJECTS: Final = ("partner.", "region.", "user.", "queue.", "api-key.", "audit.", "address.", "provider.")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. name: an email address, or what acts where nobody signed in. address: where from.
    acting_as: the id of the customer that somebody else is logged in as."""

    name: str
    address: str = ""
    acting_as: str = ""

    @classmethod
    def of(cls, user: User) -> "Actor":
        return cls(user.email)


CLERK = Actor("clerk")


Value = str | int | bool | None


def record(actor: Actor, action: str, object_: str, /, **detail: Value) -> None:
    """Add a line to the audit log. `detail` must hold no secret. Whose log shows it follows from the object."""
    _record(actor, action, object_, _tenant_of_object(action, object_), detail)


def record_for(whose: Customer | Partner | None, actor: Actor, action: str, object_: str, /, **detail: Value) -> None:
    """The same, where the object does not tell whose log shows the line beside the operator's."""
    tenant: tuple[str, int | None] = ("", None)
    if isinstance(whose, Customer):
        tenant = (whose.slug, whose.partner_id)
    elif isinstance(whose, Partner):
        tenant = ("", whose.pk)
    _record(actor, action, object_, tenant, detail)


def record_look(whose: Customer | None, actor: Actor, action: str, object_: str, /, *, within: timedelta) -> None:
    """`record_for` a look that changes nothing: one line for each actor and object within that time."""
    same = AuditEntry.objects.filter(
        actor=actor.name,
        acting_as=actor.acting_as,
        action=action,
        object=object_,
        at__gt=timezone.now() - within,
    )
    if same.exists():
        return
    with transaction.atomic():
        AuditHead.objects.select_for_update().get_or_create(pk=HEAD_ID)  # of two looks at once the second one waits
        if not same.exists():
            record_for(whose, actor, action, object_)


def _record(
    actor: Actor, action: str, object_: str, tenant: tuple[str, int | None], detail: Mapping[str, Value]
) -> None:
    customer, partner_id = tenant
    with transaction.atomic():
        head = AuditHead.objects.select_for_update().get_or_create(pk=HEAD_ID)[0]
        entry = AuditEntry(
            number=head.number + 1,
            at=timezone.now(),
            actor=actor.name,
            acting_as=actor.acting_as,
            address=actor.address,
            action=action,
            object=object_,
            customer=customer,
            partner_id=partner_id,
            detail=dict(detail),
        )
        entry.digest = digest_of(entry, head.digest)
        entry.save(force_insert=True)
        head.number, head.digest = entry.number, entry.digest
        head.save(update_fields=["number", "digest"])


def _tenant_of_object(action: str, object_: str) -> tuple[str, int | None]:
    if action.startswith(_OTHER_OBJECTS):
        return "", None
    slug = object_.partition("/")[0]
    found = Customer.objects.filter(slug=slug).values_list("slug", "partner_id").first()
    return found or ("", None)


def digest_of(entry: Any, before: str) -> str:
    """The digest of a line behind one whose digest is `before`. Everything that people see of the line is in it."""
    values = [
        before,
        entry.number,
        entry.at.isoformat(),
        entry.actor,
        entry.acting_as,
        entry.address,
        entry.action,
        entry.object,
        entry.customer,
        entry.partner_id,
        entry.detail,
    ]
    text = json.dumps(values, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verified:
    """lines: how many are good. digest: the last one's. fault: what is wrong behind them; empty if nothing is."""

    lines: int
    digest: str
    fault: str = ""


def verify() -> Verified:
    """Look at the whole chain, from its beginning to its first fault."""
    number, digest = 0, ""
    with transaction.atomic():
        for entry in AuditEntry.objects.order_by("number").iterator(chunk_size=VERIFY_CHUNK):
            if entry.number != number + 1:
                return Verified(number, digest, f"line {number + 1} is missing")
            if entry.digest != digest_of(entry, digest):
                return Verified(number, digest, f"line {entry.number} was changed, or a line before it was put in")
            number, digest = entry.number, entry.digest
        head = AuditHead.objects.filter(pk=HEAD_ID).first()
    if head is not None and (head.number, head.digest) != (number, digest):
        return Verified(number, digest, f"the log ends at line {number}, and {head.number} were written")
    return Verified(number, digest)
