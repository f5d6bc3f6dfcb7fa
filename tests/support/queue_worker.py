"""A worker that answers on its control socket and has nothing but a queue, some of it sealed."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outgate.contract.commands import CommandResult, QueueAction, QueueCommand
from outgate.contract.wire import (
    Answer,
    CommandAnswer,
    Failed,
    Question,
    QueuedMessage,
    QueueListed,
    QueueSelect,
    QueueSelected,
    QueueShow,
)
from outgate.net.control import ControlServer


class QueueWorker:
    """content_keys: by queue id, what opens the sealed ones. commands: what it was told."""

    def __init__(self) -> None:
        self.messages: dict[str, QueuedMessage] = {}
        self.content_keys: dict[str, bytes] = {}
        self.commands: list[QueueCommand] = []

    def put(self, name: str, customer: str, sealed_key: bytes = b"", content_key: bytes = b"") -> None:
        self.messages[name] = QueuedMessage(
            queue_id=name,
            state="held",
            customer_id=customer,
            source="9.9.9.9",
            reverse_path="a@alpha.example",
            size_octets=1,
            received_at=1_795_000_000.0,
            next_attempt_at=0.0,
            expires_at=1_795_000_000.0,
            attempts=0,
            recipients=(),
            sealed_key=sealed_key,
        )
        if content_key:
            self.content_keys[name] = content_key

    async def answer(self, question: Question) -> Answer:
        match question:
            case QueueShow(queue_id):
                found = tuple(each for each in self.messages.values() if each.queue_id == queue_id)
                return QueueListed(found, len(found))
            case QueueSelect():
                return QueueSelected(tuple(self.messages))
            case QueueCommand():
                return CommandAnswer(self._carry_out(question))
        return Failed("not of this worker")

    def _carry_out(self, command: QueueCommand) -> CommandResult:
        self.commands.append(command)
        here = [name for name in command.queue_ids if name in self.messages]
        sealed = [
            name
            for name in here
            if command.action is QueueAction.RELEASE
            and self.messages[name].sealed_key
            and command.keys.get(name) != self.content_keys.get(name, b"none opens it")
        ]
        done = tuple(name for name in here if name not in sealed)
        return CommandResult(done, tuple(name for name in command.queue_ids if name not in here), tuple(sealed))


@contextmanager
def queue_worker(socket: Path) -> Iterator[QueueWorker]:
    """Answers from a thread of its own."""
    worker = QueueWorker()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ControlServer(socket, worker.answer)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(20)
        yield worker
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
