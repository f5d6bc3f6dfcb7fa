"""The supervisor: opens the ports, gives up its privileges, starts worker and clerk processes and keeps them alive.

It touches no mail. A child that dies is started again, with a growing pause; when the supervisor ends, however that
comes, its children end too (see `child`).
"""

import asyncio
import contextlib
import errno
import grp
import os
import pwd
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from outgate.app.child import Orders, write_orders
from outgate.app.configuration import Configuration, ConfigurationError, Listener
from outgate.app.log import Log
from outgate.contract.wire import Statistics
from outgate.net.control import NobodyAnswers, ask

DRAIN_SECONDS: Final = 30.0  # for a worker to end what is under way; then it is killed, and its spool has the rest
CLERK_SECONDS: Final = 10.0
RESTART_FIRST_SECONDS: Final = 0.1
RESTART_MAX_SECONDS: Final = 2.0
STEADY_SECONDS: Final = 5.0  # a child that lived so long is started again at once
READY_SECONDS: Final = 30.0
PORT_SECONDS: Final = 3.0  # that a port in use is asked for again
PORT_PAUSE_SECONDS: Final = 0.1


@dataclass(slots=True)
class Child:
    """One process that is kept alive."""

    name: str
    module: str
    orders: Orders
    sockets: tuple[socket.socket, ...] = ()
    process: Process | None = None
    restarts: int = 0
    arguments: tuple[str, ...] = ()


@dataclass(slots=True)
class Supervisor:
    """Everything that one installation runs on this machine."""

    configuration: Configuration
    log: Log
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    listening: list[tuple[socket.socket, ...]] = field(default_factory=list)  # for each worker, one for each listener
    children: list[Child] = field(default_factory=list)

    def open(self) -> None:
        """Open the ports and drop privileges.

        Raises: ConfigurationError, naming the setting that asks for what cannot be had.
        """
        configuration = self.configuration
        for number in range(1, configuration.workers + 1):
            self.listening.append(tuple(self._listen(index, number) for index in range(len(configuration.listeners))))
        if configuration.user and os.geteuid() == 0:
            drop_privileges(configuration)
        for directory in ("run", "workers", "log", "tls"):
            path = configuration.state_directory / directory
            try:
                path.mkdir(parents=True, exist_ok=True, mode=0o750)
            except OSError as error:
                raise ConfigurationError(
                    f"state: {path} cannot be made: {error.strerror}; name a directory that this account may write"
                ) from error

    def addresses(self) -> list[tuple[str, int]]:
        """Where the listeners really listen."""
        return [listening.getsockname()[:2] for listening in self.listening[0]]

    async def run(self, started: Callable[[], None] | None = None, extra: Sequence[Child] = ()) -> None:
        """Run until `stopping` is set; then end all children: workers, clerk, and `extra` ones last.

        started: called once in a thread, when all workers answer.
        """
        configuration = self.configuration
        clerk = Child("clerk", "outgate.app.clerk", Orders(configuration))
        workers = [
            Child(
                f"worker-{number}",
                "outgate.app.worker",
                Orders(configuration, number, tuple(listening.fileno() for listening in sockets)),
                sockets,
            )
            for number, sockets in enumerate(self.listening, 1)
        ]
        self.children = [*extra, clerk, *workers]
        keepers = {child.name: asyncio.create_task(self._keep(child)) for child in self.children}
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        if started is not None:
            keepers["ready"] = asyncio.create_task(self._tell_when_ready(started))
        await self.stopping.wait()
        await asyncio.gather(*(self._end(worker, DRAIN_SECONDS) for worker in workers))
        await self._end(clerk, CLERK_SECONDS)
        await asyncio.gather(*(self._end(child, CLERK_SECONDS) for child in extra))
        for keeper in keepers.values():
            keeper.cancel()
        await asyncio.gather(*keepers.values(), return_exceptions=True)

    def is_ready(self) -> bool:
        """Do all workers answer? Blocking, for some milliseconds."""
        try:
            for number in range(1, self.configuration.workers + 1):
                ask(self.configuration.control_socket(number), Statistics(), 2.0)
        except NobodyAnswers:
            return False
        return True

    async def _tell_when_ready(self, started: Callable[[], None]) -> None:
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end and not self.stopping.is_set():
            if await asyncio.to_thread(self.is_ready):
                await asyncio.to_thread(started)
                return
            await asyncio.sleep(0.05)

    async def _keep(self, child: Child) -> None:
        pause = RESTART_FIRST_SECONDS
        while not self.stopping.is_set():
            began = time.monotonic()
            child.process = await self._spawn(child)
            code = await child.process.wait()
            if self.stopping.is_set():
                return
            lived = time.monotonic() - began
            pause = RESTART_FIRST_SECONDS if lived > STEADY_SECONDS else min(pause * 2, RESTART_MAX_SECONDS)
            child.restarts += 1
            self.log.write("process-ended", name=child.name, code=code, lived_seconds=round(lived, 3), pause=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), pause)

    async def _spawn(self, child: Child) -> Process:
        # A session of its own: Ctrl-C at the terminal is for the supervisor alone, which ends its children in order.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            child.module,
            *child.arguments,
            stdin=PIPE,
            pass_fds=[listening.fileno() for listening in child.sockets],
            start_new_session=True,
        )
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(write_orders(child.orders))
            await process.stdin.drain()
        self.log.write("process-started", name=child.name, pid=process.pid)
        return process

    async def _end(self, child: Child, seconds: float) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            self.log.write("process-killed", name=child.name, after_seconds=seconds)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _reload(self) -> None:
        for child in self.children:
            if child.sockets and child.process is not None and child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGHUP)

    def _listen(self, index: int, number: int) -> socket.socket:
        listener = self.configuration.listeners[index]
        port = listener.port or (self.listening[0][index].getsockname()[1] if self.listening else 0)
        try:
            return _open_patiently(listener, port, shared=self.configuration.workers > 1)
        except OSError as error:
            remedy = {
                "Permission denied": "start as root with `user` set, or choose a port above 1023",
                "Address already in use": "another mail server runs there: stop it, or choose another port",
                "Cannot assign requested address": "this machine does not have that address",
            }.get(error.strerror or "", "")
            raise ConfigurationError(
                f"listeners[{index}]: cannot listen on {listener.address} port {port} for worker {number}: "
                f"{error.strerror}{'; ' if remedy else ''}{remedy}"
            ) from error


