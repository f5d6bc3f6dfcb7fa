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
from typing import Any, Final

import uvloop

from outgate.app import policy_copy
from outgate.app.child import Orders, on_end, read_orders
from outgate.app.configuration import Configuration
from outgate.app.gate import Gate
from outgate.app.log import LogFile
from outgate.app.record import Record
from outgate.app.worker_statistics import measure
from outgate.contract.commands import Command, CommandResult
from outgate.contract.policy import PolicyItem, SenderRelay
from outgate.contract.wire import (
    Answer,
    CommandAnswer,
    Documents,
    Measured,
    Question,
    QueueList,
    QueueShow,
    Statistics,
)
from outgate.delivery.manager import DeliveryManager, DeliverySettings
from outgate.delivery.routes import RouteUnknown
from outgate.mail.address import ForwardPath
from outgate.mail.message import Message
from outgate.net.certificate import Certificate, CertificateError, ensure_self_signed
from outgate.net.clock import LoopClock, LoopThreads
from outgate.net.control import ControlServer
from outgate.net.feed import FeedFollower
from outgate.net.listener import Listener
from outgate.net.relay import RelayConnector, RelaySettings
from outgate.net.resolver import DnsResolver, ResolverSettings
from outgate.policy.next_hop import route
from outgate.policy.schedule import RetrySchedule
from outgate.policy.snapshot import Snapshot
from outgate.reception.conversation import Reception, accepted_event
from outgate.reception.identity import QueueIds
from outgate.smtp.server import ServerSettings
from outgate.spool.interface import Health, SpoolError
from outgate.spool.segments import SegmentSettings, SegmentSpool

CERTIFICATE_CHECK_SECONDS: Final = 5.0
COPY_SECONDS: Final = 2.0  # the local copy of the policy is written at most so often
CONVERSATIONS_SECONDS: Final = 10.0  # after the order to stop: for peers to end the message that they are sending
DELIVERIES_SECONDS: Final = 15.0  # and for attempts under way
HEALTH_CHECK_SECONDS: Final = 0.5


