"""Targets: all that reads what a peer sends. Whatever comes, nothing raises, nothing grows without bound, and it makes
no difference how the network cuts it."""

import random
import re
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address

from tests.fuzz.engine import Target, cut, luck_of, target
from tests.smtp.test_content import reference as content_reference
from tests.support.messages import head
from tests.support.smtp import TRANSCRIPTS, Driven, read_transcript

from outgate.contract.policy import RelayTls
from outgate.mail.address import DOMAIN_MAX, LOCAL_PART_MAX, ForwardPath, Path, ReversePath, canonical_domain
from outgate.mail.message import ContentNeeds
from outgate.mail.reply import Reply
from outgate.smtp import grammar
from outgate.smtp.client import ClientSession
from outgate.smtp.client_events import ContentWanted, Ready, Rejected, TlsAgreed, TransactionEnded
from outgate.smtp.client_transaction import mail_command
from outgate.smtp.content import DataContent
from outgate.smtp.dialogue import BUFFERED_MAX
from outgate.smtp.events import Event, MailReceived, TlsRequested
from outgate.smtp.extensions import Extensions
from outgate.smtp.proxy import Endpoint, ProxyError, ProxyHeader, ProxyHeaderReader
from outgate.smtp.replies import REPLY_LINE_MAX, REPLY_LINES_MAX, PeerReply, ReplyReader
from outgate.smtp.server import ServerSettings
from outgate.smtp.stuffing import DotStuffer, stuff

# Grammar

ARGUMENTS = [
    *("FROM:<>", "FROM:<a@alpha.example>", "TO:<bob@receiver.example>", "TO:<Postmaster>", "client.example"),
    *("FROM:<a@alpha.example> SIZE=1000 BODY=8BITMIME SMTPUTF8", "FROM: <jürgen@bücher.example> SMTPUTF8"),
    *("TO:<@one.example,@two.example:bob@receiver.example>", 'TO:<"quoted \\" string"@receiver.example>'),
    *("TO:<bob@[192.0.2.1]>", "TO:<bob@[IPv6:2001:db8::1]>", "TO:<bob@[tag:content]>", "[IPv6:2001:db8::1] odd"),
    *("1000", "1000 LAST", "0 LAST", "TO:<bob@xn--bcher-kva.example>", "TO:<%s@receiver.example>" % ("x" * 64)),
]


@target(
    "grammar", seeds=[text.encode() for text in ARGUMENTS], tokens=[b"FROM:<", b"TO:<", b"SIZE=", b"[IPv6:", b"xn--"]
)
def commands(octets: bytes) -> None:
    """What is accepted keeps the limits, has one canonical form, and is read again as the same."""
    # The session lets nothing else come so far.
    text = "".join(character for character in octets.decode("utf-8", "ignore") if character.isprintable()).rstrip(" ")
    for is_extended in (False, True):
        mail = grammar.read_mail(text, is_extended=is_extended)
        if isinstance(mail, MailReceived):
            _check_path(mail.reverse_path)
            assert mail.smtputf8 or not mail.reverse_path.is_utf8
            _check_command(mail)
    for smtputf8 in (False, True):
        path = grammar.read_recipient(text, smtputf8=smtputf8)
        if isinstance(path, ForwardPath):
            _check_path(path)
            assert smtputf8 or not path.is_utf8
            assert grammar.read_recipient(f"TO:<{path.text}>", smtputf8=smtputf8) == path
    name = grammar.read_hello_name(text)
    assert name is None or re.fullmatch(r"[!-~]+", name)
    chunk = grammar.read_chunk(text)
    if chunk is not None:
        assert int(text.split()[0]) == chunk[0]
        assert text.upper().endswith("LAST") == chunk[1]


def _check_path(path: Path) -> None:
    if not path.text:
        return
    assert path.text.isprintable()
    assert len(path.local_part.encode()) <= LOCAL_PART_MAX
    assert len(path.domain) <= DOMAIN_MAX
    assert path.domain.isascii()
    if path.domain.startswith("["):
        assert grammar.canonical_literal(path.domain) == path.domain
    elif path.domain:
        assert canonical_domain(path.domain) == path.domain


