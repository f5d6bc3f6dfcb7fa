"""The supervisor: opens the ports, starts worker and clerk processes and keeps them alive.

It touches no mail. A child that dies is started again, with a growing pause; when the supervisor ends, however that
comes, its children end too (see `child`).
"""

import asyncio
import contextlib
import errno
import itertools
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from outgate.app.child import Orders, write_orders
from outgate.app.configuration import Configuration, ConfigurationError, Listener
from outgate.app.log import Log
from outgate.app.measuring import measure_workers

FLUSH_SECONDS: Final = 10.0  # for a worker, beyond `drain_seconds`, to close its spool; killed then, it loses nothing
CLERK_SECONDS: Final = 10.0  # for the clerk to record the last events; what is left is the next clerk's
HURRY_SECONDS: Final = 2.0  # the same when somebody does not want to wait
RESTART_FIRST_SECONDS: Final = 0.1  # before a child is started again; twice as long after each quick end,
RESTART_MAX_SECONDS: Final = 2.0  # up to this
STEADY_SECONDS: Final = 5.0  # a child that lived so long is started again at once
READY_SECONDS: Final = 30.0  # for all workers to answer; then it is told which do not
READY_PAUSE_SECONDS: Final = 0.05  # between two looks
PORT_SECONDS: Final = 3.0  # that a port in use is asked for again
PORT_PAUSE_SECONDS: Final = 0.1  # between two tries


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
    is_hurried: bool = False
    listening: list[tuple[socket.socket, ...]] = field(default_factory=list)  # for each worker, one for each listener
    children: list[Child] = field(default_factory=list)

    def open_ports(self) -> None:
        """The one thing that may need root.

        Raises: ConfigurationError, naming the setting that asks for what cannot be had.
        """
        configuration = self.configuration
        for number in range(1, configuration.workers + 1):
            self.listening.append(tuple(self._listen(index, number) for index in range(len(configuration.listeners))))

    def addresses(self) -> list[tuple[str, int]]:
        """Where the listeners really listen."""
        return [listening.getsockname()[:2] for listening in self.listening[0]]

    async def run(self, started: Callable[[Sequence[int]], None], extra: Sequence[Child] = ()) -> None:
        """Run until `stop`; then end all children: workers, clerk, and `extra` ones last.

        started: called once in a thread, when all workers answer, or after `READY_SECONDS` with those who do not: a
        part of the service is better than none.
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
        self.children = [*extra, clerk, *self._portal(), *workers]
        keepers = {child.name: asyncio.create_task(self._keep(child)) for child in self.children}
        keepers["ready"] = asyncio.create_task(self._tell_when_ready(started))
        await self.stopping.wait()
        # As long as anybody holds them the ports take connections; ours would have nobody to answer.
        for listening in itertools.chain.from_iterable(self.listening):
            listening.close()
        await asyncio.gather(*(self._end(worker, configuration.drain_seconds + FLUSH_SECONDS) for worker in workers))
        await self._end(clerk, CLERK_SECONDS)
        others = [child for child in self.children if child is not clerk and child not in workers]
        await asyncio.gather(*(self._end(child, CLERK_SECONDS) for child in others))
        await asyncio.wait(keepers.values(), timeout=CLERK_SECONDS)  # one may have started a child at the last moment
        for keeper in keepers.values():
            keeper.cancel()
        await asyncio.gather(*keepers.values(), return_exceptions=True)

    def _portal(self) -> list[Child]:
        if not self.configuration.portal.address:
            return []
        return [Child("portal", "outgate.app.portal_process", Orders(self.configuration))]

    def stop(self) -> None:
        """End in good order; called again: at once. On the loop's thread."""
        if self.stopping.is_set():
            self.is_hurried = True
            for child in self.children:
                _signal(child, signal.SIGINT)
        self.stopping.set()

    def reload(self) -> None:
        """Let the workers read their certificates again. On the loop's thread."""
        for child in self.children:
            if child.sockets:
                _signal(child, signal.SIGHUP)

    def silent_workers(self) -> list[int]:
        """The numbers of those who do not answer. Blocking, for some milliseconds if all do."""
        return [number for number, values in measure_workers(self.configuration) if values is None]

    async def _tell_when_ready(self, started: Callable[[Sequence[int]], None]) -> None:
        end = time.monotonic() + READY_SECONDS
        while not self.stopping.is_set():
            silent = await asyncio.to_thread(self.silent_workers)
            if not silent or time.monotonic() > end:
                await asyncio.to_thread(started, silent)
                return
            await asyncio.sleep(READY_PAUSE_SECONDS)

    async def _keep(self, child: Child) -> None:
        pause = RESTART_FIRST_SECONDS
        while not self.stopping.is_set():
            began = time.monotonic()
            child.process = await self._spawn(child)
            if self.stopping.is_set():
                _signal(child, signal.SIGTERM)
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
        _signal(child, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), HURRY_SECONDS if self.is_hurried else seconds)
        except TimeoutError:
            self.log.write("process-killed", name=child.name, after_seconds=seconds)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

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


def _signal(child: Child, number: int) -> None:
    """Does nothing if the child is not there."""
    if child.process is not None and child.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.process.send_signal(number)


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
