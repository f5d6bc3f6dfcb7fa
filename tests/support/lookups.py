"""DNS for reception's tests: what is known, what is asked, and when the answers come is up to the test."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from tests.support.relay import DirectThreads
from tests.support.signing import key

from outgate.reception.gathering import Prover
from outgate.reception.interface import Answered, Names, Texts
from outgate.reception.signatures import Signatures

NO_TEXTS = Texts(Answered.NONE, (), 300.0)
NO_NAMES = Names(Answered.NONE, (), 300.0)
KEY = Texts(Answered.FOUND, (key("rsa-sha256").record,), 300.0)


@dataclass
class FakeLookups:
    """keys, names: what DNS says. is_known: the cache has all of it. Else questions wait for `opened`."""

    keys: dict[str, Texts] = field(default_factory=dict)
    names: dict[str, Names] = field(default_factory=dict)
    is_known: bool = False
    asked: Counter[str] = field(default_factory=Counter)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False

    async def _wait(self, question: str) -> None:
        self.asked[question] += 1
        await self.opened.wait()
        if self.fails:
            raise RuntimeError("a bug of ours")

    async def texts(self, name: str) -> Texts:
        await self._wait(name)
        return self.keys.get(name, NO_TEXTS)

    async def confirmed_names(self, address: str) -> Names:
        await self._wait(address)
        return self.names.get(address, NO_NAMES)

    def known_texts(self, name: str) -> Texts | None:
        return self.keys.get(name, NO_TEXTS) if self.is_known else None

    def known_names(self, address: str) -> Names | None:
        return self.names.get(address, NO_NAMES) if self.is_known else None


def prover(lookups: FakeLookups, now: float = 1.7e9) -> Prover:
    signatures = Signatures(lookups=lookups, threads=DirectThreads(), now=lambda: now, monotonic=lambda: 0.0)
    return Prover(signatures, lookups)


async def settle(turns: int = 40) -> None:
    """Let everything happen that can happen without time."""
    for _ in range(turns):
        await asyncio.sleep(0)
