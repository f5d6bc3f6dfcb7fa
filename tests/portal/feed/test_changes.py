"""The transactional outbox."""

import threading
from collections.abc import Callable

import pytest
from django.db import connections
from tests.support.portal import EVERYTHING, documents_since, newest

from outgate.contract.policy import CustomerDocument, Deleted, Document, Outbound
from outgate.portal.feed import selectors
from outgate.portal.feed.changes import changes

pytestmark = pytest.mark.django_db(databases="__all__")


def named(name: str) -> Callable[[], Document]:
    return lambda: CustomerDocument("x", name, Outbound.OFF)


def test_each_change_has_the_next_revision() -> None:
    for number, key in enumerate(("customer:a", "customer:b", "customer:c"), 1):
        with changes() as changed:
            changed.write(key, named("first"))
        assert newest() == number

    assert [(item.key, item.revision) for item in documents_since().items] == [
        ("customer:a", 1),
        ("customer:b", 2),
        ("customer:c", 3),
    ]


def test_document_that_is_as_before_keeps_its_revision() -> None:
    for _ in range(2):
        with changes() as changed:
            changed.write("customer:a", named("same"))

    assert newest() == 1


def test_changed_document_moves_to_the_end_of_the_feed() -> None:
    for key, name in (("customer:a", "one"), ("customer:b", "one"), ("customer:a", "two")):
        with changes() as changed:
            changed.write(key, named(name))

    assert [(item.key, item.revision) for item in documents_since().items] == [("customer:b", 2), ("customer:a", 3)]


def test_changes_inside_changes_are_one_and_written_once_at_the_end() -> None:
    made = []

    def document() -> Document:
        made.append(1)
        return CustomerDocument("x", "x", Outbound.OFF)

    with changes() as outer:
        outer.write("customer:a", document)
        with changes() as inner:
            inner.write("customer:a", document)
        assert newest() == 0

    assert made == [1]
    assert newest() == 1


def test_what_fails_leaves_no_revision_behind() -> None:
    class Broken(Exception):
        pass

    def fail() -> None:
        with changes() as changed:
            changed.write("customer:a", named("lost"))
            raise Broken

    with pytest.raises(Broken):
        fail()

    with changes() as changed:
        changed.write("customer:b", named("kept"))
    assert [(item.key, item.revision) for item in documents_since().items] == [("customer:b", 1)]


def test_deletion_is_a_document_too() -> None:
    with changes() as changed:
        changed.write("customer:a", named("here"))
    with changes() as changed:
        changed.delete("customer:a")

    (item,) = documents_since().items
    assert (item.revision, item.document) == (2, Deleted())


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_follower_steps_over_no_revision_while_many_write() -> None:
    """Four writers at once, and one who follows all the time: at the end it holds what the database holds."""
    writers, rounds = 4, 12
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            for number in range(rounds):
                with changes() as changed:
                    changed.write(f"customer:{writer}-{number % 3}", named(f"{number}"))
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    held: dict[str, int] = {}
    followed = 0
    is_last = False
    while not is_last:
        is_last = not any(thread.is_alive() for thread in threads)
        documents = selectors.documents_since(followed, 2)
        for item in documents.items:
            assert item.revision > followed
            held[item.key] = item.revision
        is_last = is_last and documents.up_to == followed
        followed = documents.up_to
    for thread in threads:
        thread.join()

    assert not failures
    assert followed == newest() == writers * rounds
    assert held == {item.key: item.revision for item in selectors.documents_since(0, EVERYTHING).items}
