"""A message taken apart: what scanners look at. `scanning.mime` makes it.

Parts come in the order of the message, those inside archives and attached messages behind their container. Everything
is bounded by `scanning.guards`; what exceeds a bound is no part but an `unscannable` finding of the message.
"""

from typing import Final

from msgspec import Struct

from outgate.mail.fields import Fields
from outgate.mail.findings import AttachmentFact, Finding
from outgate.scanning.guards import NAME_MAX

BYTE_ORDER_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


class Part(Struct, frozen=True):
    """A leaf.

    place: path such as "2.1" or "3/invoice.zip/setup.exe"; the name in it is made printable. media_type: as declared,
    lower case, such as "text/html". name: the file name that it was declared with, decoded, or "". octets: decoded
    content. kind: what the content is (a code of `scanning.kinds`), whatever was declared. depth: of archives and
    attached messages around it. is_attachment: for a person it is a file, not the text that is read.
    """

    place: str
    media_type: str
    name: str
    octets: bytes
    kind: str
    depth: int = 0
    charset: str = ""
    is_attachment: bool = False

    @property
    def shown_place(self) -> str:
        """For people: with the name that the sender gave it."""
        return self.place if not self.name or self.place.endswith(self.name) else f"{self.place}/{self.name}"

    def text(self) -> str:
        """The content as text by its mark of byte order, its declared charset, else UTF-8, else Latin-1; never
        raises."""
        for mark, charset in BYTE_ORDER_MARKS:
            if self.octets.startswith(mark):
                return self.octets[len(mark) :].decode(charset, "replace")
        for charset in (self.charset, "utf-8"):
            if charset:
                try:
                    return self.octets.decode(charset)
                except (LookupError, ValueError):
                    continue
        return self.octets.decode("latin-1")


class Link(Struct, frozen=True, gc=False):
    """Where it leads, and what a person sees of it ("" where that is the same or nothing)."""

    target: str
    shown: str = ""


class Readable(Struct, frozen=True):
    """Of one part. is_body: it is what is read, not an attachment."""

    place: str
    text: str
    links: tuple[Link, ...] = ()
    is_body: bool = False


class ScannedMessage(Struct, frozen=True):
    """head: the header block as it came, without the empty line. fields: what stands in it. parts: leaves. findings:
    what taking it apart showed already (unscannable). attachments: for the record and for rules. hosts: of the links in
    it, canonical, each once. readable: texts with their links."""

    head: bytes
    fields: Fields
    parts: tuple[Part, ...]
    findings: tuple[Finding, ...] = ()
    attachments: tuple[AttachmentFact, ...] = ()
    hosts: tuple[str, ...] = ()
    readable: tuple[Readable, ...] = ()

    def header(self, name: str) -> str:
        """The first field of this lower-case name, unfolded and with encoded words decoded, or ""."""
        return self.fields.first(name)

    def texts(self) -> list[Part]:
        """What a person reads: text/plain and text/html that are no attachments."""
        return [
            part for part in self.parts if not part.is_attachment and part.media_type in ("text/plain", "text/html")
        ]


def cleaned_name(name: str) -> str:
    """The last component, without what is not printable, cut but with its end, which says the type."""
    name = name.replace("\\", "/").rpartition("/")[2].strip()
    name = "".join(character for character in name if character.isprintable())
    return name if len(name) <= NAME_MAX else name[: NAME_MAX - 32] + name[-32:]
