"""The databases of a fresh installation, made once: to make their tables takes longer than all else that one starts."""

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
KEPT: Final = ROOT / "build" / "fresh-databases"
PORTAL: Final = ROOT / "src" / "outgate" / "portal"
MAKE: Final = """
from pathlib import Path
from outgate.portal.start import migrate, start_django
start_django(state=Path({state!r}))
migrate()
"""


def lay_databases(state: Path) -> None:
    """Put them into the directory of an installation that has never run; of one that has, everything stays."""
    if state.exists():
        return
    made = _made()
    state.mkdir(mode=0o700, parents=True)
    for path in made.glob("*.sqlite3"):
        shutil.copy(path, state)


@cache
def _made() -> Path:
    """Where they are kept, by what they are made of; several processes may make them at once."""
    sources = [ROOT / "requirements" / "run.txt", *sorted(PORTAL.glob("**/migrations/*.py"))]
    digest = sha256(b"\0".join([path.read_bytes() for path in sources])).hexdigest()
    kept = KEPT / digest[:16]
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as name:
            state = Path(name) / "state"
            environment = {key: value for key, value in os.environ.items() if not key.startswith("OUTGATE_")}
            subprocess.run([sys.executable, "-c", MAKE.format(state=str(state))], check=True, env=environment)
            try:
                state.rename(kept)
            except OSError:
                assert kept.exists(), "somebody else was quicker"
    return kept
