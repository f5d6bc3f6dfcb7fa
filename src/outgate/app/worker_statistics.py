"""A worker's counters and gauges under the names of the catalogue (`metrics`)."""

from typing import TYPE_CHECKING

from outgate.spool.interface import Health

if TYPE_CHECKING:
    from outgate.app.worker import Worker


def measure(worker: "Worker") -> dict[str, float]:
    """Everything that one worker has to tell. Cheap: no I/O, no walk over the queue."""
    gate, reception = worker.gate, worker.reception
    values: dict[str, float] = {
        "outgate_stopping": float(reception.is_stopping),
        "outgate_connections": float(gate.connections),
        "outgate_connections_strangers": float(gate.strangers),
        "outgate_connections_turned_away": float(gate.turned_away),
        "outgate_messages_accepted": float(reception.counters.accepted),
        "outgate_messages_accepted_octets": float(reception.counters.accepted_octets),
        "outgate_log_lines_dropped": float(worker.log.dropped),
        "outgate_policy_revision": float(worker.snapshot.revision),
        "outgate_policy_current": float(worker.follower.is_current),
        "outgate_policy_documents": float(len(worker.items)),
        "outgate_spool_failed": float(worker.spool.health is Health.FAILED),
        "outgate_spool_full": float(worker.spool.health is Health.FULL),
    }
    for name in ("accepted", "timed_out"):
        values[f"outgate_connections_{name}"] = float(
            sum(getattr(listener.counters, name) for listener in worker.listeners)
        )
    for name in ("tls_established", "tls_failed", "early_talkers", "proxy_errors"):
        values[f"outgate_{name}"] = float(sum(getattr(listener.counters, name) for listener in worker.listeners))
    for label, counts in (("refused", reception.counters.refused), ("attempts", worker.record.attempts)):
        for reason, count in counts.items():
            values[f'outgate_{label}{{reason="{reason}"}}'] = float(count)
    for outcome, count in worker.record.outcomes.items():
        values[f'outgate_recipients{{outcome="{outcome}"}}'] = float(count)
    for prefix, statistics in (("spool", worker.spool.statistics()), ("delivery", worker.delivery.statistics())):
        for name, value in statistics.items():
            values[f"outgate_{prefix}_{name}"] = float(value)
    return values
