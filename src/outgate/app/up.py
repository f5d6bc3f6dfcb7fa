"""`outgate up`: the supervisor's process, from settings to the last child's end."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from outgate.app import demo
from outgate.app.account import become_account, give_state
from outgate.app.child import Orders
from outgate.app.configuration import Configuration, ConfigurationError
from outgate.app.health import HealthServer
from outgate.app.log import LogFile
from outgate.app.preflight import check, make_state
from outgate.app.service_manager import ALIVE, READY, STOPPING, ServiceManager
from outgate.app.state_lock import StateInUse, hold_state
from outgate.app.supervisor import Child, Supervisor


async def run(configuration: Configuration | None, demo_state: Path | None) -> int:
    """Run until SIGTERM or SIGINT; the exit code. Without `configuration` it is a demonstration under `demo_state`.

    Raises: ConfigurationError.
    """
    receiver_port = 0
    if configuration is None:
        assert demo_state is not None
        configuration, receiver_port = demo.demo_configuration(demo_state)
    log = LogFile(configuration.log_path, "supervisor", rotation=configuration.log_rotation)
    supervisor = Supervisor(configuration, log)
    manager = ServiceManager.take_from(os.environ, os.getpid())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, supervisor.reload)
    watchdog = asyncio.create_task(_feed_watchdog(manager))

    def stop() -> None:
        manager.tell(STOPPING)
        supervisor.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    health: HealthServer | None = None
    failed: list[ConfigurationError] = []
    is_settled = False

    def started(silent_workers: Sequence[int]) -> None:
        manager.tell(READY, f"STATUS={configuration.workers - len(silent_workers)} of {configuration.workers} workers")
        log.write("started", addresses=supervisor.addresses(), silent_workers=silent_workers)
        if silent_workers:
            numbers = ", ".join(map(str, silent_workers))
            where = configuration.log_path or "the log"
            print(f"outgate: no answer yet from worker {numbers}; {where} says why", file=sys.stderr, flush=True)
        if demo_state is None:
            listens = ", ".join(f"{address} port {port}" for address, port in supervisor.addresses())
            portal = f" The portal is at {configuration.portal_url}." if configuration.portal_url else ""
            print(f"Outgate is running. SMTP listens on {listens}.{portal}", flush=True)
            return
        try:
            demo.apply_customers(demo_state, receiver_port)
            people = demo.add_people(demo_state)
        except ConfigurationError as error:
            failed.append(error)
            loop.call_soon_threadsafe(supervisor.stop)
            return
        smtp_port = supervisor.addresses()[0][1]
        health_port = health.port if health else 0
        portal_url = configuration.portal_url
        print(demo.welcome(demo_state, smtp_port, receiver_port, health_port, portal_url, people), flush=True)

    try:
        supervisor.open_ports()
        settle(configuration)
        is_settled = True
        if configuration.health.address:
            health = HealthServer(supervisor)
            health.start()
        extra = [Child("receiver", "outgate.app.sample_receiver", Orders(configuration, receiver_port))]
        await supervisor.run(started, extra if demo_state is not None else [])
    finally:
        watchdog.cancel()
        if health is not None:
            health.stop()
        if is_settled:  # sooner, root would make a log that the account cannot write
            log.write("stopped")
        log.close()
    if failed:
        raise failed[0]
    if demo_state is not None:
        print("Outgate has ended; nothing was lost.", file=sys.stderr)
    return 0


def settle(configuration: Configuration) -> int:
    """Drop privileges, and take the state directory for this process: a descriptor that holds it until it is closed.

    Raises: ConfigurationError.
    """
    give_state(configuration)
    become_account(configuration)
    make_state(configuration)
    check(configuration)
    try:
        return hold_state(configuration, "outgate up")
    except StateInUse as error:
        raise ConfigurationError(f"state: {error}; stop that one first, or name another directory") from error
    except OSError as error:
        raise ConfigurationError(f"state: {configuration.state}: {error.strerror}") from error


async def _feed_watchdog(manager: ServiceManager) -> None:
    """While this loop turns. A worker that hangs is no reason to restart all: /healthz shows it."""
    while manager.watchdog_seconds:
        manager.tell(ALIVE)
        await asyncio.sleep(manager.watchdog_seconds)
