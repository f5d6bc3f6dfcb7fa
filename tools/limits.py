"""Every limit of the data plane, as docs/limits.md shows it: from the constants and settings themselves.

A constant belongs to the document if it is public, a number and not in a module of the control plane; its comment says
what it limits. So no limit can be added without standing in the document, and none without saying what it is.
"""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Final

from outgate.app.configuration import SECTIONS
from outgate.policy.reasons import CATALOGUE, Reason

SOURCE: Final = Path(__file__).resolve().parent.parent / "src" / "outgate"
# The control plane and what only the laboratory runs: no sender and no next hop reaches these.
ELSEWHERE: Final = (
    *("portal/", "spf/", "app/clerk", "app/provider_", "app/commands/"),
    *("app/cli.py", "app/demo.py", "app/sample_receiver.py"),
)
# Numbers that are no limits: layouts, formats, modes.
NO_LIMITS: Final = frozenset(
    {
        *("contract.policy.FORMAT", "spool.records.FORMAT_VERSION", "spool.records.TAG_OCTETS"),
        *("spool.records.RECORD_HEADER_OCTETS", "spool.records.FIRST_RECORD", "spool.records.ALIGNMENT"),
        *("spool.records.BLOCK", "spool.records.LARGE_FLAG", "spool.event_frames.TAG_OCTETS"),
        *("spool.event_frames.FRAME_OCTETS", "spool.tries.SLOT_OCTETS", "spool.tries.ID_OCTETS"),
        *("spool.segments.recovery.SEQUENCE_STEP", "app.configuration.SEGMENT_STEP"),
        "dkim.signature.BODY_HASH_OCTETS",
        *("app.archive.FORMAT", "app.archive.FILE_MODE"),
        *("spool.files.FILE_MODE", "spool.files.DIRECTORY_MODE", "net.certificate.SELF_SIGNED_DAYS"),
    }
)


@dataclass(frozen=True, slots=True)
class Constant:
    """name: with its module, without `outgate`. comment: behind it, or on the line above."""

    name: str
    value: float
    comment: str


@dataclass(frozen=True, slots=True)
class Reached:
    """What a peer is told when it meets a limit. limit: a constant or a setting, by name."""

    limit: str
    about: str
    effect: str
    reason: Reason | None = None


# A decision about one message: 421 would end the connection (see `policy.reasons.reply_for`).
_TOO_MANY_LETTERS: Final = f"deferred, `451 4.3.2` [{Reason.OVERLOADED.value}](reasons.md#{Reason.OVERLOADED.value})"

