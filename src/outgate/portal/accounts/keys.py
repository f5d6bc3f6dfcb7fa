"""Keys to the API: made, looked up, revoked. The secret is shown once, when the key is made."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import models, transaction
from django.utils import timezone

from outgate.portal.accounts import audit
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import ApiKey, Right, Role
from outgate.portal.customers.models import NAME_MAX, Customer, Partner
from outgate.portal.errors import Invalid
from outgate.portal.outbound.validation import parse_text

PREFIX_OCTETS: Final = 6  # of randomness; 12 characters
SECRET_OCTETS: Final = 32  # of randomness
DAYS_MAX: Final = 730
DAYS_DEFAULT: Final = 365
KEYS_MAX: Final = 100  # of one tenant, revoked and expired ones left out
USED_STEP: Final = timedelta(minutes=1)  # how exactly the last use is known: not every request writes
MARK: Final = "og"  # begins every key, so that tools that look for leaked secrets can know them


class Scope(models.TextChoices):
    """What a key may be used for."""

    CUSTOMERS_READ = "customers:read", "Read customers and their settings"
    CUSTOMERS_WRITE = "customers:write", "Change customers and their settings"
    CUSTOMERS_MANAGE = "customers:manage", "Create and delete customers"
    MESSAGES_READ = "messages:read", "Look into the tracker of mail"
    MESSAGES_DECIDE = "messages:decide", "Release, try again and delete waiting mail"
    SENDERS_READ = "senders:read", "List locked senders"
    SENDERS_UNLOCK = "senders:unlock", "Unlock locked senders"
    TEAM_READ = "team:read", "Read users and allowed addresses"
    TEAM_WRITE = "team:write", "Add and disable users, and set who may come near"
    INSTALLATION_WRITE = "installation:write", "Change regions and partners"
    AUDIT_READ = "audit:read", "Read the audit log"


# What somebody of a partner must have the right to, to make a key that may do it: a key has all rights of its scopes.
RIGHTS: Final[dict[Scope, frozenset[Right]]] = {
    Scope.CUSTOMERS_WRITE: frozenset({Right.MANAGE_CUSTOMERS}),
    Scope.CUSTOMERS_MANAGE: frozenset({Right.CREATE_CUSTOMERS, Right.MANAGE_CUSTOMERS}),
    Scope.MESSAGES_DECIDE: frozenset({Right.QUARANTINE}),
    Scope.SENDERS_UNLOCK: frozenset({Right.MANAGE_CUSTOMERS}),
    Scope.TEAM_WRITE: frozenset(Right),  # who adds somebody may give all rights
    Scope.AUDIT_READ: frozenset({Right.AUDIT}),
}
# Of one role only: nobody else has what they are for.
ROLES: Final[dict[Scope, frozenset[Role]]] = {
    Scope.CUSTOMERS_MANAGE: frozenset({Role.OPERATOR, Role.PARTNER}),
    Scope.INSTALLATION_WRITE: frozenset({Role.OPERATOR}),
}


@dataclass(frozen=True, slots=True)
class NewKey:
    """secret: the whole key, as the caller of the API sends it."""

    key: ApiKey
    secret: str


def may_make_keys(caller: Caller) -> bool:
    if caller.scopes is not None:
        return False  # a key makes no keys
    if caller.acting_for is not None or caller.role is Role.CUSTOMER_ADMIN:
        return True
    return caller.has(Right.TEAM)


def scopes_of(caller: Caller) -> list[Scope]:
    """What a key may be used for that the caller makes: no more than the caller may do."""
    is_customers = caller.acting_for is not None or caller.role is Role.CUSTOMER_ADMIN
    role = Role.CUSTOMER_ADMIN if is_customers else caller.role
    return [
        scope
        for scope in Scope
        if role in ROLES.get(scope, frozenset(Role))
        and (is_customers or all(caller.has(right) for right in RIGHTS.get(scope, ())))
    ]


@transaction.atomic
def create_key(*, caller: Caller, name: str, scopes: Iterable[str], days: int = DAYS_DEFAULT) -> NewKey:
    """A key of the caller's tenant. Raises: Invalid."""
    if not may_make_keys(caller):
        raise Invalid("name", "You may not make keys. Ask an administrator of your organisation.")
    name = parse_text("name", name, NAME_MAX)
    wanted = sorted(set(scopes))
    if not wanted or not set(wanted) <= set(Scope.values):
        raise Invalid("scopes", "Choose what the key may be used for.")
    if beyond := sorted(set(wanted) - {scope.value for scope in scopes_of(caller)}):
        raise Invalid("scopes", f"You may not do this yourself: {', '.join(beyond)}. Leave it out.")
    if not 1 <= days <= DAYS_MAX:
        raise Invalid("days", f"{days} is not possible. Enter 1 to {DAYS_MAX} days.")
    customer_id = (caller.acting_for.pk if caller.acting_for else caller.customer_id) or None
    partner_id = None if customer_id else caller.partner_id or None
    role = Role.CUSTOMER_ADMIN if customer_id else caller.role
    now = timezone.now()
    present = ApiKey.objects.filter(
        role=role, partner=partner_id, customer=customer_id, revoked_at=None, expires_at__gt=now
    )
    if present.count() >= KEYS_MAX:
        raise Invalid("name", f"There are already {KEYS_MAX} keys. Revoke one that is not used any more.")
    prefix, secret = secrets.token_hex(PREFIX_OCTETS), secrets.token_urlsafe(SECRET_OCTETS)
    key = ApiKey.objects.create(
        prefix=prefix,
        digest=_digest(secret),
        name=name,
        role=role,
        partner_id=partner_id,
        customer_id=customer_id,
        scopes=wanted,
        created_by=caller.name,
        expires_at=now + timedelta(days=days),
    )
    audit.record_for(
        _tenant(key), caller.actor, "api-key.created", prefix, name=name, scopes=" ".join(wanted), days=days
    )
    return NewKey(key, f"{MARK}_{prefix}_{secret}")


def key_with(secret: str, *, now: datetime) -> ApiKey | None:
    """The key, if it is one and may still be used."""
    mark, _, rest = secret.partition("_")
    prefix, _, word = rest.partition("_")
    key = ApiKey.objects.select_related("partner", "customer").filter(prefix=prefix).first() if mark == MARK else None
    # The comparison is made in any case, so that time does not tell whether there is such a prefix.
    is_right = hmac.compare_digest(key.digest if key else _digest(""), _digest(word))
    if key is None or not is_right or key.revoked_at is not None or key.expires_at <= now:
        return None
    if key.used_at is None or now - key.used_at > USED_STEP:
        ApiKey.objects.filter(pk=key.pk).update(used_at=now)
    return key


@transaction.atomic
def revoke_key(*, caller: Caller, key: ApiKey) -> None:
    """Idempotent."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
        audit.record_for(_tenant(key), caller.actor, "api-key.revoked", key.prefix, name=key.name)


def _tenant(key: ApiKey) -> Customer | Partner | None:
    return key.customer or key.partner


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
