"""`outgate trace`: what is recorded of one message."""
# ruff: noqa: PLC0415 - Django takes half a second to import: only the command that needs it does

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outgate.app.commands.control_plane import control_plane, print_json
from outgate.mail.evidence import Evidence, SignatureResult

if TYPE_CHECKING:
    from outgate.portal.tracker.selectors import Trace


def trace(
    context: typer.Context,
    queue_id: Annotated[
        str, typer.Argument(help="The message's queue id, the reference in replies.", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Show what became of a message: what it showed of its origin, refusals, attempts, and how its recipients stand."""
    with control_plane(context):
        from outgate.portal.tracker.selectors import trace_of

        found = trace_of(queue_id)
    if as_json:
        print_json(_as_json(found))
    else:
        for line in _lines(found):
            print("".join(each if each.isprintable() else "?" for each in line))  # much of it is a stranger's


def _as_json(found: "Trace") -> dict[str, Any]:
    message = found.message
    facts = ("queue_id", "customer_id", "worker", "status", "source", "hello_name", "tls", "reverse_path")
    more = ("size_octets", "reason", "lane", "lane_reason", "message_id_field", "header_from", "subject", "evidence")
    return {
        **{name: getattr(message, name) for name in facts},
        "at": message.at.isoformat(),
        **{name: getattr(message, name) for name in more},
        "recipients": [
            {
                "forward_path": each.forward_path,
                "outcome": each.outcome,
                "reply": each.reply,
                "next_hop": each.next_hop,
                "at": each.at.isoformat(),
            }
            for each in found.recipients
        ],
        "attempts": [
            {
                "attempt": each.attempt,
                "next_hop": each.next_hop,
                "at": each.at.isoformat(),
                "reason": each.reason,
                "tls": each.tls,
                "duration_seconds": each.duration_seconds,
                "next_attempt_at": each.next_attempt_at.isoformat() if each.next_attempt_at else None,
                "is_final": each.is_final,
                "outcomes": [
                    dict(zip(("recipient", "forward_path", "outcome", "reply"), one, strict=False))
                    for one in each.outcomes
                ],
            }
            for each in found.attempts
        ],
        "refusals": [
            {
                "ordinal": each.ordinal,
                "at": each.at.isoformat(),
                "stage": each.stage,
                "reason": each.reason,
                "reply": each.reply,
                "forward_paths": each.forward_paths,
            }
            for each in found.refusals
        ],
    }


def _lines(found: "Trace") -> list[str]:
    message = found.message
    lane = f", lane {message.lane} ({message.lane_reason})" if message.lane else ""
    facts = {
        "message": f"{message.queue_id}, {message.status}{lane}",
        "came": f"{_time(message.at)} to worker {message.worker}",
        "customer": message.customer_id or "nobody's",
        "source": f"{message.source} ({message.hello_name or '-'}), {message.tls or 'no TLS'}",
        "reverse-path": f"<{message.reverse_path}>",
        "From": message.header_from,
        "subject": message.subject,
        "Message-ID": message.message_id_field,
        "size": f"{message.size_octets} octets" if message.size_octets else "",
        "reason": message.reason,
    }
    lines = [f"{name + ':':<14}{value}" for name, value in facts.items() if value]
    if message.evidence:
        lines.append("evidence:")
        # PostgreSQL keeps no order of keys.
        shown = ((name, message.evidence.get(name)) for name in Evidence.__struct_fields__)
        lines += [f"  {name}: {_shown(value)}" for name, value in shown if value]
    if found.refusals:
        lines.append("refusals:")
        lines += [f"  {_time(each.at)} at {each.stage}: {each.reply}" for each in found.refusals]
    if found.attempts:
        lines.append("attempts:")
    for each in found.attempts:
        lines.append(f"  {_time(each.at)} number {each.attempt} at {each.next_hop or 'no hop'}: {each.reason}")
        lines += [f"    {one[1]}: {one[2]}, {one[3]}" for one in each.outcomes]
        if each.next_attempt_at and not each.is_final:
            lines.append(f"    again at {_time(each.next_attempt_at)}")
    lines.append("recipients:")
    lines += [f"  {each.forward_path}: {each.outcome} {each.reply}".rstrip() for each in found.recipients]
    return lines


def _shown(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return ", ".join(_signature(each) if isinstance(each, dict) else str(each) for each in value)


def _signature(shown: dict[str, str]) -> str:
    return " ".join(shown[name] for name in SignatureResult.__struct_fields__ if name in shown)


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
