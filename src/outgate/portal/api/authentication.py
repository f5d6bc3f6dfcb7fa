"""Who calls: the key of the request, and what it opens. Sessions of browsers open nothing here."""

import math
import time
from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from outgate.portal.accounts import lockout
from outgate.portal.accounts.access import is_key_address_allowed
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope, key_with
from outgate.portal.accounts.models import ApiKey
from outgate.portal.accounts.scope import customer_of
from outgate.portal.api.problems import Problem
from outgate.portal.api.rate import REQUESTS_PER_MINUTE, buckets
from outgate.portal.customers.models import Customer
from outgate.portal.web.addresses import address_of

# Wrong keys are counted like wrong passwords, under a name that no account has.
ACCOUNT: Final = "api-key"


class Key(HttpBearer):
    """`Authorization: Bearer og_...`. scope: what the route needs; a route that names none asks `caller_of`."""

    openapi_name = "key"

    def __init__(self, scope: Scope | None = None) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        """Raises: Problem. Asked twice about one request, it counts once."""
        known: Caller | None = getattr(request, "api_caller", None)
        caller = known or _caller_with(request, token)
        if self.scope is not None:
            _check_scope(caller, self.scope)
        return caller


def _caller_with(request: HttpRequest, token: str) -> Caller:
    address, now = address_of(request), timezone.now()
    lock = lockout.lock_on(account=f"{ACCOUNT} {address}", address=address, now=now)
    if lock is not None:
        wait = max(1, math.ceil((lock.until - now).total_seconds()))
        detail = "Too many wrong keys came from your address. Try again in some minutes."
        raise Problem(429, "locked-out", detail, headers={"Retry-After": str(wait)})
    key = key_with(token, now=now)
    if key is None:
        lockout.record_failure(account=f"{ACCOUNT} {address}", address=address, now=now)
        raise Problem(401, "key-unknown", "There is no such key, or it has expired or was revoked. Make a new one.")
    if not is_key_address_allowed(key, address):
        raise Problem(
            403, "address-not-allowed", f"{address} is not among the addresses that your organisation allows."
        )
    if delay := buckets.take(key.pk, time.monotonic()):
        detail = f"This key has made more than {REQUESTS_PER_MINUTE} requests a minute. Wait as Retry-After says."
        raise Problem(429, "too-many-requests", detail, headers={"Retry-After": str(math.ceil(delay))})
    caller = Caller.of_key(key, address=address)
    request.api_caller, request.api_key = caller, key  # type: ignore[attr-defined]
    return caller


def key_of(request: HttpRequest) -> ApiKey | None:
    """The key that the request came with; None where none was asked for."""
    return getattr(request, "api_key", None)


def caller_of(request: HttpRequest, scope: Scope | None = None) -> Caller:
    """The caller, if its key has `scope`. Raises: Problem."""
    caller: Any = request.auth  # type: ignore[attr-defined]
    assert isinstance(caller, Caller)
    if scope is not None:
        _check_scope(caller, scope)
    return caller


def changed_customer(request: HttpRequest, customer_id: str) -> tuple[Caller, Customer]:
    """The customer whose settings the caller wants to change. Raises: Problem, NotFound."""
    caller = caller_of(request)
    customer = customer_of(caller, customer_id)
    if not caller.may_change_settings:
        raise Problem(403, "right-missing", "The key's owner may not change customers.")
    return caller, customer


def _check_scope(caller: Caller, scope: Scope) -> None:
    if caller.scopes is None or scope.value not in caller.scopes:
        raise Problem(403, "scope-missing", f"The key lacks the scope {scope.value}. Make one that has it.")
