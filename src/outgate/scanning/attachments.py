"""Attachments that a customer may ban, by what they are; and names that want to deceive."""

import re
from collections.abc import Iterable
from typing import Final

from outgate.mail.findings import AttachmentFact, AttachmentGroup, Category, Finding
from outgate.scanning.interface import Context
from outgate.scanning.kinds import SCRIPT_ENDS, ending
from outgate.scanning.message import ScannedMessage

# Ends that people take for harmless; before one that runs they are there to deceive.
_DOCUMENT_ENDS: Final = frozenset("pdf doc docx xls xlsx ppt pptx txt jpg jpeg png gif csv rtf".split())  # noqa: SIM905
_HARMLESS_ENDS: Final = _DOCUMENT_ENDS | {"mp3", "mp4", "zip", "html", "htm"}
_SPACES: Final = re.compile(r"[ \u00a0\u2000-\u200b\u3000_]{5,}\.")
_PROGRAMS: Final = frozenset(
    ("windows-program", "elf-program", "mac-program", "java-program", "windows-shortcut", "script")
)


class Attachments:
    """A finding for each group that an attachment belongs to, and for a name that hides what it is."""

    name = "attachments"
    version = "1"

    def scan(self, message: ScannedMessage, context: Context) -> Iterable[Finding]:  # noqa: ARG002 - the same for all
        for fact in message.attachments:
            for group in fact.groups:
                yield Finding(Category.ATTACHMENT, self.name, group, 100, fact.kind, shown_place(fact))
            deceit = deceit_of(fact)
            if deceit:
                yield Finding(Category.PHISHING, self.name, deceit, 90, fact.name, shown_place(fact))


def shown_place(fact: AttachmentFact) -> str:
    """For people: with the name that the sender gave it."""
    return fact.place if not fact.name or fact.place.endswith(fact.name) else f"{fact.place}/{fact.name}"


def deceit_of(fact: AttachmentFact) -> str:
    """ "double-extension", "program-as-document" or ""."""
    is_program = AttachmentGroup.EXECUTABLE.value in fact.groups
    base, _, _ = fact.name.rstrip(". \t").rpartition(".")
    if (
        is_program
        and ending(fact.name) in SCRIPT_ENDS
        and (ending(base.rstrip()) in _HARMLESS_ENDS or _SPACES.search(fact.name))
    ):
        return "double-extension"
    if fact.kind in _PROGRAMS and ending(fact.name) in _DOCUMENT_ENDS:
        return "program-as-document"
    return ""
