"""The portal as a process: it answers, survives, and ends with the supervisor; the relay does not need it."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.installation import Installation, free_port, short_directory

SECONDS = 60.0


def status(url: str) -> int:
    """0 is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)  # polling another process, which offers nothing to wait on


def portal_state(installation: Installation) -> str:
    return str(json.loads(installation.fetch("/healthz"))["portal"])


def processes(installation: Installation) -> set[int]:
    """The portal's two: the one that the supervisor started, and the one that loads Django."""
    assert installation.process is not None
    own = {pid for pid in children(installation.process.pid) if b"portal_process" in command(pid)}
    return own | {child for pid in own for child in children(pid)}


def children(pid: int) -> set[int]:
    try:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except OSError:
        return set()


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def living(pids: set[int]) -> set[int]:
    return {pid for pid in pids if command(pid)}


@pytest.fixture
def site() -> Iterator[tuple[Installation, str]]:
    with short_directory() as directory:
        port = free_port()
        installation = Installation(directory, settings={"portal": {"address": "127.0.0.1", "port": port}})
        installation.start()
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: status(f"{url}/alive") == 200)
            yield installation, url
        finally:
            installation.stop()


def test_portal_is_kept_alive_and_ends_with_the_supervisor(site: tuple[Installation, str]) -> None:
    installation, url = site
    assert portal_state(installation) == "good"
    assert status(f"{url}/account/login/") == 200
    assert status(f"{url}/r/sender-not-registered") == 200
    before = processes(installation)
    assert len(before) >= 2
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not living(before))
    assert json.loads(installation.fetch("/healthz"))["status"] == "good"  # the relay goes on
    wait_until(lambda: status(f"{url}/alive") == 200)

    anew = processes(installation)
    installation.stop()
    assert not living(anew)


def test_nothing_of_the_portal_stays_when_the_supervisor_is_killed(site: tuple[Installation, str]) -> None:
    installation, _ = site
    assert installation.process is not None
    pids = processes(installation)
    assert len(pids) >= 2
    os.kill(installation.process.pid, signal.SIGKILL)
    installation.process.wait()

    wait_until(lambda: not living(pids))


def test_static_files_have_hashed_names_and_are_kept_for_ever(site: tuple[Installation, str]) -> None:
    _, url = site
    with urllib.request.urlopen(f"{url}/account/login/") as response:
        page = response.read().decode()
    path = page.partition('<link rel="stylesheet" href="')[2].partition('"')[0]
    request = urllib.request.Request(url + path, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as response:
        assert "immutable" in response.headers["Cache-Control"]
        assert response.headers["Content-Encoding"] == "gzip"
