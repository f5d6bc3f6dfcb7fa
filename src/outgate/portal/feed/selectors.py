"""Reads the feeds. Cheap: the clerk asks several times a second."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from outgate.contract.policy import PolicyItem, Provider, ProviderDocument
from outgate.contract.wire import DOCUMENTS_PER_FRAME, Documents, Ordered
from outgate.portal.feed.changes import HEAD_ID
from outgate.portal.feed.codec import decode_command, decode_document
from outgate.portal.feed.models import CommandReport, FeedHead, OrderedCommand, PolicyDocument, WorkerState

# A worker beats each second and the clerk writes that down every few; one that is silent for longer is taken to be
# gone, and no activation waits for it. Should it live after all, then without a confirmed feed, so that it refuses
# nobody for good.
WORKER_LIVE_SECONDS: Final = 15
DOCUMENTS_OCTETS_PER_FRAME: Final = 8 * 1024 * 1024  # well below `wire.FRAME_MAX`, whatever customers list
COMMAND_DAYS: Final = 7  # longer than any message stays in a queue


@dataclass(frozen=True, slots=True)
class Head:
    """revision: the newest. complete_below: see `FeedHead`."""

    revision: int
    complete_below: int


def head() -> Head:
    row = FeedHead.objects.filter(pk=HEAD_ID).values_list("revision", "complete_below").first()
    return Head(*row) if row else Head(0, 0)


def documents_since(
    revision: int,
    limit: int = DOCUMENTS_PER_FRAME,
    limit_octets: int = DOCUMENTS_OCTETS_PER_FRAME,
) -> Documents:
    """What changed after `revision`, oldest change first, as one frame takes it.

    `up_to` is the newest revision if that is all, else that of the last item: ask again from there. No document is
    stepped over, whatever is written meanwhile; one that changes between two calls comes with the second.
    """
    newest = head().revision  # before the documents: those up to here are all visible below
    rows = (
        PolicyDocument.objects.filter(revision__gt=revision)
        .order_by("revision")
        .values_list("key", "revision", "body")[:limit]
    )
    items: list[PolicyItem] = []
    octets = 0
    is_cut = False
    for key, number, body in rows.iterator(chunk_size=100):
        if items and octets + len(body) > limit_octets:
            is_cut = True
            break
        octets += len(body)
        items.append(PolicyItem(key, number, decode_document(body)))
    if items and (is_cut or len(items) == limit):
        return Documents(tuple(items), items[-1].revision)
    return Documents(tuple(items), max(newest, items[-1].revision if items else revision))


def document_revision(key: str) -> int:
    """The revision of the document under `key`; 0 if there is none."""
    return PolicyDocument.objects.filter(key=key).values_list("revision", flat=True).first() or 0


@dataclass(frozen=True, slots=True)
class DocumentState:
    """How far a document has come. applied_seconds: from when it was saved until all live workers had it; None while
    they have not, or if nobody looked."""

    revision: int = 0
    applied_seconds: float | None = None


def document_state(key: str) -> DocumentState:
    row = PolicyDocument.objects.filter(key=key).values_list("revision", "saved_at", "applied_at").first()
    if row is None:
        return DocumentState()
    revision, saved_at, applied_at = row
    if saved_at is None or applied_at is None:
        return DocumentState(revision)
    return DocumentState(revision, max(0.0, (applied_at - saved_at).total_seconds()))


def provider_networks() -> dict[Provider, tuple[IPv4Network | IPv6Network, ...]]:
    """The providers' ranges as the workers have them; without a provider whose list was never published."""
    rows = PolicyDocument.objects.filter(key__in=[f"provider:{each.value}" for each in Provider])
    documents = [decode_document(body) for body in rows.order_by("key").values_list("body", flat=True)]
    return {each.provider: _parsed(each.networks) for each in documents if isinstance(each, ProviderDocument)}


@lru_cache(maxsize=8)
def _parsed(networks: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each) for each in networks)


def live_workers(now: datetime) -> list[WorkerState]:
    """The workers that were heard within `WORKER_LIVE_SECONDS`, by name."""
    since = now - timedelta(seconds=WORKER_LIVE_SECONDS)
    return list(WorkerState.objects.filter(seen_at__gte=since).order_by("worker"))


def worker_for_letters(now: datetime) -> str:
    """The live worker with the shortest queue; empty if none lives."""
    workers = live_workers(now)
    return min(workers, key=lambda state: (state.queued, state.worker)).worker if workers else ""


def newest_command(now: datetime) -> int:
    """The highest number of a command that somebody has still to do; 0 if there is none."""
    return _undone(now).order_by("-pk").values_list("pk", flat=True).first() or 0


def commands_for(worker: str, now: datetime, *, after: int = 0, limit: int = 100) -> list[Ordered]:
    """What `worker` has still to do, by number, without what it has reported on. after: the number to go on from."""
    reported = CommandReport.objects.filter(command=OuterRef("pk"), worker=worker)
    rows = _undone(now).filter(Q(worker="") | Q(worker=worker), pk__gt=after).exclude(Exists(reported)).order_by("pk")
    return [Ordered(row.pk, decode_command(row.body)) for row in rows[:limit]]


def _undone(now: datetime) -> QuerySet[OrderedCommand]:
    return OrderedCommand.objects.filter(done_at=None, created_at__gte=now - timedelta(days=COMMAND_DAYS))
