"""The server's side of SMTP: its commands, and what they do to a session and its transaction. RFC 5321 §4.1, with
PIPELINING (2920), SIZE (1870), 8BITMIME (6152), SMTPUTF8 (6531), CHUNKING (3030), ENHANCEDSTATUSCODES (2034) and
STARTTLS (3207).

The session decides all that is syntax and order, and nothing else; how it is driven stands in `dialogue`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from outgate.mail.reply import Reply
from outgate.smtp import answers, grammar
from outgate.smtp.content import CONTENT_PIECE_MAX, ChunkedContent, DataContent
from outgate.smtp.dialogue import Dialogue, Reading
from outgate.smtp.events import (
    ContentReceived,
    ContentRequested,
    Event,
    MailReceived,
    RecipientReceived,
    TlsRequested,
    TransactionEnded,
)
from outgate.smtp.incoming import LineFault

SIZE_DEFAULT: Final = 157_286_400  # octets of a message (150 MiB); a size of ours
RECIPIENTS_DEFAULT: Final = 1_000  # of one transaction; RFC 5321 §4.5.3.1.8 demands 100
ERRORS_DEFAULT: Final = 20  # commands in error between two accepted messages; a limit of ours
IDLE_COMMANDS_DEFAULT: Final = 100  # commands that bring no mail, between two accepted messages; a limit of ours
SKIPPED_MAX: Final = (
    256 * 1024 * 1024
)  # octets beyond the size that are read for the end of the content; a limit of ours

NOT_OFFERED: Final = frozenset(
    {
        *("EXPN", "TURN", "SEND", "SOML", "SAML"),  # RFC 5321 §3.5, Appendix F; RFC 821
        *("AUTH", "ETRN", "ATRN", "BURL"),  # RFC 4954, RFC 1985, RFC 2645, RFC 4468
        *("XCLIENT", "XFORWARD", "XEXCH50", "X-ANONYMOUSTLS", "X-EXPS", "X-LINK2STATE"),  # of Postfix and Exchange
    }
)
FOREIGN: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PRI", "PUT", "TRACE"}  # HTTP, RFC 9110 §9
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """recipients_max: accepted ones; what comes beyond is told to come again (452, RFC 5321 §4.5.3.1.10).
    tls_available: a STARTTLS can be honoured; it may be another value for the next session.
    errors_max, idle_commands_max: so many are answered, the next one ends the connection.
    """

    host_name: str
    size_max_octets: int = SIZE_DEFAULT
    recipients_max: int = RECIPIENTS_DEFAULT
    tls_available: bool = False
    errors_max: int = ERRORS_DEFAULT
    idle_commands_max: int = IDLE_COMMANDS_DEFAULT


class _Transaction:
    """From a positive reply to MAIL to the end of the content. RFC 5321 §3.3"""

    __slots__ = ("accepted_recipients", "has_refused_recipients", "smtputf8")

    def __init__(self, *, smtputf8: bool) -> None:
        self.smtputf8 = smtputf8
        self.accepted_recipients = 0
        self.has_refused_recipients = False


@dataclass(slots=True)
class _Chunk:
    """The octets behind one BDAT. refusal: read and drop them, then answer with that. RFC 3030 §2"""

    size_octets: int
    is_last: bool
    left_octets: int
    refusal: Reply | None = None


class ServerSession(Dialogue):
    """One connection's session. Public attributes are for reading.

    hello_name: from HELO or EHLO, unproven; empty before. is_extended: it was EHLO.
    """

    __slots__ = ("_chunk", "_content", "_settings", "_transaction", "hello_name", "is_extended")

    def __init__(self, settings: ServerSettings, *, tls_active: bool = False) -> None:
        super().__init__(
            answers.greeting(settings.host_name),
            errors_max=settings.errors_max,
            idle_commands_max=settings.idle_commands_max,
            tls_active=tls_active,
        )
        self.hello_name = ""
        self.is_extended = False
        self._settings = settings
        self._transaction: _Transaction | None = None
        self._content: DataContent | ChunkedContent | None = None  # from the 354, or the first chunk, to its end
        self._chunk: _Chunk | None = None

    def tls_established(self) -> None:
        super().tls_established()
        self.hello_name = ""
        self.is_extended = False

    @property
    def is_receiving_content(self) -> bool:
        return self._content is not None or self._reading is Reading.REFUSED_CHUNK

    @property
    def content_progress(self) -> tuple[object, int]:
        chunk, content = self._chunk, self._content
        if self._reading is Reading.REFUSED_CHUNK and chunk is not None:
            return chunk, chunk.size_octets - chunk.left_octets
        return content, 0 if content is None else content.size_octets

    @property
    def buffered_octets(self) -> int:
        """While a reply is due, at most `BUFFERED_MAX`; else, when `next_event` has returned None, less than
        `CONTENT_PIECE_MAX` and a command line."""
        content = self._content
        return self._incoming.pending_octets + (content.collected_octets if content is not None else 0)

    def _process(self) -> Event | None:
        match self._reading:
            case Reading.COMMANDS:
                line = self._incoming.line()
                return None if line is None else self._command(line)
            case Reading.DATA:
                return self._read_data()
            case Reading.CHUNK | Reading.REFUSED_CHUNK:
                return self._read_chunk()
            case _:
                return None

    def _answered(self, event: Event, reply: Reply) -> None:
        match event:
            case RecipientReceived():
                transaction = self._transaction
                assert transaction is not None
                if reply.is_positive:
                    self._outgoing.append(reply.octets)
                    transaction.accepted_recipients += 1
                else:
                    transaction.has_refused_recipients = True
                    self._recipient_refused(reply)
            case MailReceived():
                self._outgoing.append(reply.octets)
                if reply.is_positive:
                    self._transaction = _Transaction(smtputf8=event.smtputf8)
            case ContentReceived():
                self._outgoing.append(reply.octets)
                if reply.is_positive:
                    self._errors = 0
                    self._idle_commands = 0
            case ContentRequested(chunking=False):
                self._data_answered(reply)
            case ContentRequested():
                self._first_chunk_answered(reply)
            case TlsRequested():
                self._outgoing.append(reply.octets)
                if reply.code == 220:
                    # What was sent in clear behind STARTTLS may be an attacker's: forget it. RFC 3207 §4.2
                    self._incoming.clear()
                    self._reading = Reading.NOTHING
                    self._is_deaf = True
            case TransactionEnded():
                raise AssertionError("it wants no reply")

    # Commands

    def _command(self, line: bytes | LineFault) -> Event | None:
        if isinstance(line, LineFault):
            if line is LineFault.ENDLESS:
                return self._finish(answers.ENDLESS_LINE)
            return self._fault(answers.LINE_TOO_LONG)
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return self._fault(answers.NOT_UTF8)
        if not text.isprintable():  # CR, LF, NUL, TAB and the invisible characters of Unicode never reach an argument
            return self._fault(answers.LINE_OCTETS)
        verb, _, argument = text.partition(" ")
        carry_out = _COMMANDS.get(verb)
        if carry_out is None:
            verb = verb.upper() if verb.isascii() else ""
            carry_out = _COMMANDS.get(verb)
            if carry_out is None:
                return self._unknown(verb)
        if not text.isascii() and verb not in _INTERNATIONAL:
            return self._fault(answers.NOT_UTF8)
        return carry_out(self, argument.rstrip(" "))  # trailing blanks: RFC 5321 §4.1.1

    def _unknown(self, verb: str) -> Event | None:
        if verb in NOT_OFFERED:
            return self._fault(answers.not_offered(verb))
        # A browser that was talked into speaking to this port must not get its next line read as a command.
        return self._finish(answers.NOT_SMTP) if verb in FOREIGN else self._fault(answers.UNKNOWN)

    def _ehlo(self, argument: str) -> Event | None:
        settings = self._settings
        offers_tls = settings.tls_available and not self.tls_active
        reply = answers.extensions(settings.host_name, settings.size_max_octets, offers_tls=offers_tls)
        return self._hello(argument, reply, is_extended=True)

    def _helo(self, argument: str) -> Event | None:
        return self._hello(argument, Reply(250, "", self._settings.host_name), is_extended=False)

    def _hello(self, argument: str, reply: Reply, *, is_extended: bool) -> Event | None:
        """A new beginning, whatever was under way. RFC 5321 §4.1.4"""
        name = grammar.read_hello_name(argument)
        if name is None:
            return self._fault(answers.HELLO_SHAPE)
        self.hello_name = name
        self.is_extended = is_extended
        return self._reset(reply)

    def _reset(self, reply: Reply) -> Event | None:
        ended = self._void()
        self._idle(reply)
        return ended

    def _mail(self, argument: str) -> Event | None:
        if not self.hello_name:
            return self._fault(answers.HELLO_FIRST)
        if self._transaction is not None:
            return self._fault(answers.NESTED_MAIL)
        event = grammar.read_mail(argument, is_extended=self.is_extended)
        if isinstance(event, Reply):
            return self._fault(event)
        if event.size_octets is not None and event.size_octets > self._settings.size_max_octets:
            return self._idle(answers.TOO_LARGE)  # RFC 1870 §6.1
        return self._ask(event)

    def _rcpt(self, argument: str) -> Event | None:
        transaction = self._transaction
        if transaction is None:
            return self._fault(answers.MAIL_FIRST)
        if self._content is not None:
            return self._fault(answers.CHUNKS_BEGUN)
        path = grammar.read_recipient(argument, smtputf8=transaction.smtputf8)
        if isinstance(path, Reply):
            # One bad address among a thousand good ones is no reason to end it, so it weighs little.
            transaction.has_refused_recipients = True
            return self._idle(path)
        if transaction.accepted_recipients >= self._settings.recipients_max:
            self._outgoing.append(answers.TOO_MANY_RECIPIENTS.octets)
            return None
        return self._ask(RecipientReceived(path))

    def _recipient_refused(self, reply: Reply) -> None:
        """By the driver. A harvester lives on these, so each weighs as much as a command that brings no mail; but for a
        452, whose recipient comes again in a transaction of its own."""
        if reply.code == 452:
            self._outgoing.append(reply.octets)
        else:
            self._tell(self._idle(reply))

    def _data(self, argument: str) -> Event | None:
        if argument:
            return self._fault(answers.NO_ARGUMENT)
        obstacle = answers.CHUNKS_BEGUN if self._content is not None else self._content_obstacle()
        if obstacle is not None:
            return self._fault(obstacle)
        return self._ask(ContentRequested(chunking=False))

    def _content_obstacle(self) -> Reply | None:
        transaction = self._transaction
        if transaction is None:
            return answers.MAIL_FIRST
        if transaction.accepted_recipients:
            return None
        return answers.NO_VALID_RECIPIENTS if transaction.has_refused_recipients else answers.RCPT_FIRST

    def _rset(self, argument: str) -> Event | None:
        return self._fault(answers.NO_ARGUMENT) if argument else self._reset(answers.RESET)

    def _noop(self, _argument: str) -> Event | None:
        return self._idle(answers.NOTHING_DONE)

    def _vrfy(self, argument: str) -> Event | None:
        return self._idle(answers.NOT_VERIFIED) if argument else self._fault(answers.VRFY_SHAPE)

    def _help(self, _argument: str) -> Event | None:
        return self._idle(answers.HELP)

    def _quit(self, argument: str) -> Event | None:
        return self._fault(answers.NO_ARGUMENT) if argument else self._finish(answers.BYE)

    def _starttls(self, argument: str) -> Event | None:
        if argument:
            return self._fault(answers.NO_ARGUMENT)
        if self.tls_active:
            return self._fault(answers.TLS_ACTIVE)
        if not self._settings.tls_available:
            return self._idle(answers.TLS_UNAVAILABLE)
        ended = self._void()
        request = self._ask(TlsRequested())
        if ended is not None:
            self._tell(request)
        return ended or request

    # Content

    def _void(self, reason: str = "") -> Event | None:
        transaction, self._transaction = self._transaction, None
        self._content = None
        return None if transaction is None else TransactionEnded(reason)

    def _data_answered(self, reply: Reply) -> None:
        if reply.code != 354:
            self._outgoing.append(reply.octets)
            self._tell(self._void())
        elif self._farewell is None:  # else the 421 stands in for the 354
            self._outgoing.append(reply.octets)
            self._content = DataContent(self._settings.size_max_octets)
            self._reading = Reading.DATA

    def _read_data(self) -> Event | None:
        content = self._content
        assert isinstance(content, DataContent)
        incoming = self._incoming
        behind = content.receive(incoming.octets, incoming.start)
        if behind < 0:
            incoming.clear()
            if content.is_too_large:
                if content.size_octets > self._settings.size_max_octets + SKIPPED_MAX:
                    return self._finish(answers.TOO_LARGE)
                ended = self._void("message-too-large")
                self._content = content  # its end must still be found
                return ended
            return self._part(content)
        incoming.move_to(behind)
        self._reading = Reading.COMMANDS
        if content.is_too_large:
            self._outgoing.append(answers.TOO_LARGE.octets)
            return self._void("message-too-large")
        if content.has_stray_line_ending:
            self._outgoing.append(answers.BARE_LINE_ENDING.octets)
            return self._void("bare-line-ending")
        return self._complete(ContentReceived(content.take(), is_last=True))

    def _part(self, content: DataContent | ChunkedContent) -> Event | None:
        if content.collected_octets < CONTENT_PIECE_MAX:
            return None
        return ContentReceived(content.take(), is_last=False)

    def _complete(self, event: ContentReceived) -> Event:
        """The message is the driver's. Whatever happens from here on cannot void it."""
        self._transaction = None
        self._content = None
        return self._ask(event)

    def _bdat(self, argument: str) -> Event | None:
        read = grammar.read_chunk(argument)
        if read is None:
            # Nobody can tell where the chunk ends, and content must never be taken for commands.
            return self._finish(answers.CHUNK_SHAPE)
        size_octets, is_last = read
        if size_octets > self._settings.size_max_octets + SKIPPED_MAX:
            return self._finish(answers.TOO_LARGE)
        self._chunk = _Chunk(size_octets, is_last, size_octets)
        content = self._content
        obstacle = None if content is not None else self._content_obstacle()
        if obstacle is not None:
            self._errors += 1
            if self._errors > self._settings.errors_max:
                return self._finish(answers.TOO_MANY_ERRORS)
            self._refuse_chunk(obstacle)
            return None
        received_octets = content.size_octets if content is not None else 0
        if received_octets + size_octets > self._settings.size_max_octets:
            self._refuse_chunk(answers.TOO_LARGE)
            return self._void("message-too-large")
        if content is not None:
            return self._begin_chunk()
        return self._ask(ContentRequested(chunking=True))

    def _first_chunk_answered(self, reply: Reply) -> None:
        if reply.code != 354:
            self._refuse_chunk(reply)
            self._tell(self._void())
        elif self._farewell is None:
            self._content = ChunkedContent()
            self._tell(self._begin_chunk())

    def _begin_chunk(self) -> Event | None:
        """The octets of a good chunk come next. None of them: it is complete."""
        assert self._chunk is not None
        self._reading = Reading.CHUNK
        return None if self._chunk.left_octets else self._end_chunk(self._chunk)

    def _refuse_chunk(self, reply: Reply) -> None:
        assert self._chunk is not None
        self._chunk.refusal = reply
        self._reading = Reading.REFUSED_CHUNK
        if not self._chunk.left_octets:
            self._end_chunk(self._chunk)

    def _read_chunk(self) -> Event | None:
        chunk, content = self._chunk, self._content
        assert chunk is not None
        octets = self._incoming.take(chunk.left_octets)
        chunk.left_octets -= len(octets)
        if isinstance(content, ChunkedContent):
            content.add(octets)
        if not chunk.left_octets:
            return self._end_chunk(chunk)
        return self._part(content) if content is not None else None

    def _end_chunk(self, chunk: _Chunk) -> Event | None:
        self._reading = Reading.COMMANDS
        if chunk.refusal is not None:
            self._outgoing.append(chunk.refusal.octets)
            return None
        content = self._content
        assert isinstance(content, ChunkedContent)
        if not chunk.is_last:
            self._outgoing.append(answers.chunk_received(chunk.size_octets).octets)
            return self._part(content)
        return self._complete(
            ContentReceived(
                content.take(),
                is_last=True,
                bare_line_ending=content.has_stray_line_ending(),
                ends_with_crlf=content.ends_with_crlf,
            )
        )


_Command = Callable[[ServerSession, str], Event | None]

_COMMANDS: Final[dict[str, _Command]] = {
    "EHLO": ServerSession._ehlo,
    "HELO": ServerSession._helo,
    "MAIL": ServerSession._mail,
    "RCPT": ServerSession._rcpt,
    "DATA": ServerSession._data,
    "BDAT": ServerSession._bdat,
    "RSET": ServerSession._rset,
    "NOOP": ServerSession._noop,
    "QUIT": ServerSession._quit,
    "VRFY": ServerSession._vrfy,
    "HELP": ServerSession._help,
    "STARTTLS": ServerSession._starttls,
}
_INTERNATIONAL: Final = frozenset({"MAIL", "RCPT", "VRFY"})  # their arguments may be UTF-8, RFC 6531 §3.2, §3.7.4.2
