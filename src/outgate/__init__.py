"""Outgate: an open, self-hosted outbound smarthost."""

from typing import Final

from outgate import compiled

__version__: Final = "0.1.0"

compiled.install()
