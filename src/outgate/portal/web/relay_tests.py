"""Has a worker of this machine try a sender relay. Blocking, some seconds: bounded in number, so that pages go on.

A worker does it, since it is the one that will deliver: with its DNS, its addresses and its trust.
"""

import socket
import threading
import time
from pathlib import Path
from typing import Final

from django.conf import settings

from outgate.contract.policy import Login, RelayTls
from outgate.contract.wire import Answer, Failed, FrameReader, RelayTest, RelayTested, WireError, frame
from outgate.portal.customers.models import Customer
from outgate.portal.outbound import validation

AT_ONCE: Final = 2  # tests in this process; a third is told to come again
PAUSE_SECONDS: Final = 3.0  # between two tests of one customer
WAIT_SECONDS: Final = 18.0  # for the worker, which takes 15 at most
READ_OCTETS: Final = 64 * 1024  # of an answer, at a time
CUSTOMERS_MAX: Final = 1_000  # whose last test is remembered

_room = threading.BoundedSemaphore(AT_ONCE)
_last: dict[int, float] = {}


class NotNow(Exception):
    """No test was made. The text says why, for people."""


def draft(
    customer: Customer, *, domain: str, host: str, port: int, tls: RelayTls, login: str, password: str
) -> RelayTest:
    """What to try of values that are not stored. An empty password is the stored one, if login and host are those it is
    stored for: nobody sends it elsewhere. Raises: Invalid."""
    if domain:
        domain = validation.parse_domain("domain", domain)
    stored = customer.sender_relays.filter(domain=domain).first()
    host = validation.parse_relay_host("host", host, allow_private=settings.ALLOW_PRIVATE_ADDRESSES)
    if stored is not None and not password and (stored.login, stored.host) == (login, host):
        password = stored.password
    login, password = validation.parse_login(login, password)
    return RelayTest(host, validation.parse_port("port", port), tls, Login(login, password) if login else None)


def test(customer_id: int, wanted: RelayTest) -> RelayTested:
    """Raises: NotNow."""
    now = time.monotonic()
    if now - _last.get(customer_id, -PAUSE_SECONDS) < PAUSE_SECONDS:
        raise NotNow("A test was made a moment ago. Wait some seconds, then test again.")
    if not _room.acquire(blocking=False):
        raise NotNow("Other tests are under way. Try again in some seconds.")
    try:
        if len(_last) >= CUSTOMERS_MAX:
            _last.clear()
        _last[customer_id] = now
        return _ask(wanted)
    finally:
        _room.release()


def _ask(wanted: RelayTest) -> RelayTested:
    for path in sorted(Path(settings.STATE_DIRECTORY, "run").glob("worker-*.sock")):
        try:
            answer = _answer_of(path, wanted)
        except (OSError, WireError):
            continue  # the next worker may be there
        if isinstance(answer, RelayTested):
            return answer
        if isinstance(answer, Failed):
            raise NotNow("The test could not be made. The operator finds the cause in the log.")
    raise NotNow("No worker is running on this machine to make the test.")


def _answer_of(path: Path, wanted: RelayTest) -> Answer | None:
    frames: FrameReader[Answer] = FrameReader(Answer)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(WAIT_SECONDS)
        connection.connect(str(path))
        connection.sendall(frame(wanted))
        while octets := connection.recv(READ_OCTETS):
            for answer in frames.receive(octets):
                return answer
    return None