def _check_command(mail: MailReceived) -> None:
    """What our client says of it, our server understands."""
    needs = (ContentNeeds.UTF8 if mail.smtputf8 else 0) | ContentNeeds.EIGHT_BIT
    command = mail_command(mail.reverse_path, mail.size_octets or 0, needs, Extensions(size=True))
    again = grammar.read_mail(command.removeprefix("MAIL "), is_extended=True)
    assert isinstance(again, MailReceived)
    assert (again.reverse_path, again.smtputf8) == (mail.reverse_path, mail.smtputf8)


# Server session

REPLIES = re.compile(rb"(?:[2-5][0-9]{2}[ -][ -~]{0,508}\r\n)*")
HANDSHAKE = b"<TLS>"  # in an example: here the handshake is done, if one was begun


def dialogues() -> Iterator[bytes]:
    for path in TRANSCRIPTS:
        octets = b"".join(
            sent + (HANDSHAKE if act == "TLS" else b"") for sent, _, act in read_transcript(path).segments()
        )
        yield octets[:8_000]


@target(
    "server-session",
    seeds=dialogues(),
    tokens=[
        *(b"EHLO x\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<b@c.example>\r\n", b"DATA\r\n", b"BDAT 5 LAST\r\n"),
        *(b"RSET\r\n", b"STARTTLS\r\n", b"\r\n.\r\n", b"QUIT\r\n", b"RCPT TO:<refuse@c.example>\r\n", HANDSHAKE),
        *(b"RCPT TO:<full@c.example>\r\n", b"MAIL FROM:<goodbye@b.example>\r\n", b"BDAT 70\r\n", b"NOOP\r\n" * 60),
    ],
)
def server_session(octets: bytes) -> None:
    """Whatever comes, however it is cut and however late we answer: the same replies and the same messages."""
    luck = luck_of(octets)
    settings = ServerSettings(
        "mx.example",
        size_max_octets=luck.choice((10, 50, 1_000, 1_000_000)),
        recipients_max=luck.choice((2, 100)),
        tls_available=luck.random() < 0.8,
        errors_max=luck.choice((3, 20)),
        idle_commands_max=luck.choice((5, 100)),
    )
    whole = _serve(settings, [[part] for part in octets.split(HANDSHAKE)])
    pieces = [list(cut(part, luck)) for part in octets.split(HANDSHAKE)]
    assert _serve(settings, pieces) == whole
    assert _serve(settings, pieces, late=luck) == whole
    replies = whole[0]
    assert REPLIES.fullmatch(replies), replies[-2_000:]
    assert replies.count(b"\r\n") <= 12 * (octets.count(b"\r\n") + 2)  # EHLO has that many lines


def _serve(
    settings: ServerSettings, parts: list[list[bytes]], *, late: random.Random | None = None
) -> tuple[bytes, list[str], list[str], bool]:
    """Replies, messages, ends of transactions, and is it finished? late: events are answered now and then only."""
    driven = Driven(settings)
    session, receiver = driven.session, driven.receiver
    session.greet()
    waiting: list[Event] = []

    def answer() -> None:
        _answer_waiting(driven, waiting)
        while (event := session.next_event()) is not None:
            reply = receiver.answer(event)
            if reply is not None:
                session.reply(reply)

    for part in parts:
        for piece in part:
            session.receive(piece)
            assert session.buffered_octets <= BUFFERED_MAX + len(piece)
            if late is None:
                answer()
            else:
                _some_events(driven, waiting, late)
        answer()
        if session._is_deaf:
            session.tls_established()
    answer()
    session.receive_end()
    answer()
    assert session.finished
    for one in receiver.messages:
        assert len(one.content) <= settings.size_max_octets
        assert len(one.forward_paths) <= settings.recipients_max
    return driven.sent + session.outgoing(), [str(one) for one in receiver.messages], receiver.ended, session.tls_active


def _answer_waiting(driven: Driven, waiting: list[Event]) -> None:
    for event in waiting:
        reply = driven.receiver.answer(event)
        if reply is not None and driven.session.is_waiting_for_reply:
            driven.session.reply(reply)
    waiting.clear()


def _some_events(driven: Driven, waiting: list[Event], luck: random.Random) -> None:
    """Take events up to the first that wants a reply, and answer that now or later."""
    session = driven.session
    if waiting and luck.random() < 0.5:
        return
    _answer_waiting(driven, waiting)
    while (event := session.next_event()) is not None:
        if session.is_waiting_for_reply and not isinstance(event, TlsRequested) and luck.random() < 0.3:
            waiting.append(event)
            return
        reply = driven.receiver.answer(event)
        if reply is not None:
            session.reply(reply)


