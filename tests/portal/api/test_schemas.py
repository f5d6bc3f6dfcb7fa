"""Generated requests, as each role: no error of ours, and every answer as the description says.

What is generated is the same in each run, so that a run that is red stays red.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from tests.portal.api.conftest import api_of
from tests.portal.web.conftest import People
from tests.support.portal import ACTOR
from tests.support.tracked import accept

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope, create_key
from outgate.portal.api import domains
from outgate.portal.limits import services as limits
from outgate.portal.outbound import services as outbound
from outgate.portal.spf import checking
from outgate.portal.web.ownership import DomainQuestion
from outgate.spf.lookup import Answer, Status, answered

pytestmark = pytest.mark.django_db(databases="__all__")
EXAMPLES = 4  # of each route and role; all of them together stay near a minute
# Looked at in test_site.py; and what names a domain or a network is more than a schema can say.
UNCHECKED = [ignored_auth, positive_data_acceptance]
# What is wrong with a request is found after who may send it: then it is wrong for all.
RUNS = [(who, GenerationMode.POSITIVE) for who in ("operator", "staff", "admin", "nobody")]
RUNS += [(who, GenerationMode.NEGATIVE) for who in ("operator", "admin")]
KNOWN = {"customer_id": "alpha", "name": "alpha.example", "domain": "alpha.example", "code": "source-unknown"}


@schemathesis.serializer("application/toml")
def toml(_: Any, value: Any) -> bytes:
    """What was generated in place of a text, whatever it is."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else repr(value).encode()


@pytest.fixture
def one_connection() -> Iterator[None]:
    """The end of a request closes no connection: the test's transaction is on it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def customer(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alpha has one of each."""
    outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")
    outbound.add_source(actor=ACTOR, customer=people.alpha, network="9.9.9.9")
    outbound.add_auto_forward(actor=ACTOR, customer=people.alpha, address="archive@example.net")
    limits.lock_sender(actor=ACTOR, customer=people.alpha, mailbox="ann@alpha.example", seconds=3600)
    monkeypatch.setattr(domains, "txt_records", _no_records)
    monkeypatch.setattr(checking, "ask", lambda asking, _: answered(asking, lambda _: Answer(Status.NO_NAME)))


def _no_records(name: str, question: DomainQuestion) -> frozenset[str]:
    """DNS without a network."""
    return frozenset()


@pytest.mark.usefixtures("one_connection", "customer")
@pytest.mark.parametrize(("who", "mode"), RUNS)
def test_answers_are_as_described(who: str, mode: GenerationMode, people: People) -> None:
    described = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", WSGIHandler())
    headers = {} if who == "nobody" else api_of(getattr(people, who)).headers
    spare = create_key(caller=Caller.of_user(people.admin), name="Spare", scopes=[Scope.CUSTOMERS_READ]).key
    known = {**KNOWN, "user_id": people.viewer.pk, "prefix": spare.prefix, "reference": accept(1)}
    described.config.generation.update(with_security_parameters=False)  # the key is the role's own
    count = 0
    for found in described.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode), st.booleans())
        def ask(case: Any, is_known: bool) -> None:
            nonlocal count
            count += 1
            if is_known and case.path_parameters:
                case.path_parameters |= {name: known[name] for name in known.keys() & case.path_parameters.keys()}
            case.headers.update(headers)
            case.call_and_validate(excluded_checks=UNCHECKED)

        try:
            ask()
        except Unsatisfiable:  # there is nothing that could be wrong
            assert mode is GenerationMode.NEGATIVE
    assert count > 30 * EXAMPLES
