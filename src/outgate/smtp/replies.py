"""Reads a next hop's replies from its octets. Sans-io; bounded. RFC 5321 §4.2.

Tolerant where that is safe: lines may end with a bare LF, carry any octets and be too long (the rest is cut), and the
lines of one reply may disagree about the code (the last line's counts). What is no reply at all (no three digits, or a
first digit other than 2 to 5) makes the reader *garbled*: who talks so is taken at its word neither for a yes nor for a
permanent no; the connection ends as if it had been lost.
"""

import re
from typing import Final

from msgspec import Struct

from outgate.mail.reply import Reply

REPLY_LINE_MAX: Final = 4_096  # octets of one line that are kept; RFC 5321 §4.5.3.1.5 allows 512
ENDLESS_LINE_MAX: Final = 1024 * 1024  # octets of one line, of which most are cut; more is no reply, a limit of ours
REPLY_LINES_MAX: Final = 128  # lines of one reply; the longest EHLO replies seen have some 30

_CODES: Final = {b"%d" % code: code for code in range(200, 600)}
_STATUS: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:[ \t]+|$)", re.ASCII)  # RFC 3463 §2


class PeerReply(Struct, frozen=True, gc=False):
    """One reply as it came. texts: each line behind its code; see `reply` for what people read."""

    code: int
    texts: tuple[bytes, ...]

    @property
    def is_completion(self) -> bool:
        """2yz. The first digit alone counts, RFC 5321 §4.3.2."""
        return self.code < 300

    @property
    def is_intermediate(self) -> bool:
        """3yz."""
        return 300 <= self.code < 400

    def reply(self) -> Reply:
        """As a `Reply`: text decoded, control characters blanked, the enhanced status code taken out if it is
        well-formed and of the code's class (RFC 2034 §4)."""
        texts = [_readable(text) for text in self.texts]
        match = _STATUS.match(texts[0])
        if match is None or int(match[1]) != self.code // 100:
            return Reply(self.code, "", *texts)
        status = f"{match[1]}.{match[2]}.{match[3]}"
        if len(texts) == 1:
            return Reply(self.code, status, texts[0][match.end() :])
        return Reply(self.code, status, *[_without_status(text) for text in texts])


class ReplyReader:
    """Takes octets, gives replies. At most one line and one read are buffered, if every read is followed by a call of
    `next_reply` until that says None."""

    __slots__ = ("_cut_octets", "_start", "_texts", "_unread", "garbled")

    def __init__(self) -> None:
        self._unread = b""
        self._cut_octets = 0  # of the line in `_unread` that has no end yet
        self._start = 0  # of the octets in `_unread` that no reply was made of yet
        self._texts: list[bytes] = []  # of a reply whose last line has not come
        self.garbled = b""  # the beginning of what was no reply; from then on nothing is read

    @property
    def has_unread(self) -> bool:
        """Did octets come behind the last reply that was taken?"""
        return self._start < len(self._unread) or bool(self._texts)

    @property
    def next_code(self) -> int:
        """Of what is unread; 0 if that is not known yet, or no code."""
        return _CODES.get(self._unread[self._start : self._start + 3], 0)

    def receive(self, octets: bytes) -> None:
        if self._start < len(self._unread):
            octets = self._unread[self._start :] + octets
        self._unread = octets
        self._start = 0

    def next_reply(self) -> PeerReply | None:
        """The next whole reply, or None: more must come, or what came is `garbled`."""
        while not self.garbled:
            unread, start = self._unread, self._start
            end = unread.find(b"\n", start)
            if end < 0:
                # The head of the line stays; what exceeds it is dropped as it comes, up to the line's end.
                kept = self._unread = unread[start : start + REPLY_LINE_MAX]
                self._start = 0
                self._cut_octets += len(unread) - start - len(kept)
                if self._cut_octets + len(kept) > ENDLESS_LINE_MAX:
                    self.garbled = _ENDLESS_LINE
                return None
            self._start = end + 1
            if unread[end - 1 : end] == b"\r" and end > start:
                end -= 1
            code = _CODES.get(unread[start : start + 3])
            separator = unread[start + 3] if end > start + 3 else _SPACE
            if code is None or (separator != _SPACE and separator != _HYPHEN):
                self.garbled = unread[start : min(end, start + 80)] or b"(an empty line)"
                return None
            if end - start > REPLY_LINE_MAX:
                if self._cut_octets + end - start > ENDLESS_LINE_MAX:
                    self.garbled = _ENDLESS_LINE
                    return None
                self._cut_octets = 0
                end = start + REPLY_LINE_MAX
            text = unread[start + 4 : end]
            if separator == _SPACE:
                if not self._texts:
                    return PeerReply(code, (text,))
                texts = (*self._texts, text)
                self._texts = []
                return PeerReply(code, texts)
            self._texts.append(text)
            if len(self._texts) >= REPLY_LINES_MAX:
                self.garbled = b"(a reply without end)"
        return None


_ENDLESS_LINE: Final = b"(a line without end)"
_SPACE: Final = ord(" ")
_HYPHEN: Final = ord("-")


def _readable(text: bytes) -> str:
    """For logs, DSNs and terminals: no control characters, and nothing that turns or breaks lines, whatever the peer
    sent."""
    readable = text.decode("utf-8", "replace")
    if readable.isprintable():
        return readable
    return "".join([character if character.isprintable() else " " for character in readable]).strip()


def _without_status(text: str) -> str:
    match = _STATUS.match(text)
    return text[match.end() :] if match else text
