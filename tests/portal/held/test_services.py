"""What people decide over waiting mail goes to the workers, once, and stands in the audit log."""

from base64 import b64encode
from typing import Any

import pytest
from tests.support.portal import NOW, actions, customer, living_document
from tests.support.tracked import accept, attempt

from outgate.contract.commands import CommandResult, QueueAction, QueueCommand
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import AuditEntry, Right, Role
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid, NotFound
from outgate.portal.feed.codec import decode_command
from outgate.portal.feed.models import OrderedCommand
from outgate.portal.feed.services import record_report
from outgate.portal.held import services
from outgate.portal.held.models import MessageOrder
from outgate.portal.held.selectors import order_of
from outgate.portal.held.services import DANGEROUS, NAMED_MAX, Taken, may_do, order
from outgate.portal.tracker.models import TrackedMessage
from outgate.sealing.keys import new_content_key, new_private_key, public_key_of, seal_key

pytestmark = pytest.mark.django_db(databases="__all__")

ADMIN = Caller("admin@alpha.example", Role.CUSTOMER_ADMIN, customer_id=1)
VIEWER = Caller("viewer@alpha.example", Role.CUSTOMER_VIEWER, customer_id=1)
STAFF = Caller("staff@example.com", Role.PARTNER, partner_id=1, rights=frozenset({Right.QUARANTINE.value}))
HELD: dict[str, Any] = {"lane": "held", "lane_reason": "content-data-loss"}


@pytest.fixture
def alpha() -> Customer:
    return customer("Alpha")


def commands() -> list[QueueCommand]:
    found = [decode_command(row.body) for row in OrderedCommand.objects.order_by("pk")]
    return [each for each in found if isinstance(each, QueueCommand)]


def tracked(name: str) -> TrackedMessage:
    return TrackedMessage.objects.get(queue_id=name)


def test_release_is_ordered_of_every_worker_and_recorded(alpha: Customer) -> None:
    names = [accept(number, **HELD) for number in (1, 2)]
    assert order(caller=ADMIN, customer=alpha, references=names, action=QueueAction.RELEASE).count() == 2
    assert commands() == [QueueCommand(QueueAction.RELEASE, tuple(names), "admin@alpha.example", "alpha")]
    assert OrderedCommand.objects.get().worker == ""
    assert actions().count("message.released") == 2
    entry = AuditEntry.objects.latest("pk")
    assert (entry.customer, entry.object, entry.detail) == (
        "alpha",
        f"alpha/{names[1]}",
        {"reason": "content-data-loss"},
    )
    placed = order_of(tracked(names[0]))
    assert placed is not None
    assert (placed.action, placed.actor) == ("release", "admin@alpha.example")


def test_release_of_sealed_mail_holds_its_keys_and_nothing_else_does(alpha: Customer) -> None:
    content_key = new_content_key()
    sealed_key = seal_key(content_key, living_document(alpha).held_key)
    names = [accept(1, **HELD, sealed_key=sealed_key), accept(2, **HELD)]

    for _ in range(2):
        order(caller=ADMIN, customer=alpha, references=names, action=QueueAction.RELEASE)

    (command,) = commands()
    assert (command.queue_ids, command.keys) == (tuple(names), {names[0]: content_key})
    assert all(
        shape not in f"{entry.object} {entry.detail} {placed}"
        for entry in AuditEntry.objects.all()
        for placed in MessageOrder.objects.values()
        for shape in (content_key.hex(), repr(content_key), b64encode(content_key).decode())
    )
    order(caller=ADMIN, customer=alpha, references=names, action=QueueAction.DELETE)
    assert commands()[1].keys == {}


def test_done_release_keeps_no_keys(alpha: Customer) -> None:
    content_key = new_content_key()
    name = accept(1, **HELD, sealed_key=seal_key(content_key, living_document(alpha).held_key))
    order(caller=ADMIN, customer=alpha, references=[name], action=QueueAction.RELEASE)
    row = OrderedCommand.objects.get()
    assert content_key in bytes(row.body)

    record_report(number=row.pk, worker="mx1/1", result=CommandResult(done=(name,)), now=NOW)

    row.refresh_from_db()
    assert row.done_at is not None
    assert content_key not in bytes(row.body)
    assert commands() == [QueueCommand(QueueAction.RELEASE, (name,), "admin@alpha.example", "alpha")]


def test_mail_that_cannot_be_opened_is_named_and_holds_back_no_other(alpha: Customer) -> None:
    sealed_key = seal_key(new_content_key(), public_key_of(new_private_key()))
    lost = [accept(number, **HELD, sealed_key=sealed_key) for number in range(1, NAMED_MAX + 3)]
    good = accept(0, **HELD, sealed_key=seal_key(new_content_key(), living_document(alpha).held_key))

    with pytest.raises(Invalid, match=f"Nothing is released: {', '.join(lost[:NAMED_MAX])} and 2 more cannot"):
        order(caller=ADMIN, customer=alpha, references=[good, *lost], action=QueueAction.RELEASE)

    assert commands() == []
    assert AuditEntry.objects.get(action="held-keys.do-not-open").detail["messages"] == len(lost)
    assert order(caller=ADMIN, customer=alpha, references=[good], action=QueueAction.RELEASE).count() == 1
    assert order(caller=ADMIN, customer=alpha, references=lost, action=QueueAction.DELETE).count() == len(lost)