# Client session

HELLO = b"220 sink.example\r\n250-sink.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n"
PATHS = tuple(ForwardPath.parse(f"bob{number}@receiver.example") for number in range(3))
CONTENT = head() + b"\r\n.\r\n..two\r\nthe end\r\n"
TRACE = b"Received: from a by b;\r\n\tMon, 23 Nov 2026 12:00:00 +0000\r\n"
CLIENT_SEEDS = [
    HELLO + b"250 CHUNKING\r\n" + b"250 fine\r\n" * 5 + b"250 fine\r\n" * 5 + b"221 bye\r\n",
    HELLO + b"250 SMTPUTF8\r\n" + b"250 fine\r\n" * 4 + b"354 go on\r\n250 2.0.0 have it\r\n" + b"421 enough\r\n",
    HELLO + b"250 STARTTLS\r\n220 2.0.0 go ahead\r\n250-sink\r\n250 CHUNKING\r\n" + b"250 ok\r\n" * 9,
    b"220 sink\r\n500 what?\r\n250 sink\r\n" + b"250 ok\r\n" * 4 + b"354 go\r\n250 ok\r\n" * 3,
    HELLO + b"250 CHUNKING\r\n250 ok\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n451 4.3.0 later\r\n250 ok\r\n554 no\r\n",
    b"554 5.7.1 go away\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
]


@target(
    "client-session",
    seeds=CLIENT_SEEDS,
    tokens=[
        b"250 ok\r\n",
        b"250-",
        b"354 go\r\n",
        b"421 4.3.0 bye\r\n",
        b"550 5.1.1 no\r\n",
        b"250 CHUNKING\r\n",
        b"999 x\r\n",
    ],
)
def client_session(octets: bytes) -> None:
    """Each message ends once, with one reply for each recipient; a yes stands only where all of it was sent."""
    luck = luck_of(octets)
    tls = luck.choice((None, *RelayTls))
    driven = _Relaying(ClientSession("outgate.example", tls), luck)
    for piece in cut(octets, luck):
        driven.session.receive(piece)
        driven.advance()
        assert driven.session.patience_seconds > 0
    if luck.random() < 0.5:
        driven.session.time_out()
    else:
        driven.session.receive_end()
    driven.advance()
    assert driven.session.is_ended
    assert driven.open is None, "a message without an end"


class _Relaying:
    """Gives the session a message whenever it is ready for one."""

    def __init__(self, session: ClientSession, luck: random.Random) -> None:
        self.session = session
        self.luck = luck
        self.open: bytes | None = None  # the content of the message under way
        self.sent = b""  # since it began
        self.begun = 0
        self.is_reset_due = False  # the next hop may still hold the last transaction
        self.pieces: list[bytes] = []  # of the content, one of which is sent at each step

    def advance(self) -> None:
        session = self.session
        while True:
            if session.wants_content and self.pieces:
                piece = self.pieces.pop(0)
                session.send_content(piece, is_last=not self.pieces)
            self.sent += session.outgoing()
            event = session.next_event()
            if event is None:
                if session.is_idle and self.open is None and self.begun < 4:
                    self.begin()
                    continue
                return
            match event:
                case Ready() | Rejected():
                    assert self.open is None
                case TlsAgreed():
                    session.tls_established()
                case ContentWanted():
                    assert self.open is not None
                    self.pieces = list(cut(self.open, self.luck))
                case TransactionEnded():
                    self.end(event)

    def begin(self) -> None:
        self.begun += 1
        self.open = self.luck.choice((CONTENT, CONTENT + b"x" * 70_000 + b"\r\n", b""))
        self.sent = b""
        paths = PATHS[: self.luck.randint(1, 3)]
        self.recipients = len(paths)
        content = self.open if self.luck.random() < 0.7 else None
        needs = self.luck.choice((0, 0, int(ContentNeeds.EIGHT_BIT), int(ContentNeeds.CHUNKING)))
        self.session.begin(
            ReversePath.parse("alice@alpha.example"), paths, TRACE, content, content_octets=len(self.open), needs=needs
        )

    def end(self, ended: TransactionEnded) -> None:
        assert self.open is not None
        assert len(ended.replies) == self.recipients
        self.sent += self.session.outgoing()
        if any(reply.is_positive for reply in ended.replies):
            whole = TRACE + self.open
            assert b"BDAT %d LAST\r\n" % len(whole) + whole in self.sent or stuff(whole) + b".\r\n" in self.sent
        for reply in ended.replies:
            assert str(reply).isprintable(), reply
        if self.sent:
            assert self.sent.startswith(b"RSET\r\n") == self.is_reset_due
            self.is_reset_due = not any(reply.is_positive for reply in ended.replies)
        self.open = None


