"""DNS for delivery: mail exchangers and addresses, by dnspython, kept for their time to live. RFC 5321 §5.1, RFC 7505.

Only two answers end a delivery for good: the name does not exist, or says that it takes no mail. Everything else that
is no answer (REFUSED, SERVFAIL, a time-out, nonsense) is trouble, and the message comes again.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Generic, TypeVar

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from outgate.delivery.interface import Addresses, Lookup, MailExchangers

CACHE_NAMES_MAX: Final = 50_000  # of each kind; the least used go first
TTL_MIN_SECONDS: Final = 5.0  # a shorter time to live would have us ask for each message
TTL_MAX_SECONDS: Final = 86_400.0
NEGATIVE_TTL_SECONDS: Final = 300.0  # where the SOA record gives none, RFC 2308 §5
TROUBLE_TTL_SECONDS: Final = 10.0  # a server in trouble is not asked for each waiting message
QUESTION_SECONDS: Final = 15.0  # for one question, all servers and repetitions together
EXCHANGERS_MAX: Final = 32  # hosts of one domain that are considered

_LOCALHOST: Final = {"localhost": ("127.0.0.1", "::1")}  # RFC 6761 §6.3: never asked of a server


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """nameservers: "address" or "address:port" ("[v6]:port"); empty: those of /etc/resolv.conf."""

    nameservers: tuple[str, ...] = ()
    question_seconds: float = QUESTION_SECONDS


AnswerT = TypeVar("AnswerT")


class _Cache(Generic[AnswerT]):
    """Answers by name until they end, and one question under way for all who ask the same."""

    def __init__(self, ask: Callable[[str], Awaitable[tuple[AnswerT, float]]], now: Callable[[], float]) -> None:
        self._ask = ask
        self._now = now
        self._answers: OrderedDict[str, tuple[AnswerT, float]] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[AnswerT]] = {}

    def cached(self, name: str) -> AnswerT | None:
        found = self._answers.get(name)
        if found is None or found[1] <= self._now():
            return None
        self._answers.move_to_end(name)
        return found[0]

    async def get(self, name: str) -> AnswerT:
        answer = self.cached(name)
        if answer is not None:
            return answer
        task = self._under_way.get(name)
        if task is None:
            task = self._under_way[name] = asyncio.create_task(self._fetch(name))
        return await asyncio.shield(task)  # one who gives up must not end the question of the others

    async def _fetch(self, name: str) -> AnswerT:
        try:
            answer, ttl_seconds = await self._ask(name)
        finally:
            del self._under_way[name]
        self._answers[name] = (answer, self._now() + min(max(ttl_seconds, TTL_MIN_SECONDS), TTL_MAX_SECONDS))
        self._answers.move_to_end(name)
        if len(self._answers) > CACHE_NAMES_MAX:
            self._answers.popitem(last=False)
        return answer


class DnsResolver:
    """Implements `delivery.interface.Resolver`."""

    def __init__(self, settings: ResolverSettings, *, now: Callable[[], float], order: random.Random) -> None:
        """now: a clock that never goes back, seconds. order: shuffles hosts of equal preference.

        Raises: ValueError if a name server is not an address.
        """
        self._settings = settings
        self._order = order
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._servers = [_server(text) for text in settings.nameservers]
        self._exchangers = _Cache(self._ask_exchangers, now)
        self._addresses = _Cache(self._ask_addresses, now)

    async def mail_exchangers(self, domain: str) -> MailExchangers:
        return self._shuffled(await self._exchangers.get(domain))

    def cached_mail_exchangers(self, domain: str) -> MailExchangers | None:
        """The answer if it is at hand: for the way of a message that must not wait."""
        answer = self._exchangers.cached(domain)
        return None if answer is None else self._shuffled(answer)

    async def addresses(self, host: str) -> Addresses:
        literal = host.removeprefix("[").removesuffix("]").removeprefix("IPv6:")
        try:
            return Addresses(Lookup.FOUND, (str(ip_address(literal)),))
        except ValueError:
            pass
        if (local := _LOCALHOST.get(host)) is not None:
            return Addresses(Lookup.FOUND, local)
        return await self._addresses.get(host)

    # The questions

    async def _ask_exchangers(self, domain: str) -> tuple["_Exchangers", float]:
        answer = await self._ask(domain, dns.rdatatype.MX)
        if isinstance(answer, _Failure):
            if answer.lookup is Lookup.FOUND:  # the name is there without MX records: it is its own exchanger
                return _Exchangers(Lookup.FOUND, ((0, domain),)), answer.ttl_seconds
            return _Exchangers(answer.lookup, detail=answer.detail), answer.ttl_seconds
        ttl_seconds = float(answer.rrset.ttl) if answer.rrset is not None else 0.0
        found = sorted((record.preference, record.exchange.to_text(omit_final_dot=True).lower()) for record in answer)[
            :EXCHANGERS_MAX
        ]
        named = tuple((preference, host) for preference, host in found if host not in ("", "."))
        if not named:
            return _Exchangers(Lookup.NULL_MX, detail=f"{domain} takes no mail (null MX)"), ttl_seconds
        return _Exchangers(Lookup.FOUND, named), ttl_seconds

    async def _ask_addresses(self, host: str) -> tuple[Addresses, float]:
        answers = await asyncio.gather(self._ask(host, dns.rdatatype.A), self._ask(host, dns.rdatatype.AAAA))
        addresses: list[str] = []
        ttls: list[float] = []
        failures: list[_Failure] = []
        for answer in answers:
            if isinstance(answer, _Failure):
                failures.append(answer)
            else:
                addresses.extend(record.address for record in answer)
                ttls.append(float(answer.rrset.ttl) if answer.rrset is not None else 0.0)
        if addresses:
            return Addresses(Lookup.FOUND, tuple(addresses)), min(ttls)
        trouble = [failure for failure in failures if failure.lookup is Lookup.TROUBLE]
        if trouble:
            return Addresses(Lookup.TROUBLE, detail=trouble[0].detail), TROUBLE_TTL_SECONDS
        ttl_seconds = min(failure.ttl_seconds for failure in failures)
        return Addresses(Lookup.NO_SUCH_NAME, detail=f"{host} has no address"), ttl_seconds

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> "dns.resolver.Answer | _Failure":
        """One question. A name that exists without such records is a `_Failure` with `Lookup.FOUND`."""
        try:
            absolute = dns.name.from_text(name)
            return await self._get_resolver().resolve(
                absolute, kind, lifetime=self._settings.question_seconds, raise_on_no_answer=True
            )
        except dns.resolver.NXDOMAIN as error:
            return _Failure(Lookup.NO_SUCH_NAME, _negative_ttl(_response(error)), f"{name} does not exist")
        except dns.resolver.NoAnswer as error:
            return _Failure(Lookup.FOUND, _negative_ttl(_response(error)), f"{name} has no {kind.name} record")
        except (dns.exception.DNSException, OSError) as error:
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            return _Failure(Lookup.TROUBLE, TROUBLE_TTL_SECONDS, f"{name}: {text}")

    def _get_resolver(self) -> dns.asyncresolver.Resolver:
        """Made at the first question: /etc/resolv.conf may be missing on a machine that never asks."""
        if self._resolver is None:
            resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = [address for address, _ in self._servers]
                resolver.nameserver_ports = dict(self._servers)
            resolver.cache = None
            resolver.search = []
            self._resolver = resolver
        return self._resolver

    def _shuffled(self, exchangers: "_Exchangers") -> MailExchangers:
        """Hosts by preference, those of equal preference in random order: RFC 5321 §5.1."""
        hosts = exchangers.hosts
        if len(hosts) > 1:
            hosts = tuple(sorted(hosts, key=lambda entry: (entry[0], self._order.random())))
        return MailExchangers(exchangers.lookup, tuple(host for _, host in hosts), exchangers.detail)


@dataclass(frozen=True, slots=True)
class _Exchangers:
    lookup: Lookup
    hosts: tuple[tuple[int, str], ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Failure:
    lookup: Lookup
    ttl_seconds: float
    detail: str


def _response(error: dns.exception.DNSException) -> object:
    """The server's message behind an error that says "there is none"; None if dnspython kept none."""
    responses = error.kwargs.get("responses")
    if responses:
        return next(reversed(responses.values()))
    return error.kwargs.get("response")


def _negative_ttl(response: object) -> float:
    """How long "there is none" may be believed: the lesser of the SOA's time to live and its minimum. RFC 2308 §5."""
    for rrset in getattr(response, "authority", ()):
        if rrset.rdtype == dns.rdatatype.SOA:
            return float(min(rrset.ttl, rrset[0].minimum))
    return NEGATIVE_TTL_SECONDS


def _server(text: str) -> tuple[str, int]:
    """Address and port. Raises: ValueError."""
    try:
        return str(ip_address(text)), 53
    except ValueError:
        address, _, port = text.rpartition(":")
        return str(ip_address(address.removeprefix("[").removesuffix("]"))), int(port)
