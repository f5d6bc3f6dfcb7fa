"""The clerk process: what the two planes have to say to each other passes here.

Policy and commands go from the database to the workers of this machine, acknowledgements and events from the workers to
the database. Mail does not pass here: when the clerk or the database is away, the workers go on from what they know.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import uvloop

from outgate.app.child import on_end, read_orders, spare_collections
from outgate.app.configuration import HELD_SUFFIX, Configuration
from outgate.app.log import LogFile
from outgate.contract.wire import Answer, Failed, Measured, Question, Statistics
from outgate.net.control import ControlServer
from outgate.portal.start import start_django

NICENESS: Final = 5  # mail comes first: events may be late, and what people see of them too


async def _serve(configuration: Configuration, log: LogFile) -> None:
    from outgate.app.clerk_events import remove_remains  # noqa: PLC0415 - its models need Django set up
    from outgate.app.clerk_service import Clerk, ClerkSettings  # noqa: PLC0415 - its models need Django set up

    workers = configuration.state_directory / "workers"

    def event_logs() -> Iterable[tuple[str, Path]]:
        """Also of workers that are no more, as long as their directories are there."""
        for directory in sorted(workers.glob("*/spool/events")):
            name = directory.parts[-3]
            if name.removesuffix(HELD_SUFFIX).isdecimal():
                yield f"{configuration.node}/{name}", directory

    with contextlib.suppress(OSError):  # they are in nobody's way
        remove_remains(workers)
    stop = asyncio.Event()
    on_end(asyncio.get_running_loop(), stop.set)
    settings = ClerkSettings(
        configuration.clerk_socket, event_logs, node=configuration.node, configuration=configuration
    )
    clerk = Clerk(settings, log)

    async def answer(question: Question) -> Answer:
        if isinstance(question, Statistics):
            return Measured(clerk.statistics())
        return Failed("the clerk has no queue: ask a worker")

    control = ControlServer(configuration.clerk_control_socket, answer)
    await control.start()
    try:
        await clerk.serve(stop)
    finally:
        await control.stop()


def main() -> None:
    configuration = read_orders().configuration
    log = LogFile(configuration.log_path, "clerk", rotation=configuration.log_rotation)
    start_django(
        state=configuration.state_directory,
        database=configuration.database_address,
        allow_private=configuration.allow_private_sources,
        secret_key_file=configuration.portal.secret_key_file,
    )
    spare_collections()
    os.nice(NICENESS)  # not sooner: on a busy machine the start alone would take half a minute
    try:
        uvloop.run(_serve(configuration, log))
    finally:
        log.close()


if __name__ == "__main__":
    main()
