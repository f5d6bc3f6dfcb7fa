"""Asks the sources for their networks: Microsoft's web service of addresses, and Google's SPF record. Blocking.

What they answer is only read here; `policy.provider_list` says whether it is believed. Nothing is followed to another
host, nothing without a verified certificate, and everything has an end: octets, networks, seconds.

https://learn.microsoft.com/microsoft-365/enterprise/microsoft-365-ip-web-service, as of 2019-08-06; RFC 7208.
"""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote, urlencode, urlsplit

import dns.exception
import dns.rdtypes.ANY.TXT
import dns.resolver
import msgspec
from msgspec import Meta, Struct

from outgate import __version__
from outgate.app.configuration import Configuration
from outgate.app.provider_spf import SpfError, read_spf
from outgate.contract.policy import Provider
from outgate.mail.encoding import UNDECODABLE
from outgate.net.resolver import name_server

SILENCE_SECONDS: Final = 15.0  # without an octet of the service
REQUEST_SECONDS: Final = 45.0  # for one request, however slowly it is answered
BODY_MAX: Final = 1_048_576  # octets of an answer; the whole list has less than 100 KiB
READ_OCTETS: Final = 65_536
VERSION_SECONDS: Final = 3_600.0  # its documentation: ask for the version hourly at most, and wait so long after a 429
ERROR_MAX: Final = 400  # characters of what is told of a failure
SPF_QUESTIONS_MAX: Final = 10  # RFC 7208 §4.6.4
SPF_DEPTH_MAX: Final = 3  # includes within includes; the record in use has none
SPF_TRY_SECONDS: Final = 4.0  # for one name server to answer once
SPF_QUESTION_SECONDS: Final = 8.0  # for one question, all tries together
_INSTANCE: Final = "Worldwide"
_SMTP_PORT: Final = 25
# Of the endpoint set that Exchange Online's mail servers are in. Others of port 25 would be somebody's whom the tenant
# lock's evidence says nothing of; ids are immutable, says the documentation.
_SMTP_SET: Final = 10
_OK: Final = 200
_TOO_MANY_REQUESTS: Final = 429


class SourceFailed(Exception):
    """The text is for people. retry_seconds: not to be asked again sooner, whatever the back-off says."""

    def __init__(self, text: str, retry_seconds: float = 0.0) -> None:
        # Parts of it are a stranger's: they go to terminals, a log and a database.
        super().__init__("".join(each if each.isprintable() else "?" for each in text[:ERROR_MAX]))
        self.retry_seconds = retry_seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """version: of the list, or "". networks: as they came; None if they are those of the version that we have."""

    version: str
    networks: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. client_request_id: a GUID of this installation. version: that we have; empty is none."""

    client_request_id: str
    version: str


class _Version(Struct, frozen=True):
    latest: Annotated[str, Meta(pattern="^[0-9]{1,20}$")]


class _Endpoints(Struct, frozen=True, rename="camel"):
    """A record of the service; empty fields are absent there, and most are of no use to us."""

    id: int = 0
    service_area: str = ""
    ips: tuple[str, ...] = ()
    tcp_ports: str = ""


def ask_source(provider: Provider, configuration: Configuration, asker: Asker) -> Answer:
    """Raises: SourceFailed, and nothing else."""
    try:
        if provider is Provider.MICROSOFT:
            return ask_microsoft(configuration, asker)
        return ask_google(configuration)
    except SourceFailed:
        raise
    except Exception as error:  # whatever strangers send, mail and the clerk's other loops must not feel it
        raise SourceFailed(f"{type(error).__name__}: {error}") from error


# Microsoft


def ask_microsoft(configuration: Configuration, asker: Asker) -> Answer:
    """The version first, and the list only if it is another, as the service asks its clients to do.

    Raises: SourceFailed.
    """
    settings = configuration.providers
    base = settings.microsoft_url.rstrip("/")
    request_id = {"ClientRequestId": asker.client_request_id}
    context = _tls(settings.ca_file)
    latest = read_version(_get(f"{base}/version/{quote(_INSTANCE)}", request_id, context))
    if latest == asker.version:
        return Answer(latest, None)
    query = {"ServiceAreas": "Exchange", **request_id}
    try:
        return Answer(latest, read_endpoints(_get(f"{base}/endpoints/{quote(_INSTANCE)}", query, context)))
    except SourceFailed as error:
        raise SourceFailed(str(error), VERSION_SECONDS) from error  # the next try begins with the version again


def read_version(octets: bytes) -> str:
    """Raises: SourceFailed."""
    try:
        return msgspec.json.decode(octets, type=_Version).latest
    except UNDECODABLE as error:
        raise SourceFailed(f"the version is not as documented: {error}", VERSION_SECONDS) from error


def read_endpoints(octets: bytes) -> tuple[str, ...]:
    """The networks of the endpoint set of Exchange Online's mail servers, each once, in their order.

    Raises: SourceFailed, also if that set is not there: then what we know of the list is out of date, and the networks
    that we have stay until a person has looked.
    """
    try:
        records = msgspec.json.decode(octets, type=list[_Endpoints])
    except UNDECODABLE as error:
        raise SourceFailed(f"the list is not as documented: {error}", VERSION_SECONDS) from error
    found = [
        record
        for record in records
        if record.id == _SMTP_SET and record.service_area == "Exchange" and has_port(record.tcp_ports, _SMTP_PORT)
    ]
    if not found:
        raise SourceFailed(f"the list has no endpoint set {_SMTP_SET} of Exchange for port 25", VERSION_SECONDS)
    return tuple({network: None for record in found for network in record.ips})


def has_port(ports: str, port: int) -> bool:
    """Is `port` among `ports`, such as "80,443" or "20-25"? What is neither number nor range has none."""
    for part in ports.split(","):
        first, dash, last = (each.strip() for each in part.partition("-"))
        if not dash:
            last = first
        if _is_number(first) and _is_number(last) and int(first) <= port <= int(last):
            return True
    return False


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5


def _tls(ca_file: str) -> ssl.SSLContext:
    """Raises: SourceFailed."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SourceFailed(f"providers.ca_file: {ca_file} cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _get(url: str, query: dict[str, str], context: ssl.SSLContext) -> bytes:
    """The body of a 200. Raises: SourceFailed."""
    parts = urlsplit(url)
    where = f"{parts.hostname}{parts.path}"
    host, port = parts.hostname or "", parts.port or 443
    connection = http.client.HTTPSConnection(host, port, context=context)
    try:
        with _connected(host, port, context) as connection.sock:
            connection.request(
                "GET",
                f"{parts.path}?{urlencode(query)}" if query else parts.path,
                headers={"Accept": "application/json", "User-Agent": f"outgate/{__version__}", "Connection": "close"},
            )
            with connection.getresponse() as response:
                if response.status == _TOO_MANY_REQUESTS:
                    raise SourceFailed(f"{where}: status 429, asked too often", VERSION_SECONDS)
                if response.status != _OK:
                    to = f" to {response.headers.get('Location', '')[:200]}" if response.status // 100 == 3 else ""
                    raise SourceFailed(f"{where}: status {response.status}{to}")  # redirects are not followed
                return _body(response, where)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SourceFailed(f"{where}: {type(error).__name__}: {error}") from error
    finally:
        connection.close()


