"""Targets: answers of DNS. Nonsense is trouble, which passes; only DNS itself says that there is no such name."""

import asyncio
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import dns.message
import dns.nameserver
import dns.query
import dns.rcode
import dns.rrset
from tests.fuzz.engine import Target, target

from outgate.delivery.interface import Lookup
from outgate.net.resolver import ADDRESSES_PER_HOST_MAX, MX_MAX, DnsResolver, ResolverSettings

NAME = "two.example"


def answers() -> Iterator[bytes]:
    for kind, texts in (
        ("MX", ["10 mx1.two.example.", "20 mx2.two.example.", "20 mx3.two.example."]),
        ("MX", ["0 ."]),
        ("MX", []),
        ("A", ["192.0.2.1", "192.0.2.2"]),
        ("AAAA", ["2001:db8::1"]),
        ("CNAME", ["one.example."]),
    ):
        query = dns.message.make_query(NAME, "MX" if kind == "CNAME" else kind)
        answer = dns.message.make_response(query)
        if texts:
            answer.answer.append(dns.rrset.from_text(f"{NAME}.", 300, "IN", kind, *texts))
        if kind == "CNAME":
            answer.answer.append(dns.rrset.from_text("one.example.", 300, "IN", "MX", "10 mx.one.example."))
        yield answer.to_wire()
    refusal = dns.message.make_response(dns.message.make_query(NAME, "MX"))
    refusal.set_rcode(dns.rcode.NXDOMAIN)
    soa = "ns.example. root.example. 1 7200 900 1209600 86400"
    refusal.authority.append(dns.rrset.from_text("example.", 300, "IN", "SOA", soa))
    yield refusal.to_wire()
    refusal.set_rcode(dns.rcode.SERVFAIL)
    yield refusal.to_wire()


class Wire(dns.nameserver.Nameserver):
    """A name server that gives the same octets to each question, with the question's id."""

    def __init__(self, octets: bytes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.octets = octets

    def __str__(self) -> str:
        return "wire"

    def kind(self) -> str:
        return "Do53"

    def answer_nameserver(self) -> str:
        return "127.0.0.1"

    def answer_port(self) -> int:
        return 53

    def is_always_max_size(self) -> bool:
        return False

    async def async_query(self, request: dns.message.QueryMessage, *arguments: Any, **named: Any) -> Any:
        is_tcp = named.get("max_size", arguments[3] if len(arguments) > 3 else False)
        octets = request.id.to_bytes(2, "big") + self.octets[2:]
        response = dns.message.from_wire(octets, raise_on_truncation=not is_tcp)
        if not request.is_response(response):
            raise dns.query.BadResponse
        return response


@target(
    "dns-answers", seeds=answers(), tokens=[b"\xc0\x0c", b"\0\x0f\0\x01", b"\x3f" + b"x" * 63, b"\x81\x80", b"\x82\0"]
)
def dns_answers(octets: bytes) -> None:
    asyncio.run(_ask(octets))


async def _ask(octets: bytes) -> None:
    resolver = DnsResolver(ResolverSettings(("127.0.0.1:1",)))
    resolver._resolver.nameservers = [Wire(octets)]
    mail = await resolver.mail_exchangers(NAME)
    assert len(mail.hosts) <= MX_MAX
    for host in mail.hosts:
        assert host
        assert host.isascii()
        assert host.isprintable()
        assert " " not in host
    found = await resolver.addresses(NAME)
    assert len(found.addresses) <= 2 * ADDRESSES_PER_HOST_MAX * MX_MAX
    for address in found.addresses:
        ip_address(address)
    for answer in (mail, found):
        assert (answer.lookup is Lookup.FOUND) == bool(answer.hosts if answer is mail else found.addresses)
        assert answer.detail.isprintable()
        if answer.lookup in (Lookup.NO_SUCH_NAME, Lookup.NULL_MX):
            assert _says_no(octets)


def _says_no(octets: bytes) -> bool:
    """Is it an answer of DNS itself, of a kind that can say so?"""
    return octets[3] & 15 in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


TARGETS: list[Target] = [dns_answers]
