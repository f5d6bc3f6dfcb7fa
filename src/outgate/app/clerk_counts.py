"""What all workers have used of their limits: kept by the clerk, told to its workers, shared with other nodes.

Each node writes only what its own workers have used; what the others wrote is read and added. Parts of a window only
grow, so that nothing that is told or written twice does harm. When the database is away the workers of this node go on
sharing; what a clerk that is killed had not written (some `WRITE_SECONDS`) only its workers still know.
"""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from outgate.app.clerk_database import DatabaseThread
from outgate.contract.wire import Count, CountsTold
from outgate.policy.window import PARTS
from outgate.portal.limits import selectors, services

WRITE_SECONDS: Final = 2.0  # between two times that counts are written to the database, and those of others read
OVERLAP_SECONDS: Final = 10.0  # read again what was written so long before the last look: clocks and commits differ
BOOK_MAX: Final = 200_000  # limits whose use is remembered; of more, those that were used least lately are forgotten
TOLD_MAX: Final = 1_000  # counts in one frame
_EVER: Final = datetime.fromtimestamp(0, UTC)
Key = tuple[str, str, str, str, int]
"""Customer, scope, subject, counted, seconds."""


class Entry:
    __slots__ = ("others", "own", "version")

    def __init__(self) -> None:
        self.own: dict[int, int] = {}
        self.others: dict[str, dict[int, int]] = {}
        self.version = 0

    def total(self) -> dict[int, int]:
        total = dict(self.own)
        for parts in self.others.values():
            for part, amount in parts.items():
                total[part] = total.get(part, 0) + amount
        return total


class CountBook:
    """Used on the loop's thread. version: moves with each change; `since` says what changed behind one.

    workers: of all nodes, as the last look into the database found them.
    """

    def __init__(self, node: str) -> None:
        self.node = node
        self.workers = 1
        self.version = 0
        self._entries: OrderedDict[Key, Entry] = OrderedDict()  # what changed last is last
        self._unwritten: set[Key] = set()
        self._read_at: datetime | None = None
        self._is_restored = False

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, counts: Iterable[Count]) -> list[Count]:
        """A worker of this node has used more. Returns the totals."""
        totals = []
        for count in counts:
            key = (count.customer_id, count.scope, count.subject, count.counted, count.seconds)
            entry = self._changed(key)
            newest = max(count.parts, default=0)
            entry.own = {part: amount for part, amount in entry.own.items() if part >= newest - PARTS}
            for part, amount in count.parts.items():
                entry.own[part] = entry.own.get(part, 0) + amount
            self._unwritten.add(key)
            totals.append(Count(*key, entry.total()))
        return totals

    def since(self, version: int) -> Iterable[CountsTold]:
        """What changed behind `version`, in frames."""
        counts: list[Count] = []
        for key in reversed(self._entries):
            entry = self._entries[key]
            if entry.version <= version:
                break
            counts.append(Count(*key, entry.total()))
        for start in range(0, len(counts), TOLD_MAX):
            yield CountsTold(0, self.workers, tuple(counts[start : start + TOLD_MAX]))

    def told(self, number: int, totals: list[Count]) -> CountsTold:
        """The answer to a report."""
        return CountsTold(number, self.workers, tuple(totals))

    def _changed(self, key: Key) -> Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = Entry()
            if len(self._entries) > BOOK_MAX:
                forgotten, _ = self._entries.popitem(last=False)
                self._unwritten.discard(forgotten)
        self.version += 1
        entry.version = self.version
        self._entries.move_to_end(key)
        return entry

    # The database

    async def exchange(self, database: DatabaseThread) -> None:
        """Write what is new, and read what other nodes have written. Raises: DatabaseAway; call again."""
        now = datetime.now(UTC)
        since = _EVER
        if self._read_at is not None:
            since = self._read_at - timedelta(seconds=OVERLAP_SECONDS)
        elif not self._is_restored:
            for text, parts in await database.run(selectors.counts_of, self.node, now):
                self._restore(text, parts)
            self._is_restored = True
        await self.write(database)
        changed = await database.run(selectors.counts_changed, since=since, now=now, but_of=self.node)
        self._read_at = now
        for node, text, parts in changed:
            self._learn(node, text, parts)

    async def write(self, database: DatabaseThread) -> None:
        """What is new, once what an earlier clerk had written is known: it would be replaced. Raises: DatabaseAway."""
        if not self._unwritten or not self._is_restored:
            return
        keys, self._unwritten = self._unwritten, set()
        rows = [(_text(key), dict(self._entries[key].own), _ends_at(key, self._entries[key].own)) for key in keys]
        try:
            await database.run(services.write_counts, node=self.node, counts=rows, now=datetime.now(UTC))
        except BaseException:
            self._unwritten |= keys & self._entries.keys()  # without what was forgotten meanwhile
            raise

    def _restore(self, text: str, parts: dict[str, int]) -> None:
        """What an earlier clerk of this node had written."""
        key = _key(text)
        if key is not None:
            own = self._changed(key).own
            for part, amount in parts.items():
                own[int(part)] = own.get(int(part), 0) + amount

    def _learn(self, node: str, text: str, parts: dict[str, int]) -> None:
        key = _key(text)
        if key is None:
            return
        found = {int(part): amount for part, amount in parts.items()}
        known = self._entries.get(key)
        if known is None or known.others.get(node) != found:
            self._changed(key).others[node] = found


def _text(key: Key) -> str:
    return "\n".join((*key[:4], str(key[4])))


def _key(text: str) -> Key | None:
    """None for what another version wrote."""
    parts = text.split("\n")
    if len(parts) != 5 or not parts[4].isdecimal():
        return None
    return parts[0], parts[1], parts[2], parts[3], int(parts[4])


def _ends_at(key: Key, parts: dict[int, int]) -> float:
    return (max(parts, default=0) + PARTS + 1) * key[4] / PARTS
