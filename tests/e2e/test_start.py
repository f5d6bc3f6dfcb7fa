"""What an operator meets who starts Outgate: systemd's questions answered, and mistakes told in one line."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.installation import Installation, free_port, short_directory


def failing_start(installation: Installation) -> str:
    """The one line that `outgate up` says before it gives up."""
    done = subprocess.run(
        [sys.executable, "-m", "outgate.app.cli", "--config", str(installation.settings_path), "up"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def stopped(installation: Installation) -> Installation:
    installation.directory.mkdir()
    installation.write_settings()
    return installation


def test_a_settings_file_that_is_not_there(stopped: Installation) -> None:
    stopped.settings_path.unlink()
    assert failing_start(stopped) == (
        f"outgate: {stopped.settings_path}: cannot be read: No such file or directory; "
        "--config or OUTGATE_CONFIG names another file"
    )


def test_a_port_in_use(stopped: Installation) -> None:
    with socket.create_server(("127.0.0.1", stopped.smtp_port)):
        assert failing_start(stopped) == (
            f"outgate: listeners[0]: cannot listen on 127.0.0.1 port {stopped.smtp_port} for worker 1: "
            "Address already in use; another mail server runs there: stop it, or choose another port"
        )
    assert not stopped.state.exists()  # a start that fails leaves nothing that root has made


def test_a_health_port_in_use(stopped: Installation) -> None:
    with socket.create_server(("127.0.0.1", stopped.health_port)):
        assert failing_start(stopped) == (
            f"outgate: health: cannot listen on 127.0.0.1 port {stopped.health_port}: "
            "Address already in use; choose another port"
        )


def test_a_state_that_cannot_be_made(stopped: Installation) -> None:
    stopped.settings = {"state": "/proc/outgate"}
    stopped.write_settings()
    line = failing_start(stopped)
    assert line.startswith("outgate: state: /proc/outgate/run cannot be made by account ")
    assert line.endswith("; name a directory that this account may write")


def test_a_key_that_is_none(stopped: Installation, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("nonsense")
    stopped.settings = {"tls": {"certificate": str(path), "key": str(path)}}
    stopped.write_settings()
    line = failing_start(stopped)
    assert line.startswith(f"outgate: tls: {path} and {path} cannot be used for TLS: ")
    checked = stopped.command("check-configuration", check=False)
    assert checked == line + "\n"


def test_the_service_manager_hears_when_it_is_ready_alive_and_stopping(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a second supervisor on the same state is told of the first."""
    with short_directory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(directory / "notify"))
        manager.settimeout(30)
        with monkeypatch.context() as environment:
            environment.setenv("NOTIFY_SOCKET", str(directory / "notify"))
            environment.setenv("WATCHDOG_USEC", "2000000")
            installation.start()
        heard = [manager.recv(1000)]
        while not heard[-1].startswith(b"READY=1"):
            assert heard[-1] == b"WATCHDOG=1"
            heard.append(manager.recv(1000))
        assert heard[-1] == b"READY=1\nSTATUS=1 of 1 workers"
        assert manager.recv(1000) == b"WATCHDOG=1"
        second = Installation(installation.directory, smtp_port=free_port(), health_port=free_port())
        second.write_settings()
        assert installation.process is not None
        assert failing_start(second) == (
            f"outgate: state: {installation.state} is in use by outgate up, process {installation.process.pid}; "
            "stop that one first, or name another directory"
        )
        assert installation.stop() == 0
        manager.setblocking(False)
        while (last := manager.recv(1000)) == b"WATCHDOG=1":
            pass
        assert last == b"STOPPING=1"
