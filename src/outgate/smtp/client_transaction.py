"""One transaction of the client session: MAIL, RCPT, content, and what each reply means for each recipient. Sans-io.

All that may be said before the first reply leaves in one write if the next hop offers PIPELINING (RFC 2920), a small
content too if it offers CHUNKING (RFC 3030): then a message costs one round trip. RFC 5321 §3.3, §4.5.3.2.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final

from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import ContentNeeds
from outgate.mail.reply import Reply
from outgate.smtp.extensions import Extensions
from outgate.smtp.replies import PeerReply
from outgate.smtp.stuffing import DotStuffer, stuff

# How long to wait for each reply, RFC 5321 §4.5.3.2. Seconds.
RESET_SECONDS: Final = 300.0  # which the RFC leaves open: like MAIL
MAIL_SECONDS: Final = 300.0  # for the reply to MAIL
RCPT_SECONDS: Final = 300.0  # for the reply to each RCPT
DATA_SECONDS: Final = 120.0  # for the 354
BLOCK_SECONDS: Final = 180.0  # for the next hop to take the next piece of content
END_OF_DATA_SECONDS: Final = 600.0  # shorter would duplicate mail: the next hop may be about to say 250

ONE_WRITE_MAX: Final = 65_536  # octets of content sent before the envelope's replies: what a refusal may waste


class Turn(Enum):
    """What a reply led to."""

    GOES_ON = 0
    ASKED = 1  # all that was said is answered, and the next has been said
    WANTS_CONTENT = 2  # the same, and what comes next is the content in pieces, by `send_content`
    ENDED = 3  # see `final`
    NONSENSE = 4  # a reply that answers nothing: the connection is no use


class ClientTransaction:
    """One message to at least one recipient.

    mail: the MAIL command. content: None if it comes in pieces. size_octets: of trace and content together. outgoing:
    takes what is to be sent. is_reset_due: the next hop may still hold a transaction; RSET goes in front.

    Steps are the replies awaited: -1 RSET, 0 MAIL, 1 to n RCPT, then DATA (not with BDAT), and last the reply to the
    content.
    """

    __slots__ = (
        "_accepted",
        "_chunking",
        "_content",
        "_last_step",
        "_mail",
        "_mail_refusal",
        "_outgoing",
        "_paths",
        "_refusals",
        "_sent",
        "_size_octets",
        "_step",
        "_stuffer",
        "_trace",
        "final",
        "is_complete",
        "is_heard",
        "is_streaming",
    )

    def __init__(
        self,
        mail: str,
        paths: Sequence[ForwardPath],
        trace: bytes,
        content: bytes | None,
        size_octets: int,
        outgoing: list[bytes],
        *,
        chunking: bool,
    ) -> None:
        self._mail = mail
        self._paths = paths
        self._trace = trace
        self._content = content
        self._size_octets = size_octets
        self._outgoing = outgoing
        self._chunking = chunking
        self._step = 0
        self._sent = 0  # the first step whose command has not been sent
        self._last_step = len(paths) + (1 if chunking else 2)
        self._accepted = 0
        self._mail_refusal: Reply | None = None
        self._refusals: dict[int, Reply] | None = None  # of recipients, by place
        self._stuffer: DotStuffer | None = None
        self.final: Reply = _UNUSED  # for every recipient without a refusal of its own
        self.is_complete = False  # the next hop took the message for somebody, and forgot the transaction
        self.is_heard = False
        self.is_streaming = False  # content is on its way in pieces

    def replies(self, final: Reply) -> tuple[Reply, ...]:
        """Each recipient's: the refusal of MAIL or of its own RCPT, else `final`."""
        if self._mail_refusal is not None:
            return (self._mail_refusal,) * len(self._paths)
        refusals = self._refusals
        if refusals is None:
            return (final,) * len(self._paths)
        return tuple([refusals.get(place, final) for place in range(len(self._paths))])

    def doubt(self) -> None:
        """The replies so far may have been about something else: no refusal is believed."""
        self._mail_refusal = None
        self._refusals = None

    @property
    def stage(self) -> str:
        """For people: what was being waited for."""
        if self.is_streaming:
            return "while it was sent the content"
        if self._step <= 0:
            return "at MAIL" if self._step == 0 else "at RSET"
        if self._step <= len(self._paths):
            return "at RCPT"
        return "before it replied to the content" if self._step == self._last_step else "at DATA"

    @property
    def is_in_envelope(self) -> bool:
        """Are replies to RSET, MAIL or RCPT awaited?"""
        return self._step <= len(self._paths)

    @property
    def patience_seconds(self) -> float:
        if self.is_streaming:
            return BLOCK_SECONDS
        if self._step <= 0:
            return MAIL_SECONDS if self._step == 0 else RESET_SECONDS
        if self._step <= len(self._paths):
            return RCPT_SECONDS
        return END_OF_DATA_SECONDS if self._step == self._last_step else DATA_SECONDS

    # What is sent

    def begin_together(self, envelope: str, *, is_reset_due: bool) -> None:
        """`envelope`: MAIL and all RCPT. All that may be said before the first reply, in one write. RFC 2920 §3.1"""
        if is_reset_due:
            self._step = -1
            envelope = "RSET\r\n" + envelope
        content = self._content
        self._sent = len(self._paths) + 1
        if not self._chunking:
            self._sent += 1
            envelope += "DATA\r\n"
        elif content is not None and self._size_octets <= ONE_WRITE_MAX:
            # If every recipient is refused, the next hop reads the chunk and drops it: RFC 3030 §2.
            self._sent += 1
            envelope += f"BDAT {self._size_octets} LAST\r\n"
            self._content = None
            self._outgoing += (envelope.encode(), self._trace, content)
            return
        self._outgoing.append(envelope.encode())

    def begin_by_step(self, *, is_reset_due: bool) -> None:
        """One command at a time, for a next hop without PIPELINING."""
        if is_reset_due:
            self._step = self._sent = -1
        self._send_next()

    def send_content(self, octets: bytes, *, is_last: bool) -> None:
        """The next piece; all of them have the size that MAIL and BDAT announced."""
        assert self.is_streaming
        if self._stuffer is not None:
            octets = self._stuffer.feed(octets)
        self._outgoing.append(octets)
        if is_last:
            self.is_streaming = False
            if self._stuffer is not None:
                self._outgoing.append(b".\r\n")

    def _send_next(self) -> Turn:
        """All that was sent is answered: say what comes next, or end."""
        step = self._step
        self._sent = step + 1
        if step < 0:
            command = "RSET\r\n"
        elif step == 0:
            command = self._mail + "\r\n"
        elif self._mail_refusal is not None:
            return Turn.ENDED
        elif step <= len(self._paths):
            command = f"RCPT TO:<{self._paths[step - 1].text}>\r\n"
        elif not self._accepted:
            return Turn.ENDED
        elif self._chunking:
            self._outgoing.append(b"BDAT %d LAST\r\n" % self._size_octets)
            return self._send_whole_content()
        else:
            command = "DATA\r\n"
        self._outgoing.append(command.encode())
        return Turn.ASKED

    def _send_whole_content(self) -> Turn:
        """Trace and content, or the wish for the content."""
        self._outgoing.append(self._trace)
        content = self._content
        if content is None:
            self.is_streaming = True
            if not self._chunking:
                self._stuffer = DotStuffer()
            return Turn.WANTS_CONTENT
        self._content = None
        if self._chunking:
            self._outgoing.append(content)
        else:
            self._outgoing += (stuff(content), b".\r\n")
        return Turn.ASKED

    # What is heard

    def hear(self, reply: PeerReply) -> Turn:
        """The next reply, any but 421."""
        self.is_heard = True
        step = self._step
        code = reply.code
        if step > len(self._paths):
            return self._hear_last(reply) if step == self._last_step else self._hear_data(reply)
        if 300 <= code < 400:
            return Turn.NONSENSE
        if step > 0:
            if code < 300:
                self._accepted += 1
            else:
                self._note_refusal(step - 1, reply)
        elif step == 0 and code >= 400:
            self._mail_refusal = reply.reply()
        self._step = step + 1
        return self._send_next() if step + 1 == self._sent else Turn.GOES_ON

    def _note_refusal(self, place: int, reply: PeerReply) -> None:
        if self._mail_refusal is not None:
            return  # it only says that there was no MAIL
        if self._refusals is None:
            self._refusals = {}
        self._refusals[place] = reply.reply()

    def _hear_data(self, reply: PeerReply) -> Turn:
        if reply.is_completion:
            return Turn.NONSENSE
        if not reply.is_intermediate:
            self.final = reply.reply()
            return Turn.ENDED
        self._step += 1
        self._sent = self._step + 1
        if self._accepted and self._mail_refusal is None:
            return self._send_whole_content()
        # Nobody is to have it, and the next hop waits for content all the same: RFC 2920 §3.1.
        self._outgoing.append(b".\r\n")
        return Turn.ASKED

    def _hear_last(self, reply: PeerReply) -> Turn:
        if reply.is_intermediate or (reply.is_completion and self.is_streaming):
            return Turn.NONSENSE
        self.final = reply.reply()
        self.is_complete = reply.is_completion and self._accepted > 0 and self._mail_refusal is None
        return Turn.ENDED


_UNUSED: Final = Reply(451, "4.5.0")  # where every recipient has a refusal of its own


def mail_command(reverse_path: ReversePath, size_octets: int, needs: int, extensions: Extensions) -> str:
    """MAIL without its CR LF, for a next hop that offers what the content `needs`. RFC 1870 §6.1, 6152 §3, 6531 §3.4"""
    command = f"MAIL FROM:<{reverse_path.text}>"
    if extensions.size:
        command += f" SIZE={size_octets}"
    if needs & ContentNeeds.EIGHT_BIT:
        command += " BODY=8BITMIME"
    if needs & ContentNeeds.UTF8:
        command += " SMTPUTF8"
    return command
