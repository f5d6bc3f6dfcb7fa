"""What people are told about their own accounts."""

import pytest
from django.utils import timezone
from tests.support.portal import ACTOR

from outgate.contract.commands import SendNotice
from outgate.portal.accounts import letters, services
from outgate.portal.accounts.models import Role, User
from outgate.portal.feed.codec import decode_command
from outgate.portal.feed.models import OrderedCommand
from outgate.portal.feed.services import record_heartbeat

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def operator() -> User:
    return services.add_user(actor=ACTOR, email="op@example.com", role=Role.OPERATOR, password="correct-horse-battery")


def sent() -> list[tuple[str, SendNotice]]:
    rows = [(row.worker, decode_command(row.body)) for row in OrderedCommand.objects.order_by("pk")]
    return [(worker, command) for worker, command in rows if isinstance(command, SendNotice)]


def test_every_change_of_the_way_in_is_told_to_the_person_alone(operator: User) -> None:
    record_heartbeat(worker="mx1/1", revision=1, queued=9, now=timezone.now())
    record_heartbeat(worker="mx1/2", revision=1, queued=3, now=timezone.now())

    services.set_password(actor=ACTOR, user=operator, password="another-horse-battery")
    services.reset_second_factors(actor=ACTOR, user=operator)
    services.set_email(actor=ACTOR, user=operator, email="New@example.com")
    services.set_email(actor=ACTOR, user=operator, email="new@example.com")  # is so already

    found = sent()
    assert {worker for worker, _ in found} == {"mx1/2"}  # the shorter queue
    assert [letter.recipients for _, letter in found] == [
        ("op@example.com",),
        ("op@example.com",),
        ("op@example.com",),
        ("new@example.com",),
    ]
    assert all(letter.is_private for _, letter in found)
    assert "All second factors were taken away." in found[1][1].text
    assert "By operator@example.com, at " in found[1][1].text
    assert all("http" not in letter.text and "horse" not in letter.text for _, letter in found)


def test_while_no_worker_lives_nobody_is_told_and_all_goes_on(operator: User) -> None:
    services.set_password(actor=ACTOR, user=operator, password="another-horse-battery")

    assert not letters.can_send()
    assert not sent()
