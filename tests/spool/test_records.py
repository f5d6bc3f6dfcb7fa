"""The format on disk: what recovery finds among damage, stale records and forgeries."""

import contextlib
import random
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from tests.support.spool import message, progress

from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import Message, fresh_progress
from outgate.spool.framing import (
    done_body,
    frame,
    large_message_body,
    message_head,
    progress_body,
    record_octets,
    segment_header,
    void_body,
)
from outgate.spool.records import (
    ALIGNMENT,
    BLOCK,
    FIRST_RECORD,
    BadRecord,
    Damage,
    Generation,
    Kind,
    LargeReference,
    Record,
    read_segment_header,
    record_in,
    scan,
    split_done,
    split_mark,
    split_message,
    split_void,
)

NEW = Generation(7, b"\x01newtag\xff")
OLD = Generation(3, b"\x02oldtag\xfe")
SEGMENT_OCTETS = 16 * BLOCK


@dataclass
class Writing:
    """Writes a segment as the log does: records in batches that begin at a block."""

    generation: Generation = NEW
    octets: bytearray = field(default_factory=lambda: bytearray(SEGMENT_OCTETS))
    end: int = FIRST_RECORD
    sequence: int = 1

    def add(self, body: bytes, kind: Kind = Kind.MESSAGE) -> int:
        """Returns the offset."""
        offset = self.end
        octets = b"".join(frame(self.generation.tag, self.generation.seed, kind, self.sequence, body))
        assert len(octets) == record_octets(len(body))
        self.octets[offset : offset + len(octets)] = octets
        self.end += len(octets)
        self.sequence += 1
        return offset

    def end_batch(self) -> None:
        padding = -self.end % BLOCK
        self.octets[self.end : self.end + padding] = bytes(padding)
        self.end += padding

    def bodies(self, after_sequence: int = 0) -> list[bytes]:
        return [bytes(item.body) for item in self.scanned(after_sequence) if isinstance(item, Record)]

    def damages(self) -> list[Damage]:
        return [item for item in self.scanned() if isinstance(item, Damage)]

    def scanned(self, after_sequence: int = 0) -> list[Record | Damage]:
        return list(scan(self.generation, bytes(self.octets), after_sequence))


def three_batches() -> tuple[Writing, list[bytes]]:
    writing = Writing()
    bodies = [bytes([65 + number]) * length for number, length in enumerate((1, 32, 33, 5000, 0, 700, 96, 4064))]
    for number, body in enumerate(bodies):
        writing.add(body)
        if number in (2, 5):
            writing.end_batch()
    writing.end_batch()
    return writing, bodies


def test_scan_finds_every_record_in_order_and_no_damage() -> None:
    writing, bodies = three_batches()
    assert writing.bodies() == bodies
    assert writing.damages() == []


def test_records_are_aligned() -> None:
    writing, _ = three_batches()
    assert all(record.offset % ALIGNMENT == 0 for record in writing.scanned())


@pytest.mark.parametrize("cut_record", [0, 3, 7])
def test_torn_tail_at_every_octet_loses_only_the_torn_record(cut_record: int) -> None:
    """Whatever the disk had there before: zeros, or a record of an earlier generation."""
    writing, bodies = three_batches()
    records = [item for item in writing.scanned() if isinstance(item, Record)]
    torn = records[cut_record]
    stale = Writing(OLD)
    while stale.end + 500 < SEGMENT_OCTETS:
        stale.add(b"stale" * 60)
    for rest in (bytes(SEGMENT_OCTETS), bytes(stale.octets)):
        for length in range(torn.length):
            cut = torn.offset + length
            segment = bytes(writing.octets[:cut]) + rest[cut:]
            found = [bytes(item.body) for item in scan(NEW, segment) if isinstance(item, Record)]
            assert found == bodies[:cut_record] or (
                # Only zeros are missing: then nothing is torn.
                found == bodies[: cut_record + 1]
                and segment[torn.offset :][: torn.length]
                == bytes(writing.octets[torn.offset : torn.offset + torn.length])
            )


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_flipped_bits_hide_no_other_record(data: st.DataObject) -> None:
    writing, bodies = three_batches()
    records = [item for item in writing.scanned() if isinstance(item, Record)]
    hit = data.draw(st.integers(0, len(records) - 1))
    for _ in range(data.draw(st.integers(1, 4))):
        place = records[hit].offset + data.draw(st.integers(0, records[hit].length - 1))
        writing.octets[place] ^= 1 << data.draw(st.integers(0, 7))
    found = writing.bodies()
    assert found in (bodies[:hit] + bodies[hit + 1 :], bodies)  # the same bit twice is no damage
    if found != bodies:
        assert (
            any(damage.offset <= records[hit].offset < damage.offset + damage.length for damage in writing.damages())
            or hit == len(records) - 1
        )


