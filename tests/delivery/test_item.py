"""Messages in the queue and their jobs."""

from tests.support.delivery import make_message

from outgate.delivery.item import Item, Job, State
from outgate.delivery.routes import domain_hop
from outgate.mail.message import Progress, RecipientProgress, Status

HOP = domain_hop("receiver.example", 25)


def item(*statuses: Status) -> Item:
    paths = [f"bob{number}@receiver.example" for number in range(len(statuses))]
    progress = Progress(tuple(RecipientProgress(status) for status in statuses), 1, 5.0)
    return Item(make_message("A", *paths), progress, None, is_fresh=False)


def test_pending_recipients_are_those_without_an_outcome() -> None:
    assert item(Status.PENDING, Status.RELAYED, Status.FAILED, Status.PENDING).pending() == (0, 3)


def test_what_is_tried_is_active_and_not_held() -> None:
    tried = item(Status.PENDING)
    assert tried.state is State.ACTIVE
    assert not tried.is_held
    assert tried.next_attempt_at == 5.0


def test_a_job_names_its_recipients() -> None:
    three = item(Status.PENDING, Status.PENDING, Status.PENDING)
    everybody = Job(three, None, HOP)
    assert everybody.forward_paths() is three.message.forward_paths
    assert everybody.all_places() == (0, 1, 2)
    some = Job(three, (0, 2), HOP)
    assert [path.local_part for path in some.forward_paths()] == ["bob0", "bob2"]
    assert some.all_places() == (0, 2)


def test_a_job_of_a_round_that_was_called_off_is_void() -> None:
    one = item(Status.PENDING)
    job = Job(one, None, HOP)
    assert not job.is_void
    one.number += 1
    assert Job(one, None, HOP).is_void is False
    assert [job.is_void] == [True]