def _open_patiently(listener: Listener, port: int, *, shared: bool) -> socket.socket:
    """As `open_listener`; but the workers of a supervisor that was killed need a moment to let go of the port.

    Raises: OSError.
    """
    end = time.monotonic() + PORT_SECONDS
    while True:
        try:
            return open_listener(listener, port, shared=shared)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                raise
        time.sleep(PORT_PAUSE_SECONDS)


def open_listener(listener: Listener, port: int, *, shared: bool) -> socket.socket:
    """A bound, not yet listening socket. shared: several workers each have one for the same port (SO_REUSEPORT).

    Raises: OSError.
    """
    is_v6 = ":" in listener.address
    listening = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if is_v6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((listener.address, port))
        listening.listen(1024)
    except OSError:
        listening.close()
        raise
    return listening


def drop_privileges(configuration: Configuration) -> None:
    """Become `configuration.user`, after giving it the state directory. Raises: ConfigurationError."""
    try:
        account = pwd.getpwnam(configuration.user)
    except KeyError as error:
        raise ConfigurationError(
            f"user: there is no account {configuration.user!r}; make it with `adduser --system --group "
            f"{configuration.user}`"
        ) from error
    state = configuration.state_directory
    state.mkdir(parents=True, exist_ok=True, mode=0o750)
    if state.stat().st_uid != account.pw_uid:
        os.chown(state, account.pw_uid, account.pw_gid)
    os.setgroups([group.gr_gid for group in grp.getgrall() if configuration.user in group.gr_mem])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    for needed in (Path(sys.executable).resolve(), Path(os.__file__), Path(__file__)):
        if not os.access(needed, os.R_OK):
            raise ConfigurationError(
                f"user: {configuration.user} may not read {needed}; install Python and Outgate where that account can"
            )
