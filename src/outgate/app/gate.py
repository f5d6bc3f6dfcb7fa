"""Who may connect, how often and how long: the `Host` of a worker's listeners.

Limits are per worker. A stranger (an address that is nobody's declared source) gets little room, so that strangers can
never crowd out the customers, whatever they do.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from math import inf
from typing import Final

from outgate.app.configuration import Limits
from outgate.mail.reply import Reply
from outgate.net.listener import Conversation, Peer
from outgate.policy.reasons import Reason, reply_of
from outgate.reception.conversation import ReceptionConversation
from outgate.reception.shared import Reception
from outgate.smtp.events import Event
from outgate.smtp.server import ServerSettings

PREFIX_OCTETS: Final = 8  # of an IPv6 address, 64 bits: what one stranger commonly has to himself, RFC 6177 §2


@dataclass(slots=True)
class Gate:
    """Counts connections; makes conversations."""

    reception: Reception
    limits: Limits
    settings: ServerSettings
    context: Callable[[], ssl.SSLContext | None]
    connections: int = 0
    strangers: int = 0
    by_address: dict[str, int] = field(default_factory=dict)
    turned_away: int = 0

    def session_settings(self) -> ServerSettings:
        return self.settings

    def tls_context(self) -> ssl.SSLContext | None:
        return self.context()

    def converse(self, peer: Peer) -> Conversation | Reply:
        if self.reception.is_stopping:
            return reply_of(Reason.SHUTTING_DOWN)
        inner = ReceptionConversation(self.reception, peer)
        is_stranger = inner.is_stranger
        limits = self.limits
        key = _stranger_key(peer.address) if is_stranger else peer.address
        here = self.by_address.get(key, 0)
        room_for_one = limits.connections_per_stranger if is_stranger else limits.connections_per_address
        # Half of all the room, at least, is kept for senders that somebody has declared.
        room_for_strangers = min(limits.stranger_connections, limits.connections // 2)
        crowded = self.connections >= limits.connections or (is_stranger and self.strangers >= room_for_strangers)
        if crowded or here >= room_for_one:
            self.turned_away += 1
            return reply_of(Reason.OVERLOADED, "too many connections")
        self.connections += 1
        self.strangers += is_stranger
        self.by_address[key] = here + 1
        return _Counted(inner, self, key)

    def idle_seconds(self, conversation: Conversation) -> float:
        return self.limits.stranger_idle_seconds if conversation.is_stranger else self.limits.idle_seconds

    def session_seconds(self, conversation: Conversation) -> float:
        return self.limits.stranger_session_seconds if conversation.is_stranger else inf

    def greeting_delay_seconds(self, conversation: Conversation) -> float:
        return self.limits.stranger_greeting_delay_seconds if conversation.is_stranger else 0.0

    def leave(self, key: str, *, was_stranger: bool) -> None:
        self.connections -= 1
        self.strangers -= was_stranger
        here = self.by_address.get(key, 1) - 1
        if here:
            self.by_address[key] = here
        else:
            self.by_address.pop(key, None)


def _stranger_key(address: str) -> str:
    """What a stranger is counted by: the address, or the network of an IPv6 address."""
    if ":" not in address:
        return address
    return IPv6Address(address.partition("%")[0]).packed[:PREFIX_OCTETS].hex()


class _Counted:
    """A conversation that gives its place back when it ends."""

    __slots__ = ("_gate", "_inner", "_key", "answer", "is_stranger", "secured")

    def __init__(self, inner: ReceptionConversation, gate: Gate, key: str) -> None:
        self._inner = inner
        self._gate = gate
        self._key = key
        self.is_stranger = inner.is_stranger  # as it came: what counted it in counts it out
        self.answer: Callable[[Event], Reply | None] = inner.answer
        self.secured: Callable[[str], None] = inner.secured

    def closed(self) -> None:
        self._inner.closed()
        self._gate.leave(self._key, was_stranger=self.is_stranger)
