"""The clerk's loop that looks at the SPF records of customers' domains, each at least once a day.

Few at a time and never fast: neither the feed nor the resolvers notice. Each node's clerk runs it; whoever claims a
domain asks. Import it after Django has been set up.
"""

import asyncio
import random
from datetime import UTC, datetime
from typing import Final

from outgate.app.clerk_database import DatabaseAway, DatabaseThread
from outgate.app.clerk_providers import in_thread
from outgate.app.configuration import Configuration
from outgate.app.log import Log
from outgate.portal.accounts.audit import CLERK
from outgate.portal.spf import services
from outgate.portal.spf.asking import ask
from outgate.portal.spf.services import CLAIM_SECONDS, Claim, Settled
from outgate.spf.report import Report, State, report_on

LOOK_SECONDS: Final = 5.0  # between two looks at what is wanted or due, when nothing was: a person waits
AT_ONCE: Final = 4  # domains that are asked about at a time
PACE_SECONDS: Final = 2.0  # for so many at least: 172,800 domains a day for each node
ASK_SECONDS: Final = CLAIM_SECONDS - 5.0  # for one domain; the claim outlives it


class SpfLoop:
    """One loop. `run` it for as long as the clerk serves; it raises nothing but bugs of its own."""

    def __init__(self, configuration: Configuration, database: DatabaseThread, log: Log) -> None:
        self._name_servers = configuration.delivery.nameservers
        self._is_on = configuration.spf.recheck
        self._database = database
        self._log = log

    async def run(self) -> None:
        """Without end; at once over if the settings say so."""
        while self._is_on:
            done = 0
            try:
                claims = await self._database.run(services.claim_due, now=datetime.now(UTC), limit=AT_ONCE)
                done = len(claims)
                if claims:
                    pace = asyncio.create_task(asyncio.sleep(PACE_SECONDS))
                    try:
                        for outcome in await asyncio.gather(*map(self._check, claims), return_exceptions=True):
                            if outcome is not None:
                                raise outcome
                        await pace
                    finally:
                        pace.cancel()
            except DatabaseAway as error:
                self._log.write("spf-look-failed", error=str(error))
            if not done:
                await asyncio.sleep(LOOK_SECONDS)

    async def _check(self, claimed: Claim) -> None:
        """Raises: DatabaseAway."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                report = await in_thread(lambda: self._ask(claimed))
        except TimeoutError:
            report = Report(claimed.name, State.UNKNOWN, problem=f"no end after {ASK_SECONDS:.0f} seconds")
        except Exception as error:
            self._log.write("spf-check-failed", domain=claimed.name, error=f"{type(error).__name__}: {error}")
            report = Report(claimed.name, State.UNKNOWN, problem="the check failed on our side")
        settled = await self._database.run(
            services.settle,
            claimed=claimed,
            report=report,
            now=datetime.now(UTC),
            spread=random.random(),  # noqa: S311 - nobody gains by guessing it
            actor=CLERK,
        )
        if settled is not None:
            self._tell(settled)

    def _ask(self, claimed: Claim) -> Report:
        asking = report_on(claimed.name, claimed.ours, with_subdomains=claimed.with_subdomains)
        return ask(asking, self._name_servers)

    def _tell(self, settled: Settled) -> None:
        if settled.is_lost or settled.is_found:
            self._log.write(
                "spf-lost" if settled.is_lost else "spf-found",
                customer=settled.claim.customer,
                domain=settled.claim.name,
                state=settled.report.state.value,
            )
