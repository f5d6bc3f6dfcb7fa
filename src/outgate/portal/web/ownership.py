"""Asks a domain's own name servers for its TXT records, past every cache: what was published a second ago counts.

The servers are found by the resolver; they are anybody's, so that only public addresses are asked, briefly, and what
they say is bounded.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.TXT import TXT

from outgate.portal.outbound.validation import special_kind

BUDGET_SECONDS: Final = 8.0  # for all questions: a person waits
QUESTION_SECONDS: Final = 2.0
SERVERS_MAX: Final = 6  # addresses that are asked
ANSWERS_WANTED: Final = 2  # of servers: one may be behind the others
RECORDS_MAX: Final = 500
DNS_PORT: Final = 53


class NoAnswer(Exception):
    """Nobody could say. public_message: for the person who asked."""

    def __init__(self, public_message: str) -> None:
        super().__init__(public_message)
        self.public_message = public_message


@dataclass(frozen=True, slots=True)
class DomainQuestion:
    """How to ask. resolvers: "address" or "address:port"; empty is the system's. port: of the domain's own servers."""

    resolvers: tuple[str, ...] = ()
    allow_private: bool = False
    port: int = DNS_PORT


def txt_records(name: str, question: DomainQuestion) -> frozenset[str]:
    """Every TXT record at `name`, its strings joined (RFC 7208 §3.3). Blocking, up to `BUDGET_SECONDS`.

    Raises: NoAnswer.
    """
    end = time.monotonic() + BUDGET_SECONDS
    resolver = _resolver(question)
    found: set[str] = set()
    answers = 0
    try:
        for address in _servers(name, resolver, end, question.allow_private):
            if time.monotonic() > end:
                break
            records = _ask(name, address, question.port)
            if records is not None:
                found |= records
                answers += 1
            if answers == ANSWERS_WANTED:
                break
    except dns.resolver.NXDOMAIN as error:
        raise NoAnswer(f"There is no domain {name} in DNS. Look whether it is spelt right and registered.") from error
    except dns.exception.DNSException as error:
        raise NoAnswer(f"DNS does not say which name servers {name} has. Try again in some minutes.") from error
    if not answers:
        raise NoAnswer(f"None of the name servers of {name} answered. Try again in some minutes.")
    return frozenset(found)


def _resolver(question: DomainQuestion) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=not question.resolvers)
    resolver.lifetime, resolver.timeout = BUDGET_SECONDS / 2, QUESTION_SECONDS
    if question.resolvers:
        resolver.nameservers = [_server(text) for text in question.resolvers]
    return resolver


def _server(text: str) -> dns.nameserver.Nameserver:
    try:
        ip_address(text)
    except ValueError:
        address, _, port = text.rpartition(":")
        return dns.nameserver.Do53Nameserver(address.removeprefix("[").removesuffix("]"), int(port))
    return dns.nameserver.Do53Nameserver(text, DNS_PORT)


def _servers(name: str, resolver: dns.resolver.Resolver, end: float, allow_private: bool) -> Iterator[str]:
    """The addresses of the name servers of the zone that `name` is in."""
    zone = dns.resolver.zone_for_name(name, resolver=resolver)
    hosts = sorted(str(record.target) for record in resolver.resolve(zone, "NS"))
    yielded = 0
    for host in hosts:
        for kind in ("A", "AAAA"):
            if time.monotonic() > end:
                return
            try:
                records = resolver.resolve(host, kind)
            except dns.exception.DNSException:
                continue
            for record in records:
                address = str(record)
                if yielded < SERVERS_MAX and (allow_private or special_kind(ip_network(address)) is None):
                    yielded += 1
                    yield address


def _ask(name: str, address: str, port: int) -> set[str] | None:
    """What one server says with authority; None if it does not."""
    asked = dns.name.from_text(name)
    message = dns.message.make_query(asked, "TXT")
    message.flags &= ~dns.flags.RD
    try:
        response, _ = dns.query.udp_with_fallback(message, address, timeout=QUESTION_SECONDS, port=port)
    except (dns.exception.DNSException, OSError):
        return None
    if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not response.flags & dns.flags.AA:
        return None
    records: set[str] = set()
    for rrset in response.answer:
        if rrset.name != asked or rrset.rdtype != dns.rdatatype.TXT:
            continue  # a CNAME leads to somebody else's word
        for record in list(rrset)[:RECORDS_MAX]:
            assert isinstance(record, TXT)
            records.add(b"".join(record.strings).decode("utf-8", "replace"))
    return records
