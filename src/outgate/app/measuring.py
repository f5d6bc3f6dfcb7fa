"""Asks the processes of this machine how they are, over their control sockets. Blocking: for threads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from outgate.app.configuration import Configuration
from outgate.contract.wire import Measured, Statistics
from outgate.net.control import NobodyAnswers, ask

ASK_SECONDS: Final = 2.0  # for one process; it answers in a millisecond or is in trouble


def measure_workers(configuration: Configuration) -> Iterator[tuple[int, dict[str, float] | None]]:
    """Each worker's number and values, None if it does not answer."""
    for number in range(1, configuration.workers + 1):
        yield number, _measure(configuration.control_socket(number))


def measure_clerk(configuration: Configuration) -> dict[str, float]:
    """The clerk's values; only `outgate_clerk_up` if it does not answer."""
    values = _measure(configuration.clerk_control_socket)
    return {"outgate_clerk_up": 0.0} if values is None else {"outgate_clerk_up": 1.0, **values}


def _measure(path: Path) -> dict[str, float] | None:
    try:
        answer = ask(path, Statistics(), ASK_SECONDS)
    except NobodyAnswers:
        return None
    return answer.values if isinstance(answer, Measured) else None