def _body(response: http.client.HTTPResponse, where: str) -> bytes:
    """Raises: SourceFailed, OSError, http.client.HTTPException (also if it breaks off before its announced end)."""
    if response.length is not None and response.length > BODY_MAX:
        raise SourceFailed(f"{where}: the answer is longer than {BODY_MAX} octets")
    octets = bytearray()
    announced = response.length
    while chunk := response.read(READ_OCTETS):
        octets += chunk
        if len(octets) > BODY_MAX:
            raise SourceFailed(f"{where}: the answer is longer than {BODY_MAX} octets")
    if announced is not None and len(octets) != announced:
        raise SourceFailed(f"{where}: the answer breaks off after {len(octets)} of {announced} octets")
    return bytes(octets)


@contextmanager
def _connected(host: str, port: int, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """A connection that is cut after REQUEST_SECONDS: with a time-out of the socket alone a peer may drip for ever.

    Raises: OSError (ssl.SSLError is one), and SourceFailed in the place of whatever the cut brought about.
    """
    is_late = threading.Event()
    plain = socket.create_connection((host, port), timeout=SILENCE_SECONDS)
    try:
        secured = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise

    def cut() -> None:
        is_late.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(secured, socket.SHUT_RDWR)  # not TLS's, which would change what the reader uses

    timer = threading.Timer(REQUEST_SECONDS, cut)
    timer.daemon = True
    timer.start()
    late = SourceFailed(f"{host}: no whole answer within {REQUEST_SECONDS:.0f} s")
    try:
        secured.do_handshake()
        yield secured
    except Exception as error:
        if is_late.is_set():
            raise late from error
        raise
    finally:
        timer.cancel()
        secured.close()
    if is_late.is_set():
        raise late


def fetch(url: str, ca_file: str) -> bytes:
    """The body of a 200 from another of Microsoft's services, with the same ends to it. Raises: SourceFailed."""
    return _get(url, {}, _tls(ca_file))


# Google


def ask_google(configuration: Configuration) -> Answer:
    """All networks of the SPF record, those of its includes too. The record has no version.

    Raises: SourceFailed.
    """
    settings = configuration.providers
    resolver = _resolver(settings.nameservers or configuration.delivery.nameservers)
    networks: dict[str, None] = {}
    names = [(settings.google_name, 0)]
    for count, (name, depth) in enumerate(names, 1):  # which grows meanwhile
        if count > SPF_QUESTIONS_MAX:
            raise SourceFailed(f"{settings.google_name}: more than {SPF_QUESTIONS_MAX} questions for its SPF record")
        if depth > SPF_DEPTH_MAX:
            raise SourceFailed(f"{name}: included more than {SPF_DEPTH_MAX} deep")
        try:
            record = read_spf(_texts(resolver, name))
        except SpfError as error:
            raise SourceFailed(f"{name}: {error}") from error
        networks |= dict.fromkeys(record.networks)
        names += [(included, depth + 1) for included in record.includes]
    return Answer("", tuple(networks))


def _resolver(nameservers: Sequence[str]) -> dns.resolver.Resolver:
    """Raises: SourceFailed."""
    try:
        resolver = dns.resolver.Resolver(configure=not nameservers)
        if nameservers:
            resolver.nameservers = [name_server(text) for text in nameservers]
    except (ValueError, dns.exception.DNSException) as error:
        raise SourceFailed(f"no name server: {error}") from error
    resolver.timeout = SPF_TRY_SECONDS
    resolver.lifetime = SPF_QUESTION_SECONDS
    return resolver


def _texts(resolver: dns.resolver.Resolver, name: str) -> list[bytes]:
    """The TXT records at `name`, the strings of each joined (RFC 7208 §3.3). Raises: SourceFailed."""
    try:
        found = resolver.resolve(name, "TXT", search=False)
    except (dns.exception.DNSException, OSError) as error:
        raise SourceFailed(f"{name} TXT: {error}") from error
    return [b"".join(rdata.strings) for rdata in found if isinstance(rdata, dns.rdtypes.ANY.TXT.TXT)]
