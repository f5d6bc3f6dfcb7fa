"""Two-phase activation: activating, acknowledged by all who live, active."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from tests.support.portal import ACTOR, NOW, actions, beat, customer, living_document, newest, sending_customer

from outgate.contract.policy import Outbound
from outgate.portal.feed import selectors
from outgate.portal.feed.models import PolicyDocument
from outgate.portal.feed.services import record_heartbeat
from outgate.portal.outbound import services
from outgate.portal.outbound.activation import activation_of, finish_activations
from outgate.portal.outbound.missing import Missing

pytestmark = pytest.mark.django_db(databases="__all__")

GONE = selectors.WORKER_LIVE_SECONDS + 1


def test_customer_is_active_when_every_live_worker_has_acknowledged() -> None:
    made = sending_customer("Example", "example.com")
    beat("mx1/1", newest())
    beat("mx1/2", newest() - 1)

    assert finish_activations(now=NOW) == []
    assert living_document(made).outbound is Outbound.ACTIVATING
    beat("mx1/2", newest())
    assert finish_activations(now=NOW) == ["example"]

    assert living_document(made).outbound is Outbound.ACTIVE
    assert actions()[-1] == "outbound.active"


def test_activation_says_what_is_missing_and_unproven() -> None:
    made = sending_customer("Example", "example.com")
    services.add_domain(actor=ACTOR, customer=made, name="more.example")
    assert (activation_of(made, NOW).missing, activation_of(made, NOW).unproven) == ((), 1)

    services.remove_source(actor=ACTOR, source=made.sources.get())

    assert activation_of(made, NOW).missing == (Missing.SOURCE,)


def test_nobody_is_active_while_no_worker_lives() -> None:
    made = sending_customer("Example", "example.com")
    assert finish_activations(now=NOW) == []

    beat("mx1/1", newest(), seconds_ago=GONE)
    assert finish_activations(now=NOW) == []
    assert living_document(made).outbound is Outbound.ACTIVATING


def test_worker_that_is_gone_is_not_waited_for() -> None:
    sending_customer("Example", "example.com")
    beat("mx1/1", newest())
    beat("mx1/2", 0, seconds_ago=GONE)

    assert finish_activations(now=NOW) == ["example"]


def test_change_made_meanwhile_is_waited_for_too() -> None:
    made = sending_customer("Example", "example.com")
    beat("mx1/1", newest())
    services.add_source(actor=ACTOR, customer=made, network="9.9.9.10")

    assert finish_activations(now=NOW) == []
    beat("mx1/1", newest())
    assert finish_activations(now=NOW) == ["example"]


def test_another_customers_change_is_not_waited_for() -> None:
    sending_customer("Example", "example.com")
    beat("mx1/1", newest())
    services.add_source(actor=ACTOR, customer=customer("Other"), network="9.9.9.10")

    assert finish_activations(now=NOW) == ["example"]


def test_customer_that_was_switched_off_meanwhile_stays_off() -> None:
    made = sending_customer("Example", "example.com")
    beat("mx1/1", newest())
    services.switch_outbound(actor=ACTOR, customer=made, on=False)
    beat("mx1/1", newest())

    assert finish_activations(now=NOW) == []
    assert living_document(made).outbound is Outbound.OFF


def test_customer_that_was_switched_off_and_on_again_waits_anew() -> None:
    made = sending_customer("Example", "example.com")
    beat("mx1/1", newest())
    services.switch_outbound(actor=ACTOR, customer=made, on=False)
    services.switch_outbound(actor=ACTOR, customer=made, on=True)

    assert finish_activations(now=NOW) == []
    beat("mx1/1", newest())
    assert finish_activations(now=NOW) == ["example"]


def test_worker_that_began_anew_holds_activation_up() -> None:
    sending_customer("Example", "example.com")
    beat("mx1/1", newest())
    beat("mx1/2", newest())
    beat("mx1/2", 0)

    assert finish_activations(now=NOW) == []


def test_settings_are_everywhere_when_all_workers_have_the_active_document() -> None:
    made = sending_customer("Example", "example.com")
    beat("mx1/1", newest())
    assert not activation_of(made, NOW).is_everywhere  # acknowledged, and not active yet
    finish_activations(now=NOW)
    activation = activation_of(made, NOW)
    assert (activation.outbound, activation.revision) == (Outbound.ACTIVE, newest())
    assert not activation.is_everywhere

    beat("mx1/1", newest())

    assert activation_of(made, NOW).is_everywhere


def test_settings_are_nowhere_while_no_worker_lives() -> None:
    made = customer()
    beat("mx1/1", newest(), seconds_ago=GONE)

    assert not activation_of(made, NOW).is_everywhere


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_change_cannot_slip_between_the_look_and_the_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process adds a source after the clerk has seen the acknowledgement, before it has the lock."""
    from outgate.portal.outbound import activation

    made = sending_customer("Example", "example.com")
    beat("mx1/1", newest())
    is_first = True

    def look_and_be_overtaken() -> bool:
        nonlocal is_first
        if is_first:
            is_first = False
            services.add_source(actor=ACTOR, customer=made, network="9.9.9.10")
        return True

    monkeypatch.setattr(activation, "is_any_activating", look_and_be_overtaken)

    assert finish_activations(now=NOW) == []
    assert living_document(made).outbound is Outbound.ACTIVATING


def at(second: float) -> datetime:
    return NOW + timedelta(seconds=second)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time of what is saved from then on."""
    return lambda second: monkeypatch.setattr(timezone, "now", lambda: at(second))


def beat_at(worker: str, second: float) -> None:
    record_heartbeat(worker=worker, revision=newest(), queued=0, now=at(second))


def test_time_until_all_workers_had_a_change_is_kept(clock: Callable[[float], None]) -> None:
    clock(0)
    made = customer("Example")
    beat_at("mx1/1", 0.25)
    beat_at("mx1/2", 0.5)
    clock(10)
    services.add_source(actor=ACTOR, customer=made, network="9.9.9.10")
    record_heartbeat(worker="mx1/2", revision=newest() - 1, queued=0, now=at(10.1))
    beat_at("mx1/1", 10.25)
    assert activation_of(made, at(10.3)).applied_seconds is None  # the other one has it not yet
    beat_at("mx1/2", 10.75)

    assert activation_of(made, at(11)).applied_seconds == 0.75
    beat_at("mx1/1", 12)
    services.add_source(actor=ACTOR, customer=customer("Other"), network="9.9.9.10")
    assert activation_of(made, at(13)).applied_seconds == 0.75


def test_switching_on_counts_from_the_save_through_both_phases(clock: Callable[[float], None]) -> None:
    clock(0)
    made = sending_customer("Example", "example.com")
    beat_at("mx1/1", 1)
    assert activation_of(made, at(1)).applied_seconds is None
    clock(2)
    assert finish_activations(now=at(2)) == ["example"]
    assert activation_of(made, at(2)).applied_seconds is None
    beat_at("mx1/1", 3)

    assert activation_of(made, at(3)).applied_seconds == 3


def test_documents_from_before_times_were_kept_have_none() -> None:
    made = customer("Example")
    PolicyDocument.objects.update(saved_at=None)
    beat("mx1/1", newest())

    assert PolicyDocument.objects.filter(applied_at__isnull=False).count() == 0
    assert activation_of(made, NOW).applied_seconds is None
