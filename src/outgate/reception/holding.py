"""Held mail, which is sealed before it is promised: into a store of its own, for the eyes of the customer's people."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs

from outgate.contract.events import Event
from outgate.mail.message import Message
from outgate.sealing.keys import new_content_key, seal_key
from outgate.spool.interface import SealedStore


@dataclass(frozen=True, slots=True)
class Holding:
    """emit, submit: as of `Reception`, for what is in `store`."""

    store: SealedStore
    emit: Callable[[Event], None]
    submit: Callable[[Message, bytes | None], None]


def seal_for(message: Message, public_key: bytes) -> tuple[Message, bytes]:
    """`message`, now with a sealed key, and the key that its content is to be sealed with. Raises: ValueError, if
    `public_key` is none."""
    content_key = new_content_key()
    return structs.replace(message, sealed_key=seal_key(content_key, public_key)), content_key
