"""One message that becomes several, because its recipients fare differently: all of them are durable, or none is.

What is held comes first and what is delivered last, so that nothing has left that a failure would bring a second time.
A crash between two of them leaves a held copy of a message whose sender was told nothing, and sends it again: twice is
possible, never is not.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from outgate.mail.message import Message
from outgate.reception.holding import Holding
from outgate.spool.interface import LargeContent, Spool, SpoolError


class Copy(Struct, frozen=True, gc=False):
    """holding, key: where it is held and what its content is sealed with; None and empty: it goes to the spool."""

    message: Message
    holding: Holding | None = None
    key: bytes = b""


class Split:
    """copies: in the order in which they become durable; only the last one may be in the spool if the content is large.
    done: as of `Spool.accept`, once, for all of them."""

    def __init__(
        self,
        copies: Sequence[Copy],
        content: bytes | LargeContent,
        spool: Spool,
        done: Callable[[SpoolError | None], None],
    ) -> None:
        self._copies = copies
        self._content = content
        self._spool = spool
        self._done = done
        self._durable = 0

    def begin(self) -> None:
        copy = self._copies[self._durable]
        content = self._content
        if not isinstance(content, bytes) and self._durable < len(self._copies) - 1:
            content = _Lent(content)
        if copy.holding is None:
            self._spool.accept(copy.message, content, self._answered)
        else:
            copy.holding.store.hold(copy.message, content, copy.key, self._answered)

    def _answered(self, error: SpoolError | None) -> None:
        if error is not None:
            for copy in self._copies[: self._durable]:
                (self._spool if copy.holding is None else copy.holding.store).finish(copy.message.queue_id)
            if not isinstance(self._content, bytes):
                self._content.abandon()
            self._done(error)
            return
        self._durable += 1
        if self._durable == len(self._copies):
            self._done(None)
        else:
            self.begin()


class _Lent:
    """A `LargeContent` that its user leaves as it is."""

    def __init__(self, content: LargeContent) -> None:
        self.write = content.write
        self.on_drained = content.on_drained
        self._content = content

    @property
    def size_octets(self) -> int:
        return self._content.size_octets

    @property
    def unwritten_octets(self) -> int:
        return self._content.unwritten_octets

    def peek(self) -> bytes | Path:
        return self._content.peek()

    def abandon(self) -> None: ...
