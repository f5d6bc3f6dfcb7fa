import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.app.log import LogFile, rounded
from outgate.app.log_rotation import Rotation


def test_each_line_is_one_json_object(tmp_path: Path) -> None:
    path = tmp_path / "log" / "outgate.log"
    log = LogFile(path, "worker-1", now=lambda: 1.5)
    log.write("refused", reverse_path="a\nb", forward_paths=("c", "d"))
    log.write("started")
    log.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {
        "at": 1.5, "process": "worker-1", "event": "refused", "reverse_path": "a\nb", "forward_paths": ["c", "d"],
    }  # fmt: skip
    assert lines[1]["event"] == "started"


def test_a_file_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "outgate.log"
    log = LogFile(path, "worker-1")
    log.write("one")
    log.close()
    path.rename(tmp_path / "old")
    log = LogFile(path, "worker-1")
    descriptor = log._flush(-1)
    log.write("two")
    descriptor = log._flush(descriptor)
    path.rename(tmp_path / "older")
    log.write("three")
    log._flush(descriptor)
    log.close()
    assert "three" in path.read_text()
    assert "two" in (tmp_path / "older").read_text()


def test_what_cannot_be_written_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "outgate.log"
    log = LogFile(path, "worker-1")
    path.mkdir()
    log.write("lost")
    log.close()
    assert log.dropped == 1


def test_a_file_that_cannot_be_opened_anew_costs_nobody_else_a_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "log" / "outgate.log"
    log = LogFile(path, "worker-1")
    log.close()
    log.write("one")
    descriptor = log._flush(-1)
    path.unlink()
    path.mkdir()
    log.write("lost")
    assert log._flush(descriptor) == descriptor
    os.fstat(descriptor)  # still ours: nothing else can have got its number
    path.rmdir()
    log.write("three")
    os.close(log._flush(descriptor))
    assert log.dropped == 1
    assert "three" in path.read_text()


def test_without_a_path_lines_go_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    log = LogFile(None, "worker-1", now=lambda: 1.5, rotation=Rotation(octets=1, kept=1))
    log.write("started")
    log.close()
    assert json.loads(capfd.readouterr().out) == {"at": 1.5, "process": "worker-1", "event": "started"}


def test_nothing_is_made_before_the_first_line(tmp_path: Path) -> None:
    """The supervisor opens its log as root, and writes the first line as somebody else."""
    log = LogFile(tmp_path / "log" / "outgate.log", "supervisor")
    assert not (tmp_path / "log").exists()
    log.write("started")
    log.close()
    assert (tmp_path / "log" / "outgate.log").exists()


@given(st.floats(0, 4e9), st.sampled_from([1_000, 10_000]))
def test_times_are_rounded_to_what_a_line_shows(seconds: float, steps: int) -> None:
    assert abs(rounded(seconds, steps) - seconds) <= 0.5 / steps + 1e-6
    assert rounded(seconds, steps) == round(rounded(seconds, steps), 4)
