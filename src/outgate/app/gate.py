"""Who may connect, how often and how long: the `Host` of a worker's listeners.

Limits are per worker. A stranger (an address that is nobody's declared source) gets little room, so that strangers can
never crowd out the customers, whatever they do.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from outgate.app.configuration import Limits
from outgate.mail.reply import Reply
from outgate.net.listener import Conversation, Peer
from outgate.policy.reasons import Reason, reply_of
from outgate.reception.conversation import Reception, ReceptionConversation
from outgate.smtp.events import Event
from outgate.smtp.server import ServerSettings


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
        conversation = _Counted(ReceptionConversation(self.reception, peer), self, peer.address)
        limits = self.limits
        here = self.by_address.get(peer.address, 0)
        room_for_one = limits.connections_per_stranger if conversation.is_stranger else limits.connections_per_address
        # Half of all the room is kept for senders that somebody has declared.
        crowded = self.connections >= limits.connections or (
            conversation.is_stranger and self.strangers >= limits.connections // 2
        )
        if crowded or here >= room_for_one:
            self.turned_away += 1
            return reply_of(Reason.OVERLOADED, "too many connections")
        self.connections += 1
        self.strangers += conversation.is_stranger
        self.by_address[peer.address] = here + 1
        return conversation

    def idle_seconds(self, conversation: Conversation) -> float:
        return self.limits.stranger_idle_seconds if conversation.is_stranger else self.limits.idle_seconds

    def greeting_delay_seconds(self, conversation: Conversation) -> float:
        return self.limits.stranger_greeting_delay_seconds if conversation.is_stranger else 0.0

    def leave(self, address: str, *, was_stranger: bool) -> None:
        self.connections -= 1
        self.strangers -= was_stranger
        here = self.by_address.get(address, 1) - 1
        if here:
            self.by_address[address] = here
        else:
            self.by_address.pop(address, None)


class _Counted:
    """A conversation that gives its place back when it ends."""

    __slots__ = ("_address", "_gate", "_inner", "answer", "is_stranger", "secured")

    def __init__(self, inner: ReceptionConversation, gate: Gate, address: str) -> None:
        self._inner = inner
        self._gate = gate
        self._address = address
        self.is_stranger = inner.is_stranger  # as it came: what counted it in counts it out
        self.answer: Callable[[Event], Reply | None] = inner.answer
        self.secured: Callable[[str], None] = inner.secured

    def closed(self) -> None:
        self._inner.closed()
        self._gate.leave(self._address, was_stranger=self.is_stranger)
