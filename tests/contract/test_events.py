"""Events cross, and shipping one twice changes nothing."""

import msgspec
import pytest

from outgate.contract.events import (
    DeliveryAttempted,
    Event,
    MessageAccepted,
    MessageRefused,
    RecipientOutcome,
    decode_event,
    encode_event,
)

ACCEPTED = MessageAccepted(
    "T4226ZR000G00",
    "mx1/1",
    1_795_435_200.5,
    "alpha",
    "198.51.100.7",
    "mail.alpha.example",
    "TLSv1.3 TLS_AES_256_GCM_SHA384",
    "alice@alpha.example",
    ("bob@receiver.example", "ж@receiver.example"),
    4096,
    "domain-own",
    "<1@alpha.example>",
    "Alice <alice@alpha.example>",
    "grün",
)
REFUSED = MessageRefused(
    "T4226ZR000G00",
    5,
    "mx1/1",
    1_795_435_200.5,
    "",
    "192.0.2.1",
    "stranger",
    "",
    "rcpt",
    "alice@alpha.example",
    ("bob@receiver.example",),
    "source-unknown",
    "550 5.7.1 source-unknown",
)
ATTEMPTED = DeliveryAttempted(
    "T4226ZR000G00",
    2,
    "mx.receiver.example",
    "mx1/1",
    1_795_435_200.5,
    "alpha",
    (RecipientOutcome(1, "ж@receiver.example", "deferred", "451 later"),),
    "next-hop-deferred",
    next_attempt_at=1_795_435_500.0,
)


@pytest.mark.parametrize("event", [ACCEPTED, REFUSED, ATTEMPTED])
def test_an_event_comes_out_as_it_went_in(event: Event) -> None:
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize("event", [ACCEPTED, REFUSED, ATTEMPTED])
def test_an_id_follows_from_the_content(event: Event) -> None:
    assert decode_event(encode_event(event)).event_id == event.event_id


def test_different_happenings_have_different_ids() -> None:
    replace = msgspec.structs.replace
    events: list[Event] = [
        ACCEPTED,
        replace(ACCEPTED, queue_id="T4226ZR000G01"),
        REFUSED,
        replace(REFUSED, ordinal=6),
        ATTEMPTED,
        replace(ATTEMPTED, attempt=3),
        replace(ATTEMPTED, next_hop="mx2.receiver.example"),
        replace(ATTEMPTED, outcomes=(RecipientOutcome(0, "bob@receiver.example", "relayed", "250 fine"),)),
        replace(ATTEMPTED, outcomes=(), next_hop=""),
    ]
    assert len({event.event_id for event in events}) == len(events)


@pytest.mark.parametrize("octets", [b"", b"\x00", b"nonsense", b"\x81\xa4type\xa5other", encode_event(ACCEPTED)[:-1]])
def test_what_is_no_event_is_refused(octets: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):  # of which ValidationError is one
        decode_event(octets)


def test_an_event_of_a_neighbouring_version_is_read() -> None:
    fields = msgspec.to_builtins(ACCEPTED, builtin_types=(bytes,))
    del fields["subject"]
    fields["later"] = {"x": 1}
    event = decode_event(msgspec.msgpack.encode(fields))
    assert event == msgspec.structs.replace(ACCEPTED, subject="")
