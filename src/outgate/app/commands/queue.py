"""`outgate queue`: look at queued messages and act on them, by asking the running workers."""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NoReturn

import msgspec
import typer
from msgspec import structs
from rich.console import Console
from rich.table import Table

from outgate.app.commands.queue_keys import Opened, open_messages
from outgate.app.commands.settings import settings_of
from outgate.app.configuration import Configuration
from outgate.contract.commands import QueueAction, QueueCommand
from outgate.contract.wire import (
    Answer,
    CommandAnswer,
    Failed,
    Question,
    QueuedMessage,
    QueueList,
    QueueListed,
    QueueSelect,
    QueueSelected,
    QueueShow,
)
from outgate.net.control import NobodyAnswers, ask

PAGE: Final = 1_000  # messages asked for at once; a worker gives so many
COMMAND_IDS: Final = 200  # in one command, so that its worker has time for others in between

app = typer.Typer(help="Look at queued messages and act on them.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Queue ids, as `queue list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All messages that match the filters.")]
CustomerId = Annotated[str, typer.Option("--customer", help="Only of this customer id.")]
Sender = Annotated[str, typer.Option("--sender", help="Only with this reverse-path.")]
Recipient = Annotated[str, typer.Option("--recipient", help="Only to this recipient.")]


@app.command("list")
def list_messages(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many messages.")] = 100,
    after: Annotated[str, typer.Option(help="Go on behind this queue id.")] = "",
    customer: CustomerId = "",
    sender: Sender = "",
    recipient: Recipient = "",
    held: Annotated[bool | None, typer.Option("--held/--not-held", help="Only held messages, or only others.")] = None,
    slow: Annotated[
        bool | None, typer.Option("--slow/--not-slow", help="Only messages in the slow lane, or only others.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List queued messages in the order of their next attempt."""
    configuration = settings_of(context)
    after_at = 0.0
    if after:
        last = _shown(configuration, after)
        if last is None:
            _fail(f"--after {after}: there is no such message in the queue (any more); list from the beginning")
        after_at = last.next_attempt_at
    question = QueueList(customer, sender, recipient, held, slow, limit=limit, after_at=after_at, after=after)
    messages, total = _listed(configuration, question)
    if as_json:
        _print_json({"messages": messages, "total": total})
        return
    if not messages:
        print("The queue is empty." if not total else "No message matches.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "state", "age", "next attempt", "size", "from", "to", "last reply"):
        table.add_column(heading, overflow="fold")
    now = datetime.now(UTC).timestamp()
    for message in messages:
        pending = [one for one in message.recipients if one.status == "pending"] or list(message.recipients)
        more = f" (+{len(message.recipients) - 1})" if len(message.recipients) > 1 else ""
        table.add_row(
            message.queue_id,
            message.state,
            _duration(now - message.received_at),
            _next(message, now),
            _size(message.size_octets),
            message.reverse_path or "<>",
            pending[0].forward_path + more,
            next((one.reply for one in pending if one.reply), message.lane_reason if message.state == "slow" else ""),
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    if total > len(messages):
        print(f"{len(messages)} of {total} messages; --limit shows more.")


@app.command()
def show(context: typer.Context, queue_id: str, as_json: AsJson = False) -> None:
    """Show one message with each recipient."""
    message = _shown(settings_of(context), queue_id)
    if message is None:
        _fail(f"{queue_id}: there is no such message in the queue (it may have been delivered; see the tracker)")
    if as_json:
        _print_json(message)
        return
    for name, value in (
        ("id", message.queue_id),
        ("state", message.state),
        ("customer", message.customer_id or "(Outgate itself)"),
        ("received", _time(message.received_at)),
        ("attempts", str(message.attempts)),
        ("next attempt", _time(message.next_attempt_at) if message.state == "deferred" else "-"),
        ("content", "sealed until it is released" if message.sealed_key else "-"),
        ("waits for", message.lane_reason if message.state == "slow" else "-"),
        ("expected", _time(message.expected_at) if message.expected_at else "-"),
        ("expires", _time(message.expires_at)),
        ("size", f"{message.size_octets} octets"),
        ("source", message.source),
        ("admitted as", message.reason),
        ("from", message.reverse_path or "<>"),
        ("message-id", message.message_id_field),
        ("subject", message.subject),
    ):
        print(f"{name + ':':14}{value}")
    for recipient in message.recipients:
        hop = f" [{recipient.next_hop}]" if recipient.next_hop else ""
        print(f"{'to:':14}{recipient.forward_path} {recipient.status}{hop} {recipient.reply}".rstrip())


def _action(action: QueueAction, summary: str, done_word: str) -> None:
    def run(
        context: typer.Context,
        queue_ids: Ids = None,
        every: All = False,
        customer: CustomerId = "",
        sender: Sender = "",
        recipient: Recipient = "",
        as_json: AsJson = False,
    ) -> None:
        configuration = settings_of(context)
        ids = tuple(queue_ids or ())
        if every and ids:
            _fail("give either queue ids or --all, not both")
        if every:
            ids = _selected(configuration, QueueSelect(customer, sender, recipient))
        elif not ids:
            _fail("which messages? Give queue ids, or --all with filters")
        done, sealed = _carry_out(configuration, QueueCommand(action, ids, "command line", customer))
        closed: dict[str, str] = {}
        if sealed:
            opened = _opened(context, configuration, sealed, len(done))
            command = QueueCommand(action, tuple(opened.keys), "command line", customer, opened.keys)
            more, still = _carry_out(configuration, command)
            done |= more
            closed = {**opened.closed, **dict.fromkeys(still, "the key that was found for it does not open it")}
        absent = [queue_id for queue_id in ids if queue_id not in done and queue_id not in closed]
        if as_json:
            _print_json({"done": sorted(done), "absent": absent, "sealed": sorted(closed)})
        else:
            for queue_id in absent:
                print(f"{queue_id}: not in the queue", file=sys.stderr)
            print(f"{len(done)} message{'' if len(done) == 1 else 's'} {done_word}")
        for queue_id, why in sorted(closed.items()):
            print(f"{queue_id}: sealed; {why}", file=sys.stderr)
        if closed or (absent and not done):
            raise typer.Exit(1)

    app.command(action.value, help=summary)(run)


_action(QueueAction.RETRY, "Try these messages now, whatever the schedule says.", "to be tried now")
_action(QueueAction.HOLD, "Hold these messages: not tried until released.", "held")
_action(QueueAction.RELEASE, "End the hold of these messages, or let them out of the slow lane.", "released")
_action(QueueAction.DELETE, "Delete these messages, without a notice to their senders.", "deleted")


def _carry_out(configuration: Configuration, command: QueueCommand) -> tuple[set[str], set[str]]:
    """The ids that it is done to, and those that stay closed for want of a key. Exits with an error if a worker says
    no."""
    done: set[str] = set()
    sealed: set[str] = set()
    for first in range(0, len(command.queue_ids), COMMAND_IDS):
        ids = command.queue_ids[first : first + COMMAND_IDS]
        keys = {queue_id: command.keys[queue_id] for queue_id in ids if queue_id in command.keys}
        for answer in _ask_all(configuration, structs.replace(command, queue_ids=ids, keys=keys)):
            if isinstance(answer, CommandAnswer):
                done.update(answer.result.done)
                sealed.update(answer.result.sealed)
            elif isinstance(answer, Failed):
                _fail(answer.text)
    return done, sealed - done


def _opened(context: typer.Context, configuration: Configuration, sealed: set[str], done: int) -> Opened:
    """The keys of these messages. If none can be had the command ends, having said what is done by now."""
    messages = [message for queue_id in sorted(sealed) if (message := _shown(configuration, queue_id)) is not None]
    try:
        return open_messages(context, messages)
    except typer.Exit:
        print(f"outgate: released: {done}; sealed, and not released: {len(messages)}", file=sys.stderr)
        raise


def _ask_all(configuration: Configuration, question: Question) -> Iterable[Answer]:
    """Every worker's answer. Exits with an error if one does not answer."""
    for number in range(1, configuration.workers + 1):
        try:
            yield ask(configuration.control_socket(number), question)
        except NobodyAnswers as error:
            _fail(f"worker {number} does not answer ({error}). Is Outgate running? `outgate up` starts it")


def _shown(configuration: Configuration, queue_id: str) -> QueuedMessage | None:
    for answer in _ask_all(configuration, QueueShow(queue_id)):
        if isinstance(answer, QueueListed) and answer.messages:
            return answer.messages[0]
    return None


def _selected(configuration: Configuration, question: QueueSelect) -> tuple[str, ...]:
    ids: list[str] = []
    for answer in _ask_all(configuration, question):
        if isinstance(answer, Failed):
            _fail(answer.text)
        if isinstance(answer, QueueSelected):
            ids += answer.queue_ids
    return tuple(ids)


def _listed(configuration: Configuration, question: QueueList) -> tuple[list[QueuedMessage], int]:
    """As many as the question asks for, page by page, since a worker gives only so many at once."""
    messages: list[QueuedMessage] = []
    total = 0
    while len(messages) < question.limit:
        page: list[QueuedMessage] = []
        asked = structs.replace(question, limit=min(question.limit - len(messages), PAGE))
        matching = 0
        for answer in _ask_all(configuration, asked):
            if isinstance(answer, Failed):
                _fail(answer.text)
            if isinstance(answer, QueueListed):
                page.extend(answer.messages)
                matching += answer.total
        page.sort(key=lambda message: (message.next_attempt_at, message.queue_id))
        total = total or matching
        del page[asked.limit :]
        messages += page
        if len(page) < asked.limit:
            break
        question = structs.replace(question, after_at=page[-1].next_attempt_at, after=page[-1].queue_id)
    return messages, total


def _print_json(value: Any) -> None:
    print(json.dumps(msgspec.to_builtins(value), indent=2))


def _fail(text: str) -> NoReturn:
    print(f"outgate: {text}", file=sys.stderr)
    raise typer.Exit(1)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _next(message: QueuedMessage, now: float) -> str:
    if message.state == "slow":
        return f"~{_duration(message.expected_at - now)}"
    return _duration(message.next_attempt_at - now) if message.state == "deferred" else "-"


def _duration(seconds: float) -> str:
    if seconds < 0:
        return "now"
    for limit, size, unit in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds / 86_400)} d"


def _size(octets: int) -> str:
    for limit, size, unit in ((1_024, 1, "B"), (1_048_576, 1_024, "KiB"), (1 << 40, 1_048_576, "MiB")):
        if octets < limit:
            return f"{octets // size} {unit}"
    return str(octets)
