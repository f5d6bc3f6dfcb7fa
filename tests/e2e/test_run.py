"""`make run` as a newcomer meets it: it starts, says what to do, a message goes through, Ctrl-C ends it."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

READ_SECONDS = 60


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "outgate.app.cli", "up", "--demo", "--state", str(tmp_path / "var")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
    )
    with process:
        yield process
        if process.poll() is None:
            process.kill()


def read_until(process: subprocess.Popen[str], wanted: str) -> str:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if re.search(wanted, line):
            return "".join(seen)
    raise AssertionError("".join(seen))


def test_a_first_message_goes_through_and_ctrl_c_ends_it(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    welcome = read_until(demo, "Ctrl-C ends it")
    commands = [line.strip() for line in welcome.splitlines() if line.strip().endswith("@receiver.example")]
    outgate = [sys.executable, "-m", "outgate.app.cli"]
    first = subprocess.run(
        [*outgate, *shlex.split(commands[0])[1:]], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert first.returncode == 0, first.stdout + first.stderr
    assert "< 250 2.0.0 queued as" in first.stdout
    assert "Arrived at the sample receiver" in read_until(demo, r"\*\*\* Arrived")
    assert "A first message through Outgate" in read_until(demo, "Subject:")
    stranger = subprocess.run(
        [*outgate, *shlex.split(commands[1])[1:]], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert stranger.returncode == 1
    assert "550 5.7.1 sender-not-registered" in stranger.stdout
    listed = next(line.strip() for line in welcome.splitlines() if line.strip().endswith("queue list"))
    queue = subprocess.run(
        [*outgate, *shlex.split(listed)[1:]], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert "The queue is empty." in queue.stdout
    os.kill(demo.pid, signal.SIGINT)
    assert demo.wait(READ_SECONDS) == 0
