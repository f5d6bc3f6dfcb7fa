"""`Idempotency-Key`: a request that is sent again, since its answer was lost, is done once.

Kept is what was answered to a request that changed something; one that failed has changed nothing, so that it is tried
anew. What is done and the answer to it are stored in one transaction: after a crash there are both or neither.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from outgate.portal.accounts.alarms import outliving
from outgate.portal.accounts.models import ApiKey
from outgate.portal.api.models import NAME_MAX, KeptAnswer
from outgate.portal.api.problems import Problem

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
METHODS: Final = ("POST", "PUT", "PATCH", "DELETE")
KEPT_HOURS: Final = 24
ANSWERS_MAX: Final = 5_000  # of one key; of more the oldest are forgotten
ANSWER_OCTETS_MAX: Final = 65_536  # of one answer; of a larger one only that it was given is kept
LEASE_SECONDS: Final = 60  # after which who works on a request is taken to be dead
RETRY_SECONDS: Final = 1  # what the second of two at once is told to wait
KEPT_HEADERS: Final = ("Content-Type", "ETag", "Location")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a request, and to keep its answer."""

    pk: int
    token: str


class _Overtaken(Exception):
    """It took so long that another was given the request; what was done is taken back."""


def keep_without(request: HttpRequest, field: str) -> None:
    """Keep the answer with null in place of this field, which is a secret."""
    request.secret_field = field  # type: ignore[attr-defined]


def once(
    request: HttpRequest, key: ApiKey, work: Callable[[], HttpResponse], *, is_transaction: bool = True
) -> HttpResponse:
    """What `work` answers, or what it answered before. is_transaction: false for work that asks other hosts, during
    which no transaction is open; it must be one that can be done twice. Raises: Problem."""
    name = request.headers.get(HEADER)
    if name is None or request.method not in METHODS:
        return work()
    if not 1 <= len(name) <= NAME_MAX or not all("!" <= character <= "~" for character in name):
        detail = f"{HEADER} must be 1 to {NAME_MAX} visible ASCII characters. A random UUID is good."
        raise Problem(400, "idempotency-key-malformed", detail)
    claimed = claim(key=key, name=name, fingerprint=_fingerprint(request), now=timezone.now())
    if isinstance(claimed, HttpResponse):
        return claimed
    try:
        if not is_transaction:
            response = work()
            with transaction.atomic():
                _settle(claimed, request, response)
            return response
        with outliving(), transaction.atomic():
            response = work()
            _settle(claimed, request, response)
    except _Overtaken as error:
        raise _under_way() from error
    except BaseException:
        release(claimed)
        raise
    return response


def claim(*, key: ApiKey, name: str, fingerprint: str, now: datetime) -> Claim | HttpResponse:
    """The right to do it, or the answer that was given before. Raises: Problem."""
    token = secrets.token_hex(16)
    try:
        with transaction.atomic():
            row = KeptAnswer.objects.select_for_update().filter(key=key, name=name).first()
            if row is not None and row.at <= now - timedelta(hours=KEPT_HOURS):
                row.delete()
                row = None
            if row is None:
                _make_room(key)
                row = KeptAnswer.objects.create(key=key, name=name, fingerprint=fingerprint, token=token, at=now)
                return Claim(row.pk, token)
            if row.fingerprint != fingerprint:
                detail = f"This {HEADER} came with another request within {KEPT_HOURS} hours. Take a new one for each."
                raise Problem(422, "idempotency-key-reused", detail)
            if row.status:
                return _again(row)
            if row.at > now - timedelta(seconds=LEASE_SECONDS):
                raise _under_way()
            row.token, row.at = token, now
            row.save(update_fields=["token", "at"])
            return Claim(row.pk, token)
    except IntegrityError as error:  # of two at once the other was first
        raise _under_way() from error


def release(claimed: Claim) -> None:
    """Nothing was done: whoever comes again may try."""
    KeptAnswer.objects.filter(pk=claimed.pk, token=claimed.token, status=0).delete()


def forget_old(*, now: datetime) -> None:
    KeptAnswer.objects.filter(at__lte=now - timedelta(hours=KEPT_HOURS)).delete()


def _settle(claimed: Claim, request: HttpRequest, response: HttpResponse) -> None:
    """Keep the answer of what was done. Raises: _Overtaken."""
    if response.status_code >= 300:
        release(claimed)
        return
    body, secret = response.content, getattr(request, "secret_field", None)
    if secret is not None and (told := msgspec.json.decode(body))[secret] is not None:
        body = msgspec.json.encode(told | {secret: None})
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    mine = KeptAnswer.objects.filter(pk=claimed.pk, token=claimed.token, status=0)
    is_kept = mine.update(
        status=response.status_code, headers=headers, body=body if len(body) <= ANSWER_OCTETS_MAX else None
    )
    if not is_kept:
        raise _Overtaken


def _again(row: KeptAnswer) -> HttpResponse:
    if row.body is None:
        detail = f"This was done at {row.at:%Y-%m-%d %H:%M:%S} UTC; its answer was too large to be kept. Read it anew."
        raise Problem(409, "done-already", detail)
    headers: dict[str, Any] = {**row.headers, REPLAYED: "true"}
    return HttpResponse(bytes(row.body), status=row.status, headers=headers)


def _under_way() -> Problem:
    detail = f"A request with this {HEADER} is under way. Send it again in a moment to get its answer."
    return Problem(409, "under-way", detail, headers={"Retry-After": str(RETRY_SECONDS)})


def _make_room(key: ApiKey) -> None:
    mine = KeptAnswer.objects.filter(key=key)
    excess = mine.count() - ANSWERS_MAX + 1
    if excess > 0:
        mine.filter(pk__in=list(mine.order_by("at", "pk").values_list("pk", flat=True)[:excess])).delete()


def _fingerprint(request: HttpRequest) -> str:
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode("utf-8", "surrogatepass"))
    digest.update(request.body)
    return digest.hexdigest()
