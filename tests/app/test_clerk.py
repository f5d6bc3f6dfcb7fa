"""The clerk as a process."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.clerk import worker_of, write_events

from outgate.app.child import Orders, write_orders
from outgate.app.configuration import Configuration, Providers, complete
from outgate.contract.wire import Current, Failed, Measured, QueueList, Statistics
from outgate.net.control import NobodyAnswers, ask

SECONDS = 30


@contextmanager
def clerk(state: Path) -> Iterator[tuple[Configuration, subprocess.Popen[bytes]]]:
    configuration = complete(
        Configuration(
            state=str(state),
            node="mx1",
            log=str(state / "log"),
            host_name="mx1.example",
            providers=Providers(refresh=False),
        )
    )
    with subprocess.Popen([sys.executable, "-m", "outgate.app.clerk"], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(write_orders(Orders(configuration)))
        process.stdin.flush()
        try:
            yield configuration, process
        finally:
            process.kill()


async def follow(configuration: Configuration) -> None:
    """Until the clerk has looked into its new database."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                async with worker_of(configuration.clerk_socket) as worker:
                    await worker.hear_a(Current)
                    return
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(0.05)  # another process's start gives no sign


def log_lines(state: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (state / "log").read_text().splitlines()]


def test_clerk_makes_its_database_serves_workers_and_ends_when_told_to(tmp_path: Path) -> None:
    with clerk(tmp_path) as (configuration, process):
        asyncio.run(follow(configuration))
        answer = ask(configuration.clerk_control_socket, Statistics())
        assert isinstance(answer, Measured)
        assert answer.values["outgate_clerk_database_up"] == 1.0
        assert isinstance(ask(configuration.clerk_control_socket, QueueList()), Failed)
        write_events(tmp_path / "workers" / "1" / "spool" / "events", b"\xc1")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0

    assert log_lines(tmp_path)[-1] == "clerk-stopped"
    assert not configuration.clerk_socket.exists()
    with pytest.raises(NobodyAnswers):
        ask(configuration.clerk_control_socket, Statistics())


def test_clerk_ends_with_its_supervisor(tmp_path: Path) -> None:
    with clerk(tmp_path) as (configuration, process):
        asyncio.run(follow(configuration))
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(SECONDS) == 0


def test_orders_that_are_none_are_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "outgate.app.clerk"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )

    assert done.returncode != 0
    assert "started by `outgate up`" in done.stderr
