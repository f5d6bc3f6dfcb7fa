"""Asks the workers of this machine who of a customer is near a limit. A second at most, few at a time: pages go on.

Workers count, and the database knows only sums of parts: so they are asked, as `outgate sender list` does.
"""

import socket
import threading
import time
from pathlib import Path
from typing import Final

from django.conf import settings

from outgate.contract.wire import Answer, FrameReader, SendersAsk, SendersListed, SenderUse, WireError, frame

PERCENT: Final = 50  # of a limit, from which on a sender is near it
SHOWN_MAX: Final = 50  # uses that are told, the fullest first
AT_ONCE: Final = 2  # pages of this process that ask; others are told that nobody answered
WAIT_SECONDS: Final = 1.0  # for all workers together
READ_OCTETS: Final = 64 * 1024  # of an answer, at a time

_room = threading.BoundedSemaphore(AT_ONCE)


def near_limit(customer_id: str) -> list[SenderUse] | None:
    """Fullest first; None: no worker answered. Of one limit the highest that a worker knows. customer_id: a slug, since
    an empty one would be every customer."""
    if not customer_id or not _room.acquire(blocking=False):
        return None
    try:
        return _asked(SendersAsk(customer_id, PERCENT, SHOWN_MAX), time.monotonic() + WAIT_SECONDS)
    finally:
        _room.release()


def _asked(question: SendersAsk, end: float) -> list[SenderUse] | None:
    found: dict[tuple[str, str, str, int], SenderUse] = {}
    is_answered = False
    for path in sorted(Path(settings.STATE_DIRECTORY, "run").glob("worker-*.sock")):
        try:
            answer = _answer_of(path, question, end)
        except (OSError, WireError):
            continue  # the others may be there
        if not isinstance(answer, SendersListed):
            continue
        is_answered = True
        for use in answer.senders:
            key = (use.scope, use.subject, use.counted, use.seconds)
            if use.customer_id == question.customer_id and (key not in found or use.used > found[key].used):
                found[key] = use
    if not is_answered:
        return None
    return sorted(found.values(), key=lambda use: -use.used / max(use.maximum, 1))[:SHOWN_MAX]


def _answer_of(path: Path, question: SendersAsk, end: float) -> Answer | None:
    """Raises: OSError (also: the time is up), WireError."""
    frames: FrameReader[Answer] = FrameReader(Answer)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_left(end))
        connection.connect(str(path))
        connection.sendall(frame(question))
        while True:
            connection.settimeout(_left(end))
            if not (octets := connection.recv(READ_OCTETS)):
                return None
            for answer in frames.receive(octets):
                return answer


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
