"""The worker process: receives, spools and delivers. Owns one spool directory; shares nothing with its siblings.

Started by the supervisor (see `child`). Ends when told to, when the supervisor is gone, or when its spool has failed:
then a new process recovers what is really on the disk.
"""

import asyncio
import contextlib
import gc
import random
import signal
import socket
import time
import traceback
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import uvloop
from msgspec import structs

from outgate import compiled
from outgate.app import policy_copy
from outgate.app.adoption import Adopter
from outgate.app.child import Orders, on_end, read_orders, spare_collections
from outgate.app.configuration import Configuration
from outgate.app.descriptors import fit, raise_limit
from outgate.app.engines import Engines, fitting, make_gates
from outgate.app.gate import Gate
from outgate.app.held_store import HeldStore, settings_of
from outgate.app.log import LogFile
from outgate.app.provider_data import packaged_documents
from outgate.app.record import Record
from outgate.app.scanner_pool import PROGRAM, ScannerPool
from outgate.app.senders import Senders
from outgate.app.worker_statistics import measure
from outgate.contract.commands import Command, CommandResult, SendNotice
from outgate.contract.policy import PolicyItem, SenderRelay
from outgate.contract.wire import (
    Answer,
    CommandAnswer,
    Documents,
    Measured,
    Question,
    QueueList,
    QueueSelect,
    QueueShow,
    RelayTest,
    SendersAsk,
    Statistics,
)
from outgate.delivery.interface import Tries
from outgate.delivery.manager import DeliveryManager
from outgate.delivery.means import Means
from outgate.delivery.routes import RouteUnknown
from outgate.delivery.settings import DeliverySettings
from outgate.dsn.letter import letter
from outgate.mail.address import NULL_REVERSE_PATH, AddressError, ForwardPath
from outgate.mail.message import ContentNeeds, Message, QueueId
from outgate.net.certificate import Certificate, CertificateError, ensure_self_signed
from outgate.net.clock import LoopClock, LoopThreads
from outgate.net.control import ControlServer
from outgate.net.currency import Currency
from outgate.net.feed import FeedFollower
from outgate.net.listener import Listener
from outgate.net.relay import RelayConnector, RelaySettings
from outgate.net.relay_tester import RelayTester
from outgate.net.resolver import DnsResolver, ResolverSettings
from outgate.policy.next_hop import route
from outgate.policy.reasons import Reason
from outgate.policy.schedule import RetrySchedule
from outgate.policy.snapshot import Snapshot
from outgate.reception.gathering import Prover
from outgate.reception.identity import QueueIds
from outgate.reception.record import accepted_event
from outgate.reception.shared import Reception
from outgate.reception.signatures import Signatures
from outgate.smtp.server import ServerSettings
from outgate.spool.interface import Health, SpoolError
from outgate.spool.segments import SegmentSettings, SegmentSpool
from outgate.spool.tries import NoTries, TryTable

CERTIFICATE_CHECK_SECONDS: Final = 5.0  # between two looks at the files
COPY_SECONDS: Final = 2.0  # the local copy of the policy is written at most so often
SHORT_DRAIN_SECONDS: Final = 5.0  # without a supervisor, or a spool: the next worker needs the spool, mail waits for it
FAREWELL_SECONDS: Final = 1.0  # for the last replies to leave, and for commits that they wait for
HEALTH_CHECK_SECONDS: Final = 0.5  # between two looks at the spool


