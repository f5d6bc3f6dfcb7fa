import asyncio
from pathlib import Path

from tests.support.installation import short_directory

from outgate.app.configuration import Configuration
from outgate.app.measuring import measure_clerk, measure_workers
from outgate.contract.wire import Answer, Measured, Question
from outgate.net.control import ControlServer


def test_who_does_not_answer_has_no_values() -> None:
    """One of two workers is there, and no clerk."""
    with short_directory() as state:
        assert asyncio.run(_ask_beside_one_worker(state)) == (
            [(1, None), (2, {"outgate_connections": 3.0})],
            {"outgate_clerk_up": 0.0},
        )


async def _ask_beside_one_worker(state: Path) -> tuple[list[tuple[int, dict[str, float] | None]], dict[str, float]]:
    configuration = Configuration(state=str(state), workers=2)
    server = ControlServer(configuration.control_socket(2), _answer)
    await server.start()
    try:
        workers = await asyncio.to_thread(lambda: list(measure_workers(configuration)))
        return workers, await asyncio.to_thread(measure_clerk, configuration)
    finally:
        await server.stop()


async def _answer(_question: Question) -> Answer:
    return Measured({"outgate_connections": 3.0})