@target("replies", seeds=CLIENT_SEEDS, tokens=[b"250-", b"250 ", b"\n", b"x" * 5_000])
def replies(octets: bytes) -> None:
    """The same replies however they are cut, and a bounded memory of what is none yet."""
    luck = luck_of(octets)
    expected = _replies_by_line(octets)
    assert _read_replies([octets]) == expected
    assert _read_replies(cut(octets, luck)) == expected


def _replies_by_line(octets: bytes) -> tuple[list[PeerReply], bool]:
    found: list[PeerReply] = []
    texts: list[bytes] = []
    for line in octets.split(b"\n")[:-1]:
        match = re.match(rb"([2-5][0-9]{2})(?:([ -])|$)", line.removesuffix(b"\r"))
        if match is None:
            return found, True
        texts.append(line.removesuffix(b"\r")[4:REPLY_LINE_MAX])
        if match[2] == b"-":
            if len(texts) == REPLY_LINES_MAX:
                return found, True
            continue
        found.append(PeerReply(int(match[1]), tuple(texts)))
        texts = []
    return found, False


def _read_replies(pieces: Iterator[bytes] | list[bytes]) -> tuple[list[PeerReply], bool]:
    reader = ReplyReader()
    found: list[PeerReply] = []
    for piece in pieces:
        reader.receive(piece)
        while (reply := reader.next_reply()) is not None:
            found.append(reply)
            assert isinstance(reply.reply(), Reply)
            assert str(reply.reply()).isprintable()
        assert reader.garbled or len(reader._unread) - reader._start <= REPLY_LINE_MAX
    return found, bool(reader.garbled)


# PROXY header

V2 = b"\r\n\r\n\x00\r\nQUIT\n"
PROXY_SEEDS = [
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1000 25\r\nEHLO x\r\n",
    b"PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n",
    b"PROXY UNKNOWN whatever follows\r\nEHLO x\r\n",
    V2 + b"\x21\x11\x00\x0c" + bytes((192, 0, 2, 1, 198, 51, 100, 1)) + b"\x03\xe8\x00\x19EHLO x\r\n",
    V2 + b"\x21\x21\x00\x2a" + IPv6Address("::ffff:192.0.2.1").packed * 2 + b"\x03\xe8\x00\x19" + b"\x04\x00\x03xyz!",
    V2 + b"\x20\x00\x00\x00EHLO x\r\n",
    *[b"PROXY UNKNOWN".ljust(octets - 2) + b"\r\nEHLO x\r\n" for octets in (106, 107, 108)],
]


@target("proxy-header", seeds=PROXY_SEEDS, tokens=[b"PROXY ", b"TCP4", V2, b"::ffff:1.2.3.4"])
def proxy_header(octets: bytes) -> None:
    """Exactly what the specification's own words say, against a reading that takes no short cut."""
    luck = luck_of(octets)
    expected = _proxy_reference(octets)
    assert _read_proxy([octets]) == expected
    assert _read_proxy(list(cut(octets, luck))) == expected


def _read_proxy(pieces: list[bytes]) -> ProxyHeader | str | None:
    reader = ProxyHeaderReader()
    for place, piece in enumerate(pieces):
        try:
            header = reader.receive(piece)
        except ProxyError:
            return "error"
        if header is not None:
            rest = header.rest + b"".join(pieces[place + 1 :])
            return ProxyHeader(header.source, header.destination, header.is_local, rest)
    return None


