"""Messages as the spool writes them."""

import msgspec
import pytest
from msgspec import structs

from outgate.mail.address import NULL_REVERSE_PATH, ForwardPath, ReversePath
from outgate.mail.message import (
    ContentNeeds,
    Lane,
    Message,
    Progress,
    RecipientProgress,
    Status,
    first_progress,
    fresh_progress,
)
from outgate.mail.queue_ids import queue_id


def message() -> Message:
    return Message(
        queue_id(1_795_435_200_000, 1, 0),
        "alpha",
        1_795_435_200.5,
        ReversePath.parse("Alice@ALPHA.example"),
        (ForwardPath.parse("bob@receiver.example"), ForwardPath.parse("ж@receiver.example")),
        4096,
        ContentNeeds.EIGHT_BIT | ContentNeeds.CHUNKING,
        b"Received: from a\r\n",
        "domain-own",
    )


@pytest.mark.parametrize("reverse_path", [ReversePath.parse("a@b.example"), NULL_REVERSE_PATH])
def test_a_message_survives_writing_and_reading(reverse_path: ReversePath) -> None:
    written = msgspec.structs.replace(message(), reverse_path=reverse_path)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(written), type=Message) == written


def test_progress_survives_writing_and_reading() -> None:
    progress = Progress(
        (RecipientProgress(Status.RELAYED, "250 fine", "mx.example"), RecipientProgress()), 3, 1_795_435_200.5, True, 1
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(progress), type=Progress) == progress


@pytest.mark.parametrize("value", [message(), fresh_progress(2)])
def test_a_field_that_a_later_version_adds_is_ignored(value: Message | Progress) -> None:
    """Records are arrays: a spool that was written by a newer version can be read by this one."""
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(value))
    longer = msgspec.msgpack.encode([*fields, "later"])
    assert msgspec.msgpack.decode(longer, type=type(value)) == value


def test_fields_that_an_earlier_version_did_not_have_take_their_defaults() -> None:
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(message()))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fields[:9]), type=Message) == message()


def test_only_a_message_that_is_held_begins_by_waiting_for_a_person() -> None:
    for lane in Lane:
        asked = structs.replace(message(), lane=int(lane))
        progress = first_progress(asked)
        assert progress == structs.replace(fresh_progress(len(asked.forward_paths)), held=lane is Lane.HELD)


def test_fresh_progress_has_every_recipient_pending() -> None:
    progress = fresh_progress(3)
    assert [recipient.status for recipient in progress.recipients] == [Status.PENDING] * 3
    assert (progress.attempts, progress.next_attempt_at, progress.held, progress.tries_begun) == (0, 0.0, False, 0)
