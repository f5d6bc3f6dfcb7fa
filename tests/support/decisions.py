"""Decides over held mail of a running installation as the portal does, in a process of its own."""

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import sys
from pathlib import Path

from outgate.portal.start import start_django

state, slug, action, *references = sys.argv[1:]
start_django(state=Path(state), allow_private=True)
from outgate.contract.commands import QueueAction
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import Role
from outgate.portal.customers.models import Customer
from outgate.portal.held.services import order

customer = Customer.objects.get(slug=slug)
caller = Caller("admin@alpha.example", Role.CUSTOMER_ADMIN, customer_id=customer.pk)
print(order(caller=caller, customer=customer, references=references, action=QueueAction(action)).count())
"""


def decide(state: Path, customer_id: str, action: str, *references: str) -> int:
    """For how many messages it is ordered. They must be in the tracker by now."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(state), customer_id, action, *references],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
