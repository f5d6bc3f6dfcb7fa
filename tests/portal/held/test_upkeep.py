"""Every customer has a key of held mail that can be opened, whatever became of the secret key."""

from pathlib import Path
from typing import Any

import pytest
from django.utils.functional import lazy
from tests.support.portal import ACTOR, customer, document, living_document, newest

from outgate.contract.policy import CustomerDocument
from outgate.portal.customers.models import Customer
from outgate.portal.feed.changes import changes
from outgate.portal.feed.models import PolicyDocument
from outgate.portal.held import upkeep
from outgate.portal.held.keys import content_keys, public_key
from outgate.portal.held.models import HeldKey
from outgate.portal.held.upkeep import LookedAfter, look_after_keys
from outgate.portal.sealed_secrets import NoSecret
from outgate.portal.secret_key import installation_secret
from outgate.sealing.keys import new_content_key, seal_key

pytestmark = pytest.mark.django_db(databases="__all__")

FIRST, SECOND = "f" * 40, "s" * 40


@pytest.fixture(autouse=True)
def secret(settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = FIRST, []


def as_before(name: str) -> Customer:
    """A customer that was entered, and its document published, before there were keys."""
    made = customer(name)
    HeldKey.objects.filter(customer=made).delete()
    publish_without_key(made)
    return made


def publish_without_key(made: Customer) -> None:
    """As an earlier version does."""
    made_of = living_document(made)
    with changes() as changed:
        facts = {field: getattr(made_of, field) for field in CustomerDocument.__struct_fields__ if field != "held_key"}
        changed.write(f"customer:{made.slug}", lambda: CustomerDocument(**facts))


def all_looked_after() -> list[LookedAfter]:
    steps = [look_after_keys()]
    while steps[-1].after:
        steps.append(look_after_keys(after=steps[-1].after))
    return steps


def test_who_has_no_key_gets_one_and_the_workers_hear_of_it_once() -> None:
    alpha, beta = as_before("Alpha"), customer("Beta")
    before = newest()
    saved_at = PolicyDocument.objects.get(key="customer:alpha").saved_at

    assert look_after_keys() == LookedAfter(0, given=1)

    assert living_document(alpha).held_key == public_key(alpha) != living_document(beta).held_key
    assert newest() == before + 1
    assert PolicyDocument.objects.get(key="customer:alpha").saved_at == saved_at  # nobody saved it now
    assert look_after_keys() == LookedAfter(0)
    assert newest() == before + 1


def test_document_that_a_node_of_an_earlier_version_has_made_says_the_key_again() -> None:
    alpha = customer("Alpha")
    key = public_key(alpha)
    publish_without_key(alpha)
    assert living_document(alpha).held_key == b""

    assert look_after_keys() == LookedAfter(0, given=1)

    assert living_document(alpha).held_key == public_key(alpha) == key
    assert look_after_keys() == LookedAfter(0)


def test_many_customers_are_looked_after_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [as_before(f"C{number}") for number in range(7)]
    made.insert(3, customer("Has one"))
    monkeypatch.setattr(upkeep, "CHANGED_AT_ONCE", 2)
    monkeypatch.setattr(upkeep, "READ_AT_ONCE", 5)

    steps = all_looked_after()

    assert [step.given for step in steps] == [2, 2, 2, 1]
    assert HeldKey.objects.count() == 8
    assert all(living_document(each).held_key == public_key(each) for each in made)
    assert [step.given for step in all_looked_after()] == [0, 0]


def test_nothing_to_look_after() -> None:
    assert look_after_keys() == LookedAfter(0)


def test_key_of_a_former_secret_key_is_sealed_anew_and_stays_the_same(settings: Any) -> None:
    alpha = customer("Alpha")
    before, content_key = newest(), new_content_key()
    sealed = {"T1": seal_key(content_key, public_key(alpha))}
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = SECOND, [FIRST]

    assert look_after_keys() == LookedAfter(0, sealed_anew=1)

    assert newest() == before
    settings.SECRET_KEY_FALLBACKS = []
    assert content_keys(ACTOR, alpha, sealed) == {"T1": content_key}
    assert look_after_keys() == LookedAfter(0)


def test_key_that_nobody_can_read_is_replaced_and_kept(settings: Any) -> None:
    alpha = customer("Alpha")
    lost = public_key(alpha)
    settings.SECRET_KEY = SECOND

    assert look_after_keys() == LookedAfter(0, unreadable=1)

    assert living_document(alpha).held_key == public_key(alpha) != lost
    content_key = new_content_key()
    assert content_keys(ACTOR, alpha, {"T1": seal_key(content_key, public_key(alpha))}) == {"T1": content_key}
    settings.SECRET_KEY_FALLBACKS = [FIRST]  # found again
    assert content_keys(ACTOR, alpha, {"T1": seal_key(content_key, lost)}) == {"T1": content_key}


def test_nodes_that_disagree_on_the_secret_key_make_one_key_each(settings: Any) -> None:
    alpha = customer("Alpha")
    first = living_document(alpha).held_key
    seen = set()
    for secret in (SECOND, FIRST) * 3:
        settings.SECRET_KEY = secret
        assert look_after_keys().unreadable == 1
        seen.add(living_document(alpha).held_key)
    assert living_document(alpha).held_key == first
    assert len(seen) == HeldKey.objects.count() == 2


def test_without_the_secret_key_nothing_is_changed(settings: Any, tmp_path: Path) -> None:
    alpha = as_before("Alpha")
    before = document(alpha)
    settings.SECRET_KEY = lazy(installation_secret, str)(tmp_path, str(tmp_path / "none"))

    with pytest.raises(NoSecret):
        look_after_keys()
    assert document(alpha) == before
