"""A worker's counters and gauges under the names of the catalogue (`metrics`)."""

from typing import TYPE_CHECKING

from outgate.app.engines import EngineGate
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
        "outgate_certificate_expires_at": worker.certificate.expires_at.timestamp() if worker.certificate else 0.0,
        "outgate_log_lines_dropped": float(worker.log.dropped),
        "outgate_policy_revision": float(worker.snapshot.revision),
        "outgate_policy_current": float(worker.currency.holds()),
        "outgate_policy_documents": float(len(worker.items)),
        "outgate_spool_failed": float(worker.spool.health is Health.FAILED),
        "outgate_spool_full": float(worker.spool.health is Health.FULL),
    }
    limiter = worker.senders.limiter
    values |= {
        "outgate_limits_charged": float(limiter.counters.charged),
        "outgate_limits_slowed": float(limiter.counters.slowed),
        "outgate_limits_drained": float(limiter.counters.drained),
        "outgate_limits_lane_full": float(limiter.counters.lane_full),
        "outgate_limits_refused_locked": float(limiter.counters.refused_locked),
        "outgate_limits_locked": float(limiter.counters.locked),
        "outgate_limits_slow_messages": float(limiter.slow_room.all.messages),
        "outgate_limits_slow_octets": float(limiter.slow_room.all.octets),
        "outgate_limits_senders": float(len(limiter.meters)),
        "outgate_limits_senders_forgotten": float(limiter.meters.forgotten),
        "outgate_limits_workers": float(limiter.meters.workers),
        "outgate_limits_failed_proofs": float(reception.failures.counted),
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
    for verdict, count in reception.counters.dkim.items():
        values[f'outgate_dkim{{verdict="{verdict or "unknown"}"}}'] = float(count)
    for pool, count in reception.counters.pools.items():
        values[f'outgate_pools{{pool="{pool}"}}'] = float(count)
    values["outgate_pools_unheard_of"] = float(reception.counters.unheard_of_pools)
    for action, count in reception.counters.scanned.items():
        values[f'outgate_scanned{{action="{action}"}}'] = float(count)
    scans = worker.scanning.counters
    values |= {
        "outgate_scanners_ready": float(worker.scanning.ready),
        "outgate_scanners_lost": float(scans.lost),
        "outgate_scans_waiting": float(worker.scanning.waiting),
        "outgate_scans_unanswered": float(scans.unanswered),
        "outgate_scans_seconds": scans.seconds,
        "outgate_scans": float(scans.scanned),
    }
    held = worker.held.spool.statistics()
    values |= {"outgate_held_messages": held["live_messages"], "outgate_held_octets": held["live_octets"]}
    for engine in worker.engines.gates:
        values |= _of_engine(engine)
    for listener in worker.listeners:
        for reason, count in listener.counters.ended.items():
            name = f'outgate_sessions_ended{{reason="{reason}"}}'
            values[name] = values.get(name, 0.0) + count
    for outcome, count in worker.record.outcomes.items():
        values[f'outgate_recipients{{outcome="{outcome}"}}'] = float(count)
    for prefix, statistics in (("spool", worker.spool.statistics()), ("delivery", worker.delivery.statistics())):
        for name, value in statistics.items():
            values[f"outgate_{prefix}_{name}"] = float(value)
    return values


def _of_engine(gate: EngineGate) -> dict[str, float]:
    label = f'engine="{gate.name}"'
    counters = gate.counters
    values = {
        f"outgate_engine_state{{{label}}}": float(gate.breaker.state.value),
        f"outgate_engine_waiting{{{label}}}": float(gate.under_way),
        f"outgate_engine_seconds{{{label}}}": counters.seconds,
    }
    for name in ("answers", "findings", "undecided", "skipped"):
        values[f"outgate_engine_{name}{{{label}}}"] = float(getattr(counters, name))
    for cause, count in counters.failures.items():
        values[f'outgate_engine_failures{{{label},cause="{cause}"}}'] = float(count)
    return values
