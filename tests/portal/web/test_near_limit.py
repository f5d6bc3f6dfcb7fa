"""Workers are asked who is near a limit, and nobody waits for one that does not answer."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.installation import short_directory

from outgate.contract.wire import Failed, FrameReader, Question, SendersAsk, SendersListed, SenderUse, frame
from outgate.portal.web import near_limit as module
from outgate.portal.web.near_limit import PERCENT, SHOWN_MAX, near_limit


def use(subject: str, used: int, customer: str = "alpha", maximum: int = 50) -> SenderUse:
    return SenderUse(customer, "mailbox", subject, "recipients", 300, maximum, used)


@pytest.fixture
def run(settings: Any) -> Iterator[Path]:
    """Where the workers' sockets are."""
    with short_directory() as directory:
        settings.STATE_DIRECTORY = str(directory)
        place = directory / "run"
        place.mkdir()
        yield place


@contextmanager
def worker(path: Path, answer: SendersListed | Failed | None) -> Iterator[list[Question]]:
    """Answers one question; None is silence until the asker goes."""
    asked: list[Question] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            frames: FrameReader[Question] = FrameReader(Question)
            while not asked:
                asked.extend(frames.receive(connection.recv(65_536)))
            if answer is None:
                connection.recv(1)
            else:
                connection.sendall(frame(answer))

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join()


def test_of_one_limit_the_highest_fullest_first_and_the_customers_alone(run: Path) -> None:
    first = SendersListed((use("a@alpha.example", 30), use("b@alpha.example", 26)))
    second = SendersListed((use("b@alpha.example", 40), use("x@beta.example", 49, "beta")))
    with ExitStack() as stack:
        asked = stack.enter_context(worker(run / "worker-1.sock", first))
        stack.enter_context(worker(run / "worker-2.sock", second))
        found = near_limit("alpha")
    assert found == [use("b@alpha.example", 40), use("a@alpha.example", 30)]
    assert asked == [SendersAsk("alpha", PERCENT, SHOWN_MAX)]


def silent(run: Path, stack: ExitStack) -> None:
    stack.enter_context(worker(run / "worker-1.sock", None))


def failing(run: Path, stack: ExitStack) -> None:
    stack.enter_context(worker(run / "worker-1.sock", Failed("no")))


def gone(run: Path, stack: ExitStack) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(run / "worker-1.sock"))


def none(run: Path, stack: ExitStack) -> None:
    pass


@pytest.mark.parametrize("how", [silent, failing, gone, none])
def test_nobody_answers(how: Callable[[Path, ExitStack], None], run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    with ExitStack() as stack:
        how(run, stack)
        assert near_limit("alpha") is None


def test_no_customer_is_not_every_customer_and_few_ask_at_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert near_limit("") is None
    monkeypatch.setattr(module, "_room", threading.BoundedSemaphore(1))
    with module._room:
        assert near_limit("alpha") is None
