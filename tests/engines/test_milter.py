"""What is said to a milter and what its packets mean."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.engine import QUESTION

from outgate.engines.interface import EngineAnswer, EngineFault, Question
from outgate.engines.milter import (
    DATA_MAX,
    FIELDS_MAX,
    NEGOTIATION,
    PACKET_MAX,
    QUARANTINED,
    REFUSED,
    Command,
    MilterSession,
    PacketReader,
    Reaction,
    head_end,
    packet,
    split_fields,
)
from outgate.mail.findings import Category


def session(version: int = 6, flags: int = 0, category: Category = Category.SPAM) -> MilterSession:
    made = MilterSession("milter", category)
    made.negotiated(b"O" + struct.pack(">III", version, 0, flags))
    return made


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10), st.integers(1, 20))
def test_packets_are_the_same_however_they_are_cut(parts: list[bytes], cut: int) -> None:
    octets = b"".join(packet(part[:1], part[1:]) for part in parts)
    reader, found = PacketReader(), []
    for start in range(0, len(octets), cut):
        reader.receive(octets[start : start + cut])
        while (heard := reader.next_packet()) is not None:
            found.append(heard)
    assert found == parts


@pytest.mark.parametrize("length", [0, PACKET_MAX + 1, 0xFFFFFFFF])
def test_packet_of_no_length_or_too_much_is_nonsense(length: int) -> None:
    reader = PacketReader()
    reader.receive(struct.pack(">I", length) + b"x")
    with pytest.raises(EngineFault, match="nonsense"):
        reader.next_packet()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"c",
        b"O\0\0",
        b"O" + struct.pack(">III", 1, 0, 0),
        b"O" + struct.pack(">III", 7, 0, 0),
        b"O" + struct.pack(">III", 6, 0x10000, 0),
        b"O" + struct.pack(">III", 6, 0, 0x10000000),
    ],
    ids=["nothing", "other", "short", "old", "new", "changes", "protocol"],
)
def test_negotiation_that_leads_nowhere(answer: bytes) -> None:
    with pytest.raises(EngineFault, match="nonsense"):
        MilterSession("milter", Category.SPAM).negotiated(answer)


def test_negotiation_offers_all_that_libmilter_may_ask_for_but_larger_packets() -> None:
    version, changes, flags = struct.unpack(">III", NEGOTIATION[5:])
    assert (version, changes) == (6, 0x1FF)
    assert flags & 0x7FF == 0x7FF
    assert not flags & 0xF0000800  # packets of more than 64 KiB; recipients that were refused


def test_the_envelope_goes_before_the_content() -> None:
    steps = list(session().envelope(QUESTION))
    assert [step.command.name for step in steps] == ["CONNECT", "HELO", "MAIL", "RECIPIENT", "DATA"]
    assert steps[0].octets.endswith(packet(b"C", b"[192.0.2.1]\x004\0\x00192.0.2.1\0"))
    assert steps[2].octets.endswith(packet(b"M", b"<ada@alpha.example>\0"))
    assert steps[3].octets.endswith(packet(b"R", b"<bob@beta.example>\0"))
    assert b"{rcpt_addr}\0bob@beta.example\0" in steps[3].octets


def test_null_reverse_path_and_ipv6() -> None:
    steps = list(session().envelope(Question("1", "", ("b@c.example",), "2001:db8::1")))
    assert packet(b"C", b"[2001:db8::1]\x006\0\x002001:db8::1\0") in steps[0].octets
    assert packet(b"M", b"<>\0") in steps[2].octets


def test_what_a_milter_does_not_want_is_not_said() -> None:
    old = session(version=2, flags=Command.BODY.value[1] | Command.FIELD.value[2])
    assert not old.wants(Command.BODY)
    assert not old.wants(Command.DATA)  # it came with version 4
    assert old.wants(Command.FIELD)
    assert not old.awaits(Command.FIELD)
    assert old.awaits(Command.END)


def test_fields_with_folds_and_lines_that_are_none() -> None:
    head = b"From: ada@alpha.example\r\nSubject : a\r\n\tb\r\nno field\r\nX:\0y"
    assert split_fields(head) == [
        (b"From", b"ada@alpha.example"),
        (b"Subject", b"a\n\tb\nno field"),
        (b"X", b"y"),
    ]
    assert split_fields(b"A: b", keeps_space=True) == [(b"A", b" b")]
    assert split_fields(b"no field: at all\r\n") == [(b"no field", b"at all")]
    assert split_fields(b"\tfold first") == [(b"X", b"\tfold first")]


@given(st.binary(max_size=300))
def test_nothing_of_a_header_is_kept_from_the_milter(head: bytes) -> None:
    shown = b"".join(name + value for name, value in split_fields(head))
    assert b"\0" not in shown
    for octet in set(head) - set(b"\r\n\0: \t"):
        assert shown.count(octet) >= head.count(octet)


@pytest.mark.parametrize(("start", "end"), [(b"A: b\r\n\r\nx", 4), (b"\r\nx", 0), (b"A: b\r\n", -1), (b"", -1)])
def test_where_the_header_ends(start: bytes, end: int) -> None:
    assert head_end(start) == end


@pytest.mark.parametrize("head", [b"A: " + b"x" * DATA_MAX, b"a:\r\n" * (FIELDS_MAX + 1)], ids=["long", "many"])
def test_header_that_is_more_than_a_milter_takes(head: bytes) -> None:
    assert session().header(head) is None


@pytest.mark.parametrize(
    ("heard", "name"),
    [
        (b"r", "milter-reject"),
        (b"d", "milter-discard"),
        (b"y550 5.7.1 no\0", "milter-reject"),
    ],
    ids=["reject", "discard", "reply"],
)
def test_refusals_are_findings(heard: bytes, name: str) -> None:
    for category, weight in ((Category.SPAM, REFUSED), (Category.MALWARE, 100)):
        answer = session(category=category).read(heard, Command.RECIPIENT)
        assert isinstance(answer, EngineAnswer)
        [finding] = answer.findings
        assert (finding.category, finding.name, finding.weight) == (category, name, weight)
    assert finding.detail == ("550 5.7.1 no" if heard[:1] == b"y" else "")


@pytest.mark.parametrize("heard", [b"t", b"4", b"f", b"y451 4.7.1 later\0"], ids=["t", "4", "f", "y"])
def test_later_is_no_verdict(heard: bytes) -> None:
    assert session().read(heard, Command.END) == EngineAnswer(is_undecided=True)


def test_accept_and_continue() -> None:
    assert session().read(b"a", Command.MAIL) == EngineAnswer()
    assert session().read(b"c", Command.MAIL) is Reaction.GO_ON
    assert session().read(b"c", Command.END) == EngineAnswer()
    assert session().read(b"p", Command.END) is Reaction.WAIT
    assert session().read(b"s", Command.BODY) is Reaction.SKIP


@pytest.mark.parametrize(
    "change", [b"+<x@y>\0", b"-<x@y>\0", b"bbody", b"hA\0b\0", b"i\0\0\0\1A\0b\0", b"m\0\0\0\1A\0\0"]
)
def test_changes_are_passed_over(change: bytes) -> None:
    made = session()
    assert made.read(change, Command.END) is Reaction.WAIT
    assert made.read(b"c", Command.END) == EngineAnswer()


def test_quarantine_is_held_by_default_unless_more_is_said() -> None:
    made = session(category=Category.MALWARE)
    assert made.read(b"qlooks odd\0", Command.END) is Reaction.WAIT
    answer = made.read(b"c", Command.END)
    assert isinstance(answer, EngineAnswer)
    [finding] = answer.findings
    assert (finding.category, finding.weight, finding.detail) == (Category.SPAM, QUARANTINED, "looks odd")
    refused = made.read(b"r", Command.END)
    assert isinstance(refused, EngineAnswer)
    assert refused.findings[0].name == "milter-reject"


@pytest.mark.parametrize(
    ("heard", "command"),
    [
        (b"", Command.END),
        (b"z", Command.END),
        (b"y", Command.END),
        (b"y250 ok\0", Command.END),
        (b"s", Command.END),
        (b"hA\0b\0", Command.MAIL),
        (b"qx\0", Command.BODY),
        (b"O", Command.MAIL),
    ],
    ids=range(8),
)
def test_what_has_no_place_is_nonsense(heard: bytes, command: Command) -> None:
    with pytest.raises(EngineFault, match="nonsense"):
        session().read(heard, command)


@given(st.binary(max_size=50), st.sampled_from(Command))
def test_whatever_is_heard_raises_nothing_but_a_fault(heard: bytes, command: Command) -> None:
    with contextlib.suppress(EngineFault):
        reaction = session().read(heard, command)
        assert command is not Command.END or reaction is Reaction.WAIT or isinstance(reaction, EngineAnswer)