REACHED: Final = (
    # Connections
    Reached("limits.connections", "connections from senders, to one worker", "turned away", Reason.OVERLOADED),
    Reached("limits.connections_per_address", "of these, from one declared source", "the same", Reason.OVERLOADED),
    Reached("limits.stranger_connections", "of these, from all strangers", "the same", Reason.OVERLOADED),
    Reached("limits.connections_per_stranger", "of these, from one stranger", "the same", Reason.OVERLOADED),
    Reached("limits.stranger_greeting_delay_seconds", "talk before the greeting", "the end", Reason.TALKED_EARLY),
    # Time
    Reached("limits.idle_seconds", "silence; a command that is not complete", "the end", Reason.TIMED_OUT),
    Reached("limits.stranger_idle_seconds", "the same for a stranger", "the end", Reason.TIMED_OUT),
    Reached("limits.stranger_session_seconds", "a stranger's connection in all", "the end", Reason.TOO_SLOW),
    Reached("net.listener.PACE_OCTETS_PER_SECOND", "content that brings less in a second", "the end", Reason.TOO_SLOW),
    Reached("net.listener.HANDSHAKE_SECONDS", "the TLS handshake", "the connection is cut"),
    Reached("net.listener.PROXY_HEADER_SECONDS", "the PROXY header", "the connection is cut"),
    Reached("net.listener.CLOSE_SECONDS", "a last reply that is not taken", "the connection is cut"),
    # Commands
    Reached("smtp.incoming.COMMAND_LINE_MAX", "a command line", "500, and the line is skipped"),
    Reached("smtp.incoming.ENDLESS_LINE_MAX", "a command line that is skipped", "the end", Reason.LINE_LIMIT),
    Reached("limits.errors", "commands in error between two messages", "the end", Reason.ERROR_LIMIT),
    Reached(
        "smtp.server.IDLE_COMMANDS_DEFAULT",
        "commands without mail, and refused recipients, between two messages",
        "the end",
        Reason.IDLE_LIMIT,
    ),
    Reached("smtp.dialogue.BUFFERED_MAX", "octets sent while a reply is due", "the end", Reason.SENT_AHEAD),
    Reached("limits.recipients", "accepted recipients of a message", "the rest comes again", Reason.RECIPIENT_LIMIT),
    # Content
    Reached("limits.message_size_octets", "content", "read to its end, then refused", Reason.MESSAGE_TOO_LARGE),
    Reached("smtp.server.SKIPPED_MAX", "content beyond that", "refused, and the end", Reason.MESSAGE_TOO_LARGE),
    Reached("policy.header.HEADER_MAX", "the header", "refused", Reason.HEADER_TOO_LARGE),
    Reached("limits.hops", "Received fields", "refused", Reason.HOP_LIMIT),
    Reached("mail.evidence.SIGNATURES_MAX", "DKIM signatures", "the topmost ones are looked at"),
    Reached("dkim.signature.FIELD_MAX", "a DKIM signature", "it proves nothing"),
    Reached("reception.signatures.KEYS_SECONDS", "DNS that owes the keys of DKIM", "the signatures prove nothing now"),
    # Senders: what a customer may set is in docs/sender-limits.md
    Reached(
        "policy.failures.FAILED_PROOFS_MAX",
        "failed proofs of a source",
        "what is refused is deferred for a time",
        Reason.TOO_MANY_FAILURES,
    ),
    Reached("policy.slow_room.SLOW_MESSAGES_MAX", "slow messages of all customers", "deferred", Reason.SLOW_LANE_FULL),
    Reached("policy.slow_room.SLOW_OCTETS_MAX", "octets of these", "deferred", Reason.SLOW_LANE_FULL),
    Reached("policy.meters.KEYS_MAX", "senders that are counted", "the emptiest is forgotten"),
    Reached(
        "policy.limits.POSTMASTER_LETTERS_MAX",
        "letters to our own postmaster in a minute",
        _TOO_MANY_LETTERS,
    ),
    Reached("policy.limits.POSTMASTER_SOURCE_LETTERS_MAX", "of these, from one source", "the same"),
    Reached("policy.limits.POSTMASTER_OCTETS_MAX", "octets of these in an hour", "the same"),
    Reached("policy.limits.POSTMASTER_DAY_OCTETS_MAX", "octets of these in a day", "the same"),
    # Memory and disk
    Reached("net.listener.HELD_MAX", "octets that all sessions hold", "the end for the greediest", Reason.OVERLOADED),
    Reached(
        "reception.room.CONTENT_HELD_MAX",
        "octets of content above one piece each, in memory together",
        "content goes to files, and senders wait for the disk",
    ),
    Reached(
        "reception.room.HEAD_HELD_MAX", "a header without an end while memory is short", "the end", Reason.OVERLOADED
    ),
    Reached("spool.reserve_octets", "room on the disk", "no mail is taken", Reason.SPOOL_FULL),
    # Next hops
    Reached("delivery.connections", "connections to all next hops", "mail waits for a place"),
    Reached("delivery.destination_connections", "connections to one next hop", "the same"),
    Reached("delivery.connect_seconds", "one TCP connection", "the next address", Reason.NEXT_HOP_UNREACHABLE),
    Reached("net.relay.TOTAL_SECONDS", "all addresses together", "deferred", Reason.NEXT_HOP_UNREACHABLE),
    Reached("delivery.reply_seconds", "the wait for a reply", "deferred", Reason.CONNECTION_LOST),
    Reached(
        "net.hop_connection.ENVELOPE_SECONDS_MAX", "all replies to one envelope", "deferred", Reason.CONNECTION_LOST
    ),
    Reached("smtp.replies.REPLY_LINE_MAX", "a line of a reply", "the rest is cut"),
    Reached("smtp.replies.ENDLESS_LINE_MAX", "a line that is cut", "deferred", Reason.CONNECTION_LOST),
    Reached("smtp.replies.REPLY_LINES_MAX", "lines of a reply", "deferred", Reason.CONNECTION_LOST),
    Reached("delivery.expiry_seconds", "age of a message", "returned", Reason.EXPIRED),
)


def constants() -> Iterator[Constant]:
    """All of them, in the order of their modules."""
    for path in sorted(SOURCE.rglob("*.py")):
        place = path.relative_to(SOURCE).as_posix()
        if not place.startswith(ELSEWHERE) and path.name != "__main__.py":
            yield from _constants_of(path, place.removesuffix(".py").replace("/", "."))


