"""Asks the configured resolvers, one question after the other, for as long as a person would wait. Blocking.

Only they are asked, whatever the records name: no record can make us connect to anything.
"""

import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final, TypeVar

import dns.exception
import dns.name
import dns.nameserver
import dns.rcode
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT

from outgate.spf.lookup import Answer, Asking, Kind, Question, Status, answered, canonical

BUDGET_SECONDS: Final = 10.0  # for all questions about one domain
QUESTION_SECONDS: Final = 3.0  # for one question, all tries together
TRY_SECONDS: Final = 1.5  # for one name server to answer once
RECORDS_MAX: Final = 100  # of one answer that are looked at; more than 10 hosts are an error anyway
DNS_PORT: Final = 53

ResultT = TypeVar("ResultT")


def ask(asking: Asking[ResultT], name_servers: Sequence[str], *, budget_seconds: float = BUDGET_SECONDS) -> ResultT:
    """name_servers: "address" or "address:port"; empty is the system's. Raises nothing of DNS: what nobody could say
    is an answer of that kind."""
    end = time.monotonic() + budget_seconds
    try:
        resolver = _resolver(name_servers)
    except dns.exception.DNSException:
        failed = Answer(Status.FAILED, trouble="this machine knows no name server")
        return answered(asking, lambda _: failed)
    return answered(asking, lambda question: _answer(question, resolver, end))


def _answer(question: Question, resolver: dns.resolver.Resolver, end: float) -> Answer:
    left = end - time.monotonic()
    if left <= 0:
        return Answer(Status.FAILED, trouble=f"DNS took too long; {question.name} was not asked for any more")
    # Built label by label: a backslash in a record is no escape here.
    name = dns.name.Name([*(label.encode("ascii") for label in question.name.split(".")), b""])
    try:
        found = resolver.resolve(
            name,
            question.kind.value,
            search=False,
            raise_on_no_answer=False,
            lifetime=min(left, QUESTION_SECONDS),
        )
    except dns.resolver.NXDOMAIN:
        return Answer(Status.NO_NAME)
    except dns.resolver.LifetimeTimeout:
        return Answer(Status.FAILED, trouble=f"no name server answered for {question.name} in time")
    except dns.resolver.NoNameservers as error:
        return Answer(Status.FAILED, trouble=f"the name servers answered {_codes(error)} for {question.name}")
    except (dns.exception.DNSException, OSError) as error:
        return Answer(Status.FAILED, trouble=f"no usable answer for {question.name}: {type(error).__name__}")
    if found.rrset is None:
        return Answer(Status.NO_DATA)
    records = list(found.rrset)[:RECORDS_MAX]
    match question.kind:
        case Kind.TXT:
            texts = tuple(b"".join(record.strings) for record in records if isinstance(record, TXT))
            return Answer(Status.FOUND, texts=texts)
        case Kind.MX:
            hosts = [record.exchange for record in records if isinstance(record, MX)]
            return Answer(Status.FOUND, names=tuple(canonical(host.to_text()) for host in hosts))
        case Kind.PTR:
            names = [record.target for record in records if isinstance(record, PTR)]
            return Answer(Status.FOUND, names=tuple(canonical(each.to_text()) for each in names))
    return Answer(Status.FOUND, addresses=tuple(ip_address(record.to_text()) for record in records))


def _codes(error: dns.resolver.NoNameservers) -> str:
    """What the servers said: SERVFAIL, REFUSED and the like."""
    responses = [each[4] for each in error.kwargs["errors"]]
    codes = sorted({dns.rcode.to_text(response.rcode()) for response in responses if response is not None})
    return " and ".join(codes) or "nothing usable"


def _resolver(name_servers: Sequence[str]) -> dns.resolver.Resolver:
    """Raises: dns.exception.DNSException."""
    resolver = dns.resolver.Resolver(configure=not name_servers)
    resolver.timeout = TRY_SECONDS
    if name_servers:
        resolver.nameservers = [_server(text) for text in name_servers]
    return resolver


def _server(text: str) -> dns.nameserver.Nameserver:
    try:
        ip_address(text)
    except ValueError:
        address, _, port = text.rpartition(":")
        return dns.nameserver.Do53Nameserver(address.removeprefix("[").removesuffix("]"), int(port))
    return dns.nameserver.Do53Nameserver(text, DNS_PORT)
