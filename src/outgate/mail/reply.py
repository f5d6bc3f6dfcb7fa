"""SMTP replies and enhanced status codes. RFC 5321 §4.2; RFC 2034; RFC 3463."""

from typing import Final

REPLY_TEXT_MAX: Final = 480  # octets of one reply line's text; the line is 512 at most, RFC 5321 §4.5.3.1.5


class Reply:
    """A reply as an MTA gives it. Immutable by custom; `octets` is made once, so that constants cost nothing to send.

    code: three digits. status: enhanced status code such as "5.7.1", or "" for none (greeting, EHLO, 354).
    lines: the texts, without code and status.
    """

    __slots__ = ("code", "lines", "octets", "status")

    code: int
    status: str
    lines: tuple[str, ...]
    octets: bytes

    def __init__(self, code: int, status: str, *lines: str) -> None:
        self.code = code
        self.status = status
        self.lines = lines or ("",)
        prefix = f"{status} " if status else ""
        if len(self.lines) == 1:
            text = f"{code} {prefix}{self.lines[0][:REPLY_TEXT_MAX]}"
        else:
            last = len(self.lines) - 1
            text = "\r\n".join(
                f"{code}{'-' if index < last else ' '}{prefix}{line[:REPLY_TEXT_MAX]}"
                for index, line in enumerate(self.lines)
            )
        self.octets = text.encode("ascii", "replace") + b"\r\n"

    @property
    def is_positive(self) -> bool:
        """Completion or intermediate (2yz, 3yz): judged by the first digit alone, RFC 5321 §4.2.1."""
        return 200 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        return self.code >= 500

    def __str__(self) -> str:
        status = f" {self.status}" if self.status else ""
        return f"{self.code}{status} {' / '.join(self.lines)}".rstrip()

    def __repr__(self) -> str:
        return f"Reply({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reply) and self.octets == other.octets

    def __hash__(self) -> int:
        return hash(self.octets)
