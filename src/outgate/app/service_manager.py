"""What the service manager is told: ready, alive, stopping. The protocol of sd_notify(3), a datagram of plain lines.

Without a manager that listens nothing is sent; one that has gone away is no reason to stop.
"""

import contextlib
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final, Self

ADDRESS_VARIABLE: Final = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE: Final = "WATCHDOG_USEC"
WATCHDOG_PROCESS_VARIABLE: Final = "WATCHDOG_PID"

READY: Final = "READY=1"
ALIVE: Final = "WATCHDOG=1"
STOPPING: Final = "STOPPING=1"


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """address: of its datagram socket, empty: there is none. watchdog_seconds: it wants a sign of life so often, 0: it
    wants none."""

    address: str = ""
    watchdog_seconds: float = 0.0

    @classmethod
    def take_from(cls, environment: MutableMapping[str, str], process_id: int) -> Self:
        """Also removes the variables: children have nothing to say to the manager. sd_watchdog_enabled(3)"""
        address = environment.pop(ADDRESS_VARIABLE, "")
        limit = environment.pop(WATCHDOG_VARIABLE, "")
        is_for_us = environment.pop(WATCHDOG_PROCESS_VARIABLE, str(process_id)) == str(process_id)
        microseconds = int(limit) if limit.isdecimal() and is_for_us else 0
        return cls(address, microseconds / 2_000_000)  # twice within its time, as the manual asks

    def tell(self, *lines: str) -> None:
        """Never blocks, never raises."""
        if not self.address:
            return
        address = os.fsencode(self.address)
        if address.startswith(b"@"):
            address = b"\0" + address[1:]  # abstract, unix(7)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.sendto("\n".join(lines).encode(), address)
