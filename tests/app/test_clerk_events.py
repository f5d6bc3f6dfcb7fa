"""Shipping event logs into the tracker."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.clerk import write_events
from tests.support.portal import customer

from outgate.app import clerk_events
from outgate.app.clerk_events import Shipped, ship_batch
from outgate.contract.events import Event, MessageAccepted, SenderLocked, encode_event
from outgate.mail.queue_ids import queue_id
from outgate.portal.limits.selectors import locks_in_force
from outgate.portal.tracker.models import TrackedMessage
from outgate.portal.tracker.selectors import shipping_cursor
from outgate.spool.directory import SpoolDirectory
from outgate.spool.files import Files

pytestmark = pytest.mark.django_db(databases="__all__")

AT = 1_795_000_000.0


def event(number: int) -> Event:
    return MessageAccepted(
        queue_id=queue_id(int(AT * 1000), 1, number),
        worker="mx1/1",
        at=AT,
        customer_id="example",
        source="9.9.9.9",
        hello_name="mail.example.com",
        tls="",
        reverse_path="a@example.com",
        forward_paths=("b@example.net",),
        size_octets=1,
        reason="domain-verified",
        subject=str(number),
    )


def write(directory: Path, *numbers: int) -> None:
    write_events(directory, *(encode_event(event(number)) for number in numbers))


def ship(directory: Path) -> Shipped:
    """Until nothing new is found."""
    shipped, before = Shipped(), -1
    while shipped.events + shipped.unreadable > before:
        before = shipped.events + shipped.unreadable
        ship_batch("mx1/1", directory, shipped)
    return shipped


def subjects() -> list[str]:
    return sorted(TrackedMessage.objects.values_list("subject", flat=True))


def test_a_cursor_of_another_log_hides_nothing(tmp_path: Path) -> None:
    """As after a restore on a new machine: the first file has the same number, and is shorter."""
    write(tmp_path / "old", 1, 2, 3)
    ship(tmp_path / "old")
    write(tmp_path / "new", 4)

    ship(tmp_path / "new")

    assert subjects() == ["1", "2", "3", "4"]


def test_events_are_recorded_and_their_files_forgotten(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    write(tmp_path, 3)

    shipped = ship(tmp_path)

    assert subjects() == ["1", "2", "3"]
    assert shipped.events == 3
    assert len(list(tmp_path.iterdir())) == 1  # the last one may still be written to
    assert shipped.lag_octets == {"mx1/1": 0}
    assert shipped.lag_seconds == {"mx1/1": 0.0}


def test_events_are_forgotten_only_when_what_was_recorded_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    @contextlib.contextmanager
    def durable() -> Iterator[None]:
        seen.append("asked")
        yield
        seen.append(f"durable with {TrackedMessage.objects.count()}")

    def forget(_directory: Path, cursor: tuple[int, int]) -> None:
        seen.append(f"forgotten before {cursor[0]}")

    monkeypatch.setattr(clerk_events, "durable", durable)
    monkeypatch.setattr(clerk_events, "forget_events", forget)
    write(tmp_path, 1)
    ship(tmp_path)
    assert seen == []  # the only file stays, so there is time

    write(tmp_path, 2)
    ship(tmp_path)

    assert seen == ["asked", "durable with 2", "forgotten before 2"]


def test_log_that_is_not_there_has_no_events(tmp_path: Path) -> None:
    assert ship(tmp_path / "never").events == 0
    assert shipping_cursor("mx1/1") == (0, 0)


def test_shipping_goes_on_where_it_stopped(tmp_path: Path) -> None:
    write(tmp_path, 1)
    ship(tmp_path)
    write(tmp_path, 2)

    assert ship(tmp_path).events == 1
    assert subjects() == ["1", "2"]


def test_batches_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, *range(10))
    monkeypatch.setattr(clerk_events, "BATCH_OCTETS", 3 * len(encode_event(event(1))))
    shipped = Shipped()

    rounds = 0
    while ship_batch("mx1/1", tmp_path, shipped):
        rounds += 1
        assert TrackedMessage.objects.count() == shipped.events <= 3 * rounds + 1

    assert rounds >= 3
    assert shipped.events == 10


def test_events_that_were_recorded_and_not_forgotten_are_recorded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clerk is killed between the transaction and the removal of the file."""

    class Killed(Exception):
        pass

    def die(*_: object) -> None:
        raise Killed

    write(tmp_path, 1)
    write(tmp_path, 2)
    with monkeypatch.context() as patched:
        patched.setattr(clerk_events, "forget_events", die)
        with pytest.raises(Killed):
            ship(tmp_path)
    write(tmp_path, 3)

    ship(tmp_path)

    assert subjects() == ["1", "2", "3"]
    assert len(list(tmp_path.iterdir())) == 1


def test_event_that_nobody_can_read_does_not_stop_the_others(tmp_path: Path) -> None:
    write_events(tmp_path, b"\xc1", encode_event(event(1)), b"", b"\x81\xa4type\xa5other")

    shipped = ship(tmp_path)

    assert subjects() == ["1"]
    assert (shipped.events, shipped.unreadable) == (1, 3)


def test_damage_in_a_log_is_counted_and_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 3)
    write(tmp_path, 4)
    (damaged, _) = sorted(tmp_path.iterdir())
    octets = bytearray(damaged.read_bytes())
    octets[len(octets) // 2] ^= 0xFF
    damaged.write_bytes(octets)

    shipped = ship(tmp_path)

    assert subjects() == ["1", "3", "4"]
    assert shipped.unreadable == 1


def test_log_of_a_spool_that_was_removed_counts_from_the_start(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(tmp_path, number)
    ship(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    write(tmp_path, 4)

    ship(tmp_path)

    assert subjects() == ["1", "2", "3", "4"]


def drained(worker: Path) -> SpoolDirectory:
    directory = SpoolDirectory.open(Files(), worker / "spool")
    assert directory.mark_drained()
    return directory


def test_drained_spool_is_taken_away_when_all_its_events_are_recorded(tmp_path: Path) -> None:
    worker = tmp_path / "3"
    directory = drained(worker)
    write(directory.events, 1, 2)
    ship(directory.events)
    assert worker.exists(), "while somebody has it open"
    directory.close()
    ship(directory.events)
    assert list(tmp_path.iterdir()) == []
    assert subjects() == ["1", "2"]
    assert shipping_cursor("mx1/1") == (0, 0), "a later worker of this number counts from the start"


def test_spool_that_is_not_drained_stays(tmp_path: Path) -> None:
    directory = drained(tmp_path / "3")
    directory.close()
    directory = SpoolDirectory.open(Files(), tmp_path / "3" / "spool")
    directory.close()
    write(directory.events, 1)
    ship(directory.events)
    assert directory.events.exists()


def test_half_removed_directory_is_removed_later(tmp_path: Path) -> None:
    (tmp_path / "3.gone" / "spool").mkdir(parents=True)
    (tmp_path / "4").mkdir()
    clerk_events.remove_remains(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["4"]


def test_a_lock_comes_into_the_control_plane_and_not_into_the_tracker(tmp_path: Path) -> None:
    made = customer()
    now = datetime.now(UTC).timestamp()
    lock = SenderLocked("mx1/1", now, made.slug, "a@example.com", now + 60, 600, "over-limit")
    write_events(tmp_path / "events", encode_event(lock), encode_event(event(1)))

    shipped = ship(tmp_path / "events")

    assert shipped.events == 2
    assert [row.mailbox for row in locks_in_force()] == ["a@example.com"]
    assert subjects() == ["1"]
