"""Real mail: the SpamAssassin project's public corpus, which `make corpus` fetches into build/corpus.

Its mails stand there as a mail server keeps them on a Unix disk, each line ended by LF.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).parents[2] / "build" / "corpus"
MAILS = 6_046

_LINE_END = re.compile(rb"(?<!\r)\n")


@dataclass(frozen=True)
class Mail:
    """name: folder and file. stored: as it stands on the disk."""

    name: str
    stored: bytes

    @property
    def as_sent(self) -> bytes:
        """As a mail server sends it: each line ended by CR LF. A CR that stands alone on the disk stays so."""
        return _LINE_END.sub(b"\r\n", self.stored)

    @property
    def as_sent_with_stored_body(self) -> bytes:
        """The header as it must be for a From field to be found, the body octet for octet as it is stored."""
        header, empty_line, body = self.stored.partition(b"\n\n")
        return _LINE_END.sub(b"\r\n", header + empty_line) + body


def mails() -> Iterator[Mail]:
    """All of them, in the order of their names. It is an error, and never a reason to skip, if one is missing."""
    paths = sorted(DIRECTORY.rglob("*.txt"))
    assert len(paths) == MAILS, f"{len(paths)} of {MAILS} mails are in {DIRECTORY}: run `make corpus`"
    for path in paths:
        yield Mail(f"{path.parent.name}/{path.name}", path.read_bytes())
