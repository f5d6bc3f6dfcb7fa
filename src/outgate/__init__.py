"""Outgate: an open, self-hosted outbound smarthost."""

from typing import Final

__version__: Final = "0.1.0"
