"""`outgate up`: the supervisor's process, from settings to the last child's end."""

import asyncio
import signal
import sys
from pathlib import Path

from outgate.app import demo
from outgate.app.child import Orders
from outgate.app.configuration import Configuration, ConfigurationError
from outgate.app.health import HealthServer
from outgate.app.log import LogFile
from outgate.app.supervisor import Child, Supervisor


async def run(configuration: Configuration | None, demo_state: Path | None) -> int:
    """Run until SIGTERM or SIGINT; the exit code. Without `configuration` it is a demonstration under `demo_state`.

    Raises: ConfigurationError.
    """
    receiver_port = 0
    if configuration is None:
        assert demo_state is not None
        configuration, receiver_port = demo.demo_configuration(demo_state)
    log = LogFile(configuration.log_path, "supervisor")
    supervisor = Supervisor(configuration, log)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stopping.set)
    health: HealthServer | None = None
    failed: list[ConfigurationError] = []

    def started() -> None:
        log.write("started", addresses=supervisor.addresses())
        if demo_state is None:
            listens = ", ".join(f"{address} port {port}" for address, port in supervisor.addresses())
            print(f"Outgate is running. SMTP listens on {listens}.", flush=True)
            return
        try:
            demo.apply_customers(demo_state, receiver_port)
        except ConfigurationError as error:
            failed.append(error)
            loop.call_soon_threadsafe(supervisor.stopping.set)
            return
        smtp_port = supervisor.addresses()[0][1]
        health_port = health.port if health else 0
        print(demo.welcome(demo_state, smtp_port, receiver_port, health_port), flush=True)

    try:
        supervisor.open()
        if configuration.health.address:
            health = HealthServer(supervisor)
            health.start()
        extra = [Child("receiver", "outgate.app.sample_receiver", Orders(configuration, receiver_port))]
        await supervisor.run(started, extra if demo_state is not None else [])
    finally:
        if health is not None:
            health.stop()
        log.write("stopped")
        log.close()
    if failed:
        raise failed[0]
    if demo_state is not None:
        print("Outgate has ended; nothing was lost.", file=sys.stderr)
    return 0
