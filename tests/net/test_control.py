import asyncio
from pathlib import Path

import pytest

from outgate.contract.wire import Answer, Failed, Measured, Question, Statistics
from outgate.net.control import ControlServer, NobodyAnswers, ask


def converse(path: Path, answer: Answer | Exception) -> Answer:
    async def respond(question: Question) -> Answer:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run() -> Answer:
        server = ControlServer(path, respond)
        await server.start()
        try:
            assert path.stat().st_mode & 0o077 == 0
            return await asyncio.to_thread(ask, path, Statistics())
        finally:
            await server.stop()

    return asyncio.run(run())


def test_a_question_gets_its_answer(tmp_path: Path) -> None:
    assert converse(tmp_path / "control", Measured({"a": 1.0})) == Measured({"a": 1.0})


def test_a_fault_in_an_answer_is_told_and_ends_nothing(tmp_path: Path) -> None:
    assert converse(tmp_path / "control", ValueError("oops")) == Failed("ValueError: oops")


def test_a_socket_that_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control"
    converse(path, Measured({}))
    path.touch()
    assert converse(path, Measured({})) == Measured({})


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NobodyAnswers, match="no answer on control"):
        ask(tmp_path / "control", Statistics())