def test_damage_between_good_records_is_reported_once() -> None:
    writing, _ = three_batches()
    record = [item for item in writing.scanned() if isinstance(item, Record)][3]
    writing.octets[record.offset + 100] ^= 1
    assert writing.damages() == [Damage(record.offset, record_octets(5000), at_end=False)]


def test_lost_tag_of_a_small_record_before_a_block_is_reported() -> None:
    """What is lost must not pass for the padding of a batch."""
    writing = Writing()
    first = writing.add(b"a")
    writing.end_batch()
    writing.add(b"b")
    writing.octets[first] ^= 1
    assert writing.bodies() == [b"b"]
    assert writing.damages() == [Damage(first, BLOCK, at_end=False)]


def test_damaged_last_record_is_reported_as_the_end() -> None:
    writing = Writing()
    writing.add(b"a")
    last = writing.add(b"b" * 100)
    writing.octets[last + 50] ^= 1
    assert writing.damages() == [Damage(last, 132, at_end=True)]


def test_stale_records_of_an_earlier_generation_are_not_seen() -> None:
    writing = Writing(OLD)
    for _ in range(100):
        writing.add(b"old" * 100)
    assert list(scan(NEW, bytes(writing.octets))) == []


def test_new_records_among_stale_ones_are_found() -> None:
    stale = Writing(OLD)
    while stale.end + 500 < SEGMENT_OCTETS:
        stale.add(b"stale" * 60)
    writing = Writing(NEW, stale.octets)
    writing.add(b"one")
    writing.end_batch()
    writing.add(b"two")
    writing.end_batch()
    assert writing.bodies() == [b"one", b"two"]
    assert writing.damages() == []


def test_content_cannot_forge_a_record_without_the_tag() -> None:
    """A sender writes whole records into a message, aligned, with every tag but ours; then the message is damaged."""
    forged = b"".join(frame(OLD.tag, OLD.seed, Kind.DONE, 10**6, done_body(["0123456789ABC"])))
    writing = Writing()
    writing.add(b"good")
    victim = writing.add(b"\0" * (ALIGNMENT - 32) + forged * 20)
    writing.add(b"also good")
    writing.octets[victim + 40] ^= 1
    assert writing.bodies() == [b"good", b"also good"]


@pytest.mark.parametrize("claimed", [1, 2, 1000, 2**63])
def test_record_with_the_tag_but_an_implausible_sequence_is_not_believed(claimed: int) -> None:
    """Even whoever knew the tag would have to fit between the sequences of the neighbours."""
    writing = Writing()
    writing.add(b"first")
    writing.add(b"second")
    inner = b"".join(frame(NEW.tag, NEW.seed, Kind.DONE, claimed, done_body(["0123456789ABC"])))
    victim = writing.add(b"\0" * (ALIGNMENT - 32) + inner)
    writing.add(b"last")
    writing.octets[victim + 13] ^= 1
    assert writing.bodies() == [b"first", b"second", b"last"]


def test_records_not_above_those_of_earlier_segments_are_not_believed() -> None:
    writing = Writing(sequence=100)
    writing.add(b"a")
    writing.add(b"b")
    assert writing.bodies(after_sequence=99) == [b"a", b"b"]
    assert writing.bodies(after_sequence=100) == [b"b"]
    assert writing.bodies(after_sequence=101) == []


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=3 * BLOCK), st.integers(0, 3 * BLOCK))
def test_scan_of_anything_ends_quietly(junk: bytes, place: int) -> None:
    segment = bytearray(8 * BLOCK)
    segment[place : place + len(junk)] = junk.replace(b"x", NEW.tag)
    for item in scan(NEW, bytes(segment)):
        assert 0 <= item.offset <= item.offset + item.length <= len(segment)


def test_record_that_claims_more_than_the_segment_is_damage() -> None:
    writing = Writing()
    offset = writing.add(b"a" * 100)
    writing.octets[offset + 12 : offset + 16] = b"\xff\xff\xff\xff"
    assert writing.scanned() == [Damage(offset, SEGMENT_OCTETS - offset, at_end=True)]


