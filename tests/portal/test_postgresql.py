"""Everything that is tested on SQLite holds on PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.postgresql import cluster, programs

ROOT = Path(__file__).parents[2]
PAGES = ("customers", "held", "mail", "message")  # that ask the database what no other test of ours asks
SUITES = (
    *sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests/portal").glob("[!_]*")
        if path.name not in ("conftest.py", "web")
    ),
    *(f"tests/portal/web/views/test_{name}.py" for name in PAGES),
    "tests/app/test_clerk_counts.py",
    "tests/app/test_clerk_database.py",
    "tests/app/test_clerk_events.py",
    "tests/app/test_clerk_feed.py",
    "tests/app/test_clerk_keys.py",
    "tests/app/test_clerk_providers.py",
    "tests/app/test_clerk_service.py",
    "tests/app/commands/test_customer.py",
    "tests/app/commands/test_providers.py",
    "tests/app/commands/test_queue_keys.py",
    "tests/app/commands/test_tenant.py",
    "tests/app/commands/test_trace.py",
    "tests/app/commands/test_user.py",
)
PARTS = 2  # that may run at once
SECONDS = 1_500  # for one of them, on a slow and busy machine
# Long walks that ask nothing of the database which others do not ask.
LEFT_OUT = (
    "tests/portal/api/test_description.py",
    "tests/portal/api/test_schemas.py",
    "tests/portal/api/test_site.py",
)


@pytest.mark.skipif("OUTGATE_DATABASE" in os.environ, reason="this run is on the database that was named")
@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")
@pytest.mark.parametrize("part", range(PARTS))
def test_control_plane_passes_its_tests_on_postgresql(part: int) -> None:
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *[f"--ignore={path}" for path in LEFT_OUT]]
    with cluster() as url:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *SUITES[part::PARTS]],
            cwd=ROOT,
            env={**os.environ, "OUTGATE_DATABASE": url, "PYTEST_ADDOPTS": ""},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )

    assert done.returncode == 0, done.stdout[-10_000:]
