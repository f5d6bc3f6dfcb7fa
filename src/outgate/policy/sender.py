"""Whom limits count a message for. By itself, since people look it up by it: compiled, it would have no hash."""

from msgspec import Struct


class Sender(Struct, frozen=True, gc=False):
    """Whose message it is, as limits count it. mailbox: canonical, see `mailbox_of`; empty for a null reverse-path.
    domain: of the reverse-path. source: where it came from, see `source_of`."""

    customer_id: str
    mailbox: str
    domain: str
    source: str