def _proxy_reference(octets: bytes) -> ProxyHeader | str | None:
    """The header, None if more must come, or "error"."""
    if octets.startswith(V2):
        return _proxy_2_reference(octets)
    if octets.startswith(b"PROXY "):
        line, end, rest = octets.partition(b"\r\n")
        if not end:
            return None if len(octets) < 107 else "error"
        if len(line) + 2 > 107:
            return "error"
        words = line.split(b" ")
        if words[1] == b"UNKNOWN":
            return ProxyHeader(None, None, False, rest) if re.fullmatch(rb"[ -~]+", line) else "error"
        try:
            _, family, source, destination, source_port, destination_port = (word.decode("ascii") for word in words)
            if family not in ("TCP4", "TCP6"):
                return "error"
            ends = [(ip_address(source), source_port), (ip_address(destination), destination_port)]
        except ValueError:
            return "error"
        for address, port in ends:
            if address.version != int(family[-1]) or not port.isdigit() or str(int(port)) != port or int(port) > 65_535:
                return "error"
            if isinstance(address, IPv6Address) and address.scope_id:
                return "error"
        return _proxied([Endpoint(_plain(address), int(port)) for address, port in ends], rest)
    return None if V2.startswith(octets) or b"PROXY ".startswith(octets) else "error"


def _proxy_2_reference(octets: bytes) -> ProxyHeader | str | None:
    if len(octets) < 16:
        return None
    length = octets[14] * 256 + octets[15]
    if length > 4096 or octets[12] not in (0x20, 0x21):
        return "error"
    if len(octets) < 16 + length:
        return None
    block, rest = octets[16 : 16 + length], octets[16 + length :]
    if octets[12] == 0x20 or octets[13] == 0:
        return ProxyHeader(None, None, octets[12] == 0x20, rest)
    width = {0x11: 4, 0x21: 16}.get(octets[13])
    if width is None or length < 2 * width + 4:
        return "error"
    addresses = [ip_address(block[start : start + width]) for start in (0, width)]
    ports = [int.from_bytes(block[start : start + 2], "big") for start in (2 * width, 2 * width + 2)]
    ends = [Endpoint(_plain(address), port) for address, port in zip(addresses, ports, strict=True)]
    return _proxied(ends, rest)


def _proxied(ends: list[Endpoint], rest: bytes) -> ProxyHeader:
    source, destination = ends
    return ProxyHeader(source, destination, is_local=False, rest=rest)


def _plain(address: object) -> str:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


# Content

DOTTED = [
    b"" + seed for seed in (b".\r\n", b"a\r\n.b\r\n..c\r\n.\r\nQUIT\r\n", b"\r\n.\r\n", b"one\n.\r\ntwo\r.\r\n.\r\n")
]


@target("content", seeds=DOTTED, tokens=[b"\r\n.", b"\r\n..", b"\n.\n", b"\r.\r", b"x" * 300])
def content(octets: bytes) -> None:
    """The end of DATA, un-stuffing, bare CR and LF and the size limit, as a reading line by line has them."""
    luck = luck_of(octets)
    size_max = luck.choice((10, 100, 1 << 40))
    expected = content_reference(octets, size_max)
    if not expected.has_ended:
        octets += b"\r\n.\r\nQUIT\r\n"
        expected = content_reference(octets, size_max)
    reader = DataContent(size_max)
    taken = b""
    at = 0
    for piece in cut(octets, luck):
        behind = reader.receive(piece)
        taken += reader.take()
        if behind >= 0:
            assert octets[at + behind :] == expected.rest
            break
        at += len(piece)
    else:
        raise AssertionError("no end was found")
    assert reader.is_too_large == expected.is_too_large
    if not expected.is_too_large:
        assert reader.has_stray_line_ending == expected.has_stray
        assert expected.has_stray or taken == expected.content


@target("stuffing", seeds=DOTTED, tokens=[b"\r\n.", b"\r\n..", b"\r", b"."])
def stuffing(octets: bytes) -> None:
    """Dots go in as RFC 5321 §4.5.2 has it, in one piece or in many, and come out again."""
    luck = luck_of(octets)
    octets = re.sub(rb"\r(?!\n)|(?<!\r)\n", b"", octets) + b"\r\n"
    lines = octets.split(b"\r\n")
    expected = b"\r\n".join(b"." + line if line[:1] == b"." else line for line in lines)
    assert stuff(octets) == expected
    stuffer = DotStuffer()
    assert b"".join(stuffer.feed(piece) for piece in cut(octets, luck)) == expected
    reader = DataContent(1 << 40)
    assert reader.receive(expected + b".\r\nNOOP") == len(expected) + 3
    assert reader.take() == octets


TARGETS: list[Target] = [commands, server_session, client_session, replies, proxy_header, content, stuffing]
