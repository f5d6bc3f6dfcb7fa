"""Routes that read customers, and of their texts."""

import hashlib
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import customer_of, customers_of, search_customers
from outgate.portal.api import schemas
from outgate.portal.api.authentication import Key, caller_of, changed_customer
from outgate.portal.api.body import check_type
from outgate.portal.api.description import text_body, text_response
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, page_of
from outgate.portal.api.problems import FieldProblem, Problem
from outgate.portal.api.texts import check_may_apply, difference
from outgate.portal.customers.models import Customer
from outgate.portal.customers.text import CustomerText, TextRefused, read_text, write_text
from outgate.portal.customers.text import Problem as TextProblem
from outgate.portal.customers.text_apply import apply_text, preview_text, text_of
from outgate.portal.feed.changes import changes

router = Router(tags=["customers"])
TOML = "application/toml"
READ, WRITE = Key(Scope.CUSTOMERS_READ), Key(Scope.CUSTOMERS_WRITE)


@router.get("", auth=READ, response=schemas.CustomerPage, summary="List customers")
def index(
    request: HttpRequest,
    q: Annotated[
        str, Field(max_length=100, description="Part of the name, or the beginning of the id or of a domain")
    ] = "",
    cursor: Cursor = "",
    limit: Limit = LIMIT_DEFAULT,
) -> schemas.CustomerPage:
    """By id, in pages."""
    rows = search_customers(customers_of(caller_of(request)), q)
    found, following = page_of(rows, "slug", cursor, limit)
    return schemas.CustomerPage(items=[customer_out(row) for row in found], next=following)


@router.get("/{slug:customer_id}", auth=READ, response=schemas.CustomerOut, summary="Show a customer")
def show(request: HttpRequest, customer_id: str) -> schemas.CustomerOut:
    """What describes it. Its settings are under `/outbound`, all of it is in `/text`."""
    return customer_out(customer_of(caller_of(request), customer_id))


@router.get(
    "/{slug:customer_id}/text", auth=READ, summary="Export a customer as a text", openapi_extra=text_response(TOML)
)
def text(request: HttpRequest, customer_id: str) -> HttpResponse:
    """TOML, as docs/customer-text.md describes it. `ETag` goes into `If-Match` when the text is sent back."""
    written = write_text(text_of(customer_of(caller_of(request), customer_id)))
    tag = _tag(written)
    if request.headers.get("If-None-Match") == tag:
        return HttpResponse(status=304, headers={"ETag": tag})
    return HttpResponse(written, TOML, headers={"ETag": tag})


@router.post(
    "/{slug:customer_id}/text/diff",
    auth=WRITE,
    response=schemas.DifferenceOut,
    summary="Show what a text would change",
    openapi_extra=text_body(TOML),
)
def text_difference(request: HttpRequest, customer_id: str) -> schemas.DifferenceOut:
    """The body is the text. Nothing is changed; every mistake that applying would find is found."""
    caller, customer, wanted = _wanted(request, customer_id)
    applied = preview_text(actor=caller.actor, text=wanted)
    return schemas.DifferenceOut(difference=difference(write_text(text_of(customer)), applied.after))


@router.put(
    "/{slug:customer_id}/text",
    auth=WRITE,
    response=schemas.DifferenceOut,
    summary="Make the customer what a text says",
    openapi_extra=text_body(TOML, if_match=True),
)
def text_apply(request: HttpRequest, customer_id: str) -> schemas.DifferenceOut:
    """The body is the text. All of it is done or nothing; done again it changes nothing. With `If-Match` it is done
    only if the customer is still as it was when the text with that `ETag` was exported."""
    caller, customer, wanted = _wanted(request, customer_id)
    with changes():
        expected = request.headers.get("If-Match", "*")
        if expected not in ("*", _tag(write_text(text_of(customer)))):
            detail = "The customer has changed since. Export its text again, and make your change in that."
            raise Problem(412, "changed-since", detail)
        applied = apply_text(actor=caller.actor, text=wanted)
    return schemas.DifferenceOut(difference=difference(applied.before, applied.after))


def _tag(written: str) -> str:
    return f'"{hashlib.sha256(written.encode()).hexdigest()[:32]}"'


def _wanted(request: HttpRequest, customer_id: str) -> tuple[Caller, Customer, CustomerText]:
    """Raises: TextRefused, Problem, NotFound."""
    caller, customer = changed_customer(request, customer_id)
    check_type(request, TOML, "text/plain")
    try:
        body = request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(422, "text-refused", "The text is not UTF-8.", [FieldProblem("", "Send it as UTF-8.")]) from error
    wanted = read_text(body)
    check_may_apply(caller, customer, wanted)
    if not wanted.id:  # without it the name decides, which may be another customer's
        raise TextRefused([_id_missing(customer)])
    return caller, customer, wanted


def _id_missing(customer: Customer) -> TextProblem:
    return TextProblem("id", f"This is missing. Write id = {customer.slug!r}, as the exported text has it.")


def customer_out(customer: Customer) -> schemas.CustomerOut:
    return schemas.CustomerOut.model_validate(
        {
            "id": customer.slug,
            "name": customer.name,
            "partner": customer.partner.name,
            "region": customer.region.name,
            "plan": customer.plan,
            "mail_platform": customer.mail_platform,
            "foreign_from": customer.foreign_from,
            "outbound": customer.outbound,
            "created_at": customer.created_at,
        }
    )
