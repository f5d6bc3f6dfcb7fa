"""What stands around each route: who calls, what the address may say, and that a repeated request is done once."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from ninja.operation import Operation

from outgate.portal.api.authentication import key_of
from outgate.portal.api.idempotency import METHODS, once
from outgate.portal.api.problems import FieldProblem, Problem

Run = Callable[..., HttpResponse]
ViewT = TypeVar("ViewT", bound=Callable[..., Any])


def asks_others(view: ViewT) -> ViewT:
    """Of a route that asks other hosts: no transaction is open while it does. It must be one that can be done twice."""
    view.asks_others = True  # type: ignore[attr-defined]
    return view


def guard(run: Run) -> Run:
    """Around `Operation.run`."""
    operation = run.__self__  # type: ignore[attr-defined]
    assert isinstance(operation, Operation)
    known = query_parameters(operation)
    takes_body = reads_body(operation)
    is_transaction = not getattr(operation.view_func, "asks_others", False)

    @wraps(run)
    def guarded(request: HttpRequest, **path: Any) -> HttpResponse:
        refused = operation._run_checks(request)
        if refused is not None:
            return refused
        try:
            _check_query(request, known)
            if not takes_body:
                _check_no_body(request)
            key = key_of(request)
            if key is None:
                return run(request, **path)
            return once(request, key, lambda: run(request, **path), is_transaction=is_transaction)
        except Problem as problem:
            return problem.response()

    return guarded


def query_parameters(operation: Operation) -> frozenset[str]:
    return frozenset(
        field.alias or name
        for model in operation.models
        if model.__ninja_param_source__ == "query"
        for name, field in model.model_fields.items()
    )


def reads_body(operation: Operation) -> bool:
    """By a schema, or by itself: then it says so in its description."""
    is_described = "requestBody" in (operation.openapi_extra or {})
    return is_described or any(model.__ninja_param_source__ == "body" for model in operation.models)


def _check_no_body(request: HttpRequest) -> None:
    """What is said in one would be passed over, and the caller think it done. Raises: Problem."""
    if request.method in METHODS and request.body.strip() not in (b"", b"{}", b"null"):
        detail = "This address takes no body. Leave it out, or look whether it is the address that was meant."
        raise Problem(422, "value-refused", detail, [FieldProblem("", detail)])


def _check_query(request: HttpRequest, known: frozenset[str]) -> None:
    """Raises: Problem."""
    unknown = sorted(set(request.GET) - known)
    if unknown:
        text = f"Known are: {', '.join(sorted(known))}." if known else "This address takes none."
        detail = f"There is no such parameter. {text}"
        raise Problem(422, "value-refused", detail, [FieldProblem(name[:100], detail) for name in unknown])
