"""The request as views get it, and what guards them."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec

from django.http import HttpRequest, HttpResponse

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.scope import ABSENT, customer_of
from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound
from outgate.portal.web.views import errors

P = ParamSpec("P")
ACTING_KEY: Final = "acting_for"  # of the session: the primary key of the customer that staff is logged in as


class CallerRequest(HttpRequest):
    """Of somebody who is signed in. `middleware.Callers` sees to that."""

    caller: Caller


View = Callable[..., HttpResponse]


def staff_only(view: View) -> View:
    """404 for everybody else: also for staff that is logged in as a customer."""

    @wraps(view)
    def guarded(request: CallerRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.caller.is_staff:
            raise NotFound(ABSENT)
        return view(request, *args, **kwargs)

    return guarded


def of_customer(view: Callable[Concatenate[CallerRequest, Customer, P], HttpResponse]) -> View:
    """Find the customer that the path names. Staff has to be logged in as it to see its pages; who may only look gets
    403 for whatever would change something."""

    @wraps(view)
    def guarded(request: CallerRequest, slug: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        customer = customer_of(request.caller, slug)
        if request.caller.is_staff:
            return errors.log_in_as_first(request, customer)
        if request.method == "POST" and not request.caller.may_change_settings:
            return errors.may_only_look(request)
        return view(request, customer, *args, **kwargs)

    return guarded