class Worker:
    """Wires reception, spool and delivery of one worker."""

    def __init__(self, orders: Orders, loop: asyncio.AbstractEventLoop, log: LogFile) -> None:
        configuration = orders.configuration
        self.configuration = configuration
        self.number = orders.number
        self.name = configuration.worker_name(orders.number)
        self.log = log
        self.loop = loop
        self.stopping = asyncio.Event()
        self.directory = configuration.worker_directory(orders.number)
        self.snapshot = Snapshot()
        self.items: dict[str, PolicyItem] = {}
        self.clock = LoopClock(loop)
        self.threads = LoopThreads(loop)
        self.certificate = self._load_certificate()
        self.spool = SegmentSpool(
            self.directory / "spool",
            post=loop.call_soon_threadsafe,
            settings=SegmentSettings(
                segment_octets=configuration.spool.segment_octets,
                reserve_octets=configuration.spool.reserve_octets,
                event_quota_octets=configuration.spool.event_quota_octets,
            ),
        )
        self.record = Record(self.spool, log)
        self.follower = FeedFollower(
            path=configuration.clerk_socket,
            worker=self.name,
            revision=lambda: self.snapshot.revision,
            apply=self._apply,
            carry_out=self._carry_out,
            queued=lambda: self.delivery.queued,
            monotonic=loop.time,
        )
        ids = QueueIds(orders.number, time.time)
        self.delivery = self._make_delivery(ids)
        self.reception = Reception(
            snapshot=self.snapshot,
            spool=self.spool,
            worker=self.name,
            host_name=configuration.host_name,
            hops_max=configuration.limits.hops,
            next_queue_id=ids.next,
            now=time.time,
            feed_is_current=lambda: self.follower.is_current,
            tls_available=lambda: self.certificate is not None,
            emit=self.record.take,
            submit=self.delivery.submit,
            postmaster=ForwardPath.parse(configuration.postmaster) if configuration.postmaster else None,
        )
        self.gate = Gate(
            reception=self.reception,
            limits=configuration.limits,
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
        await self._recover()
        control = ControlServer(self.configuration.control_socket(self.number), self._answer)
        for listener, listening in zip(self.listeners, sockets, strict=True):
            await listener.start(listening)
        self.delivery.start()
        tasks = [
            asyncio.create_task(work)
            for work in (self.follower.run(), self._keep_copy(), self._watch_certificate(), self._watch_spool())
        ]
        await control.start()
        self.log.write("worker-started", worker=self.name, queued=self.delivery.queued, revision=self.snapshot.revision)
        await self.stopping.wait()
        await self._drain()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await control.stop()
        await self.loop.run_in_executor(None, self.spool.close)
        if self._copy_is_due.is_set():
            with contextlib.suppress(OSError):
                policy_copy.save(self._copy_path, self.items.values(), self.snapshot.revision)
        self.threads.close()
        self.log.write("worker-stopped", worker=self.name, queued=self.delivery.queued)

    def stop(self) -> None:
        self.stopping.set()

    # Start and end

    def _make_delivery(self, ids: QueueIds) -> DeliveryManager:
        settings = self.configuration.delivery
        resolver = DnsResolver(ResolverSettings(nameservers=settings.nameservers))
        connector = RelayConnector(
            RelaySettings(
                host_name=self.configuration.host_name,
                allow_private=settings.allow_private_next_hops,
                own_addresses=_own_addresses(self.configuration),
                ca_file=settings.ca_file,
                connect_seconds=settings.connect_seconds,
                idle_seconds=settings.idle_seconds,
            ),
            resolver=resolver,
            clock=self.clock,
            threads=self.threads,
        )
        return DeliveryManager(
            spool=self.spool,
            connector=connector,
            resolver=resolver,
            clock=self.clock,
            threads=self.threads,
            router=self._route,
            schedule=RetrySchedule(settings.retry_intervals_seconds, settings.expiry_seconds),
            settings=DeliverySettings(
                worker=self.name,
                host_name=self.configuration.host_name,
                smtp_port=settings.smtp_port,
                destination_connections=settings.destination_connections,
                connections=settings.connections,
            ),
            random=random.random,
            new_queue_id=ids.next,
            emit=self.record.take,
        )

    def _route(self, message: Message) -> SenderRelay | None:
        customer_id = message.customer_id
        if customer_id and not self.follower.is_current and self.snapshot.customer(customer_id) is None:
            raise RouteUnknown  # the copy of the policy may be lost: a sender relay must not be passed by
        return route(self.snapshot, customer_id, message.reverse_path)

    async def _recover(self) -> None:
        """Take up what an earlier process left. What was not tried yet may lack its event of acceptance."""
        recovered = await self.loop.run_in_executor(None, lambda: list(self.spool.recover()))
        for message, progress in recovered:
            self.delivery.recovered(message, progress)
            if not progress.attempts and message.customer_id:
                self.record.take(accepted_event(message, self.name), is_repeated=True)

    async def _drain(self) -> None:
        """Take no new mail; let what is being received or delivered end; what is not delivered stays spooled."""
        self.reception.is_stopping = True
        self.log.write("worker-stopping", worker=self.name, queued=self.delivery.queued)
        for listener in self.listeners:
            listener.shut_down()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONVERSATIONS_SECONDS):
                for listener in self.listeners:
                    await listener.wait_until_empty()
        for listener in self.listeners:
            listener.drop_all()
        await self.delivery.drain(DELIVERIES_SECONDS)

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
        return self.delivery.command(command)

    def _answer(self, question: Question) -> Answer:
        match question:
            case QueueList():
                return self.delivery.list(question)
            case QueueShow(queue_id):
                return self.delivery.show(queue_id)
            case Statistics():
                return Measured(measure(self))
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
            if self.spool.health is Health.FAILED:
                self.log.write("spool-failed", worker=self.name)
                self.stop()
                return


def _own_addresses(configuration: Configuration) -> frozenset[tuple[str, int]]:
    """Where mail to ourselves would arrive: never a next hop, or it would go round for ever."""
    return frozenset((listener.address, listener.port) for listener in configuration.listeners)


def log_bug(log: LogFile, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a callback or task raised: by place and type only, since its values may be somebody's mail."""
    error = context.get("exception")
    frames = traceback.extract_tb(error.__traceback__) if isinstance(error, BaseException) else []
    log.write(
        "bug",
        error=type(error).__name__ if error is not None else str(context.get("message")),
        at_lines=[f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
    )


async def _serve(orders: Orders, log: LogFile) -> None:
    loop = asyncio.get_running_loop()
    try:
        worker = Worker(orders, loop, log)
    except SpoolError as error:
        log.write("spool-unusable", worker=orders.configuration.worker_name(orders.number), error=str(error))
        raise SystemExit(1) from error
    loop.set_exception_handler(partial(log_bug, log))
    on_end(loop, worker.stop)
    await worker.run([socket.socket(fileno=descriptor) for descriptor in orders.sockets])


def main() -> None:
    orders = read_orders()
    log = LogFile(orders.configuration.log_path, f"worker-{orders.number}")
    # Messages make no reference cycles; what start-up made is here to stay. Young collections only find garbage rarely.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    try:
        uvloop.run(_serve(orders, log))
    finally:
        log.close()


if __name__ == "__main__":
    main()
