"""The clerk looks after customers' keys of held mail when it starts: see `portal.held.upkeep`.

In small pieces with pauses, so that with thousands of customers neither the feed nor the portal waits for it. Import it
after Django has been set up.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from outgate.app.clerk_database import DatabaseAway, DatabaseThread
from outgate.app.log import Log
from outgate.portal.accounts.alarms import raise_alarm
from outgate.portal.accounts.audit import CLERK
from outgate.portal.held.upkeep import look_after_keys
from outgate.portal.sealed_secrets import NoSecret

PAUSE_SECONDS: Final = 0.1  # between two pieces
RETRY_SECONDS: Final = 60.0  # while the database is away or the secret key cannot be read


@dataclass(slots=True)
class KeyLoop:
    """`run` it once the database has its tables; it raises nothing but bugs of its own."""

    database: DatabaseThread
    log: Log

    async def run(self) -> None:
        """To the end of the customers."""
        after = given = sealed_anew = unreadable = 0
        was_told = False
        while True:
            try:
                done = await self.database.run(look_after_keys, after=after)
            except NoSecret as error:
                self.log.write("held-keys-failed", error=str(error))
                was_told = was_told or await self._alarm("held-keys.no-secret", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except DatabaseAway as error:
                self.log.write("held-keys-failed", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            after = done.after
            given += done.given
            sealed_anew += done.sealed_anew
            unreadable += done.unreadable
            if not after:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        if given or sealed_anew or unreadable:
            self.log.write("held-keys", given=given, sealed_anew=sealed_anew, unreadable=unreadable)
        if unreadable:
            await self._alarm("held-keys.unreadable", customers=unreadable)

    async def _alarm(self, action: str, **detail: str | int) -> bool:
        """Was it raised?"""
        try:
            await self.database.run(raise_alarm, CLERK, action, "held-keys", **detail)
        except DatabaseAway as error:
            self.log.write("held-keys-failed", error=str(error))
            return False
        return True
