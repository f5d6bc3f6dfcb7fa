"""What all tests of the portal share."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def state(settings: Any, tmp_path: Path) -> Path:
    """A state directory of the test's own."""
    settings.STATE_DIRECTORY = tmp_path
    return tmp_path
