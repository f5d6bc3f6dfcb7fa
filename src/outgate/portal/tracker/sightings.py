"""What customers' mail from the clouds has shown of its origin, kept so that a person can confirm a tenant.

The table is bounded, and anybody may send through a cloud in a customer's name. So each customer has a number of places
for each *tier*: how well a sighting fits the customer's proven domains. In a full tier the sighting that was not seen
for longest gives way, so that mail that does not fit never pushes out mail that does.
"""

import hashlib
import json
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Any, Final

from django.db.backends.utils import CursorWrapper

from outgate.contract.events import MessageAccepted, MessageRefused
from outgate.mail.evidence import DkimVerdict, Evidence
from outgate.portal.outbound.selectors import own_names
from outgate.portal.tracker.models import TenantSighting

MICROSOFT: Final = "microsoft"
CLOUDS: Final = frozenset({MICROSOFT, "google"})  # values of `Evidence.source_class`
MICROSOFT_NAME: Final = ".onmicrosoft.com"
INTERNAL: Final = frozenset({(), ("internal",)})  # `auth_as` of mail whose sender signed in to the tenant
COUNT_MAX: Final = 1_000_000
ORGS_MAX: Final = 2  # a message that shows more is not looked into
LOOKED_UP: Final = 100  # sightings in one question to the database


class Tier(IntEnum):
    """FITS: one tenant, of the customer's names only, signed as one. PARTLY: named or signed so. FOREIGN: neither."""

    FOREIGN = 0
    PARTLY = 1
    FITS = 2


PLACES: Final = {Tier.FOREIGN: 16, Tier.PARTLY: 16, Tier.FITS: 32}  # rows of one customer

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """One combination. signatures: domains of those that passed, topmost first."""

    source_class: str
    tenant_ids: tuple[str, ...]
    originator_orgs: tuple[str, ...]
    auth_as: tuple[str, ...]
    signatures: tuple[str, ...]

    @classmethod
    def of(cls, evidence: Evidence) -> "Shown":
        passed = dict.fromkeys(each.domain for each in evidence.signatures if each.verdict is DkimVerdict.PASS)
        return cls(
            evidence.source_class, evidence.tenant_ids, evidence.originator_orgs, evidence.auth_as, tuple(passed)
        )

    @property
    def names(self) -> set[str]:
        """Those that must be the customer's if it is to fit."""
        if len(self.originator_orgs) > ORGS_MAX:
            return set()
        return {*self.originator_orgs, *self.signatures[:1]}

    def tier(self, own: set[str]) -> Tier:
        """own: those of `names` that are the customer's."""
        is_named = bool(self.originator_orgs) and own.issuperset(self.originator_orgs)
        is_signed = bool(self.signatures) and self.signatures[0] in own
        if len(self.tenant_ids) != 1 or not (is_named or is_signed):
            return Tier.FOREIGN
        is_signed = is_signed or (bool(self.signatures) and self.signatures[0].endswith(MICROSOFT_NAME))
        return Tier.FITS if is_named and is_signed and self.auth_as in INTERNAL else Tier.PARTLY


@dataclass(slots=True)
class _Seen:
    count: int
    first_at: Any
    last_at: Any
    queue_id: str
    reason: str


class Sightings:
    """Those of one batch of events."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, Shown], _Seen] = {}

    def __bool__(self) -> bool:
        return bool(self._seen)

    def take(self, event: MessageAccepted | MessageRefused, at: Any) -> None:
        """event: of a customer, from a cloud. Nothing is kept of one that shows nothing, as before its content."""
        evidence = event.evidence
        if not (evidence.tenant_ids or evidence.originator_orgs or evidence.signatures):
            return
        key = event.customer_id, Shown.of(evidence)
        seen = self._seen.get(key)
        if seen is None:
            self._seen[key] = _Seen(1, at, at, event.queue_id, event.reason)
            return
        seen.count += 1
        seen.first_at = min(seen.first_at, at)
        if at >= seen.last_at:
            seen.last_at, seen.queue_id, seen.reason = at, event.queue_id, event.reason

    def rows(self) -> list[Row]:
        """For `write`, in the order of the table's key. Asks the database whose the names are."""
        rows: list[Row] = []
        items = iter(self._seen.items())
        while chunk := list(islice(items, LOOKED_UP)):
            wanted: dict[str, set[str]] = {}
            for (customer_id, shown), _ in chunk:
                wanted.setdefault(customer_id, set()).update(shown.names)
            own = own_names(wanted)
            rows += [_row(customer_id, shown, seen, own[customer_id]) for (customer_id, shown), seen in chunk]
        return sorted(rows, key=lambda row: row[:2])

    @staticmethod
    def write(statement: CursorWrapper, rows: list[Row]) -> None:
        """In the transaction under way. Raises: django.db.Error."""
        statement.executemany(_UPSERT, rows)
        customer_ids = sorted({row[0] for row in rows})
        statement.execute(_TRIM % ",".join(["%s"] * len(customer_ids)), customer_ids)


def _row(customer_id: str, shown: Shown, seen: _Seen, own: set[str]) -> Row:
    lists = [_json(shown.tenant_ids), _json(shown.originator_orgs), _json(shown.auth_as), _json(shown.signatures)]
    digest = hashlib.sha256("\n".join([shown.source_class, *lists]).encode()).hexdigest()[:32]
    return (
        _text(customer_id),
        digest,
        shown.source_class,
        *lists,
        shown.tier(own).value,
        min(seen.count, COUNT_MAX),
        seen.first_at,
        seen.last_at,
        _text(seen.queue_id),
        _text(seen.reason),
    )


def _json(values: tuple[str, ...]) -> str:
    return json.dumps([_text(value) for value in values])


def _text(value: str) -> str:
    """What any database takes: PostgreSQL has no NUL in texts."""
    return value.replace("\0", "\ufffd")


_TABLE: Final = TenantSighting._meta.db_table
_LAST: Final = ("last_queue_id", "last_reason", "last_at")

_UPSERT: Final = f"""
    INSERT INTO {_TABLE} (customer_id, digest, source_class, tenant_ids, originator_orgs, auth_as, signatures, tier,
        count, first_at, last_at, last_queue_id, last_reason)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (customer_id, digest) DO UPDATE SET
        tier = excluded.tier,
        count = CASE WHEN {_TABLE}.count + excluded.count > {COUNT_MAX} THEN {COUNT_MAX}
            ELSE {_TABLE}.count + excluded.count END,
        {
    ", ".join(
        f"{column} = CASE WHEN excluded.last_at >= {_TABLE}.last_at THEN excluded.{column} ELSE {_TABLE}.{column} END"
        for column in _LAST
    )
}"""  # noqa: S608

_TRIM: Final = f"""
    DELETE FROM {_TABLE} WHERE (customer_id, digest) IN (
        SELECT customer_id, digest FROM (
            SELECT customer_id, digest, tier,
                ROW_NUMBER() OVER (PARTITION BY customer_id, tier ORDER BY last_at DESC, digest) AS place
            FROM {_TABLE} WHERE customer_id IN (%s)
        ) AS ranked
        WHERE place > CASE tier {" ".join(f"WHEN {tier.value} THEN {places}" for tier, places in PLACES.items())} END
    )"""  # noqa: S608
