"""Dot transparency on the way out: a dot in front of each line that begins with one. RFC 5321 §4.5.2.

Works on whole chunks, never line by line. Only content whose every line ends with CR LF goes this way.
"""

from outgate.smtp.scans import find_dot


def stuff(content: bytes) -> bytes:
    """`content`, which begins a line, with its dots doubled; the same object if there is none to double."""
    if find_dot(content, 0) >= 0:
        content = content.replace(b"\r\n.", b"\r\n..")
    if content[:1] == b".":
        content = b"." + content
    return content


class DotStuffer:
    """The same for content that comes in pieces, however they are cut."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"  # the last two octets before the next piece; content begins a line

    def feed(self, octets: bytes) -> bytes:
        if not octets:
            return octets
        tail = self._tail
        self._tail = (tail + octets[-2:])[-2:]
        stuffed = octets
        if find_dot(octets, 0) >= 0:
            stuffed = octets.replace(b"\r\n.", b"\r\n..")
        if tail == b"\r\n" and octets[:1] == b".":
            return b"." + stuffed
        if tail[1:] == b"\r" and octets[:2] == b"\n.":
            return b"\n." + stuffed[1:]
        return stuffed
