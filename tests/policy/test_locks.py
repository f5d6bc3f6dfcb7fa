"""Locks of a worker's own and those of the document: who ends which."""

from outgate.contract.policy import CustomerDocument, LockedSender, Outbound
from outgate.policy import locks as module
from outgate.policy.locks import Lock, Locks

NOW = 1_795_600_000.0
ALICE = "alice@alpha.example"


def document(*locked: LockedSender) -> CustomerDocument:
    return CustomerDocument("alpha", "Alpha", Outbound.ACTIVE, locked_senders=locked)


def own(at: float = NOW, until: float = NOW + 3_600) -> Lock:
    return Lock("alpha", ALICE, at, until, "over-limit")


def test_an_own_lock_holds_at_once_and_until_its_time() -> None:
    locks = Locks()
    locks.add(own())
    assert locks.find(document(), ALICE, NOW) == own()
    assert locks.find(document(), "bob@alpha.example", NOW) is None
    assert locks.find(document(), ALICE, NOW + 3_600) is None
    assert locks.own == ()


def test_the_documents_lock_is_found_whatever_its_case() -> None:
    found = Locks().find(document(LockedSender("Alice@alpha.example", NOW + 60, "sender-locked")), ALICE, NOW)
    assert found is not None
    assert (found.until, found.reason) == (NOW + 60, "sender-locked")


def test_an_unlocking_in_the_document_ends_an_own_lock_even_if_the_lock_was_never_seen_in_one() -> None:
    locks = Locks()
    locks.add(own(at=NOW))
    assert locks.find(document(LockedSender(ALICE, NOW + 5)), ALICE, NOW + 6) is None
    assert locks.own == ()


def test_a_lock_made_after_the_unlocking_stands() -> None:
    locks = Locks()
    locks.add(own(at=NOW + 10))
    assert locks.find(document(LockedSender(ALICE, NOW + 5)), ALICE, NOW + 11) == own(at=NOW + 10)


def test_a_document_that_knows_nothing_of_it_yet_does_not_end_it() -> None:
    locks = Locks()
    locks.add(own())
    assert locks.find(document(LockedSender("bob@alpha.example", NOW - 5)), ALICE, NOW + 1) is not None


def test_a_newer_document_counts() -> None:
    locks = Locks()
    assert locks.find(document(LockedSender(ALICE, NOW + 60)), ALICE, NOW) is not None
    assert locks.find(document(LockedSender(ALICE, NOW)), ALICE, NOW) is None
    assert locks.find(document(), ALICE, NOW) is None


def test_own_locks_are_bounded() -> None:
    locks = Locks()
    for number in range(module.OWN_LOCKS_MAX + 1):
        locks.add(Lock("alpha", f"{number}@alpha.example", NOW, NOW + 60 + number, "over-limit"))
    assert len(locks.own) == module.OWN_LOCKS_MAX
    assert locks.find(document(), "0@alpha.example", NOW) is None