def test_random_damage_never_yields_a_record_that_was_not_written() -> None:
    source = random.Random(5)
    writing, bodies = three_batches()
    whole = bytes(writing.octets)
    for _ in range(100):
        writing.octets[:] = whole
        for _ in range(source.randrange(1, 30)):
            place = source.randrange(FIRST_RECORD, len(whole))
            writing.octets[place : place + 8] = source.choice((source.randbytes(8), NEW.tag))
        del writing.octets[SEGMENT_OCTETS:]
        assert set(writing.bodies()) <= set(bodies)


def test_record_in_checks_tag_and_checksum() -> None:
    prefix, padding = frame(NEW.tag, NEW.seed, Kind.MESSAGE, 5, b"head", b"content")
    octets = prefix + b"content" + padding
    record = record_in(octets, NEW)
    assert record is not None
    assert (record.kind, record.sequence, bytes(record.body)) == (Kind.MESSAGE, 5, b"headcontent")
    assert record_in(octets, OLD) is None
    assert record_in(octets[:40], NEW) is None
    assert record_in(octets.replace(b"content", b"CONTENT"), NEW) is None
    assert record_in(b"", NEW) is None


# The segment header


def test_segment_header_can_be_read_back() -> None:
    assert read_segment_header(segment_header(NEW).ljust(BLOCK, b"\0")) == NEW


def test_damaged_or_foreign_header_is_none() -> None:
    header = bytearray(segment_header(NEW))
    for place in range(32):
        damaged = header.copy()
        damaged[place] ^= 1
        assert read_segment_header(bytes(damaged)) is None
    assert read_segment_header(b"") is None


# The bodies


def test_message_body_can_be_read_back() -> None:
    asked = message(1, size_octets=7, recipients=3, subject="Grüße")
    body = split_message(memoryview(message_head(asked) + b"content"))
    assert body.queue_id == asked.queue_id
    assert body.decoded() == (asked, fresh_progress(3))
    assert bytes(body.content) == b"content"
    assert not body.is_large


class FirstMessage(Struct, frozen=True, array_like=True):
    """A message as the first format had it."""

    queue_id: str
    customer_id: str
    received_at: float
    reverse_path: ReversePath
    forward_paths: tuple[ForwardPath, ...]
    size_octets: int
    needs: int
    trace: bytes
    reason: str
    source: str = ""
    hello_name: str = ""
    message_id_field: str = ""
    subject: str = ""
    header_from: str = ""
    tls: str = ""


def test_message_of_the_first_format_reads_as_one_that_goes_on_directly() -> None:
    now = message(1, recipients=2)
    first = FirstMessage(*(getattr(now, name) for name in FirstMessage.__struct_fields__))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(first), type=Message) == now


def test_copied_message_carries_the_new_progress_and_the_same_content() -> None:
    asked = message(1, recipients=2)
    body = split_message(memoryview(message_head(asked) + b"content"))
    copy = split_message(memoryview(body.copied_head(progress(4, 2)) + bytes(body.content)))
    assert copy.decoded() == (asked, progress(4, 2))
    assert bytes(copy.content) == b"content"
    fresh = split_message(memoryview(copy.copied_head(None) + bytes(copy.content)))
    assert fresh.decoded() == (asked, fresh_progress(2))


def test_large_message_body_names_its_file_also_when_copied() -> None:
    reference = LargeReference("name", 5_000_000, b"\1\2\3\4")
    body = split_message(memoryview(large_message_body(message(1), reference)))
    assert body.is_large
    assert body.reference() == reference
    copy = split_message(memoryview(body.copied_head(progress(1)) + bytes(body.content)))
    assert copy.is_large
    assert copy.reference() == reference


def test_marks_can_be_read_back() -> None:
    asked = message(1)
    queue_id, rest = split_mark(memoryview(progress_body(asked.queue_id, progress(2))))
    assert queue_id == asked.queue_id
    assert split_message(memoryview(message_head(asked))).queue_id == queue_id
    assert bytes(rest)
    ids = [message(number).queue_id for number in range(5)]
    assert split_done(memoryview(done_body(ids))) == ids
    assert split_void(memoryview(void_body(5, 2**40))) == (5, 2**40)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200))
def test_bodies_of_nonsense_raise_bad_record_and_nothing_else(junk: bytes) -> None:
    for parse in (lambda body: split_message(body).decoded(), split_mark, split_done, split_void):
        with contextlib.suppress(BadRecord):
            parse(memoryview(junk))


def test_cut_message_body_is_a_bad_record() -> None:
    whole = message_head(message(1))
    for length in range(len(whole)):
        with pytest.raises(BadRecord):
            split_message(memoryview(whole[:length]))
