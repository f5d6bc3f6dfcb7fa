"""The API put together: routes, and what becomes of errors."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja.errors import HttpError, ValidationError

from outgate.portal.accounts.scope import ABSENT
from outgate.portal.api import (
    audit,
    domains,
    guides,
    held,
    installation,
    keys,
    management,
    messages,
    outbound,
    people,
    policies,
    reasons,
    relays,
    senders,
    spf,
    templates,
    tenants,
    usage,
)
from outgate.portal.api.authentication import Key
from outgate.portal.api.body import StrictParser
from outgate.portal.api.description import DescribedApi
from outgate.portal.api.faults import fault_of
from outgate.portal.api.guard import guard
from outgate.portal.api.problems import NOTHING_HERE, FieldProblem, Problem
from outgate.portal.customers.text import TextRefused
from outgate.portal.errors import Invalid, NotFound

api = DescribedApi(
    title="Outgate",
    version="1",
    description="Keys are made in the portal, under API keys. Lists come in pages: ask again with `next` as `cursor`.",
    urls_namespace="api",
    docs_url=None,  # its page would load scripts from another host: ours is `web.views.api_docs`
    openapi_url="/openapi.json",
    auth=Key(),
    parser=StrictParser(),
)
api.add_decorator(guard, mode="view")  # around all of the route: who calls is asked inside
api.add_router("/customers", management.customers)
api.add_router("/customers", outbound.router)
api.add_router("/customers", domains.router)
api.add_router("/customers", senders.router)
api.add_router("/customers", tenants.router)
api.add_router("/customers", relays.router)
api.add_router("/customers", spf.router)
api.add_router("/customers", policies.router)
api.add_router("/customers", templates.router)
api.add_router("/customers", usage.router)
api.add_router("/customers", guides.router)
api.add_router("/customers", people.customers)
api.add_router("/users", people.users)
api.add_router("/keys", keys.router)
api.add_router("/allowed-addresses", people.addresses)
api.add_router("/regions", installation.regions)
api.add_router("/partners", installation.partners)
api.add_router("/providers", installation.providers)
api.add_router("/reasons", reasons.router)
api.add_router("/customers", held.router)
api.add_router("/customers", messages.router)
api.add_router("/messages", messages.staff)
api.add_router("/audit", audit.router)


@api.exception_handler(Problem)
def problem(_request: HttpRequest, error: Problem) -> HttpResponse:
    return error.response()


@api.exception_handler(NotFound)
def not_found(_request: HttpRequest, error: NotFound) -> HttpResponse:
    text = NOTHING_HERE if error.public_message == ABSENT else error.public_message
    return Problem(404, "not-found", text).response()


@api.exception_handler(Invalid)
def invalid(_request: HttpRequest, error: Invalid) -> HttpResponse:
    fields = [FieldProblem(error.field, error.public_message)]
    return Problem(422, "value-refused", error.public_message, fields).response()


@api.exception_handler(TextRefused)
def text_refused(_request: HttpRequest, error: TextRefused) -> HttpResponse:
    fields = [FieldProblem(each.path, each.message) for each in error.problems]
    return Problem(422, "text-refused", "The text cannot be taken; nothing was changed.", fields).response()


@api.exception_handler(ValidationError)
def malformed(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    listed: list[Any] = error.errors
    fields = [fault_of(each) for each in listed]
    return Problem(422, "value-refused", "Some values cannot be taken.", fields).response()


@api.exception_handler(HttpError)
def http_error(_request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, Problem):  # of the parser
        return error.__cause__.response()
    status = error.status_code if error.status_code in (400, 401, 403, 404, 405) else 400
    code = "key-missing" if status == 401 else "request-refused"
    detail = "Send Authorization: Bearer and a key." if status == 401 else str(error)
    return Problem(status, code, detail).response()