class Worker:
    """Wires reception, spool and delivery of one worker."""

    def __init__(self, orders: Orders, loop: asyncio.AbstractEventLoop, log: LogFile) -> None:
        configuration = orders.configuration
        engines = configuration.scanning.engines
        self.room = fit(
            configuration.limits,
            configuration.delivery,
            raise_limit(),
            sum(engine.connections for engine in engines),
        )
        self.configuration = configuration
        self.number = orders.number
        self.name = configuration.worker_name(orders.number)
        self.log = log
        self.loop = loop
        self.stopping = asyncio.Event()
        self._time_is_up = asyncio.Event()
        self._limit: asyncio.TimerHandle | None = None
        self.directory = configuration.worker_directory(orders.number)
        self.snapshot = Snapshot()
        for document in packaged_documents():  # until the feed says more
            self.snapshot.providers.replace(document)
        self.items: dict[str, PolicyItem] = {}
        self.clock = LoopClock(loop)
        self.threads = LoopThreads(loop)
        self.certificate = self._load_certificate()
        self.spool = self._open_spool(self.directory, loop)
        self.record = Record(self.spool, log)
        self.currency = Currency(loop.time)
        self.senders = Senders(
            path=self.directory / "senders",
            worker=self.name,
            workers=configuration.workers,
            snapshot=self.snapshot,
            feed_is_current=self.currency.holds,
            emit=self.record.take,
            now=time.time,
            log=log,
        )
        self.follower = FeedFollower(
            path=configuration.clerk_socket,
            worker=self.name,
            revision=lambda: self.snapshot.revision,
            apply=self._apply,
            carry_out=self._carry_out,
            queued=lambda: self.delivery.queued,
            currency=self.currency,
            used=self.senders.used,
            told=self.senders.told,
            lost=self.senders.lost,
        )
        self.scanning = ScannerPool(
            configuration.scanning.processes,
            snapshot=self.snapshot,
            loop=loop,
            log=log,
            worker=self.name,
            command=(*PROGRAM, *configuration.scanning.yara_rules),
        )
        self.engines = Engines(
            self.scanning,
            make_gates(fitting(engines, self.room.engine_connections), loop=loop, log=log, worker=self.name),
            loop=loop,
            host_name=configuration.host_name,
            fault=partial(self._note_fault, QueueId("")),
        )
        self.ids = ids = QueueIds(orders.number, time.time)
        means = self._make_means(ids)
        self.delivery = DeliveryManager(means)
        self.held = HeldStore.over(
            self._open_held(configuration.held_directory(orders.number)),
            means=means,
            tries=self._open_tries(configuration.held_directory(orders.number)),
            record=self.record,
        )
        self.delivery.held = self.held.delivery
        self.adopter = Adopter(
            configuration=configuration,
            number=orders.number,
            log=log,
            delivery=self.delivery,
            means=means,
            record=self.record,
            open_spool=self._open_spool,
            open_tries=self._open_tries,
            stopping=self.stopping,
        )
        self.reception = Reception(
            snapshot=self.snapshot,
            spool=self.spool,
            worker=self.name,
            host_name=configuration.host_name,
            hops_max=configuration.limits.hops,
            next_queue_id=ids.next,
            now=time.time,
            feed_is_current=self.currency.holds,
            tls_available=lambda: self.certificate is not None,
            emit=self.record.take,
            submit=self.delivery.submit,
            fault=self._note_fault,
            postmaster=ForwardPath.parse(configuration.postmaster) if configuration.postmaster else None,
            limiter=self.senders.limiter,
            prover=self.prover,
            scanning=self.engines if self.engines.gates else self.scanning,
            holding=self.held.holding,
        )
        self.gate = Gate(
            reception=self.reception,
            limits=structs.replace(configuration.limits, connections=self.room.connections),
            settings=ServerSettings(
                host_name=configuration.host_name,
                size_max_octets=configuration.limits.message_size_octets,
                recipients_max=configuration.limits.recipients,
                errors_max=configuration.limits.errors,
                tls_available=self.certificate is not None,
            ),
            context=lambda: self.certificate.context if self.certificate else None,
        )
        self.listeners = [
            Listener(self.gate, loop, tuple(ip_network(proxy) for proxy in listener.proxies))
            for listener in configuration.listeners
        ]
        self._copy_is_due = asyncio.Event()

    async def run(self, sockets: list[socket.socket]) -> None:
        """From recovery to the last flush."""
        await self.loop.run_in_executor(None, self._load_policy)
        await self.loop.run_in_executor(None, self.senders.load)
        await self._recover()
        control = ControlServer(self.configuration.control_socket(self.number), self._answer)
        for listener, listening in zip(self.listeners, sockets, strict=True):
            await listener.start(listening)
        self.delivery.start()
        self.held.delivery.start()
        tasks = [
            asyncio.create_task(work)
            for work in (
                self.follower.run(),
                self._keep_copy(),
                self.senders.keep_copy(),
                self._watch_certificate(),
                self._watch_spool(),
                self.adopter.run(),
            )
        ]
        await control.start()
        if self.room.is_short:
            self.log.write(
                "descriptors-few",
                worker=self.name,
                descriptors=self.room.descriptors,
                connections=self.room.connections,
                next_hop_connections=self.room.next_hop_connections,
                remedy="raise the limit of open files (LimitNOFILE of the service, ulimit -Hn)",
            )
        self.log.write(
            "worker-started",
            worker=self.name,
            queued=self.delivery.queued,
            revision=self.snapshot.revision,
            compiled=compiled.are_in_use(),
        )
        await self.stopping.wait()
        await self._drain()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await control.stop()
        self.engines.close()
        self.scanning.close()
        with contextlib.suppress(OSError):
            await self.senders.save()
        await self.loop.run_in_executor(None, self.spool.close)
        await self.loop.run_in_executor(None, self.held.spool.close)
        if self._copy_is_due.is_set():
            with contextlib.suppress(OSError):
                policy_copy.save(self._copy_path, self.items.values(), self.snapshot.revision)
        self.threads.close()
        self.log.write("worker-stopped", worker=self.name, queued=self.delivery.queued)

    def stop(self, within_seconds: float) -> None:
        """What is under way has so long to end. Called again it can only become less."""
        self.stopping.set()
        at = self.loop.time() + within_seconds
        if self._limit is None or at < self._limit.when():
            if self._limit is not None:
                self._limit.cancel()
            self._limit = self.loop.call_at(at, self._time_is_up.set)

    # Start and end

    def _open_spool(self, directory: Path, loop: asyncio.AbstractEventLoop | None = None) -> SegmentSpool:
        """Of this worker, with the loop that it is opened on, or of one that is gone, on any thread.

        Raises: SpoolError.
        """
        return SegmentSpool(
            directory / "spool", post=self.loop.call_soon_threadsafe, loop=loop, settings=self._segment_settings()
        )

    def _open_held(self, directory: Path) -> SegmentSpool:
        """Raises: SpoolError."""
        return SegmentSpool(
            directory / "spool", post=self.loop.call_soon_threadsafe, settings=settings_of(self._segment_settings())
        )

    def _segment_settings(self) -> SegmentSettings:
        settings = self.configuration.spool
        return SegmentSettings(
            segment_octets=settings.segment_octets,
            reserve_octets=settings.reserve_octets,
            event_quota_octets=settings.event_quota_octets,
        )

    def _make_means(self, ids: QueueIds) -> Means:
        settings = self.configuration.delivery
        resolver = DnsResolver(ResolverSettings(nameservers=settings.nameservers))
        connector = RelayConnector(
            RelaySettings(
                host_name=self.configuration.host_name,
                allow_private=settings.allow_private_next_hops,
                own_addresses=_own_addresses(self.configuration),
                ca_file=settings.ca_file,
                connect_seconds=settings.connect_seconds,
                reply_seconds=settings.reply_seconds,
                idle_seconds=settings.idle_seconds,
            ),
            resolver=resolver,
            clock=self.clock,
            threads=self.threads,
        )
        self.relay_tester = RelayTester(
            self.configuration.host_name,
            resolver,
            connector.context_for,
            allow_private=settings.allow_private_next_hops,
            own_addresses=_own_addresses(self.configuration),
        )
        self.prover = Prover(
            Signatures(lookups=resolver, threads=self.threads, now=time.time, monotonic=self.loop.time), resolver
        )
        return Means(
            spool=self.spool,
            connector=connector,
            resolver=resolver,
            clock=self.clock,
            threads=self.threads,
            tries=self._open_tries(self.directory),
            router=self._route,
            schedule=RetrySchedule(settings.retry_intervals_seconds, settings.expiry_seconds),
            settings=DeliverySettings(
                worker=self.name,
                host_name=self.configuration.host_name,
                smtp_port=settings.smtp_port,
                destination_connections=settings.destination_connections,
                connections=self.room.next_hop_connections,
            ),
            random=random.random,
            new_queue_id=ids.next,
            emit=self.record.take,
            fault=self._note_fault,
            limiter=self.senders.limiter,
        )

    def _open_tries(self, directory: Path) -> Tries:
        """Without the table mail is delivered too; only a message that ends the worker would not be found."""
        try:
            return TryTable(directory / "tries")
        except OSError as error:
            self.log.write("tries-unusable", worker=self.name, error=str(error))
            return NoTries()

    def _note_fault(self, queue_id: QueueId, error: Exception) -> None:
        """By place and type only, since its values may be somebody's mail."""
        self.log.write(
            "bug", worker=self.name, id=queue_id, error=type(error).__name__, at_lines=places_of(error.__traceback__)
        )

    def _route(self, message: Message) -> SenderRelay | None:
        customer_id = message.customer_id
        if customer_id and self.snapshot.customer(customer_id) is None and not self.currency.holds():
            raise RouteUnknown  # the copy of the policy may be lost: a sender relay must not be passed by
        return route(self.snapshot, customer_id, message.reverse_path)

    async def _recover(self) -> None:
        """Take up what an earlier process left. What was not tried yet may lack its event of acceptance."""
        recovered = await self.loop.run_in_executor(None, self.spool.recover)
        for message, progress in recovered:  # one by one, so that no two forms of the whole queue are in memory
            self.delivery.recovered(message, progress)
            if not progress.attempts and message.customer_id:
                self.record.take(accepted_event(message, self.name), is_repeated=True)
        self.held.take_up(await self.loop.run_in_executor(None, self.held.sealed.recover))
        gc.collect()
        gc.freeze()  # what waits is looked at by no later collection

    async def _drain(self) -> None:
        """Take no new mail; let what is being received or delivered end, until time is up; what is not delivered stays
        spooled. What was cut is told 421, and is its sender's to send again; a delivery that was cut is tried again."""
        self.reception.is_stopping = True
        self.log.write("worker-stopping", worker=self.name, queued=self.delivery.queued)
        delivering = asyncio.create_task(self.delivery.drain(self._time_is_up))
        for listener in self.listeners:
            listener.shut_down()
        waits = [asyncio.create_task(self._wait_until_empty()), asyncio.create_task(self._time_is_up.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        cut = sum(len(listener.connections) for listener in self.listeners)
        for listener in self.listeners:
            listener.shut_down(cuts_content=True)
        await asyncio.wait(waits[:1], timeout=FAREWELL_SECONDS)
        for listener in self.listeners:
            listener.drop_all()
        await delivering
        for wait in waits:
            wait.cancel()
        self.log.write("worker-drained", worker=self.name, queued=self.delivery.queued, connections_cut=cut)

    async def _wait_until_empty(self) -> None:
        for listener in self.listeners:
            await listener.wait_until_empty()

    # Policy

    @property
    def _copy_path(self) -> Path:
        return self.directory / "policy"

    def _load_policy(self) -> None:
        items, revision = policy_copy.load(self._copy_path)
        self.items = {item.key: item for item in items}
        self.snapshot.apply_all(items, revision=revision, is_complete=True)

    def _apply(self, documents: Documents) -> None:
        if documents.is_complete:
            self.items.clear()
        for item in documents.items:
            self.items[item.key] = item
        self.snapshot.apply_all(documents.items, revision=documents.up_to, is_complete=documents.is_complete)
        self._copy_is_due.set()
        if documents.items:
            self.log.write("policy-applied", worker=self.name, revision=documents.up_to, documents=len(documents.items))

    async def _keep_copy(self) -> None:
        while True:
            await self._copy_is_due.wait()
            self._copy_is_due.clear()
            items, revision = tuple(self.items.values()), self.snapshot.revision
            try:
                await self.loop.run_in_executor(None, policy_copy.save, self._copy_path, items, revision)
            except OSError as error:
                self._copy_is_due.set()
                self.log.write("policy-copy-failed", worker=self.name, error=str(error))
            await asyncio.sleep(COPY_SECONDS)

    # Questions and commands

    def _carry_out(self, command: Command) -> CommandResult:
        if isinstance(command, SendNotice):
            self._send_notice(command)
            return CommandResult()
        return self.delivery.command(command)

    def _send_notice(self, notice: SendNotice) -> None:
        """A letter for each recipient, in Outgate's own lane: no customer's, no limit, no answer to it."""
        copies = [] if notice.is_private else [*filter(None, [self.configuration.postmaster])]
        recipients = dict.fromkeys([*notice.recipients, *copies])
        self.log.write("notice", worker=self.name, subject=notice.subject, recipients=len(recipients))
        for text in recipients:
            try:
                recipient = ForwardPath.parse(text)
            except AddressError:
                continue
            queue_id, at = self.ids.next(), time.time()
            content = letter(
                recipient=recipient,
                subject=notice.subject,
                text=notice.text,
                host_name=self.configuration.host_name,
                at=at,
                queue_id=queue_id,
            )
            needs = ContentNeeds.UTF8 if recipient.is_utf8 else ContentNeeds.NOTHING
            message = Message(
                queue_id,
                "",
                at,
                NULL_REVERSE_PATH,
                (recipient,),
                len(content),
                int(needs),
                b"",
                Reason.OWN_NOTICE.value,
                subject=notice.subject,
            )
            self.spool.accept(message, content, partial(self._notice_taken, message, content))

    def _notice_taken(self, message: Message, content: bytes, error: SpoolError | None) -> None:
        if error is not None:
            self.log.write("notice-lost", worker=self.name, id=message.queue_id, error=str(error))
        else:
            self.delivery.submit(message, content)

    async def _answer(self, question: Question) -> Answer:
        match question:
            case QueueList():
                return await self.delivery.list(question)
            case QueueSelect():
                return await self.delivery.select(question)
            case QueueShow(queue_id):
                return self.delivery.show(queue_id)
            case Statistics():
                return Measured(measure(self))
            case RelayTest():
                return await self.relay_tester.test(question)
            case SendersAsk():
                return await self.senders.listed(question)
            case _:
                return CommandAnswer(self._carry_out(question))

    # Watching

    def _load_certificate(self) -> Certificate | None:
        tls = self.configuration.tls
        if tls.certificate:
            chain, key = Path(tls.certificate), Path(tls.key)
        else:
            chain, key = ensure_self_signed(self.configuration.state_directory / "tls", self.configuration.host_name)
        try:
            return Certificate(chain, key)
        except CertificateError as error:
            self.log.write("certificate-unusable", worker=self.name, error=str(error))
            return None

    async def _watch_certificate(self) -> None:
        self.loop.add_signal_handler(signal.SIGHUP, self._reload_certificate)
        while True:
            await asyncio.sleep(CERTIFICATE_CHECK_SECONDS)
            self._reload_certificate(only_if_changed=True)

    def _reload_certificate(self, *, only_if_changed: bool = False) -> None:
        certificate = self.certificate
        if certificate is None:
            return
        try:
            if only_if_changed:
                if not certificate.reload_if_changed():
                    return
            else:
                certificate.reload()
        except CertificateError as error:
            self.log.write("certificate-unusable", worker=self.name, error=str(error))
        else:
            self.log.write("certificate-loaded", worker=self.name)

    async def _watch_spool(self) -> None:
        while True:
            await asyncio.sleep(HEALTH_CHECK_SECONDS)
            if self.spool.health is Health.FAILED or self.held.has_failed:
                self.log.write("spool-failed", worker=self.name)
                self.stop(SHORT_DRAIN_SECONDS)
                return


def _own_addresses(configuration: Configuration) -> frozenset[tuple[str, int]]:
    """Where mail to ourselves would arrive: never a next hop, or it would go round for ever."""
    return frozenset((listener.address, listener.port) for listener in configuration.listeners)


def log_bug(log: LogFile, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a callback or task raised: by place and type only, since its values may be somebody's mail."""
    error = context.get("exception")
    log.write(
        "bug",
        error=type(error).__name__ if error is not None else str(context.get("message")),
        at_lines=places_of(error.__traceback__) if isinstance(error, BaseException) else [],
    )


def places_of(raised_in: TracebackType | None) -> list[str]:
    """The innermost places of a traceback, for the log."""
    frames = traceback.extract_tb(raised_in)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-8:]]


async def _serve(orders: Orders, log: LogFile) -> None:
    loop = asyncio.get_running_loop()
    try:
        worker = Worker(orders, loop, log)
    except SpoolError as error:
        log.write("spool-unusable", worker=orders.configuration.worker_name(orders.number), error=str(error))
        raise SystemExit(1) from error
    loop.set_exception_handler(partial(log_bug, log))
    on_end(
        loop,
        partial(worker.stop, orders.configuration.drain_seconds),
        at_once=partial(worker.stop, 0.0),
        orphaned=partial(worker.stop, SHORT_DRAIN_SECONDS),
    )
    await worker.run([socket.socket(fileno=descriptor) for descriptor in orders.sockets])


def main() -> None:
    orders = read_orders()
    configuration = orders.configuration
    log = LogFile(configuration.log_path, f"worker-{orders.number}", rotation=configuration.log_rotation)
    spare_collections()
    try:
        uvloop.run(_serve(orders, log))
    finally:
        log.close()


if __name__ == "__main__":
    main()
