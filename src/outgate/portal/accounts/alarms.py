"""Alarms for the operator about what was refused: they outlive the transaction in which they came about.

An alarm is a line of the operator's audit log, shown to no customer and no partner, and a line of the portal's log.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from outgate.portal.accounts import audit
from outgate.portal.accounts.audit import Actor, Value

LOG: Final = logging.getLogger("outgate.alarm")
LOG.addHandler(logging.NullHandler())  # the command line has no log of its own, and says itself what is wrong

_waiting: ContextVar[list[Callable[[], None]] | None] = ContextVar("alarms", default=None)


@contextmanager
def outliving() -> Iterator[None]:
    """Around a transaction: alarms of the block are written behind it, however it ends. Inside another it is that."""
    if _waiting.get() is not None:
        yield
        return
    waiting: list[Callable[[], None]] = []
    token = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(token)
        for write in waiting:
            write()


def raise_alarm(actor: Actor, action: str, object_: str, /, **detail: Value) -> None:
    """Tell the operator, and nobody else. `detail` must hold no secret."""

    def write() -> None:
        LOG.error(action, extra={"event": action, "detail": {"actor": actor.name, "object": object_, **detail}})
        audit.record_for(None, actor, action, object_, **detail)

    waiting = _waiting.get()
    if waiting is None:
        write()
    else:
        waiting.append(write)