def _constants_of(path: Path, module_name: str) -> Iterator[Constant]:
    text = path.read_text("utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        name = node.target.id
        if not name.isupper() or name.startswith("_"):
            continue
        value = getattr(importlib.import_module(f"outgate.{module_name}"), name)
        full_name = f"{module_name}.{name}"
        if isinstance(value, int | float) and not isinstance(value, bool) and full_name not in NO_LIMITS:
            around = lines[node.lineno - 1 : node.end_lineno]
            comment = " ".join(filter(None, (line.partition("#")[2].strip() for line in around)))
            yield Constant(full_name, value, comment)


def value_of(limit: str) -> float:
    """Of a constant, or the default of a setting, by name. Raises: KeyError."""
    section, _, key = limit.partition(".")
    if section in SECTIONS and key in SECTIONS[section].__struct_fields__:
        value = getattr(SECTIONS[section](), key)
        assert isinstance(value, int | float)
        return value
    module_name, _, name = limit.rpartition(".")
    try:
        value = getattr(importlib.import_module(f"outgate.{module_name}"), name)
    except (AttributeError, ModuleNotFoundError) as error:
        raise KeyError(limit) from error
    assert isinstance(value, int | float)
    return value


def is_setting(limit: str) -> bool:
    section, _, key = limit.partition(".")
    return section in SECTIONS and key in SECTIONS[section].__struct_fields__


def shown(limit: str, comment: str) -> str:
    """The value with its unit, as people read it."""
    value = value_of(limit)
    name = limit.rpartition(".")[2].lower()
    if "seconds" in name and "per_second" not in name:
        return f"{value:,.10g} s"
    if "octets" in name or comment.startswith("octets"):
        return octets(value)
    return f"{value:,.10g}"


def octets(value: float) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size:
            return f"{value / size:,.4g} {unit}"
    return f"{value:,g} octets"


@dataclass(frozen=True, slots=True)
class Share:
    """What a worker may need at most of something, for one purpose."""

    purpose: str
    sum_of: str
    amount: int


# Measured: VmRSS of a worker that has nothing to do, and what it grows by for each idle connection behind TLS.
PROCESS_OCTETS: Final = 50 << 20
TLS_CONNECTION_OCTETS: Final = 47 << 10
# Measured: 95,000 mailboxes with the default limits, each with four messages within some minutes.
SENDER_OCTETS: Final = 2_300
# Estimated from their encodings.
LOG_LINE_OCTETS: Final = 500
DNS_ANSWER_OCTETS: Final = 1_000
PUBLIC_KEY_OCTETS: Final = 3_000


def memory() -> Iterator[Share]:
    """The worst case with the settings as they are by default, but for messages that wait in the queue."""
    connections, hops = int(value_of("limits.connections")), int(value_of("delivery.connections"))
    piece = _product("net.hop_connection.PIECE_OCTETS")
    longest_reply = _product("smtp.replies.REPLY_LINES_MAX", "smtp.replies.REPLY_LINE_MAX")
    yield Share("the process itself", "measured", PROCESS_OCTETS)
    yield Share(
        "idle connections from senders, with TLS",
        f"{connections:,} of {octets(TLS_CONNECTION_OCTETS)}, measured",
        connections * TLS_CONNECTION_OCTETS,
    )
    yield Share("what their sessions hold", "`net.listener.HELD_MAX`", _product("net.listener.HELD_MAX"))
    content_piece = _product("smtp.content.CONTENT_PIECE_MAX")
    yield Share(
        "content of one piece each, being made durable",
        f"{connections:,} of {octets(content_piece)}",
        connections * content_piece,
    )
    yield Share(
        "longer content, coming in or being made durable",
        "`reception.room.CONTENT_HELD_MAX`",
        _product("reception.room.CONTENT_HELD_MAX"),
    )
    yield Share(
        "fresh content on its way out",
        "`delivery.settings.HOT_OCTETS_MAX`",
        _product("delivery.settings.HOT_OCTETS_MAX"),
    )
    yield Share(
        "connections to next hops",
        f"{hops:,} of two pieces of {octets(piece)} and the longest reply, {octets(longest_reply)}",
        hops * (2 * piece + longest_reply),
    )
    yield Share(
        "events while the disk is full", "`spool.event_log.UNWRITTEN_MAX`", _product("spool.event_log.UNWRITTEN_MAX")
    )
    senders = _product("policy.meters.KEYS_MAX")
    yield Share(
        "senders that are counted", f"{senders:,} of {octets(SENDER_OCTETS)}, measured", senders * SENDER_OCTETS
    )
    lines, answers = _product("app.log.PENDING_MAX"), _product("net.resolver.CACHE_MAX")
    yield Share("log lines not written yet", f"{lines:,} of some {LOG_LINE_OCTETS} octets", lines * LOG_LINE_OCTETS)
    yield Share("DNS answers", f"{answers:,} of some {DNS_ANSWER_OCTETS:,} octets", answers * DNS_ANSWER_OCTETS)
    texts, text_octets = _product("net.resolver.TEXTS_CACHE_MAX"), _product("net.resolver.TEXTS_OCTETS_MAX")
    yield Share("texts from DNS", f"{texts:,} of {octets(text_octets)}", texts * text_octets)
    keys = _product("reception.signatures.KEYS_MAX")
    yield Share("keys of DKIM", f"{keys:,} of some {PUBLIC_KEY_OCTETS:,} octets", keys * PUBLIC_KEY_OCTETS)


def descriptors() -> Iterator[Share]:
    each = int(value_of("app.descriptors.PER_CONNECTION"))
    for setting, purpose in (
        ("limits.connections", "connections from senders"),
        ("delivery.connections", "connections to next hops"),
    ):
        connections = int(value_of(setting))
        yield Share(purpose, f"{each} for each of {connections:,}", each * connections)
    yield Share(
        "segments, event log, log, feed, control, DNS",
        "`app.descriptors.RESERVED_MAX`",
        _product("app.descriptors.RESERVED_MAX"),
    )


def _product(*names: str) -> int:
    return prod(int(value_of(name)) for name in names)


def reply(reason: Reason) -> str:
    entry = CATALOGUE[reason]
    return f"`{entry.code} {entry.status}` [{reason}](reasons.md#{reason})"
