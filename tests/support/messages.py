"""Made messages, ordinary and hostile, for the proof that not an octet changes."""

import random
from collections.abc import Iterator

from outgate.net.hop_connection import PIECE_OCTETS
from outgate.policy.header import HEADER_MAX
from outgate.reception.conversation import LARGE_AHEAD_MAX
from outgate.smtp.content import CONTENT_PIECE_MAX
from outgate.spool.interface import INLINE_MAX
from outgate.spool.records import BLOCK, CHECKSUM_OCTETS
from outgate.spool.segments.large import FLUSH_OCTETS, WRITE_OCTETS

# Octets of content at which Outgate begins to handle a message in another way, or in one piece more.
LIMITS = sorted(
    {
        *(BLOCK, CONTENT_PIECE_MAX, INLINE_MAX, 2 * PIECE_OCTETS, 2 * CHECKSUM_OCTETS, WRITE_OCTETS),
        *(LARGE_AHEAD_MAX, FLUSH_OCTETS),
    }
)


def head(subject: str = "octets", sender: str = "alice@alpha.example") -> bytes:
    return (
        f"From: <{sender}>\r\nTo: <bob@receiver.example>\r\nSubject: {subject}\r\n"
        "Message-ID: <1@alpha.example>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
    ).encode()


def line_ended() -> Iterator[tuple[str, bytes]]:
    """Messages whose every line ends with CR LF: they may go by DATA and by BDAT."""
    yield "ordinary", head() + b"\r\nHello\r\n"
    yield "empty-body", head() + b"\r\n"
    yield "no-body-at-all", head()
    yield "dots", head() + b"\r\n.\r\n..\r\n...\r\n.hidden\r\nx.\r\n. \r\n"
    yield "dot-first-octet", b".X-Dotted: 1\r\n" + head() + b"\r\n.\r\n"
    yield "dot-first-line-of-body", head() + b"\r\n.leading\r\n"
    yield "trailing-blanks", head() + b"\r\nspace  \r\ntab\t\r\n \r\n\t\r\n\r\n\r\n"
    yield "eight-bit", head() + b"\r\n" + bytes(octet for octet in range(128, 256)) + b"\r\n"
    yield "utf8", head("gr\u00fc\u00dfe") + "\r\nж € 漢字\r\n".encode()
    yield "nul-octets", head() + b"\r\na\x00b\x00\r\n"
    yield "control-octets", head() + b"\r\n" + bytes(octet for octet in range(32) if octet not in (10, 13)) + b"\r\n"
    for octets in (997, 998, 999, 1_000, 1_001):  # RFC 5322 §2.1.1: 998; RFC 5321 §4.5.3.1.6: 1,000 with CR LF
        yield f"line-{octets}", head() + b"\r\n" + b"." * octets + b"\r\n" + b"x" * octets + b"\r\n.\r\n"
    yield "long-line", head() + b"\r\n" + b"x" * 100_000 + b"\r\n"
    yield "folded-fields", head() + b"X-Folded: a\r\n b\r\n\tc\r\nx-lower: 1\r\nX-Lower: 2\r\n\r\nbody\r\n"
    yield "odd-fields", head() + b"X-Empty:\r\nX-Blank: \r\nNot a field\r\n\r\nbody\r\n"
    yield "ten-thousand-fields", head() + b"".join(b"X-%d: y\r\n" % number for number in range(10_000)) + b"\r\nz\r\n"
    yield "large-header", head() + b"X-Big: " + b"h" * 250_000 + b"\r\n\r\nbody\r\n"
    for octets in (INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1, HEADER_MAX - 2):
        yield f"header-{octets}", with_header(octets)
    yield "around-the-inline-limit", head() + b"\r\n" + b"y" * (256 * 1024 - 300) + b"\r\n" * 200
    filler = random.Random(7)
    for size in (1, 4_000, 70_000, 1_500_000):
        body = bytes(filler.choice(b"abc. \xe4\x00") for _ in range(size))
        yield (
            f"random-{size}",
            head() + b"\r\n" + b"\r\n".join(body[start : start + 60] for start in range(0, size, 60)) + b"\r\n",
        )


def by_chunks_only() -> Iterator[tuple[str, bytes]]:
    """Messages that only BDAT can carry."""
    yield "bare-lf", head() + b"\r\none\ntwo\r\n"
    yield "bare-cr", head() + b"\r\none\rtwo\r\n"
    yield "lf-dot-lf", head() + b"\r\none\n.\ntwo\r\n"
    yield "lf-dot-crlf", head() + b"\r\none\n.\r\ntwo\r\n"
    yield "no-final-crlf", head() + b"\r\nthe end"
    yield "cr-cr-lf", head() + b"\r\none\r\r\ntwo\r\n"
    yield "lf-cr", head() + b"\r\none\n\rtwo\r\n"
    yield "crlf-dot-lf", head() + b"\r\none\r\n.\ntwo\r\n"
    yield "crlf-dot-cr", head() + b"\r\none\r\n.\rtwo\r\n"
    yield "cr-dot-cr", head() + b"\r\none\r.\rtwo\r\n"
    yield "body-of-a-unix-file", head() + b"\r\n" + b".one line\n" * 5_000
    yield "ends-with-crlf-dot", head() + b"\r\nthe end\r\n."
    yield "ends-with-crlf-dot-cr", head() + b"\r\nthe end\r\n.\r"
    yield "ends-with-cr", head() + b"\r\nthe end\r"
    yield "ends-with-lf", head() + b"\r\nthe end\n"
    yield "crlf-dot-crlf-inside", head() + b"\r\nbefore\r\n.\r\nMAIL FROM:<evil@beta.example>\r\nafter\r\n"
    filler = random.Random(8)
    yield "random-octets", head() + b"\r\n" + filler.randbytes(600_000)


def has_bare_line_ending(content: bytes) -> bool:
    return not content.count(b"\r\n") == content.count(b"\r") == content.count(b"\n")


def with_header(octets: int) -> bytes:
    """A message whose header, without the empty line, has just so many octets, in fields of all lengths."""
    filler = random.Random(octets)
    header = bytearray(head())
    while (left := octets - len(header)) > 2_000:
        header += b"X-Filler: " + b"f" * min(filler.randrange(1_500), left - 1_000) + b"\r\n"
    return bytes(header + b"X-Last: " + b"l" * (left - 10) + b"\r\n\r\nbody\r\n")


def sized(octets: int) -> bytes:
    """A message of just so many octets, none of whose parts looks like another, and many of whose lines have a dot."""
    filler = random.Random(octets)
    content = head() + b"\r\n"
    digits = filler.randbytes(octets).hex().encode()
    lines = [b"." * (place % 3) + digits[place : place + 70] for place in range(0, octets, 70)]
    content = (content + b"\r\n".join(lines))[: octets - 2]
    return content.removesuffix(b"\r").ljust(octets - 2, b"~") + b"\r\n"
