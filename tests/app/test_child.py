"""What a child process does once it has started; the rest is seen where children run, in `tests/e2e`."""

import subprocess
import sys

SPARED = """
import gc
from outgate.app.child import spare_collections
spare_collections()
print(gc.get_freeze_count() > 0, *gc.get_threshold())
"""


def test_what_start_up_made_is_looked_at_by_no_later_collection() -> None:
    done = subprocess.run([sys.executable, "-c", SPARED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "50000", "50", "100"]
