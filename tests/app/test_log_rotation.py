import json
import os
import subprocess
import sys
from pathlib import Path

from outgate.app.log import LogFile
from outgate.app.log_rotation import Rotation

PROCESSES = 3
LINES = 1_000
WRITER = """
import sys
from itertools import islice
from pathlib import Path
from outgate.app.log import LogFile
from outgate.app.log_rotation import Rotation

numbers = iter(range(int(sys.argv[3])))
while batch := list(islice(numbers, 10)):
    log = LogFile(Path(sys.argv[1]), sys.argv[2], rotation=Rotation(octets=2_000, kept=500))
    for number in batch:
        log.write("line", number=number)
    log.close()
    assert log.dropped == 0
"""


def files(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def write(path: Path, text: bytes, rotation: Rotation) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, text)
    rotation.look_after(path, descriptor)
    os.close(descriptor)


def test_the_oldest_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "outgate.log"
    for number in range(5):
        write(path, b"%d" % number * 10, Rotation(octets=10, kept=2))
    assert files(path) == ["outgate.log.1", "outgate.log.2"]
    assert (tmp_path / "outgate.log.1").read_bytes() == b"4" * 10
    assert (tmp_path / "outgate.log.2").read_bytes() == b"3" * 10


def test_a_file_that_has_not_grown_stays(tmp_path: Path) -> None:
    path = tmp_path / "outgate.log"
    write(path, b"123456789", Rotation(octets=10, kept=2))
    assert files(path) == ["outgate.log"]


def test_fewer_to_be_kept_than_before(tmp_path: Path) -> None:
    path = tmp_path / "outgate.log"
    for _ in range(5):
        write(path, b"1234567890", Rotation(octets=10, kept=5))
    write(path, b"1234567890", Rotation(octets=10, kept=1))
    assert files(path) == ["outgate.log.1"]


def test_a_file_that_another_has_put_aside_is_not_put_aside_again(tmp_path: Path) -> None:
    path = tmp_path / "outgate.log"
    slow = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    write(path, b"1234567890", Rotation(octets=10, kept=2))
    write(path, b"new", Rotation(octets=10, kept=2))
    Rotation(octets=10, kept=2).look_after(path, slow)
    os.close(slow)
    assert files(path) == ["outgate.log", "outgate.log.1"]


def test_a_directory_that_cannot_be_written_stops_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "log" / "outgate.log"
    log = LogFile(path, "worker-1", rotation=Rotation(octets=1, kept=1))
    (tmp_path / "log" / "outgate.log.1").mkdir(parents=True)  # what cannot be replaced
    (tmp_path / "log" / "outgate.log.1" / "file").touch()
    descriptor = -1
    for _ in range(2):
        log.write("line")
        descriptor = log._flush(descriptor)
    log.close()
    assert len(path.read_text().splitlines()) == 2
    assert log.dropped == 0


def test_several_processes_lose_no_line_and_tear_none(tmp_path: Path) -> None:
    path = tmp_path / "outgate.log"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(process), str(LINES)])
        for process in range(PROCESSES)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * PROCESSES
    lines = [json.loads(line) for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    assert len(files(path)) > 1
    assert sorted((line["process"], line["number"]) for line in lines) == [
        (str(process), number) for process in range(PROCESSES) for number in range(LINES)
    ]
