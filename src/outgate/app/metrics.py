"""The catalogue of metrics: every name that `/metrics` may show, its kind and meaning. docs/metrics.md is made from it.

Workers report `name` or `name{label="value"}`; the health server adds the worker's number.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final


class MetricKind(Enum):
    COUNTER = "counter"  # only grows, from 0 at the start of the process
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    kind: MetricKind
    help: str


def _counter(help_text: str) -> Metric:
    return Metric(MetricKind.COUNTER, help_text)


def _gauge(help_text: str) -> Metric:
    return Metric(MetricKind.GAUGE, help_text)


METRICS: Final[dict[str, Metric]] = {
    "outgate_worker_up": _gauge("1 if the worker answers, else 0"),
    "outgate_process_restarts": _counter("How often a process had to be started again"),
    "outgate_stopping": _gauge("1 while the worker takes no new mail because it is ending"),
    "outgate_connections": _gauge("Open SMTP connections from senders"),
    "outgate_connections_strangers": _gauge("Of these, from addresses that are nobody's declared source"),
    "outgate_connections_accepted": _counter("SMTP connections taken"),
    "outgate_connections_turned_away": _counter("SMTP connections answered with 421 because there were too many"),
    "outgate_connections_timed_out": _counter("SMTP connections closed because the peer was silent or too slow"),
    "outgate_sessions_ended": _counter("SMTP sessions that the worker ended by a reply of its own, by reason"),
    "outgate_tls_established": _counter("STARTTLS handshakes that succeeded"),
    "outgate_certificate_expires_at": _gauge("When the certificate expires, in seconds since 1970; 0 without TLS"),
    "outgate_tls_failed": _counter("STARTTLS handshakes that failed"),
    "outgate_early_talkers": _counter("Peers that spoke before the greeting"),
    "outgate_proxy_errors": _counter("Connections without the PROXY header that their listener demands"),
    "outgate_messages_accepted": _counter("Messages answered with 250"),
    "outgate_messages_accepted_octets": _counter("Octets of these"),
    "outgate_refused": _counter("Recipients and messages refused or delayed, by reason"),
    "outgate_dkim": _counter("Messages by what their DKIM signatures said on entry"),
    "outgate_pools": _counter("Messages from Microsoft by pool; `unknown` is one that no rule knows"),
    "outgate_pools_unheard_of": _counter("Of these, such as had a name or an SFP value that no rule knows"),
    "outgate_limits_charged": _counter("Messages that were counted against limits and had room"),
    "outgate_limits_slowed": _counter("Messages that were over a limit and went into the slow lane"),
    "outgate_limits_drained": _counter("Messages that left the slow lane because it was their turn"),
    "outgate_limits_lane_full": _counter("Messages told 451 because their customer's slow lane was full"),
    "outgate_limits_refused_locked": _counter("Messages refused because their mailbox was locked"),
    "outgate_limits_locked": _counter("Mailboxes that this worker has locked"),
    "outgate_limits_slow_messages": _gauge("Messages in the slow lane"),
    "outgate_limits_slow_octets": _gauge("Octets of these"),
    "outgate_limits_senders": _gauge("Mailboxes, domains, customers and sources that are counted"),
    "outgate_limits_senders_forgotten": _counter("Of these, such as were forgotten to make room for others"),
    "outgate_limits_workers": _gauge("Workers, of all nodes, that share the limits"),
    "outgate_limits_failed_proofs": _counter("Failed proofs that were counted against a source or a tenant"),
    "outgate_recipients": _counter("Recipients by outcome of an attempt: relayed, deferred, failed"),
    "outgate_attempts": _counter("Attempts of delivery, by reason"),
    "outgate_log_lines_dropped": _counter("Lines that could not be written to the log"),
    "outgate_policy_revision": _gauge("Revision of the policy that the worker has applied"),
    "outgate_policy_current": _gauge("1 while the clerk confirms that no newer policy exists"),
    "outgate_policy_documents": _gauge("Policy documents that the worker holds"),
    "outgate_spool_failed": _gauge("1 if the disk failed and the worker is about to end"),
    "outgate_spool_full": _gauge("1 while there is no room for new mail"),
    "outgate_spool_live_messages": _gauge("Messages in the spool"),
    "outgate_spool_live_octets": _gauge("Octets of the log that they take"),
    "outgate_spool_segments": _gauge("Segments of the log in use"),
    "outgate_spool_segments_spare": _gauge("Segments kept ready for the next use"),
    "outgate_spool_segments_octets": _gauge("Octets of the segments in use"),
    "outgate_spool_commits": _counter("Group commits: flushes that messages shared"),
    "outgate_spool_committed_messages": _counter("Messages made durable by them"),
    "outgate_spool_appended_records": _counter("Records appended to the log"),
    "outgate_spool_appended_octets": _counter("Octets appended to the log"),
    "outgate_spool_flush_seconds": _counter("Time spent in flushes of the log"),
    "outgate_spool_flush_seconds_max": _gauge("Longest of these since the start"),
    "outgate_spool_copied_records": _counter("Old messages copied forward, so that their segment could be used again"),
    "outgate_spool_copied_octets": _counter("Octets of these"),
    "outgate_spool_quarantined_records": _counter("Damaged records set aside"),
    "outgate_spool_events_recorded": _counter("Events written to the event log"),
    "outgate_spool_events_dropped": _counter("Events dropped for want of room"),
    "outgate_spool_event_files_dropped": _counter("Event files dropped because of the quota"),
    "outgate_spool_available_octets": _gauge("Room on the spool's disk"),
    "outgate_spool_under_way_octets": _gauge("Octets of messages that are just being made durable"),
    "outgate_delivery_queued": _gauge("Messages that are not finished"),
    "outgate_delivery_active": _gauge("Of these, such as are just tried or wait for a connection"),
    "outgate_delivery_lanes": _gauge("Next hops that are known"),
    "outgate_delivery_connections": _gauge("Connections to next hops"),
    "outgate_delivery_connects": _counter("Connections to next hops begun"),
    "outgate_delivery_connects_failed": _counter("Of these, such as did not come about"),
    "outgate_delivery_hot_octets": _gauge("Octets of content kept in memory for delivery"),
    "outgate_delivery_notices": _counter("Delivery status notifications made"),
    "outgate_delivery_set_aside": _counter("Messages held because the worker ended twice while it tried them"),
    "outgate_delivery_adopted": _gauge("Spools of workers that are gone, which this worker works off"),
    "outgate_held_messages": _gauge("Messages in the store of held mail"),
    "outgate_held_octets": _gauge("Octets of its log that they take; content above 256 KiB is not counted"),
    "outgate_scanned": _counter("Messages whose content was judged, by what was decided"),
    "outgate_scans": _counter("Messages that a scanner process has looked at"),
    "outgate_scans_seconds": _counter("Seconds that scanner processes took for these"),
    "outgate_scans_waiting": _gauge("Messages that wait for a scanner process"),
    "outgate_scans_unanswered": _counter("Messages for which no scanner process was free in time"),
    "outgate_scanners_ready": _gauge("Scanner processes that can take a message; 0 until one is needed"),
    "outgate_scanners_lost": _counter("Scanner processes that a message has ended"),
    "outgate_engine_state": _gauge(
        "Of a scanning engine: 0 it is asked, 1 one message tries it, 2 it is left alone because it failed, by engine"
    ),
    "outgate_engine_waiting": _gauge("Messages that the engine is asked about or that wait for that, by engine"),
    "outgate_engine_answers": _counter("Answers of the engine, by engine"),
    "outgate_engine_seconds": _counter("Seconds that these took, by engine"),
    "outgate_engine_findings": _counter("Findings in these, by engine"),
    "outgate_engine_undecided": _counter("Of the answers, such as asked to come again later, by engine"),
    "outgate_engine_failures": _counter("Questions without a usable answer, by engine and cause"),
    "outgate_engine_skipped": _counter(
        "Messages that the engine was not asked about, because it was left alone or too many waited, by engine"
    ),
    "outgate_clerk_up": _gauge("1 if the clerk answers, else 0"),
    "outgate_clerk_database_up": _gauge("1 while the database answers the clerk"),
    "outgate_clerk_revision": _gauge("Newest revision of the policy in the database"),
    "outgate_clerk_followers": _gauge("Workers that follow the feed"),
    "outgate_clerk_followers_behind": _gauge("Of these, such as have not acknowledged the newest revision"),
    "outgate_clerk_events": _counter("Events recorded in the database"),
    "outgate_clerk_events_unreadable": _counter("Events that could not be read"),
    "outgate_clerk_event_lag_seconds": _gauge("Age of the oldest event that is not recorded yet"),
    "outgate_clerk_event_lag_octets": _gauge("Octets of event logs that are not recorded yet"),
    "outgate_provider_age_seconds": _gauge("Since the provider's source last confirmed its networks, by provider"),
    "outgate_provider_networks": _gauge("Networks of the provider that are known, by provider"),
    "outgate_provider_refresh_failures": _counter("Times that a provider's source gave no good answer, by provider"),
}

_LABELLED: Final = re.compile(r"([a-z_]+)\{(.*)\}")
_LABEL: Final = re.compile(r'([a-z_]+)="([^"]*)"')


def split_labels(name: str) -> tuple[str, dict[str, str]]:
    """`a{b="c"}` as ("a", {"b": "c"})."""
    match = _LABELLED.fullmatch(name)
    return (match[1], dict(_LABEL.findall(match[2]))) if match else (name, {})
