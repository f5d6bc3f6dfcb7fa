"""What the public page `/r/<code>` says of each reason code. The data is made by tools/generate_docs.py."""

from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

DATA: Final = Path(__file__).with_suffix(".json")


class Kind(StrEnum):
    """What became of the message. RECORDED: the code stands in the record only."""

    ACCEPTED = "accepted"
    DELAYED = "delayed"
    REFUSED = "refused"
    RECORDED = "recorded"


class ReasonActor(StrEnum):
    """Who can do something about it. ADMINISTRATOR: of the sending mail system; OPERATOR: of this server."""

    NOBODY = "nobody"
    SENDER = "sender"
    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    RECIPIENT = "recipient"


class ReasonPage(Struct, frozen=True, forbid_unknown_fields=True):
    """title, meaning, remedy: for people who do not know Outgate. example_reply: one line, or empty."""

    code: str
    title: str
    kind: Kind
    meaning: str
    remedy: str
    actor: ReasonActor
    example_reply: str

    @property
    def outcome(self) -> str:
        """In a word for people: what became of the message."""
        return _OUTCOMES[self.kind]

    @property
    def who(self) -> str:
        """A sentence on who can do something about it; empty where nothing is to be done."""
        return _ACTORS[self.actor]


_OUTCOMES: Final = {
    Kind.ACCEPTED: "Accepted",
    Kind.DELAYED: "Delayed: the sending system tries again by itself",
    Kind.REFUSED: "Refused",
    Kind.RECORDED: "A note in the record",
}
_ACTORS: Final = {
    ReasonActor.NOBODY: "",
    ReasonActor.SENDER: "Whoever wrote the message can do that.",
    ReasonActor.ADMINISTRATOR: "The administrator of the sending mail system can do that.",
    ReasonActor.OPERATOR: "The operator of this server can do that.",
    ReasonActor.RECIPIENT: "Only the recipient's side can do that.",
}


def reason_page(code: str) -> ReasonPage | None:
    """None: there is no such code."""
    return reason_pages().get(code.lower())


@lru_cache(maxsize=1)
def reason_pages() -> dict[str, ReasonPage]:
    """By code, in the order of the catalogue."""
    return {page.code: page for page in msgspec.json.decode(DATA.read_bytes(), type=list[ReasonPage])}
