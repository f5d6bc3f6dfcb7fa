"""Delivery status notifications as messages of our own: built, made durable, then delivered like any other.

RFC 3464; RFC 5321 §3.6.3, §4.5.5, §6.1.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from outgate.contract.scanning import ContentAction
from outgate.delivery.interface import Clock, Threads
from outgate.dsn.build import Failure, Notice, build
from outgate.dsn.header import HEADER_SHOWN_MAX, header_of
from outgate.mail.address import NULL_REVERSE_PATH, ForwardPath
from outgate.mail.message import Lane, Message, Progress, QueueId, RecipientProgress
from outgate.mail.reply import Reply
from outgate.policy.reasons import CATALOGUE, Reason, text_of
from outgate.spool.interface import INLINE_MAX, Done, LargeContent, Spool, SpoolError

_REPLY: Final = re.compile(r"(\d{3}) (?:([245]\.\d{1,3}\.\d{1,3}) )?(.*)", re.DOTALL)
_CODE: Final = re.compile(r"([a-z]+(?:-[a-z]+)*):")
_REASONS: Final = frozenset(reason.value for reason in Reason)

_HELD_STATUS: Final = "4.7.1"  # RFC 3463 §3.8: not authorised, for now
_UNPROVEN: Final = frozenset({Reason.AUTO_FORWARD.value, Reason.POSTMASTER.value})


def deserves_notice(message: Message) -> bool:
    """May somebody be told? Never a null reverse-path (RFC 5321 §4.5.5), and no address that was not proven on entry:
    the reverse-path of a forward, or of a stranger's letter to the postmaster, may be a victim's."""
    return not message.reverse_path.is_null and message.reason not in _UNPROVEN


def owes_word(message: Message, progress: Progress) -> bool:
    """Is the sender still to be told that this is held? What is held by a policy is its organisation's affair, but of
    what would have been refused, had it not been for other recipients, a refusal would have told."""
    return (
        message.lane == Lane.HELD
        and message.report.action == ContentAction.REJECT.value
        and progress.held
        and not progress.attempts
        and not progress.told
        and deserves_notice(message)
    )


class Notices:
    """submit: takes the notification once it is durable. fault: told the queue id when our own code raised over it."""

    def __init__(
        self,
        *,
        spool: Spool,
        threads: Threads,
        clock: Clock,
        host_name: str,
        new_queue_id: Callable[[], QueueId],
        submit: Callable[[Message, bytes | None], None],
        fault: Callable[[QueueId, Exception], None],
    ) -> None:
        self._spool = spool
        self._threads = threads
        self._clock = clock
        self._host_name = host_name
        self._new_queue_id = new_queue_id
        self._submit = submit
        self._fault = fault
        self._tasks: set[asyncio.Task[None]] = set()

    async def wait_until_quiet(self) -> None:
        """Until no notification is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def send(
        self,
        message: Message,
        recipients: Sequence[RecipientProgress],
        failed: Sequence[int],
        content: bytes | None,
        done: Done,
    ) -> None:
        """Tell the reverse-path of `message` that the recipients at `failed` were given up. `done(None)` when the
        notification is durable, so that what it says may be made so. content: the original's, if it is in memory."""
        failures = [_failure(message.forward_paths[place], recipients[place]) for place in failed]
        self._start(message, failures, content, done, is_held=False)

    def tell_held(self, message: Message, content: bytes | None, done: Done) -> None:
        """Tell the reverse-path of `message` that it is held for all its recipients. Otherwise as `send`."""
        reason = Reason(message.lane_reason)
        entry = CATALOGUE[reason]
        reply = Reply(450, _HELD_STATUS, text_of(reason))
        failures = [Failure(path, reply, "", entry.meaning, entry.remedy) for path in message.forward_paths]
        self._start(message, failures, content, done, is_held=True)

    def _start(
        self, message: Message, failures: Sequence[Failure], content: bytes | None, done: Done, *, is_held: bool
    ) -> None:
        task = asyncio.get_running_loop().create_task(self._try(message, failures, content, done, is_held=is_held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(
        self, message: Message, failures: Sequence[Failure], content: bytes | None, done: Done, *, is_held: bool
    ) -> None:
        try:
            error = await self._send(message, failures, content, is_held=is_held)
        except Exception as exception:
            self._fault(message.queue_id, exception)
            error = SpoolError("the notification could not be built")
        done(error)

    async def _send(
        self, message: Message, failures: Sequence[Failure], content: bytes | None, *, is_held: bool
    ) -> SpoolError | None:
        head = content if content is not None else await self._read_head(message.queue_id)
        at = self._clock.now()
        queue_id = self._new_queue_id()
        about = Notice(message, failures, header_of(b""), self._host_name, at, queue_id, is_held)
        try:
            octets, needs = build(replace(about, header=header_of(head[: HEADER_SHOWN_MAX + 1])))
        except Exception as fault:  # that the message failed matters more than its header
            self._fault(message.queue_id, fault)
            octets, needs = build(about)
        reverse_path = message.reverse_path
        notice = Message(
            queue_id,
            "",
            at,
            NULL_REVERSE_PATH,
            (ForwardPath(reverse_path.text, reverse_path.local_part, reverse_path.domain),),
            len(octets),
            int(needs),
            b"",
            Reason.OWN_NOTICE.value,
            subject=about.subject,
            message_id_field=f"<{queue_id}@{self._host_name}>",
        )
        error = await self._accept(notice, octets)
        if error is None:
            self._submit(notice, octets if len(octets) <= INLINE_MAX else None)
        return error

    async def _accept(self, notice: Message, octets: bytes) -> SpoolError | None:
        content: bytes | LargeContent = octets
        if len(octets) > INLINE_MAX:  # many hundreds of recipients
            try:
                content = self._spool.large()
            except SpoolError as error:
                return error
            content.write(octets)
        answered: asyncio.Future[SpoolError | None] = asyncio.get_running_loop().create_future()
        self._spool.accept(notice, content, answered.set_result)
        return await answered

    async def _read_head(self, queue_id: QueueId) -> bytes:
        """The beginning of the content; nothing if it cannot be read: the notification matters more than its header."""

        def read() -> bytes:
            reader = self._spool.content(queue_id)
            try:
                return reader.read(0, min(reader.size_octets, HEADER_SHOWN_MAX + 1))
            finally:
                reader.close()

        try:
            return await self._threads.run(read)
        except SpoolError:
            return b""


def _failure(path: ForwardPath, recipient: RecipientProgress) -> Failure:
    """What the recipient's last reply means, for people. A next hop's words are taken as such, whatever they say."""
    match = _REPLY.match(recipient.reply)
    code, status, text = (int(match[1]), match[2] or "", match[3]) if match else (550, "", recipient.reply)
    found = None if recipient.next_hop else _CODE.match(text)
    reason = Reason(found[1]) if found and found[1] in _REASONS else Reason.NEXT_HOP_REFUSED
    entry = CATALOGUE[reason]
    return Failure(path, Reply(code, status, text), recipient.next_hop, entry.meaning, entry.remedy)
