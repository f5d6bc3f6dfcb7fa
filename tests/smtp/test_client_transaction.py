"""One transaction, with replies of every kind at every point, in every way that the next hop's extensions allow."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.hop import ALL_EXTENSIONS, Hop, Script

from outgate.mail.address import ForwardPath, ReversePath
from outgate.smtp.client import ClientSession
from outgate.smtp.client_events import CONNECTION_LOST, ContentWanted, Ready, TransactionEnded
from outgate.smtp.client_transaction import ONE_WRITE_MAX

TRACE = b"Received: from a.example\r\n\tby b.example; now\r\n"
SMALL = b"Subject: dots\r\n\r\n.\r\n..two\r\nend\r\n"
LARGE = SMALL + b".line\r\n" * (ONE_WRITE_MAX // 7 + 1)
ALICE = ReversePath.parse("alice@alpha.example")
RECIPIENTS = tuple(ForwardPath.parse(f"bob{number}@receiver.example") for number in range(3))

BDAT = ("PIPELINING", "CHUNKING", "SIZE 1000000")
DATA = ("PIPELINING", "SIZE")
SLOW_BDAT = ("CHUNKING",)
SLOW_DATA: tuple[str, ...] = ()

MODES = {
    "bdat": (BDAT, SMALL, False),
    "bdat-large": (BDAT, LARGE, False),
    "bdat-pieces": (BDAT, LARGE, True),
    "data": (DATA, SMALL, False),
    "data-large": (DATA, LARGE, False),
    "data-pieces": (DATA, LARGE, True),
    "slow-bdat": (SLOW_BDAT, SMALL, False),
    "slow-bdat-pieces": (SLOW_BDAT, LARGE, True),
    "slow-data": (SLOW_DATA, SMALL, False),
    "slow-data-pieces": (SLOW_DATA, LARGE, True),
}


def connect(hop: Hop) -> ClientSession:
    session = ClientSession("b.example")
    session.receive(hop.greet())
    assert run(session, hop) == [Ready()]
    return session


def run(session: ClientSession, hop: Hop, content: bytes = b"", cuts: Iterator[int] | None = None) -> list[object]:
    """Pass octets to and fro until both wait; the events. cuts: sizes of reads, both ways."""
    events: list[object] = []
    sizes = cuts or itertools.repeat(1 << 30)
    while True:
        out = session.outgoing()
        while out and not hop.is_dropped:
            size = next(sizes)
            back, out = hop.receive(out[:size]), out[size:]
            while back:
                size = next(sizes)
                session.receive(back[:size])
                back = back[size:]
            out += session.outgoing()
        if hop.is_dropped:
            session.receive_end()
        event = session.next_event()
        if event is None:
            return events
        events.append(event)
        if event == ContentWanted():
            for start in range(0, len(content), 1000):
                session.send_content(content[start : start + 1000], is_last=start + 1000 >= len(content))


def relay(
    session: ClientSession, hop: Hop, content: bytes, *, in_pieces: bool, cuts: Iterator[int] | None = None
) -> list[str]:
    """Relay to all of RECIPIENTS; the replies."""
    session.begin(ALICE, RECIPIENTS, TRACE, None if in_pieces else content, content_octets=len(content), needs=0)
    events = [event for event in run(session, hop, content, cuts) if event != ContentWanted()]
    assert len(events) == 1
    ended = events[0]
    assert isinstance(ended, TransactionEnded)
    return [str(reply) for reply in ended.replies]


def only(verb: str, reply: str, ordinal: int = 0) -> Script:
    return lambda asked, count: reply if (asked, count) == (verb, ordinal) else None


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> tuple[tuple[str, ...], bytes, bool]:
    name: str = request.param
    return MODES[name]


def test_everybody_gets_the_same_octets(mode: tuple[tuple[str, ...], bytes, bool]) -> None:
    extensions, content, in_pieces = mode
    hop = Hop(extensions)
    session = connect(hop)
    for _ in range(2):
        assert relay(session, hop, content, in_pieces=in_pieces) == ["250 2.0.0 taken"] * 3
    assert [taken.content for taken in hop.taken] == [TRACE + content] * 2
    assert hop.taken[1].recipients == [f"TO:<bob{number}@receiver.example>" for number in range(3)]
    assert "RSET" not in hop.commands
    assert session.is_idle


@pytest.mark.parametrize("reply", ["451 4.3.0 later", "550 5.7.1 no"])
def test_mail_refused_is_everybodys_reply(mode: tuple[tuple[str, ...], bytes, bool], reply: str) -> None:
    extensions, content, in_pieces = mode
    hop = Hop(extensions, only("MAIL", reply))
    session = connect(hop)
    assert relay(session, hop, content, in_pieces=in_pieces) == [reply] * 3
    assert not hop.taken
    assert relay(session, hop, content, in_pieces=in_pieces) == ["250 2.0.0 taken"] * 3


@pytest.mark.parametrize("reply", ["450 4.2.1 later", "550 5.1.1 no"])
@pytest.mark.parametrize("place", range(3))
def test_one_recipient_refused(mode: tuple[tuple[str, ...], bytes, bool], reply: str, place: int) -> None:
    extensions, content, in_pieces = mode
    hop = Hop(extensions, only("RCPT", reply, place))
    expected = ["250 2.0.0 taken"] * 3
    expected[place] = reply
    assert relay(connect(hop), hop, content, in_pieces=in_pieces) == expected
    assert len(hop.taken[0].recipients) == 2


def test_every_recipient_refused_and_the_next_message_goes_on(mode: tuple[tuple[str, ...], bytes, bool]) -> None:
    extensions, content, in_pieces = mode
    hop = Hop(extensions, lambda verb, count: f"55{count} no" if verb == "RCPT" and count < 3 else None)
    session = connect(hop)
    assert relay(session, hop, content, in_pieces=in_pieces) == ["550 no", "551 no", "552 no"]
    assert not hop.taken
    assert relay(session, hop, content, in_pieces=in_pieces) == ["250 2.0.0 taken"] * 3
    assert hop.commands.count("RSET") == 1


@pytest.mark.parametrize("extensions", [DATA, SLOW_DATA])
@pytest.mark.parametrize("reply", ["451 4.3.0 later", "554 5.0.0 no"])
def test_data_refused(extensions: tuple[str, ...], reply: str) -> None:
    hop = Hop(extensions, only("DATA", reply))
    session = connect(hop)
    assert relay(session, hop, SMALL, in_pieces=False) == [reply] * 3
    assert relay(session, hop, SMALL, in_pieces=False) == ["250 2.0.0 taken"] * 3
    assert hop.commands.count("RSET") == 1


def test_a_354_though_nobody_was_accepted_gets_a_lone_dot() -> None:
    """RFC 2920 §3.1."""

    def script(verb: str, count: int) -> str | None:
        if count:
            return None
        return {"RCPT": "550 no", "DATA": "354 go on"}.get(verb)

    hop = Hop(DATA, script)
    session = connect(hop)
    one = RECIPIENTS[:1]
    session.begin(ALICE, one, TRACE, SMALL, content_octets=len(SMALL), needs=0)
    (ended,) = run(session, hop)
    assert isinstance(ended, TransactionEnded)
    assert str(ended.replies[0]) == "550 no"
    assert not hop.taken
    assert session.is_idle
    assert relay(session, hop, SMALL, in_pieces=False) == ["250 2.0.0 taken"] * 3


@pytest.mark.parametrize("reply", ["452 4.3.1 full", "554 5.6.0 content refused"])
def test_the_last_reply_is_for_all_who_were_accepted(mode: tuple[tuple[str, ...], bytes, bool], reply: str) -> None:
    extensions, content, in_pieces = mode

    def script(verb: str, count: int) -> str | None:
        return {("RCPT", 1): "550 5.1.1 no", ("END", 0): reply}.get((verb, count))

    hop = Hop(extensions, script)
    session = connect(hop)
    assert relay(session, hop, content, in_pieces=in_pieces) == [reply, "550 5.1.1 no", reply]
    assert relay(session, hop, content, in_pieces=in_pieces) == ["250 2.0.0 taken"] * 3


POINTS = [("MAIL", 0), ("RCPT", 0), ("RCPT", 1), ("RCPT", 2), ("DATA", 0), ("END", 0)]
ENDS = ["421 4.3.2 going down", "DROP", "333 what", "what", "150 hm"]
CASES = [
    pytest.param(name, point, reply, id=f"{name}-{point[0]}{point[1]}-{reply[:4].strip()}")
    for name, point, reply in itertools.product(MODES, POINTS, ENDS)
    if point[0] != "DATA" or ("CHUNKING" not in MODES[name][0] and reply[0] != "3")
]


@pytest.mark.parametrize(("name", "point", "reply"), CASES)
def test_the_connection_ends_at_every_point(name: str, point: tuple[str, int], reply: str) -> None:
    """Who has a reply keeps it, everybody else is deferred, and nothing more is sent."""
    extensions, content, in_pieces = MODES[name]

    def script(verb: str, count: int) -> str | None:
        if (verb, count) == point:
            return reply
        return "550 5.1.1 no" if (verb, count) == ("RCPT", 0) else None

    hop = Hop(extensions, script)
    session = connect(hop)
    replies = relay(session, hop, content, in_pieces=in_pieces)
    is_refused = POINTS.index(point) > 1
    lost = "421 4.3.2 going down" if reply.startswith("421") else "451 4."
    assert replies[0].startswith("550 5.1.1 no" if is_refused else lost)
    assert all(one.startswith(lost) for one in replies[1:])
    assert session.is_ended
    assert not session.outgoing()


def test_a_connection_that_was_closed_meanwhile_is_told_apart() -> None:
    """The next hop has heard nothing of the message: a new connection at once is right."""
    hop = Hop(BDAT)
    session = connect(hop)
    session.begin(ALICE, RECIPIENTS, TRACE, SMALL, content_octets=len(SMALL), needs=0)
    session.receive_end()
    ended = session.next_event()
    assert isinstance(ended, TransactionEnded)
    assert not ended.is_heard
    assert ended.reason == "connection-lost"


@pytest.mark.parametrize("extra", ["250 2.0.0 once more", "550 5.0.0 no"])
@pytest.mark.parametrize(
    ("mode", "verb"),
    [
        pytest.param(mode, verb, id=f"{name}-{verb}")
        for name, mode in MODES.items()
        for verb in ("MAIL", "RCPT", *(() if "CHUNKING" in mode[0] else ("DATA",)), "END")
    ],
)
def test_more_replies_than_commands_end_the_connection_and_deliver_nothing(
    mode: tuple[tuple[str, ...], bytes, bool], extra: str, verb: str
) -> None:
    """A reply that answers nothing shifts all that follow: the one to RCPT would be taken for that to the content."""
    extensions, content, in_pieces = mode
    ordinary = {"MAIL": "250 fine", "RCPT": "250 fine", "DATA": "354 go on", "END": "250 2.0.0 taken"}
    hop = Hop(extensions, lambda asked, _: f"{ordinary[verb]}\r\n{extra}" if asked == verb else None)
    session = connect(hop)
    session.begin(ALICE, RECIPIENTS[:1], TRACE, None if in_pieces else content, content_octets=len(content), needs=0)
    (ended,) = [event for event in run(session, hop, content) if isinstance(event, TransactionEnded)]
    assert session.is_ended
    (reply,) = ended.replies
    assert not reply.is_positive
    assert reply.is_transient
    assert ended.reason == CONNECTION_LOST


def test_a_421_behind_the_last_reply_is_only_the_end_of_the_connection() -> None:
    hop = Hop(BDAT, lambda asked, _: "250 2.0.0 taken\r\n421 4.3.2 enough for now" if asked == "END" else None)
    session = connect(hop)
    session.begin(ALICE, RECIPIENTS[:1], TRACE, SMALL, content_octets=len(SMALL), needs=0)
    (ended,) = run(session, hop)
    assert isinstance(ended, TransactionEnded)
    assert ended.replies[0].is_positive
    assert session.is_ended


@pytest.mark.parametrize("extensions", [BDAT, DATA])
@pytest.mark.parametrize("reply", ["552 5.3.4 too much", "421 4.3.2 enough", "250 2.0.0 thanks already"])
def test_a_reply_in_the_middle_of_the_content_ends_it(extensions: tuple[str, ...], reply: str) -> None:
    """What is left of the content cannot be taken back, so the connection ends; a yes to half a message is none."""
    hop = Hop(extensions)
    session = connect(hop)
    session.begin(ALICE, RECIPIENTS, TRACE, None, content_octets=len(LARGE), needs=0)
    out = session.outgoing()
    session.receive(hop.receive(out))
    assert session.next_event() == ContentWanted()
    session.send_content(LARGE[:1000], is_last=False)
    session.receive(reply.encode() + b"\r\n")
    ended = session.next_event()
    assert isinstance(ended, TransactionEnded)
    assert str(ended.replies[0]).startswith("451 4." if reply.startswith("250") else reply)
    assert session.is_ended
    assert not session.wants_content
    session.send_content(LARGE[1000:], is_last=True)  # the driver may be reading: nothing happens


def test_size_and_body_are_declared_where_they_are_offered() -> None:
    hop = Hop(("PIPELINING", "CHUNKING", "SIZE", "8BITMIME", "SMTPUTF8"))
    session = connect(hop)
    session.begin(ALICE, RECIPIENTS, TRACE, SMALL, content_octets=len(SMALL), needs=3)
    run(session, hop)
    assert hop.commands[1] == f"MAIL FROM:<alice@alpha.example> SIZE={len(TRACE + SMALL)} BODY=8BITMIME SMTPUTF8"


def test_no_parameters_where_nothing_is_offered() -> None:
    hop = Hop(())
    relay(connect(hop), hop, SMALL, in_pieces=False)
    assert hop.commands[1] == "MAIL FROM:<alice@alpha.example>"


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_cutting_never_matters_and_each_recipient_has_the_reply_that_is_due(data: st.DataObject) -> None:
    extensions = data.draw(st.sampled_from([BDAT, DATA, SLOW_BDAT, SLOW_DATA, ALL_EXTENSIONS]))
    codes = st.sampled_from([None, None, "250 ok", "251 2.1.5 ok", "450 later", "550-a\r\n550 b", "421 bye", "DROP"])
    answers = {point: data.draw(codes) for point in POINTS}
    if answers["DATA", 0] is not None and answers["DATA", 0].startswith("2"):
        answers["DATA", 0] = None
    in_pieces = data.draw(st.booleans())
    cuts = data.draw(st.lists(st.integers(1, 50), min_size=1, max_size=10))

    def play(cut: bool) -> tuple[list[str], list[bytes]]:
        hop = Hop(extensions, lambda verb, count: answers.get((verb, count)))
        session = connect(hop)
        sizes = itertools.cycle(cuts) if cut else None
        replies = relay(session, hop, SMALL, in_pieces=in_pieces, cuts=sizes)
        return replies, [taken.content for taken in hop.taken]

    whole = play(cut=False)
    cut = play(cut=True)
    assert [reply[:3] for reply in cut[0]] == [reply[:3] for reply in whole[0]]
    assert cut[1] == whole[1]
    assert [reply[:3] for reply in whole[0]] == _expected(answers, chunking="CHUNKING" in extensions)
    assert whole[1] in ([], [TRACE + SMALL])


def _expected(answers: dict[tuple[str, int], str | None], *, chunking: bool) -> list[str]:
    """The plain meaning of RFC 5321 §3.3 for one message to three recipients."""
    codes: list[str | None] = [None, None, None]

    def rest(code: str) -> list[str]:
        return [known or code for known in codes]

    mail = (answers["MAIL", 0] or "250")[:3]
    if mail in ("421", "DRO"):
        return rest("451" if mail == "DRO" else mail)
    if mail[0] != "2":
        return rest(mail)
    for place in range(3):
        code = (answers["RCPT", place] or "250")[:3]
        if code in ("421", "DRO"):
            return rest("451" if code == "DRO" else code)
        if code[0] != "2":
            codes[place] = code
    if all(codes):
        return rest("")
    for verb in ("END",) if chunking else ("DATA", "END"):
        code = (answers[verb, 0] or "250")[:3]
        if code == "DRO":
            return rest("451")
        if code[0] != "2":
            return rest(code)
    return rest((answers["END", 0] or "250")[:3])
