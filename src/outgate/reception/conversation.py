"""One peer's dialogue: each event of the session is decided by policy, the content goes to the spool, and the 250 is
given only after the spool has said that the message is durable. RFC 5321 §6.1.

Synchronous but for that one wait, so that a message costs no task and no future. Only mail whose proof needs DNS (from
a provider's shared addresses, or with a DKIM signature) may wait before that too.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import structs

from outgate.contract.events import MessageRefused
from outgate.contract.policy import Provider
from outgate.contract.scanning import ContentAction
from outgate.mail.address import ForwardPath
from outgate.mail.evidence import NO_EVIDENCE, Evidence
from outgate.mail.fields import has_signature
from outgate.mail.findings import NOT_SCANNED, ScanReport
from outgate.mail.fingerprint import Fingerprint, fingerprint_of
from outgate.mail.message import ContentNeeds, Lane, Message, QueueId
from outgate.mail.reply import Reply
from outgate.policy.admission import Settled, decide_recipient, settle, stand_sender
from outgate.policy.decision import Decision, Verdict
from outgate.policy.evidence import read_evidence
from outgate.policy.failures import source_key, tenant_key
from outgate.policy.header import HEADER_MAX, HeaderFacts, read_header
from outgate.policy.limits import Charge, clock_text, sender_of
from outgate.policy.networks import is_public
from outgate.policy.pools import is_microsoft_name, is_unheard_of
from outgate.policy.proof import NO_HEADER_EVIDENCE, NO_PROOF, Proof
from outgate.policy.reasons import Reason, reply_for, reply_of
from outgate.policy.snapshot import SourceClass, SourceStanding
from outgate.reception.gathering import Gathering
from outgate.reception.holding import seal_for
from outgate.reception.interface import ScanRequest
from outgate.reception.judging import Judged, Proven, judge_content
from outgate.reception.record import accepted_event, evidence_of
from outgate.reception.room import HEAD_HELD_MAX
from outgate.reception.shared import Reception, Wire
from outgate.reception.signatures import Results
from outgate.reception.split import Copy, Split
from outgate.reception.trace import protocol, received_line
from outgate.reception.transaction import Arrived, MemoryShort, Stumbled, Transaction
from outgate.smtp.events import (
    ContentReceived,
    ContentRequested,
    Event,
    MailReceived,
    RecipientReceived,
    TlsRequested,
    TransactionEnded,
)
from outgate.spool.interface import INLINE_MAX, Health, LargeContent, SpoolError, SpoolFull

LARGE_AHEAD_MAX: Final = 4 * 1024 * 1024  # octets of one large message in memory before its sender is made to wait
LARGE_AHEAD_LOW: Final = 1024 * 1024  # octets at which the sender may go on
REFUSED_PATHS_MAX: Final = 100  # recipients that one event of refusal names; a harvester gets no more room than that

# Refusals that say: this message is not whose it claims to be.
_FAILED_PROOFS: Final = frozenset({Reason.FROM_MISMATCH, Reason.TENANT_MISMATCH, Reason.TENANT_UNPROVEN})

_MAIL_OK: Final = Reply(250, "2.1.0", "sender noted")
_RECIPIENT_OK: Final = Reply(250, "2.1.5", "recipient noted")
_GO_AHEAD: Final = Reply(354, "", "end with <CRLF>.<CRLF>")
_TLS_READY: Final = Reply(220, "2.0.0", "go ahead with TLS")
_TLS_NOT_NOW: Final = reply_of(Reason.TLS_UNAVAILABLE)


class ReceptionConversation:
    """The conversation of one connection."""

    __slots__ = (
        "_arrived",
        "_reception",
        "_standing",
        "_standing_generation",
        "_tls",
        "_transaction",
        "_wire",
        "is_stranger",
    )

    def __init__(self, reception: Reception, wire: Wire) -> None:
        self._reception = reception
        self._wire = wire
        self._tls = ""
        self._transaction: Transaction | None = None
        self._arrived: Arrived | None = None  # complete, and waiting for what DNS says
        self._standing: SourceStanding = reception.snapshot.source(wire.address)
        self._standing_generation = reception.snapshot.generation
        self.is_stranger = not self._standing.is_known
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Ask for the names of the address where they will be wanted, so that no message waits for them."""
        prover = self._reception.prover
        if prover is not None and (self._standing.provider is Provider.MICROSOFT or self._may_be_unlisted()):
            prover.look_ahead(self._wire.address)

    def _may_be_unlisted(self) -> bool:
        """A stranger, while Microsoft's list is so old that some of its addresses may be missing, and somebody here
        sends from Microsoft."""
        snapshot = self._reception.snapshot
        return (
            self.is_stranger
            and snapshot.is_in_use(Provider.MICROSOFT)
            and snapshot.providers.is_stale(Provider.MICROSOFT, self._reception.now())
            and is_public(self._wire.address)
        )

    def secured(self, tls: str) -> None:
        self._tls = tls

    def closed(self) -> None:
        self._end_transaction()
        arrived, self._arrived = self._arrived, None
        if arrived is not None:  # nobody is left to be told that we have it, so we do not take it
            if arrived.scan is not None:
                arrived.scan.abandon()
            self._give_up_content(arrived.transaction)

    def answer(self, event: Event) -> Reply | None:
        """Whatever our own code raises over a message ends that message with 451, and nothing else."""
        try:
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
        except Exception as error:
            return self._stumble(event, error)

    def _stumble(self, event: Event, error: Exception) -> Reply | None:
        transaction = self._transaction
        self._reception.fault(transaction.queue_id if transaction is not None else "", error)
        if isinstance(event, ContentReceived) and not event.is_last:
            if transaction is not None:  # it is read to its end, then refused; nothing of it is kept
                self._give_up_content(transaction)
                transaction.failure = Stumbled("our own code raised")
            return None
        if transaction is not None and not isinstance(event, RecipientReceived | ContentRequested):
            self._transaction = None
            self._give_up_content(transaction)
        if isinstance(event, TransactionEnded):
            return None
        self._reception.counters.refuse(Reason.INTERNAL_ERROR)
        return reply_of(Reason.INTERNAL_ERROR, reference=transaction.queue_id if transaction is not None else "")

    def _give_up_content(self, transaction: Transaction) -> None:
        if transaction.gathering is not None:
            transaction.gathering.abandon()
        if transaction.large is not None:
            transaction.large.abandon()
        transaction.pieces, transaction.large = [], None
        self._release(transaction)

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
            smtputf8=event.smtputf8,
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
        if decision.reason is Reason.SOURCE_UNKNOWN and self._may_be_microsoft():
            decision = Decision(Verdict.DEFER, Reason.RANGES_STALE, self._wire.address)
        if decision.verdict is Verdict.ACCEPT:
            if decision.reason is Reason.POSTMASTER and reception.postmaster is not None:
                forward_path = reception.postmaster  # RFC 5321 §4.5.1: it goes where the operator says
            transaction.candidates = admission.candidates
            transaction.reason = decision.reason
            transaction.forward_paths.append(forward_path)
            return _RECIPIENT_OK
        return self._refuse_recipient(transaction, decision, forward_path)

    def _may_be_microsoft(self) -> bool:
        """Might this unknown address be one that Microsoft has added since we last heard of its list? While nobody has
        said what its name is, it might."""
        prover = self._reception.prover
        if prover is None or not self._may_be_unlisted():
            return False
        names = prover.known_names(self._wire.address)
        return names is None or any(is_microsoft_name(name) for name in names)

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
        if b"\0" in octets and (b"\0." in octets or octets.endswith(b"\0")):
            transaction.has_hidden_dot = True
        if transaction.large is not None:
            self._write_large(transaction, octets)
        elif transaction.failure is None:
            transaction.pieces.append(octets)
            if transaction.size_octets > INLINE_MAX or (
                not event.is_last and self._hold(transaction, transaction.size_octets)
            ):
                self._go_large(transaction)
        if not event.is_last:
            return None
        try:
            return self._complete(transaction, event)
        except Exception:
            self._transaction = transaction  # for what it holds to be given up
            self._arrived = None
            raise

    def _go_large(self, transaction: Transaction) -> None:
        """From here on the content streams to a file of its own."""
        pieces, transaction.pieces = transaction.pieces, []
        try:
            transaction.large = self._reception.spool.large()
            transaction.fingerprint = Fingerprint()
        except SpoolError as error:
            transaction.failure = error
            return
        for octets in pieces:
            if transaction.failure is None:
                self._write_large(transaction, octets)

    def _write_large(self, transaction: Transaction, octets: bytes) -> None:
        large, fingerprint = transaction.large, transaction.fingerprint
        assert large is not None
        assert fingerprint is not None
        fingerprint.update(octets)
        if transaction.gathering is not None:
            transaction.gathering.feed(octets)
        elif not transaction.is_head_complete and transaction.add_to_head(octets):
            self._gather_large(transaction, octets[len(transaction.head) - large.size_octets :])
        large.write(octets)
        is_short = self._hold(transaction, large.unwritten_octets + len(transaction.head))
        if is_short and not transaction.is_head_complete and len(transaction.head) > HEAD_HELD_MAX:
            large.abandon()  # a header must stay in memory until it is judged
            transaction.large = None
            transaction.failure = MemoryShort("too many long headers at a time")
            self._release(transaction)
        elif large.unwritten_octets > (0 if is_short else LARGE_AHEAD_MAX):
            self._wire.pause_reading()
            large.on_drained(1 if is_short else LARGE_AHEAD_LOW, partial(self._drained, transaction, large))

    def _gather_large(self, transaction: Transaction, body: bytes) -> None:
        """Its header is complete, and `body` is what has come behind it."""
        head = transaction.head
        if len(head) <= HEADER_MAX and self._is_to_be_proven(transaction, head[:-2]):
            transaction.gathering = self._gather(transaction, head[:-2], body)

    def _drained(self, transaction: Transaction, large: LargeContent) -> None:
        if transaction is self._transaction:
            self._hold(transaction, large.unwritten_octets + len(transaction.head))
        self._wire.resume_reading()

    def _hold(self, transaction: Transaction, octets: int) -> bool:
        """So many octets of its content are in memory now. True if all conversations together hold too much."""
        before, transaction.held_octets = transaction.held_octets, octets
        return self._reception.room.change(before, octets)

    def _release(self, transaction: Transaction) -> None:
        if transaction.held_octets:
            self._hold(transaction, 0)

    def _complete(self, transaction: Transaction, event: ContentReceived) -> Reply | None:
        """All octets are here: prove, then make durable. None: the reply comes when the spool has spoken."""
        self._transaction = None
        if transaction.failure is not None:
            self._release(transaction)
            return self._refuse_for_spool(transaction.failure, transaction.queue_id)
        large = transaction.large
        hot: bytes | None = None
        if large is None:
            pieces = transaction.pieces
            hot = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            header = read_header(hot, is_complete=True)
            head = hot[: header.header_octets]
        else:
            header = read_header(transaction.head, is_complete=len(transaction.head) == transaction.size_octets)
            head = transaction.head[: header.header_octets]
        if transaction.gathering is None and not header.is_too_large and self._is_to_be_proven(transaction, head):
            body = hot[header.header_octets + 2 :] if hot is not None and header.has_end else b""
            transaction.gathering = self._gather(transaction, head, body)
        arrived = Arrived(transaction, header, head, hot, transaction.needs(event, header))
        gathering = transaction.gathering
        if gathering is None:
            return self._conclude(arrived, None, ())
        self._hold(transaction, len(head) if hot is None else len(hot))
        arrived.is_answering = True
        self._arrived = arrived
        gathering.finish(partial(self._gathered, arrived))
        arrived.is_answering = False
        if arrived.found is None:
            return None
        self._arrived = None
        return self._conclude(arrived, *arrived.found)

    # The proof

    def _is_to_be_proven(self, transaction: Transaction, head: bytes) -> bool:
        """Is anything to be found out that envelope and From field do not say?"""
        return self._reception.prover is not None and (transaction.sender.needs_proof or has_signature(head))

    def _gather(self, transaction: Transaction, head: bytes, body: bytes) -> Gathering:
        prover = self._reception.prover
        assert prover is not None
        is_microsoft = transaction.sender.source.provider is Provider.MICROSOFT
        gathering = prover.begin(head, self._wire.address if is_microsoft else "")
        gathering.feed(body)
        return gathering

    def _gathered(self, arrived: Arrived, results: Results, names: tuple[str, ...]) -> None:
        if arrived.is_answering:
            arrived.found = results, names
            return
        if self._arrived is not arrived:
            return
        self._arrived = None
        try:
            reply = self._conclude(arrived, results, names)
        except Exception as error:
            transaction = arrived.transaction
            self._give_up_content(transaction)
            self._reception.fault(transaction.queue_id, error)
            self._reception.counters.refuse(Reason.INTERNAL_ERROR)
            reply = reply_of(Reason.INTERNAL_ERROR, reference=transaction.queue_id)
        if reply is not None:
            self._wire.reply_later(reply)

    def _conclude(self, arrived: Arrived, results: Results | None, names: tuple[str, ...]) -> Reply | None:
        """All that can be known is known: decide, charge, and make it durable. None: the reply comes when the spool has
        spoken. results: None if there is no signature to be looked at."""
        reception = self._reception
        transaction, header = arrived.transaction, arrived.header
        proof = NO_PROOF
        if results is not None:
            read = read_evidence(arrived.head) if transaction.sender.needs_proof else NO_HEADER_EVIDENCE
            proof = Proof(read, results, names)
        settled = self._judge(transaction, header, proof)
        if settled.decision.verdict is Verdict.REJECT:
            settled = self._slowed(proof) or settled
        signatures = () if reception.prover is not None and results is None else results
        evidence = evidence_of(transaction.sender.source, proof, settled.pool, signatures)
        self._count(evidence)
        if settled.decision.verdict is not Verdict.ACCEPT:
            return self._refuse_content(transaction, settled.decision, header, evidence)
        document = reception.snapshot.document(settled.customer_id)
        if document is not None and document.scanning.is_on:
            return self._scan(Proven(arrived, settled, evidence, document.scanning))
        return self._take(arrived, settled.customer_id, settled.lane, settled.lane_reason, evidence)

    def _take(
        self,
        arrived: Arrived,
        customer_id: str,
        lane: Lane,
        lane_reason: str,
        evidence: Evidence,
        report: ScanReport = NOT_SCANNED,
    ) -> Reply | None:
        """Nothing is left to be said against it but a limit: charge, and make it durable. None: the reply comes when
        the spool has spoken."""
        reception, transaction = self._reception, arrived.transaction
        at = reception.now()
        charge = self._charge(transaction, customer_id, at, is_held=lane is Lane.HELD)
        if charge.refusal is not None:
            return self._refuse_content(transaction, charge.refusal, arrived.header, evidence, report)
        if charge.is_slow:
            lane, lane_reason = Lane.SLOW, str(Reason.OVER_LIMIT)
        message = self._message(arrived, customer_id, at, lane, lane_reason, evidence, report)
        if transaction.refused:
            self._report_refused(transaction)
        if lane is Lane.HELD:
            self._commit(arrived, (self._held_copy(message),))
        else:
            done = _Durable(self, (Copy(message),), arrived.hot, transaction.held_octets)
            reception.spool.accept(message, arrived.content, done)
        return None

    def _charge(self, transaction: Transaction, customer_id: str, at: float, *, is_held: bool) -> Charge:
        return self._reception.limiter.charge(
            sender_of(customer_id, transaction.sender.reverse_path, self._wire.address),
            len(transaction.forward_paths),
            transaction.size_octets,
            at,
            is_held=is_held,
        )

    def _held_key(self, customer_id: str) -> bytes:
        """What this customer's held mail is sealed for; empty where it is not."""
        document = self._reception.snapshot.document(customer_id) if self._reception.holding is not None else None
        return document.held_key if document is not None else b""

    def _held_copy(self, message: Message) -> Copy:
        public_key = self._held_key(message.customer_id)
        if not public_key:
            return Copy(message)
        message, key = seal_for(message, public_key)
        return Copy(message, self._reception.holding, key)

    def _take_copies(self, proven: Proven, judged: Sequence[Judged]) -> Reply | None:
        """The recipients fare differently: the message goes on as several, each for those of whom the same was decided.
        What would have been refused is held, and the sender is told of that. None: the reply comes when all of them
        are durable."""
        reception, arrived, settled = self._reception, proven.arrived, proven.settled
        transaction = arrived.transaction
        at = reception.now()
        is_held = settled.lane is Lane.HELD or judged[0].decision.action is not ContentAction.DELIVER
        charge = self._charge(transaction, settled.customer_id, at, is_held=is_held)
        if charge.refusal is not None:
            return self._refuse_content(transaction, charge.refusal, arrived.header, proven.evidence, judged[-1].report)
        queue_ids = (transaction.queue_id, *[reception.next_queue_id() for _ in judged[1:]])
        copies: list[Copy] = []
        for queue_id, each in zip(queue_ids, judged, strict=True):
            lane, lane_reason = settled.lane, settled.lane_reason
            if each.decision.action is not ContentAction.DELIVER:
                lane, lane_reason = Lane.HELD, each.report.reason
            elif charge.is_slow:
                lane, lane_reason = Lane.SLOW, str(Reason.OVER_LIMIT)
            message = self._message(
                arrived, settled.customer_id, at, lane, lane_reason, proven.evidence, each.report, queue_id, each.places
            )
            message = structs.replace(message, copies=tuple([other for other in queue_ids if other != queue_id]))
            copies.append(self._held_copy(message) if lane is Lane.HELD else Copy(message))
        if transaction.refused:
            self._report_refused(transaction)
        self._commit(arrived, copies)
        return None

    def _commit(self, arrived: Arrived, copies: Sequence[Copy]) -> None:
        """Make all of them durable; the reply comes when that is so."""
        if arrived.hot is None:
            self._wire.resume_reading()  # if it waited for the disk; the sealing takes the place of that waiting
        done = _Durable(self, copies, arrived.hot, arrived.transaction.held_octets)
        Split(copies[::-1], arrived.content, self._reception.spool, done).begin()

    # The content's judgement

    def _scan(self, proven: Proven) -> Reply | None:
        """Let the scanners look at it. None: the reply comes when they have spoken."""
        reception, arrived = self._reception, proven.arrived
        transaction = arrived.transaction
        if reception.scanning is None:
            return self._judged(proven, ScanReport(failed=("scanning",)))
        self._hold(transaction, len(arrived.head) if arrived.hot is None else len(arrived.hot))
        self._arrived = arrived
        if transaction.large is None:
            self._begin_scan(proven)
        else:
            transaction.large.on_drained(1, partial(self._large_is_written, proven, transaction.large))
        return None

    def _large_is_written(self, proven: Proven, large: LargeContent) -> None:
        self._wire.resume_reading()  # if it waited for the disk; this takes the place of that waiting
        if self._arrived is not proven.arrived:
            return
        if large.unwritten_octets or self._reception.spool.health is Health.FAILED:
            self._scanned(proven, ScanReport(failed=("spool",)))
        else:
            self._begin_scan(proven)

    def _begin_scan(self, proven: Proven) -> None:
        arrived, scanning = proven.arrived, self._reception.scanning
        assert scanning is not None
        transaction = arrived.transaction
        content: bytes | Path
        if arrived.hot is not None:
            content = arrived.hot
        else:
            assert transaction.large is not None
            content = transaction.large.peek()
        request = ScanRequest(
            proven.settled.customer_id,
            transaction.sender.reverse_path.text,
            tuple([path.text for path in transaction.forward_paths]),
            self._wire.address,
        )
        arrived.scan = scanning.scan(request, content, partial(self._scanned, proven))

    def _scanned(self, proven: Proven, report: ScanReport) -> None:
        if self._arrived is not proven.arrived:
            return
        self._arrived = None
        try:
            reply = self._judged(proven, report)
        except Exception as error:
            transaction = proven.arrived.transaction
            self._give_up_content(transaction)
            self._reception.fault(transaction.queue_id, error)
            self._reception.counters.refuse(Reason.INTERNAL_ERROR)
            reply = reply_of(Reason.INTERNAL_ERROR, reference=transaction.queue_id)
        if reply is not None:
            self._wire.reply_later(reply)

    def _judged(self, proven: Proven, report: ScanReport) -> Reply | None:
        """The scanners have spoken: what the customer's policy makes of it. None: the reply comes when the spool has
        spoken."""
        reception, arrived, settled = self._reception, proven.arrived, proven.settled
        judged = judge_content(
            proven,
            report,
            self._wire.address,
            reception.now(),
            may_split=arrived.hot is not None or self._held_key(settled.customer_id) != b"",
        )
        scanned = reception.counters.scanned
        for each in judged:
            scanned[each.report.action] = scanned.get(each.report.action, 0) + 1
        if len(judged) > 1:
            return self._take_copies(proven, judged)
        decision, report = judged[0].decision, judged[0].report
        if decision.reason is not None and (decision.defer or decision.action is ContentAction.REJECT):
            verdict = Verdict.DEFER if decision.defer else Verdict.REJECT
            refusal = Decision(verdict, decision.reason, decision.context)
            return self._refuse_content(arrived.transaction, refusal, arrived.header, proven.evidence, report)
        lane, lane_reason = settled.lane, settled.lane_reason
        if decision.action is ContentAction.HOLD:
            lane, lane_reason = Lane.HELD, report.reason
        return self._take(arrived, settled.customer_id, lane, lane_reason, proven.evidence, report)

    def _message(
        self,
        arrived: Arrived,
        customer_id: str,
        at: float,
        lane: Lane,
        lane_reason: str,
        evidence: Evidence,
        report: ScanReport,
        queue_id: QueueId = "",
        places: Sequence[int] = (),
    ) -> Message:
        """queue_id, places: of a copy for some of the recipients only."""
        reception, wire = self._reception, self._wire
        transaction, header, hot = arrived.transaction, arrived.header, arrived.hot
        session = wire.session
        forward_paths, needs = tuple(transaction.forward_paths), arrived.needs
        if places:
            forward_paths = tuple([forward_paths[place] for place in places])
            if not transaction.needs_utf8(header, forward_paths):
                needs &= ~int(ContentNeeds.UTF8)
        else:
            queue_id = transaction.queue_id
        if hot is not None:
            fingerprint = fingerprint_of(hot)
        else:
            assert transaction.fingerprint is not None
            fingerprint = transaction.fingerprint.octets()
        return Message(
            queue_id,
            customer_id,
            at,
            transaction.sender.reverse_path,
            forward_paths,
            transaction.size_octets,
            needs,
            received_line(
                hello_name=session.hello_name,
                address=wire.address,
                host_name=reception.host_name,
                with_protocol=protocol(
                    is_extended=session.is_extended, tls=self._tls, is_utf8=bool(arrived.needs & ContentNeeds.UTF8)
                ),
                tls=self._tls,
                queue_id=queue_id,
                at=at,
            ),
            str(transaction.reason),
            wire.address,
            session.hello_name,
            header.message_id,
            header.subject,
            header.from_text,
            self._tls,
            int(lane),
            lane_reason,
            fingerprint,
            evidence,
            report,
        )

    def _judge(self, transaction: Transaction, header: HeaderFacts, proof: Proof) -> Settled:
        """The customer whose message it is, or the decision that refuses it. DESIGN §2, step 4."""
        reception = self._reception
        if header.received_count > reception.hops_max:
            return Settled(Decision(Verdict.REJECT, Reason.HOP_LIMIT, str(header.received_count)), "")
        assert transaction.candidates is not None
        settled = settle(
            reception.snapshot,
            transaction.sender,
            transaction.candidates,
            header,
            proof,
            forward_paths=transaction.forward_paths,
            feed_is_current=reception.feed_is_current(),
        )
        if settled.decision.reason in _FAILED_PROOFS:
            self._count_failure(transaction, proof)
        return settled

    def _slowed(self, proof: Proof) -> Settled | None:
        """A source or tenant that has failed many proofs is told to come again, so that it gets no further answers out
        of us. Only what is refused comes here: whoever makes a source pass on mail that cannot be proven, such as that
        of a mailing list, does not stand in the way of mail that is."""
        failures = self._reception.failures
        keys = [(tenant_key(tenant_id), f"tenant {tenant_id}") for tenant_id in proof.header.tenant_ids]
        for key, who in ((source_key(self._wire.address), self._wire.address), *keys):
            until = failures.slowed_until(key, self._reception.now())
            if until:
                context = f"{who} before {clock_text(until)}"
                return Settled(Decision(Verdict.DEFER, Reason.TOO_MANY_FAILURES, context), "")
        return None

    def _count_failure(self, transaction: Transaction, proof: Proof) -> None:
        """Against whoever failed: the tenant that the header names, or a source that is one customer's only. An address
        that many share is not made to wait for what one of them did, nor a customer's tenant for what was forged."""
        reception = self._reception
        failures, now = reception.failures, reception.now()
        if transaction.sender.needs_proof:
            for tenant_id in proof.header.tenant_ids:
                if not reception.snapshot.tenant(tenant_id):
                    failures.count(tenant_key(tenant_id), now)
        elif len(transaction.sender.source.customers) <= 1:
            failures.count(source_key(self._wire.address), now)

    def _count(self, evidence: Evidence) -> None:
        counters = self._reception.counters
        counters.dkim[evidence.dkim] = counters.dkim.get(evidence.dkim, 0) + 1
        if evidence.pool:
            counters.pools[evidence.pool] = counters.pools.get(evidence.pool, 0) + 1
            counters.unheard_of_pools += is_unheard_of(evidence.host_name, evidence.sfp)

    def _refuse_content(
        self,
        transaction: Transaction,
        decision: Decision,
        header: HeaderFacts,
        evidence: Evidence,
        report: ScanReport = NOT_SCANNED,
    ) -> Reply:
        reply = reply_for(decision, transaction.queue_id)
        if transaction.large is not None:
            transaction.large.abandon()
        self._release(transaction)
        self._reception.counters.refuse(decision.reason)
        self._report_refused(transaction)
        self._report(
            transaction,
            decision.reason,
            str(reply),
            [path.text for path in transaction.forward_paths[:REFUSED_PATHS_MAX]],
            "content",
            header,
            evidence,
            report,
        )
        return reply

    # The record

    def _end_transaction(self, reason: str = "") -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return
        if transaction.large is not None:
            transaction.large.abandon()
        self._release(transaction)
        self._report_refused(transaction)
        if reason:
            known = Reason(reason)
            self._reception.counters.refuse(known)
            paths = [path.text for path in transaction.forward_paths[:REFUSED_PATHS_MAX]]
            self._report(transaction, known, str(reply_of(known)), paths, "content", None)

    def _report_refused(self, transaction: Transaction) -> None:
        """Before what is said of the content: of several refusals the last one knows most, see `portal.tracker`."""
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
        evidence: Evidence = NO_EVIDENCE,
        report: ScanReport = NOT_SCANNED,
    ) -> None:
        if self.is_stranger and not self._reception.stranger_events.spend():
            return
        transaction.reported += 1
        wire = self._wire
        self._reception.emit(
            MessageRefused(
                queue_id=transaction.queue_id,
                ordinal=transaction.reported,
                worker=self._reception.worker,
                at=self._reception.now(),
                customer_id=_concerned(transaction),
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
                evidence=evidence,
                report=report,
            )
        )

    def _refuse_for_spool(self, error: SpoolError, queue_id: QueueId) -> Reply:
        match error:
            case SpoolFull():
                reason = Reason.SPOOL_FULL
            case MemoryShort():
                reason = Reason.OVERLOADED
            case Stumbled():
                reason = Reason.INTERNAL_ERROR
            case _:
                reason = Reason.SPOOL_FAILED
        self._reception.counters.refuse(reason)
        return reply_of(reason, reference=queue_id)

    def _durable(self, copies: Sequence[Copy], content: bytes | None, error: SpoolError | None) -> None:
        """The spool has spoken about what the message became, all of it; the peer may be gone by now, the promise
        stands all the same."""
        reception = self._reception
        message = copies[0].message
        if error is not None:
            if message.lane == Lane.SLOW:  # its place in the quota is free again; what was charged stays charged
                reception.limiter.slow_room.leave(message.customer_id, message.size_octets)
            self._wire.reply_later(self._refuse_for_spool(error, message.queue_id))
            return
        counters = reception.counters
        counters.accepted += 1
        counters.accepted_octets += message.size_octets
        for copy in copies:
            keeper = reception if copy.holding is None else copy.holding
            try:
                keeper.emit(accepted_event(copy.message, reception.worker))
            except Exception as exception:  # the message stands all the same
                reception.fault(copy.message.queue_id, exception)
            keeper.submit(copy.message, content)
        text = f"queued as {message.queue_id}"
        for copy in copies[1:]:
            text += f", for {len(copy.message.forward_paths)} of the recipients held as {copy.message.queue_id}"
        self._wire.reply_later(Reply(250, "2.0.0", text))


class _Durable:
    """The spool's `done` for what one message became, the one with its own queue id first: a small object instead of a
    closure over the whole transaction."""

    __slots__ = ("_content", "_conversation", "_copies", "_held_octets")

    def __init__(
        self,
        conversation: ReceptionConversation,
        copies: Sequence[Copy],
        content: bytes | None,
        held_octets: int,
    ) -> None:
        self._conversation = conversation
        self._copies = copies
        self._content = content
        self._held_octets = held_octets

    def __call__(self, error: SpoolError | None) -> None:
        reception = self._conversation._reception
        if self._held_octets:
            reception.room.change(self._held_octets, 0)
        self._conversation._durable(self._copies, self._content, error)


def _concerned(transaction: Transaction) -> str:
    """Who is shown that this was refused: the one whose mail it may be, else the owner of the domain, else the one that
    has declared the source. Empty: the operator alone."""
    candidates, sender = transaction.candidates, transaction.sender
    if candidates and len(candidates) == 1:
        return next(iter(candidates))
    if sender.owner_id or sender.source.source_class is not SourceClass.DECLARED:
        return sender.owner_id
    return next(iter(sender.source.customers)) if len(sender.source.customers) == 1 else ""
