"""What a child process is told by its supervisor, how it knows that the supervisor is gone, and what it does about
garbage once it has started.

The supervisor writes one line of JSON to the child's standard input and keeps the pipe open. The end of the pipe is the
end of the supervisor, however it came: then the child ends as if told to.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from outgate.app.configuration import Configuration

ORDERS_MAX: Final = 1024 * 1024  # octets
GARBAGE_THRESHOLDS: Final = (50_000, 50, 100)  # objects, then collections by age; Python's own are far more frequent


class Orders(Struct, frozen=True):
    """number: the worker's, 0 for others. sockets: inherited listening sockets, one for each of the listeners."""

    configuration: Configuration
    number: int = 0
    sockets: tuple[int, ...] = ()


def write_orders(orders: Orders) -> bytes:
    return msgspec.json.encode(orders) + b"\n"


def read_orders(descriptor: int = 0) -> Orders:
    """Raises: SystemExit if this is no child of a supervisor."""
    octets = b""
    while not octets.endswith(b"\n"):
        piece = os.read(descriptor, 65_536)
        if not piece or len(octets) > ORDERS_MAX:
            raise SystemExit("this process is started by `outgate up`, not by hand")
        octets += piece
    return msgspec.json.decode(octets, type=Orders)


def spare_collections() -> None:
    """Called when start-up is over, in a process whose work is messages, events and rows: these make no reference
    cycles, what start-up made is here to stay, and the collections that are left find garbage only rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def on_end(
    loop: asyncio.AbstractEventLoop,
    stop: Callable[[], None],
    *,
    at_once: Callable[[], None] | None = None,
    orphaned: Callable[[], None] | None = None,
) -> None:
    """Call `stop` on SIGTERM, `at_once` on SIGINT, `orphaned` (or `stop`) when the supervisor is gone.

    Two signals, so that a SIGTERM that comes twice, from the supervisor and from whoever ends the whole group, still
    means good order. The terminal's Ctrl-C does not come here: each child has a session of its own.
    """
    if at_once is None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGINT, at_once)
    loop.add_signal_handler(signal.SIGTERM, stop)

    def look() -> None:
        if not os.read(0, 65_536):
            loop.remove_reader(0)
            (orphaned or stop)()

    os.set_blocking(0, False)
    loop.add_reader(0, look)