def test_same_order_again_is_the_same_command(alpha: Customer) -> None:
    name = accept(1, **HELD)
    for _ in range(2):
        order(caller=ADMIN, customer=alpha, references=[name], action=QueueAction.DELETE)
    assert len(commands()) == 1
    OrderedCommand.objects.all().delete()
    assert not MessageOrder.objects.exists()


def test_what_does_not_wait_any_more_is_passed_over(alpha: Customer) -> None:
    held, gone = accept(1, **HELD), accept(2)
    attempt(gone, ("b@b.example", "relayed", "250 ok"), is_final=True)
    assert order(caller=ADMIN, customer=alpha, references=[held, gone], action=QueueAction.DELETE).count() == 1
    assert order(caller=ADMIN, customer=alpha, references=[gone], action=QueueAction.DELETE).count() == 0
    assert commands()[0].queue_ids == (held,)


@pytest.mark.parametrize(
    ("facts", "action", "is_possible"),
    [
        (HELD, QueueAction.RELEASE, True),
        (HELD, QueueAction.RETRY, False),
        (HELD, QueueAction.DELETE, True),
        ({"lane": "slow", "lane_reason": "over-limit"}, QueueAction.RELEASE, True),
        ({}, QueueAction.RELEASE, False),
        ({}, QueueAction.RETRY, True),
        ({}, QueueAction.DELETE, True),
    ],
    ids=str,
)
def test_how_a_message_stands_says_what_can_be_done(
    alpha: Customer, facts: dict[str, Any], action: QueueAction, is_possible: bool
) -> None:
    name = accept(1, **facts)
    assert may_do(ADMIN, tracked(name), action) is is_possible
    ordered = order(caller=ADMIN, customer=alpha, references=[name], action=action)
    assert ordered.taken == {name: Taken.ORDERED if is_possible else Taken.NOT_WAITING}


@pytest.mark.parametrize("reason", sorted(DANGEROUS))
def test_malware_and_phishing_are_released_by_staff_alone(alpha: Customer, reason: str) -> None:
    name = accept(1, lane="held", lane_reason=reason)
    assert not may_do(ADMIN, tracked(name), QueueAction.RELEASE)
    with pytest.raises(Invalid, match="staff alone"):
        order(caller=ADMIN, customer=alpha, references=[name], action=QueueAction.RELEASE)
    assert commands() == []
    assert order(caller=ADMIN, customer=alpha, references=[name], action=QueueAction.DELETE).count() == 1
    assert order(caller=STAFF, customer=alpha, references=[name], action=QueueAction.RELEASE).count() == 1


def test_dangerous_mail_is_left_and_the_others_are_released(alpha: Customer) -> None:
    fine, dangerous = accept(1, **HELD), accept(2, lane="held", lane_reason="content-phishing")
    gone, foreign = accept(3), accept(4, customer="beta", **HELD)
    attempt(gone, ("b@b.example", "relayed", "250 ok"), is_final=True)
    ordered = order(
        caller=ADMIN, customer=alpha, references=[foreign, gone, dangerous, fine], action=QueueAction.RELEASE
    )
    assert list(ordered.taken.items()) == [
        (foreign, Taken.UNKNOWN),
        (gone, Taken.NOT_WAITING),
        (dangerous, Taken.STAFF_ONLY),
        (fine, Taken.ORDERED),
    ]
    assert [message.queue_id for message in ordered.left] == [dangerous]
    assert commands()[0].queue_ids == (fine,)
    assert actions().count("message.released") == 1


def test_who_has_no_right_decides_nothing(alpha: Customer) -> None:
    name = accept(1, **HELD)
    without = Caller("staff@example.com", Role.PARTNER, partner_id=1, rights=frozenset({Right.TRACKER.value}))
    for caller in (VIEWER, without):
        assert not may_do(caller, tracked(name), QueueAction.DELETE)
        with pytest.raises(NotFound):
            order(caller=caller, customer=alpha, references=[name], action=QueueAction.DELETE)


def test_mail_of_others_is_not_there(alpha: Customer) -> None:
    foreign = accept(1, customer="beta", **HELD)
    with pytest.raises(NotFound):
        order(caller=ADMIN, customer=alpha, references=[foreign], action=QueueAction.DELETE)
    own = accept(2, **HELD)
    assert order(caller=ADMIN, customer=alpha, references=[foreign, own], action=QueueAction.DELETE).count() == 1
    assert commands()[0].queue_ids == (own,)


def test_choice_is_bounded(alpha: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "CHOSEN_MAX", 1)
    names = [accept(number, **HELD) for number in (1, 2)]
    for chosen, text in ((names, "at most 1"), ([], "Nothing is chosen"), (["rubbish"], "Nothing is chosen")):
        with pytest.raises(Invalid, match=text):
            order(caller=ADMIN, customer=alpha, references=chosen, action=QueueAction.DELETE)
