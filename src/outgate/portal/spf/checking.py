"""One check of a domain as a person wants it: claim, ask, settle. Blocking, up to `asking.BUDGET_SECONDS`."""

import random
from collections.abc import Sequence

from django.utils import timezone

from outgate.portal.accounts.audit import Actor
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.spf import services
from outgate.portal.spf.asking import ask
from outgate.spf.report import Report, report_on


def check_now(*, actor: Actor, domain: SendingDomain, name_servers: Sequence[str]) -> Report:
    """Ask DNS about `domain`, and keep what it says. No transaction is open meanwhile. Raises: AskedJustNow."""
    claimed = services.claim(domain=domain, now=timezone.now())
    report = ask(report_on(claimed.name, claimed.ours, with_subdomains=claimed.with_subdomains), name_servers)
    spread = random.random()  # noqa: S311 - nobody gains by guessing it
    services.settle(claimed=claimed, report=report, now=timezone.now(), spread=spread, actor=actor)
    return report
