"""Two-phase activation: activating, acknowledged by all who live, active."""

import pytest
from tests.support.portal import ACTOR, NOW, actions, beat, customer, living_document, newest, sending_customer

from outgate.contract.policy import Outbound
from outgate.portal.feed import selectors
from outgate.portal.outbound import services
from outgate.portal.outbound.activation import activation_of, finish_activations

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
