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
    TEAM_WRITE = "team:write", "Add, change and disable users, and set who may come near"
    KEYS_READ = "keys:read", "List keys"
    KEYS_WRITE = "keys:write", "Make keys that may do no more than this one, and revoke keys"
    TEMPLATES_WRITE = "templates:write", "Keep and remove templates of policies"
    INSTALLATION_WRITE = "installation:write", "Change regions and partners"
    AUDIT_READ = "audit:read", "Read the audit log"


# What somebody of a partner must have the right to, to make a key that may do it: a key has all rights of its scopes.
RIGHTS: Final[dict[Scope, frozenset[Right]]] = {
    Scope.CUSTOMERS_WRITE: frozenset({Right.MANAGE_CUSTOMERS}),
    Scope.CUSTOMERS_MANAGE: frozenset({Right.CREATE_CUSTOMERS, Right.MANAGE_CUSTOMERS}),
    Scope.MESSAGES_READ: frozenset({Right.TRACKER}),
    Scope.MESSAGES_DECIDE: frozenset({Right.QUARANTINE}),
    Scope.SENDERS_UNLOCK: frozenset({Right.MANAGE_CUSTOMERS}),
    Scope.TEAM_WRITE: frozenset(Right),  # who adds somebody may give all rights
    Scope.TEMPLATES_WRITE: frozenset({Right.POLICIES}),
    Scope.AUDIT_READ: frozenset({Right.AUDIT}),
}
# The same of partner staff that is logged in as a customer, whose pages ask these rights even so.
RIGHTS_LOGGED_IN: Final = {scope: RIGHTS[scope] for scope in (Scope.MESSAGES_READ, Scope.MESSAGES_DECIDE)}
# Of one role only: nobody else has what they are for.
ROLES: Final[dict[Scope, frozenset[Role]]] = {
    Scope.CUSTOMERS_MANAGE: frozenset({Role.OPERATOR, Role.PARTNER}),
    Scope.INSTALLATION_WRITE: frozenset({Role.OPERATOR}),
    Scope.TEMPLATES_WRITE: frozenset({Role.OPERATOR, Role.PARTNER}),
}


@dataclass(frozen=True, slots=True)
class NewKey:
    """secret: the whole key, as the caller of the API sends it."""

    key: ApiKey
    secret: str


def may_make_keys(caller: Caller) -> bool:
    if caller.scopes is not None:
        return Scope.KEYS_WRITE.value in caller.scopes
    if caller.acting_for is not None or caller.role is Role.CUSTOMER_ADMIN:
        return True
    return caller.has(Right.TEAM)


def scopes_of(caller: Caller) -> list[Scope]:
    """What a key may be used for that the caller makes: no more than the caller may do."""
    if caller.scopes is not None:
        return [scope for scope in Scope if scope.value in caller.scopes]
    is_customers = caller.acting_for is not None or caller.role is Role.CUSTOMER_ADMIN
    role = Role.CUSTOMER_ADMIN if is_customers else caller.role
    return [
        scope
        for scope in Scope
        if role in ROLES.get(scope, frozenset(Role)) and _needed(caller, scope) <= _held(caller)
    ]


@transaction.atomic
def create_key(*, caller: Caller, name: str, scopes: Iterable[str], days: int | None = None) -> NewKey:
    """A key of the caller's tenant. days: None is `DAYS_DEFAULT`. A key's key ends with its maker at the latest, and is
    revoked with it. Raises: Invalid."""
    if not may_make_keys(caller):
        raise Invalid("name", "You may not make keys. Ask an administrator of your organisation.")
    maker = _maker(caller)
    name = parse_text("name", name, NAME_MAX)
    wanted = sorted(set(scopes))
    if not wanted or not set(wanted) <= set(Scope.values):
        raise Invalid("scopes", "Choose what the key may be used for.")
    if beyond := sorted(set(wanted) - {scope.value for scope in scopes_of(caller)}):
        raise Invalid("scopes", f"You may not do this yourself: {', '.join(beyond)}. Leave it out.")
    now = timezone.now()
    expires_at = _end(maker, days, now)
    customer_id = (caller.acting_for.pk if caller.acting_for else caller.customer_id) or None
    partner_id = None if customer_id else caller.partner_id or None
    role = Role.CUSTOMER_ADMIN if customer_id else caller.role
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
        maker=maker,
        expires_at=expires_at,
    )
    days = -(-(expires_at - now) // timedelta(days=1))
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
    """With those that it has made, and those that they have: what a lost key has left behind must not outlive it.
    Idempotent."""
    now = timezone.now()
    found, revoked = [key], []
    while found:
        each = found.pop()
        if ApiKey.objects.filter(pk=each.pk, revoked_at=None).update(revoked_at=now):
            revoked.append(each)
        found += each.made.select_related("partner", "customer").filter(revoked_at=None)
    for each in revoked:  # behind all that is locked: see `audit`
        audit.record_for(_tenant(each), caller.actor, "api-key.revoked", each.prefix, name=each.name)


def _needed(caller: Caller, scope: Scope) -> frozenset[Right]:
    if caller.acting_for is not None:
        return RIGHTS_LOGGED_IN.get(scope, frozenset())
    return frozenset() if caller.role is Role.CUSTOMER_ADMIN else RIGHTS.get(scope, frozenset())


def _held(caller: Caller) -> frozenset[Right]:
    """The caller's own rights, also while it is logged in as a customer."""
    return frozenset(right for right in Right if caller.role is Role.OPERATOR or right.value in caller.rights)


def _maker(caller: Caller) -> ApiKey | None:
    """The key that makes another; None if a person does. It is locked, so that it is not revoked meanwhile.

    Raises: Invalid.
    """
    if caller.scopes is None:
        return None
    maker = ApiKey.objects.select_for_update().filter(pk=caller.key_id, revoked_at=None).first()
    if maker is None:
        raise Invalid("", "This key has just been revoked. Make the new one with another.")
    return maker


def _end(maker: ApiKey | None, days: int | None, now: datetime) -> datetime:
    """When the new key expires. Raises: Invalid."""
    if days is not None and not 1 <= days <= DAYS_MAX:
        raise Invalid("days", f"{days} is not possible. Enter 1 to {DAYS_MAX} days.")
    end = now + timedelta(days=DAYS_DEFAULT if days is None else days)
    if maker is None or end <= maker.expires_at:
        return end
    if days is not None:
        until = f"{maker.expires_at:%Y-%m-%d %H:%M} UTC"
        raise Invalid("days", f"The key that makes it expires at {until}. Leave this out, and the new one does too.")
    return maker.expires_at


def _tenant(key: ApiKey) -> Customer | Partner | None:
    return key.customer or key.partner


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
