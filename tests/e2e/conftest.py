"""One installation and one sink for all the scenarios that leave them as they found them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.installation import Installation, customer
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
def _session_relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    with running_sink() as sink:
        outgate = Installation(tmp_path_factory.mktemp("relay")).start()
        try:
            outgate.apply(
                customer("Alpha", ["alpha.example", "alpha.onmicrosoft.example"], relay=("127.0.0.1", sink.port)),
                customer("Beta", ["beta.example"], relay=("127.0.0.1", sink.port), sources=["127.0.0.2/32"]),
            )
            yield Relay(outgate, sink)
        finally:
            outgate.stop()


@pytest.fixture
def relay(_session_relay: Relay) -> Relay:
    """The shared installation, its sink empty and well-behaved."""
    _session_relay.sink.messages.clear()
    _session_relay.sink.script = None
    return _session_relay


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An installation of the test's own; not started yet."""
    outgate = Installation(tmp_path / "outgate")
    yield outgate
    outgate.stop()
