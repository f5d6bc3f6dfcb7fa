"""One peer's dialogue: each event of the session is decided by policy, the content goes to the spool, and the 250 is
given only after the spool has said that the message is durable. RFC 5321 §6.1.

Synchronous but for that one wait, so that a message costs no task and no future.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from outgate.contract.events import Event as ContractEvent
from outgate.contract.events import MessageAccepted, MessageRefused
from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import ContentNeeds, Message, QueueId
from outgate.mail.reply import Reply
from outgate.policy.admission import SenderStanding, decide_recipient, settle, stand_sender
from outgate.policy.decision import Decision, Verdict
from outgate.policy.header import HEADER_MAX, HeaderFacts, read_header
from outgate.policy.reasons import Reason, reply_for, reply_of
from outgate.policy.snapshot import Snapshot, SourceStanding
from outgate.reception.trace import protocol, received_line
from outgate.smtp.events import (
    ContentReceived,
    ContentRequested,
    Event,
    MailReceived,
    RecipientReceived,
    TlsRequested,
    TransactionEnded,
)
from outgate.spool.interface import INLINE_MAX, Health, LargeContent, Spool, SpoolError, SpoolFull

LARGE_AHEAD_MAX: Final = 4 * 1024 * 1024  # octets of one large message in memory before its sender is made to wait
LARGE_AHEAD_LOW: Final = 1024 * 1024  # octets at which the sender may go on
REFUSED_PATHS_MAX: Final = 100  # recipients that one event of refusal names; a harvester gets no more room than that
STRANGER_EVENTS_PER_SECOND: Final = 5.0  # refusals of strangers that are recorded; the rest is only counted
STRANGER_EVENTS_BURST: Final = 500.0

_MAIL_OK: Final = Reply(250, "2.1.0", "sender noted")
_RECIPIENT_OK: Final = Reply(250, "2.1.5", "recipient noted")
_GO_AHEAD: Final = Reply(354, "", "end with <CRLF>.<CRLF>")
_TLS_READY: Final = Reply(220, "2.0.0", "go ahead with TLS")
_TLS_NOT_NOW: Final = reply_of(Reason.TLS_UNAVAILABLE)


class SessionView(Protocol):
    """What the conversation reads from the session."""

    @property
    def hello_name(self) -> str: ...

    @property
    def is_extended(self) -> bool: ...


class Wire(Protocol):
    """The way back to the connection."""

    @property
    def address(self) -> str: ...

    @property
    def session(self) -> SessionView: ...

    @property
    def reply_later(self) -> Callable[[Reply], None]: ...

    @property
    def pause_reading(self) -> Callable[[], None]: ...

    @property
    def resume_reading(self) -> Callable[[], None]: ...


@dataclass(slots=True)
class ReceptionCounters:
    """For the metrics."""

    accepted: int = 0
    accepted_octets: int = 0
    refused: dict[str, int] = field(default_factory=dict)  # by reason

    def refuse(self, reason: Reason) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1


@dataclass(slots=True)
class Budget:
    """So much a second, saved up to a burst: what strangers may have recorded, so that they cannot fill a disk."""

    per_second: float
    burst: float
    now: Callable[[], float]
    _left: float = 0.0
    _at: float = 0.0

    def spend(self) -> bool:
        """Take one, if there is one."""
        now = self.now()
        self._left = min(self._left + max(now - self._at, 0.0) * self.per_second, self.burst)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


@dataclass(slots=True)
class Reception:
    """What all conversations of a worker share.

    emit: takes every event for the record. submit: takes each message that is durable, with its content if that is in
    memory. tls_available: can a handshake be done now? postmaster: where mail for our own postmaster goes.
    """

    snapshot: Snapshot
    spool: Spool
    worker: str
    host_name: str
    hops_max: int
    next_queue_id: Callable[[], QueueId]
    now: Callable[[], float]
    feed_is_current: Callable[[], bool]
    tls_available: Callable[[], bool]
    emit: Callable[[ContractEvent], None]
    submit: Callable[[Message, bytes | None], None]
    postmaster: ForwardPath | None = None
    counters: ReceptionCounters = field(default_factory=ReceptionCounters)
    is_stopping: bool = False
    own_domains: frozenset[str] = field(init=False)
    stranger_events: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.stranger_events = Budget(STRANGER_EVENTS_PER_SECOND, STRANGER_EVENTS_BURST, self.now)
        self.own_domains = frozenset((self.host_name.lower(),)) if self.postmaster is not None else frozenset()


@dataclass(slots=True)
class Transaction:
    """One message on its way in. RFC 5321 §3.3."""

    queue_id: QueueId
    sender: SenderStanding
    smtputf8: bool
    forward_paths: list[ForwardPath] = field(default_factory=list)
    candidates: frozenset[str] | None = None
    reason: Reason = Reason.DOMAIN_OWN
    pieces: list[bytes] = field(default_factory=list)
    size_octets: int = 0
    is_ascii: bool = True
    head: bytes = b""
    large: LargeContent | None = None
    failure: SpoolError | None = None  # the spool could not take the content: it is read to its end and refused
    reported: int = 0  # events of refusal so far
    refused: dict[Reason, tuple[str, list[str]]] | None = None  # by reason: the reply, and whom it was given for


class ReceptionConversation:
    """The conversation of one connection."""

    __slots__ = ("_reception", "_standing", "_standing_generation", "_tls", "_transaction", "_wire", "is_stranger")

    def __init__(self, reception: Reception, wire: Wire) -> None:
        self._reception = reception
        self._wire = wire
        self._tls = ""
        self._transaction: Transaction | None = None
        self._standing: SourceStanding = reception.snapshot.source(wire.address)
        self._standing_generation = reception.snapshot.generation
        self.is_stranger = not self._standing.is_known

    def secured(self, tls: str) -> None:
        self._tls = tls

    def closed(self) -> None:
        self._end_transaction()

    def answer(self, event: Event) -> Reply | None:
        match event:
            case ContentReceived():
                return self._receive(event)
            case RecipientReceived(forward_path):
                return self._admit(forward_path)
            case MailReceived():
                return self._begin(event)
            case ContentRequested():
                return self._request()
            case TransactionEnded(reason):
                self._end_transaction(reason)
                return None
            case TlsRequested():
                self._end_transaction()
                return _TLS_READY if self._reception.tls_available() else _TLS_NOT_NOW

    # The envelope

    def _begin(self, event: MailReceived) -> Reply:
        reception = self._reception
        self._end_transaction()
        if reception.is_stopping:
            return reply_of(Reason.SHUTTING_DOWN)
        obstacle = self._spool_obstacle(event.size_octets or 0)
        if obstacle is not None:
            return obstacle
        snapshot = reception.snapshot
        if self._standing_generation != snapshot.generation:
            self._standing = snapshot.source(self._wire.address)
            self._standing_generation = snapshot.generation
            self.is_stranger = not self._standing.is_known
        self._transaction = Transaction(
            reception.next_queue_id(),
            stand_sender(snapshot, self._standing, event.reverse_path),
            event.smtputf8,
        )
        return _MAIL_OK

    def _admit(self, forward_path: ForwardPath) -> Reply:
        reception = self._reception
        transaction = self._transaction
        assert transaction is not None  # the session asks for MAIL first
        admission = decide_recipient(
            reception.snapshot,
            transaction.sender,
            forward_path,
            transaction.candidates,
            feed_is_current=reception.feed_is_current(),
            own_domains=reception.own_domains,
        )
        decision = admission.decision
        if decision.verdict is Verdict.ACCEPT:
            if decision.reason is Reason.POSTMASTER and reception.postmaster is not None:
                forward_path = reception.postmaster  # RFC 5321 §4.5.1: it goes where the operator says
            transaction.candidates = admission.candidates
            transaction.reason = decision.reason
            transaction.forward_paths.append(forward_path)
            return _RECIPIENT_OK
        return self._refuse_recipient(transaction, decision, forward_path)

    def _refuse_recipient(self, transaction: Transaction, decision: Decision, forward_path: ForwardPath) -> Reply:
        reply = reply_for(decision, transaction.queue_id)
        self._reception.counters.refuse(decision.reason)
        if decision.verdict is not Verdict.SPLIT:  # a split recipient comes again by itself
            if transaction.refused is None:
                transaction.refused = {}
            paths = transaction.refused.setdefault(decision.reason, (str(reply), []))[1]
            if len(paths) < REFUSED_PATHS_MAX:
                paths.append(forward_path.text)
        return reply

    def _spool_obstacle(self, size_octets: int) -> Reply | None:
        """Why the spool cannot take a message of this size now: nothing is accepted that would be lost."""
        spool = self._reception.spool
        if spool.can_accept(size_octets):
            return None
        reason = Reason.SPOOL_FAILED if spool.health is Health.FAILED else Reason.SPOOL_FULL
        self._reception.counters.refuse(reason)
        return reply_of(reason)

    # The content

    def _request(self) -> Reply:
        return self._spool_obstacle(0) or _GO_AHEAD

    def _receive(self, event: ContentReceived) -> Reply | None:
        transaction = self._transaction
        assert transaction is not None
        octets = event.octets
        transaction.size_octets += len(octets)
        if transaction.is_ascii and not octets.isascii():
            transaction.is_ascii = False
        if transaction.large is not None:
            self._write_large(transaction, octets)
        elif transaction.failure is None:
            transaction.pieces.append(octets)
            if transaction.size_octets > INLINE_MAX:
                self._go_large(transaction)
        if not event.is_last:
            return None
        return self._complete(transaction, event)

    def _go_large(self, transaction: Transaction) -> None:
        """From here on the content streams to a file of its own."""
        pieces, transaction.pieces = transaction.pieces, []
        try:
            transaction.large = self._reception.spool.large()
        except SpoolError as error:
            transaction.failure = error
            return
        for octets in pieces:
            self._write_large(transaction, octets)

    def _write_large(self, transaction: Transaction, octets: bytes) -> None:
        large = transaction.large
        assert large is not None
        if len(transaction.head) < HEADER_MAX:
            transaction.head += octets[: HEADER_MAX + 1 - len(transaction.head)]
        large.write(octets)
        if large.unwritten_octets > LARGE_AHEAD_MAX:
            self._wire.pause_reading()
            large.on_drained(LARGE_AHEAD_LOW, self._wire.resume_reading)

    def _complete(self, transaction: Transaction, event: ContentReceived) -> Reply | None:
        """All octets are here: prove, then make durable. None: the reply comes when the spool has spoken."""
        reception = self._reception
        self._transaction = None
        if transaction.failure is not None:
            return self._refuse_for_spool(transaction.failure, transaction.queue_id)
        large = transaction.large
        hot: bytes | None = None
        if large is None:
            pieces = transaction.pieces
            hot = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            header = read_header(hot, is_complete=True)
        else:
            header = read_header(transaction.head, is_complete=len(transaction.head) == transaction.size_octets)
        settled_customer, refusal = self._judge(transaction, header)
        if refusal is not None:
            return self._refuse_content(transaction, refusal, header)
        needs = 0 if transaction.is_ascii else ContentNeeds.EIGHT_BIT
        if event.bare_line_ending or not event.ends_with_crlf:
            needs |= ContentNeeds.CHUNKING
        reverse_path = transaction.sender.reverse_path
        if _needs_utf8(transaction, reverse_path, header):
            needs |= ContentNeeds.UTF8
        at = reception.now()
        wire = self._wire
        session = wire.session
        message = Message(
            transaction.queue_id,
            settled_customer,
            at,
            reverse_path,
            tuple(transaction.forward_paths),
            transaction.size_octets,
            int(needs),
            received_line(
                hello_name=session.hello_name,
                address=wire.address,
                host_name=reception.host_name,
                with_protocol=protocol(
                    is_extended=session.is_extended, tls=self._tls, is_utf8=bool(needs & ContentNeeds.UTF8)
                ),
                tls=self._tls,
                queue_id=transaction.queue_id,
                at=at,
            ),
            transaction.reason.value,
            wire.address,
            session.hello_name,
            header.message_id,
            header.subject,
            header.from_text,
            self._tls,
        )
        if transaction.refused:
            self._report_refused(transaction)
        content = hot if hot is not None else large
        assert content is not None
        reception.spool.accept(message, content, _Durable(self, message, hot))
        return None

    def _judge(self, transaction: Transaction, header: HeaderFacts) -> tuple[str, Decision | None]:
        """The customer whose message it is, or the decision that refuses it. DESIGN §2, step 4."""
        reception = self._reception
        if header.received_count > reception.hops_max:
            return "", Decision(Verdict.REJECT, Reason.HOP_LIMIT, str(header.received_count))
        assert transaction.candidates is not None
        settled = settle(
            reception.snapshot,
            transaction.sender,
            transaction.candidates,
            header,
            feed_is_current=reception.feed_is_current(),
        )
        if settled.decision.verdict is Verdict.ACCEPT:
            return settled.customer_id, None
        return settled.customer_id, settled.decision

    def _refuse_content(self, transaction: Transaction, decision: Decision, header: HeaderFacts) -> Reply:
        reply = reply_for(decision, transaction.queue_id)
        if transaction.large is not None:
            transaction.large.abandon()
        self._reception.counters.refuse(decision.reason)
        self._report(
            transaction,
            decision.reason,
            str(reply),
            [path.text for path in transaction.forward_paths[:REFUSED_PATHS_MAX]],
            "content",
            header,
        )
        if transaction.refused:
            self._report_refused(transaction)
        return reply

    # The record

    def _end_transaction(self, reason: str = "") -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return
        if transaction.large is not None:
            transaction.large.abandon()
        if reason:
            known = Reason(reason)
            self._reception.counters.refuse(known)
            paths = [path.text for path in transaction.forward_paths[:REFUSED_PATHS_MAX]]
            self._report(transaction, known, str(reply_of(known)), paths, "content", None)
        if transaction.refused:
            self._report_refused(transaction)

    def _report_refused(self, transaction: Transaction) -> None:
        for reason, (reply, paths) in (transaction.refused or {}).items():
            self._report(transaction, reason, reply, paths, "rcpt", None)

    def _report(
        self,
        transaction: Transaction,
        reason: Reason,
        reply: str,
        forward_paths: Sequence[str],
        stage: str,
        header: HeaderFacts | None,
    ) -> None:
        if self.is_stranger and not self._reception.stranger_events.spend():
            return
        transaction.reported += 1
        candidates = transaction.candidates or frozenset()
        wire = self._wire
        self._reception.emit(
            MessageRefused(
                queue_id=transaction.queue_id,
                ordinal=transaction.reported,
                worker=self._reception.worker,
                at=self._reception.now(),
                customer_id=next(iter(candidates)) if len(candidates) == 1 else transaction.sender.owner_id,
                source=wire.address,
                hello_name=wire.session.hello_name,
                tls=self._tls,
                stage=stage,
                reverse_path=transaction.sender.reverse_path.text,
                forward_paths=tuple(forward_paths),
                reason=reason.value,
                reply=reply,
                size_octets=transaction.size_octets,
                message_id_field=header.message_id if header else "",
                header_from=header.from_text if header else "",
                subject=header.subject if header else "",
            )
        )

    def _refuse_for_spool(self, error: SpoolError, queue_id: QueueId) -> Reply:
        reason = Reason.SPOOL_FULL if isinstance(error, SpoolFull) else Reason.SPOOL_FAILED
        self._reception.counters.refuse(reason)
        return reply_of(reason, reference=queue_id)

    def _durable(self, message: Message, content: bytes | None, error: SpoolError | None) -> None:
        """The spool has spoken about `message`; the peer may be gone by now, the promise stands all the same."""
        reception = self._reception
        if error is not None:
            self._wire.reply_later(self._refuse_for_spool(error, message.queue_id))
            return
        counters = reception.counters
        counters.accepted += 1
        counters.accepted_octets += message.size_octets
        reception.emit(accepted_event(message, reception.worker))
        reception.submit(message, content)
        self._wire.reply_later(Reply(250, "2.0.0", f"queued as {message.queue_id}"))


class _Durable:
    """The spool's `done` for one message: a small object instead of a closure over the whole transaction."""

    __slots__ = ("_content", "_conversation", "_message")

    def __init__(self, conversation: ReceptionConversation, message: Message, content: bytes | None) -> None:
        self._conversation = conversation
        self._message = message
        self._content = content

    def __call__(self, error: SpoolError | None) -> None:
        self._conversation._durable(self._message, self._content, error)


def accepted_event(message: Message, worker: str) -> MessageAccepted:
    """What the record is told of an accepted message; the same again when a worker recovers it after a crash."""
    return MessageAccepted(
        queue_id=message.queue_id,
        worker=worker,
        at=message.received_at,
        customer_id=message.customer_id,
        source=message.source,
        hello_name=message.hello_name,
        tls=message.tls,
        reverse_path=message.reverse_path.text,
        forward_paths=tuple([path.text for path in message.forward_paths]),
        size_octets=message.size_octets,
        reason=message.reason,
        message_id_field=message.message_id_field,
        header_from=message.header_from,
        subject=message.subject,
    )


def _needs_utf8(transaction: Transaction, reverse_path: ReversePath, header: HeaderFacts) -> bool:
    """RFC 6531 §3.4: an internationalised address in the envelope, or raw UTF-8 in a header that declared itself so."""
    if reverse_path.is_utf8 or (transaction.smtputf8 and header.has_non_ascii):
        return True
    return any(path.is_utf8 for path in transaction.forward_paths)
