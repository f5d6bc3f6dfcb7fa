"""Sets limits of a few seconds, which no customer's text takes: rewrites customers' documents in the database.

What changes a customer by other means afterwards brings back what its text says.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from outgate.contract.policy import SenderLimits

_SCRIPT = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from outgate.contract.policy import SenderLimits
from outgate.portal.start import start_django

state, limits, *ids = sys.argv[1:]
start_django(state=Path(state), allow_private=True)
from outgate.portal.customers.models import Customer
from outgate.portal.feed import selectors
from outgate.portal.feed.changes import changes
from outgate.portal.outbound.documents import customer_document, customer_key

wanted = msgspec.json.decode(limits, type=SenderLimits)
made = [Customer.objects.get(slug=slug) for slug in ids]
with changes() as changed:
    for customer in made:
        document = msgspec.structs.replace(customer_document(customer), limits=wanted)
        changed.write(customer_key(customer), lambda document=document: document)
newest = selectors.head().revision
end = time.monotonic() + 30
while not all(worker.revision >= newest for worker in selectors.live_workers(datetime.now(UTC))):
    assert time.monotonic() < end
    time.sleep(0.02)
"""


def set_limits(state: Path, limits: SenderLimits, customer_ids: Sequence[str]) -> None:
    """In force on all workers that live before it returns."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(state), msgspec.json.encode(limits).decode(), *customer_ids],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
