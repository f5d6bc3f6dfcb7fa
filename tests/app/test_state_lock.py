import os
from pathlib import Path

import pytest

from outgate.app.configuration import Configuration
from outgate.app.state_lock import StateInUse, hold_state


def test_a_state_has_one_holder_who_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    configuration = Configuration(state=str(tmp_path))
    held = hold_state(configuration, "outgate up")
    with pytest.raises(StateInUse, match=f"{tmp_path} is in use by outgate up, process {os.getpid()}"):
        hold_state(configuration, "outgate restore")
    os.close(held)
    os.close(hold_state(configuration, "outgate restore"))
