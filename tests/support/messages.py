"""Made messages, ordinary and hostile, for the proof that not an octet changes."""

import random
from collections.abc import Iterator


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
    yield "dot-first-line-of-body", head() + b"\r\n.leading\r\n"
    yield "trailing-blanks", head() + b"\r\nspace  \r\ntab\t\r\n \r\n\t\r\n\r\n\r\n"
    yield "eight-bit", head() + b"\r\n" + bytes(octet for octet in range(128, 256)) + b"\r\n"
    yield "utf8", head("gr\u00fc\u00dfe") + "\r\nж € 漢字\r\n".encode()
    yield "nul-octets", head() + b"\r\na\x00b\x00\r\n"
    yield "control-octets", head() + b"\r\n" + bytes(octet for octet in range(32) if octet not in (10, 13)) + b"\r\n"
    yield "long-line", head() + b"\r\n" + b"x" * 100_000 + b"\r\n"
    yield "folded-fields", head() + b"X-Folded: a\r\n b\r\n\tc\r\nx-lower: 1\r\nX-Lower: 2\r\n\r\nbody\r\n"
    yield "odd-fields", head() + b"X-Empty:\r\nX-Blank: \r\nNot a field\r\n\r\nbody\r\n"
    yield "ten-thousand-fields", head() + b"".join(b"X-%d: y\r\n" % number for number in range(10_000)) + b"\r\nz\r\n"
    yield "large-header", head() + b"X-Big: " + b"h" * 250_000 + b"\r\n\r\nbody\r\n"
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
    yield "ends-with-cr", head() + b"\r\nthe end\r"
    yield "ends-with-lf", head() + b"\r\nthe end\n"
    yield "crlf-dot-crlf-inside", head() + b"\r\nbefore\r\n.\r\nMAIL FROM:<evil@beta.example>\r\nafter\r\n"
    filler = random.Random(8)
    yield "random-octets", head() + b"\r\n" + filler.randbytes(600_000)
