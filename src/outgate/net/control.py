"""A process's control socket: questions in, one answer each. For the command line and the supervisor on this machine.

Who may open the socket may ask anything: its directory and mode are the only guard.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from outgate.contract.wire import Answer, Failed, FrameReader, Question, WireError, frame

READ_OCTETS: Final = 64 * 1024  # of a question, read at a time
ANSWER_SECONDS: Final = 10.0  # for an answer; then nobody is there


class ControlServer:
    """Answers on a Unix socket. `answer` runs on the loop and must not block."""

    def __init__(self, path: Path, answer: Callable[[Question], Awaitable[Answer]]) -> None:
        self._path = path
        self._answer = answer
        self._server: asyncio.AbstractServer | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)  # what a killed predecessor left; the spool's lock says that it is gone
        old_mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._converse, str(self._path))
        finally:
            os.umask(old_mask)

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._writers):
            writer.close()
        self._path.unlink(missing_ok=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames: FrameReader[Question] = FrameReader(Question)
        self._writers.add(writer)
        with contextlib.suppress(OSError, WireError):
            while octets := await reader.read(READ_OCTETS):
                for question in frames.receive(octets):
                    try:
                        answer = await self._answer(question)
                    except Exception as error:  # a bug in one answer must not end the worker
                        answer = Failed(f"{type(error).__name__}: {error}")
                    writer.write(frame(answer))
                await writer.drain()
        self._writers.discard(writer)
        writer.close()


class NobodyAnswers(Exception):
    """The process is not running, or does not answer in `ANSWER_SECONDS`."""


def ask(path: Path, question: Question, seconds: float = ANSWER_SECONDS) -> Answer:
    """Put one question to the process behind `path`. Blocking.

    Raises: NobodyAnswers.
    """
    frames: FrameReader[Answer] = FrameReader(Answer)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(str(path))
            connection.sendall(frame(question))
            while octets := connection.recv(READ_OCTETS):
                for answer in frames.receive(octets):
                    return answer
    except (OSError, WireError) as error:
        raise NobodyAnswers(f"no answer on {path.name}: {error}") from error
    raise NobodyAnswers(f"no answer on {path.name}")
