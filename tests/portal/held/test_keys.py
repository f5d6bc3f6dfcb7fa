"""Customers' keys of held mail: who has one, and what they open."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils.functional import lazy
from tests.support.portal import ACTOR, actions, customer, living_document

from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.services import delete_customer
from outgate.portal.held.keys import content_keys, make_key, private_key, public_key
from outgate.portal.held.models import HeldKey
from outgate.portal.outbound.services import add_source
from outgate.portal.sealed_secrets import is_sealed
from outgate.portal.secret_key import installation_secret
from outgate.sealing.keys import new_content_key, new_private_key, public_key_of, seal_key

pytestmark = pytest.mark.django_db(databases="__all__")

SECRET, NEW_SECRET = "s" * 40, "n" * 40


@pytest.fixture(autouse=True)
def secret(settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = SECRET, []


@pytest.fixture
def lose_secret(settings: Any, tmp_path: Path) -> Callable[[], None]:
    def lose() -> None:
        settings.SECRET_KEY = lazy(installation_secret, str)(tmp_path, str(tmp_path / "none"))

    return lose


def test_customer_has_a_key_from_the_first_document_on_and_keeps_it() -> None:
    alpha, beta = customer("Alpha"), customer("Beta")
    key = living_document(alpha).held_key

    add_source(actor=ACTOR, customer=alpha, network="9.9.9.9")

    assert len(key) == 32
    assert living_document(alpha).held_key == public_key(alpha) == key
    assert living_document(beta).held_key != key
    assert HeldKey.objects.count() == 2


def test_private_key_stands_sealed_in_the_database_and_opens_what_was_sealed_for_it() -> None:
    alpha, content_key = customer("Alpha"), new_content_key()
    sealed = seal_key(content_key, living_document(alpha).held_key)

    assert content_keys(ACTOR, alpha, {"T1": sealed}) == {"T1": content_key}
    row = HeldKey.objects.get()
    private = private_key(row, [SECRET])
    assert public_key_of(private) == bytes(row.public_key)
    assert is_sealed(row.private_key)
    assert b64encode(private).decode() not in row.private_key
    assert str(row) == f"key {row.pk} of {alpha.pk}"


def test_former_key_opens_what_was_sealed_for_it() -> None:
    alpha, keys = customer("Alpha"), [new_content_key() for _ in range(2)]
    former = seal_key(keys[0], public_key(alpha))
    new = make_key(alpha, SECRET)

    assert public_key(alpha) == new
    assert content_keys(ACTOR, alpha, {"T1": former, "T2": seal_key(keys[1], new)}) == {"T1": keys[0], "T2": keys[1]}


def test_customer_s_keys_open_nothing_of_another_s() -> None:
    alpha, beta = customer("Alpha"), customer("Beta")
    sealed = seal_key(new_content_key(), public_key(beta))

    assert content_keys(ACTOR, alpha, {"T1": sealed}) == {}
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.object, entry.customer) == ("held-keys.do-not-open", "alpha", "")
    assert entry.detail == {"messages": 1, "error": "the customer has not the key that it was sealed for"}


def test_what_does_not_open_keeps_nothing_else_closed() -> None:
    alpha, content_key = customer("Alpha"), new_content_key()
    good = seal_key(content_key, public_key(alpha))
    lost = seal_key(new_content_key(), public_key_of(new_private_key()))

    assert content_keys(ACTOR, alpha, {"T1": lost, "T2": good, "T3": b"rubbish"}) == {"T2": content_key}


def test_with_another_secret_key_nothing_opens_unless_the_former_one_is_at_hand(settings: Any) -> None:
    alpha, content_key = customer("Alpha"), new_content_key()
    sealed = {"T1": seal_key(content_key, public_key(alpha))}
    settings.SECRET_KEY = NEW_SECRET

    assert content_keys(ACTOR, alpha, sealed) == {}
    assert "the secret key is another" in AuditEntry.objects.latest("pk").detail["error"]
    settings.SECRET_KEY_FALLBACKS = [SECRET]
    assert content_keys(ACTOR, alpha, sealed) == {"T1": content_key}


def test_without_the_secret_key_customers_go_on_and_the_operator_hears_of_it(lose_secret: Callable[[], None]) -> None:
    alpha = customer("Alpha")
    sealed = {"T1": seal_key(new_content_key(), public_key(alpha))}
    lose_secret()

    add_source(actor=ACTOR, customer=alpha, network="9.9.9.9")
    beta = customer("Beta")

    assert living_document(alpha).held_key  # it is no secret
    assert living_document(beta).held_key == b""
    assert AuditEntry.objects.get(action="held-keys.not-made").object == "beta"
    assert content_keys(ACTOR, alpha, sealed) == {}
    assert "No such file" in AuditEntry.objects.latest("pk").detail["error"]


def test_nothing_sealed_needs_no_key(lose_secret: Callable[[], None]) -> None:
    alpha = customer("Alpha")
    lose_secret()
    before = actions()

    assert content_keys(ACTOR, alpha, {}) == {}
    assert actions() == before


def test_keys_go_with_their_customer() -> None:
    alpha = customer("Alpha")
    sealed = {"T1": seal_key(new_content_key(), public_key(alpha))}

    delete_customer(actor=ACTOR, customer=alpha)

    assert not HeldKey.objects.exists()
    again = customer("Alpha")
    assert not content_keys(ACTOR, again, sealed)
    assert HeldKey.objects.filter(customer=again).count() == 1
