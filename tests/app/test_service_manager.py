import socket
from pathlib import Path

import pytest
from tests.support.installation import short_directory

from outgate.app.service_manager import ALIVE, READY, ServiceManager


def test_the_variables_are_taken_and_not_handed_on() -> None:
    environment = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7", "PATH": "/bin"}
    assert ServiceManager.take_from(environment, 7) == ServiceManager("/run/notify", 30.0)
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "5000", "WATCHDOG_PID": "8"}])
def test_a_watchdog_that_is_not_ours_is_not_fed(more: dict[str, str]) -> None:
    assert ServiceManager.take_from(dict(more), 7) == ServiceManager("", 0.0)


@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_manager_gets_a_datagram_of_lines(is_abstract: bool) -> None:
    with short_directory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = str(directory / "notify")
        manager.bind("\0" + path if is_abstract else path)
        manager.settimeout(10)
        ServiceManager("@" + path if is_abstract else path).tell(READY, "STATUS=1 of 1 workers")
        assert manager.recv(1000) == b"READY=1\nSTATUS=1 of 1 workers"


def test_a_manager_that_is_gone_or_deaf_stops_nothing(tmp_path: Path) -> None:
    ServiceManager().tell(READY)
    ServiceManager(str(tmp_path / "absent")).tell(READY)
    with short_directory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(directory / "notify"))
        for _ in range(2000):  # more than its queue takes
            ServiceManager(str(directory / "notify")).tell(ALIVE)
