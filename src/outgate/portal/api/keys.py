"""Routes of keys: a program that is given out makes keys for others, never one that may do more than its own."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Field, Path, Router, Schema, Status

from outgate.portal.accounts import keys
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.models import ApiKey
from outgate.portal.accounts.scope import key_of, keys_of
from outgate.portal.api import schemas
from outgate.portal.api.authentication import Key, caller_of
from outgate.portal.api.idempotency import keep_without
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, page_of
from outgate.portal.api.schemas import In, optional

router = Router(tags=["keys"])
READ, WRITE = Key(Scope.KEYS_READ), Key(Scope.KEYS_WRITE)
Prefix = Annotated[str, Path(description="Of a key, as it is listed", max_length=16, examples=["0f1e2d3c4b5a"])]


class KeyIn(In):
    """A new key of the same organisation as the one that makes it."""

    name: schemas.Name = Field(description="What will use it", examples=["Monitoring"])
    scopes: list[Annotated[Scope, Field(strict=False)]] = Field(
        min_length=1,
        max_length=len(Scope),
        description="Of those of the key that makes it",
        examples=[["customers:read"]],
    )
    days: int = optional(
        f"Until it expires; {keys.DAYS_DEFAULT} if left out, or as long as the key that makes it lasts",
        ge=1,
        le=keys.DAYS_MAX,
        examples=[1],
    )


class KeyOut(Schema):
    prefix: str = Field(description="What comes behind `og_`, by which keys are told apart", examples=["0f1e2d3c4b5a"])
    name: str = Field(examples=["Monitoring"])
    scopes: list[str] = Field(examples=[["customers:read"]])
    created_by: str = Field(examples=["admin@example.com"])
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="To the minute")


class KeyPage(Schema):
    items: list[KeyOut]
    next: str | None = Field(examples=[None])


class KeyMadeOut(Schema):
    key: KeyOut
    secret: str | None = Field(
        description="The whole key, shown this once. Null in a repeated answer, since it is not kept: revoke that key "
        "and make another.",
        examples=["og_0f1e2d3c4b5a_kq2w8Zr4bT6yN1xV9mLd"],
    )


@router.get("", auth=READ, response=KeyPage, summary="List keys")
def index(request: HttpRequest, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT) -> KeyPage:
    """Those of the key's own organisation, by prefix, in pages; revoked and expired ones too."""
    found, following = page_of(keys_of(caller_of(request)), "prefix", cursor, limit)
    return KeyPage(items=[_out(each) for each in found], next=following)


@router.post("", auth=WRITE, response={201: KeyMadeOut}, summary="Make a key")
def create(request: HttpRequest, wanted: KeyIn) -> Status[KeyMadeOut]:
    """It may do no more than the key that makes it, lasts no longer, and is revoked with it. The answer has its secret,
    which is kept nowhere: an answer that is repeated for its `Idempotency-Key` comes without it."""
    made = keys.create_key(
        caller=caller_of(request),
        name=wanted.name,
        scopes=[each.value for each in wanted.scopes],
        days=wanted.days if "days" in wanted.model_fields_set else None,
    )
    keep_without(request, "secret")
    return Status(201, KeyMadeOut(key=_out(made.key), secret=made.secret))


@router.post("/{slug:prefix}/revoke", auth=WRITE, response=KeyOut, summary="Revoke a key")
def revoke(request: HttpRequest, prefix: Prefix) -> KeyOut:
    """It opens nothing from now on, nor do keys that it has made: also if it is the key of this request. Idempotent."""
    caller = caller_of(request)
    keys.revoke_key(caller=caller, key=key_of(caller, prefix))
    return _out(key_of(caller, prefix))


def _out(key: ApiKey) -> KeyOut:
    return KeyOut(
        prefix=key.prefix,
        name=key.name,
        scopes=key.scopes,
        created_by=key.created_by,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        used_at=key.used_at,
    )
