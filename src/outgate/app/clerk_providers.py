"""The clerk's loop that keeps the providers' networks up to date, and tells how old they are.

Each node's clerk runs it; whoever claims a provider asks, and all see the result in the database and, through the
policy feed, in the workers. Import it after Django has been set up.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, TypeVar

from outgate.app import provider_refresh
from outgate.app.clerk_database import DatabaseAway, DatabaseThread
from outgate.app.configuration import Configuration
from outgate.app.log import Log
from outgate.app.provider_data import packaged_documents
from outgate.app.provider_refresh import JITTER_SECONDS, Refreshed
from outgate.app.provider_sources import SourceFailed
from outgate.contract.policy import Provider
from outgate.policy.providers import STALE_SECONDS
from outgate.portal.accounts.audit import CLERK
from outgate.portal.providers import selectors, services
from outgate.portal.providers.models import ProviderState
from outgate.portal.providers.services import CLAIM_SECONDS

LOOK_SECONDS: Final = 30.0  # between two looks at what is due
ASK_SECONDS: Final = CLAIM_SECONDS - 30.0  # for one source, name resolution included; the claim outlives it
STALE_LOG_SECONDS: Final = 86_400.0  # between two log lines about a list that is stale

ResultT = TypeVar("ResultT")


class ProviderLoop:
    """One loop. `run` it for as long as the clerk serves; it raises nothing but bugs of its own."""

    def __init__(self, configuration: Configuration, database: DatabaseThread, log: Log) -> None:
        self._configuration = configuration
        self._database = database
        self._log = log
        self._confirmed_at = {each.provider: each.confirmed_at for each in packaged_documents()}
        self._networks = {each.provider: len(each.networks) for each in packaged_documents()}
        self._failures = dict.fromkeys(Provider, 0)
        self._stale_logged_at: dict[Provider, float] = {}

    async def run(self) -> None:
        while True:
            try:
                await self._database.run(services.enter, packaged_documents())
                if self._configuration.providers.refresh:
                    for provider in Provider:
                        await self._refresh(provider)
                self._looked(await self._database.run(selectors.states))
            except DatabaseAway as error:
                self._log.write("provider-look-failed", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    def statistics(self) -> dict[str, float]:
        """Names as in docs/metrics.md."""
        now = time.time()
        values: dict[str, float] = {}
        for provider in Provider:
            label = f'{{provider="{provider.value}"}}'
            values[f"outgate_provider_age_seconds{label}"] = now - self._confirmed_at[provider]
            values[f"outgate_provider_networks{label}"] = float(self._networks[provider])
            values[f"outgate_provider_refresh_failures{label}"] = float(self._failures[provider])
        return values

    async def _refresh(self, provider: Provider) -> None:
        """If it is due and no other node is at it. Raises: DatabaseAway."""
        claimed = await self._database.run(services.claim, provider=provider, now=datetime.now(UTC))
        if claimed is None:
            return
        try:
            async with asyncio.timeout(ASK_SECONDS):
                answer = await in_thread(lambda: provider_refresh.ask(claimed, self._configuration))
        except TimeoutError:
            answer = SourceFailed(f"no end after {ASK_SECONDS:.0f} s")
        refreshed = await self._database.run(
            provider_refresh.settle,
            claimed,
            answer,
            now=datetime.now(UTC),
            jitter_seconds=random.uniform(0.0, JITTER_SECONDS),  # noqa: S311 - nobody gains by guessing it
            actor=CLERK,
        )
        if refreshed is not None:
            self._tell(refreshed)

    def _tell(self, refreshed: Refreshed) -> None:
        provider = refreshed.provider
        if refreshed.error:
            self._failures[provider] += 1
            event = "provider-list-refused" if refreshed.is_refused else "provider-refresh-failed"
            self._log.write(
                event, provider=provider.value, error=refreshed.error, retry_seconds=round(refreshed.retry_seconds)
            )
        elif refreshed.added or refreshed.removed:
            self._log.write(
                "provider-changed",
                provider=provider.value,
                version=refreshed.version,
                added=refreshed.added,
                removed=refreshed.removed,
            )

    def _looked(self, states: Iterable[ProviderState]) -> None:
        now = time.time()
        for state in states:
            provider = Provider(state.provider)
            self._confirmed_at[provider] = state.confirmed_at.timestamp()
            self._networks[provider] = len(state.networks)
            if abs(now - self._confirmed_at[provider]) <= STALE_SECONDS:
                self._stale_logged_at.pop(provider, None)
            elif now - self._stale_logged_at.get(provider, 0.0) >= STALE_LOG_SECONDS:
                self._stale_logged_at[provider] = now
                self._log.write(
                    "provider-stale",
                    provider=provider.value,
                    age_days=round((now - self._confirmed_at[provider]) / 86_400),
                    error=state.last_error,
                )


async def in_thread(work: Callable[[], ResultT]) -> ResultT:
    """Run `work` in a thread of its own that keeps no process alive: name resolution cannot be cut short, and the end
    of the clerk must not wait for it. Who is cancelled here leaves the thread to itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[ResultT] = loop.create_future()

    def done(result: ResultT | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: ResultT | None = None
        failed: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # it is the waiter's
            failed = error
        try:
            loop.call_soon_threadsafe(done, result, failed)
        except RuntimeError:
            return  # the loop has ended meanwhile: nobody waits any more

    threading.Thread(target=run, name="provider", daemon=True).start()
    return await future
