"""One installation and one sink for all the scenarios that leave them as they found them."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.support.installation import Installation, customer, short_directory
from tests.support.sink import Sink, running_sink


@dataclass
class Relay:
    """Outgate with customer alpha.example, all of whose mail goes to `sink`."""

    outgate: Installation
    sink: Sink

    @property
    def port(self) -> int:
        return self.outgate.smtp_port


@pytest.fixture(scope="session")
def _session_relay() -> Iterator[Relay]:
    with running_sink() as sink, short_directory() as directory:
        outgate = Installation(directory).start()
        try:
            outgate.apply(
                customer("Alpha", ["alpha.example", "alpha.onmicrosoft.example"], relay=("127.0.0.1", sink.port)),
                customer("Beta", ["beta.example"], relay=("127.0.0.1", sink.port), sources=["127.0.0.2/32"]),
            )
            yield Relay(outgate, sink)
        finally:
            outgate.stop()


@pytest.fixture
def relay(_session_relay: Relay) -> Iterator[Relay]:
    """The shared installation, its sink empty; nothing of one test comes in the next."""
    _session_relay.sink.messages.clear()
    yield _session_relay
    _session_relay.outgate.wait_until_delivered()


@pytest.fixture
def installation() -> Iterator[Installation]:
    """An installation of the test's own; not started yet."""
    with short_directory() as directory:
        outgate = Installation(directory / "outgate")
        yield outgate
        outgate.stop()
