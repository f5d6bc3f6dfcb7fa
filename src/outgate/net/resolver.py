"""DNS for delivery and for the proof of senders: MX, addresses, TXT and PTR, by dnspython, with a bounded cache of its
own that obeys TTL.

Only DNS itself can say that a name does not exist or takes no mail; whatever goes wrong on the way to that answer
(REFUSED, SERVFAIL, a time-out, nonsense) is trouble, and trouble passes. RFC 5321 §5.1, RFC 7505, RFC 2308.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import chain, zip_longest
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.TXT
import dns.resolver
import dns.reversename

from outgate.delivery.interface import Addresses, Lookup, MailExchangers
from outgate.mail.address import AddressError, canonical_domain
from outgate.reception.interface import Answered, Names, Texts

TRY_SECONDS: Final = 5.0  # for one name server to answer once
QUESTION_SECONDS: Final = 20.0  # for one question, all tries together
TTL_MIN_SECONDS: Final = 5.0  # so that a TTL of 0 does not mean a question for every message
TTL_MAX_SECONDS: Final = 86_400.0  # a day, whatever the record says
NEGATIVE_TTL_MAX_SECONDS: Final = 3_600.0  # RFC 2308 §5 allows up to three hours
TROUBLE_TTL_SECONDS: Final = 5.0  # RFC 2308 §7 allows up to five minutes
CACHE_MAX: Final = 20_000  # answers, those with texts apart
TEXTS_CACHE_MAX: Final = 4_000  # answers with texts
TEXTS_MAX: Final = 64  # of one name that are kept
TEXTS_OCTETS_MAX: Final = 8 * 1024  # octets of the texts of one name that are kept; a key has some 400
MX_MAX: Final = 32  # hosts of one domain that are looked at
ADDRESSES_PER_HOST_MAX: Final = 16  # that are kept
NAMES_MAX: Final = 8  # of one address, in PTR, that are looked at

_NO_ADDRESS: Final = Names(Answered.NONE, (), NEGATIVE_TTL_MAX_SECONDS, "no address that DNS could know")
_LOCALHOST: Final = Addresses(Lookup.FOUND, ("127.0.0.1", "::1"))  # RFC 6761 §6.3: never asked of DNS


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """nameservers: `address`, `address:port` or `[address]:port`; empty: those of the system."""

    nameservers: tuple[str, ...] = ()
    try_seconds: float = TRY_SECONDS
    question_seconds: float = QUESTION_SECONDS


@dataclass(frozen=True, slots=True)
class _Answer:
    """records: MX as (preference, host), addresses as (0, address), PTR as (0, name); texts: of TXT. Both empty with
    FOUND: the name has no such record."""

    lookup: Lookup
    records: tuple[tuple[int, str], ...] = ()
    detail: str = ""
    texts: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Cached:
    expires_at: float  # monotonic
    answer: _Answer


@dataclass(slots=True)
class ResolverCounters:
    """For the metrics."""

    questions: int = 0
    cached: int = 0
    trouble: int = 0


class DnsResolver:
    """A `Resolver` of delivery, and the `Lookups` of reception. Concurrent questions for the same are asked once.

    Raises: ValueError if a name server is no address.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        shuffle: Callable[[list[str]], None] = random.shuffle,
    ) -> None:
        self._resolver = _resolver(settings)
        self._monotonic = monotonic
        self._shuffle = shuffle
        self._cache: dict[tuple[str, str], _Cached] = {}
        self._texts_cache: dict[tuple[str, str], _Cached] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[_Cached]] = {}
        self.counters = ResolverCounters()

    async def mail_exchangers(self, domain: str) -> MailExchangers:
        answer = (await self._ask(domain, "MX")).answer
        if answer.lookup is not Lookup.FOUND:
            return MailExchangers(answer.lookup, (), answer.detail)
        if answer.records:
            hosts = self._in_order(answer.records)
            return MailExchangers(Lookup.FOUND, hosts) if hosts else MailExchangers(Lookup.NULL_MX)
        addresses = await self.addresses(domain)  # RFC 5321 §5.1: the name itself is its mail host
        hosts = (domain,) if addresses.lookup is Lookup.FOUND else ()
        return MailExchangers(addresses.lookup, hosts, addresses.detail)

    async def addresses(self, host: str) -> Addresses:
        """IPv4 first, then alternating: the reputation of most senders rests on IPv4."""
        if (literal := _literal(host)) is not None:
            return Addresses(Lookup.FOUND, (literal,))
        if host == "localhost" or host.endswith(".localhost"):
            return _LOCALHOST
        ipv4, ipv6 = [one.answer for one in await asyncio.gather(self._ask(host, "A"), self._ask(host, "AAAA"))]
        pairs = zip_longest((one for _, one in ipv4.records), (one for _, one in ipv6.records))
        found = tuple(one for one in chain.from_iterable(pairs) if one is not None)
        if found:
            return Addresses(Lookup.FOUND, found)
        for answer in (ipv4, ipv6):
            if answer.lookup is Lookup.TROUBLE:
                return Addresses(Lookup.TROUBLE, (), answer.detail)
        return Addresses(Lookup.NO_SUCH_NAME, (), f"{host} has no address")

    # The proof of senders

    async def texts(self, name: str) -> Texts:
        return self._as_texts(name, await self._ask(name, "TXT"))

    def known_texts(self, name: str) -> Texts | None:
        known = self._known(name, "TXT")
        return None if known is None else self._as_texts(name, known)

    def _as_texts(self, name: str, cached: _Cached) -> Texts:
        answer, holds_seconds = cached.answer, cached.expires_at - self._monotonic()
        if answer.texts:
            return Texts(Answered.FOUND, answer.texts, holds_seconds)
        if answer.lookup is Lookup.TROUBLE:
            return Texts(Answered.TROUBLE, (), holds_seconds, answer.detail)
        return Texts(Answered.NONE, (), holds_seconds, answer.detail or f"{name} has no TXT record")

    async def confirmed_names(self, address: str) -> Names:
        question = _pointer(address)
        if question is None:
            return _NO_ADDRESS
        pointer_name, kind, plain_address = question
        pointer = await self._ask(pointer_name, "PTR")
        names = _names(pointer.answer)
        forward = await asyncio.gather(*[self._ask(name, kind) for name in names])
        return self._as_names(plain_address, pointer, names, forward)

    def known_names(self, address: str) -> Names | None:
        question = _pointer(address)
        if question is None:
            return _NO_ADDRESS
        pointer_name, kind, plain_address = question
        pointer = self._known(pointer_name, "PTR")
        if pointer is None:
            return None
        names = _names(pointer.answer)
        forward = [known for name in names if (known := self._known(name, kind)) is not None]
        return self._as_names(plain_address, pointer, names, forward) if len(forward) == len(names) else None

    def _as_names(self, address: str, pointer: _Cached, names: Sequence[str], forward: Sequence[_Cached]) -> Names:
        confirmed = [
            name
            for name, one in zip(names, forward, strict=True)
            if any(found == address for _, found in one.answer.records)
        ]
        holds_seconds = min(one.expires_at for one in (pointer, *forward)) - self._monotonic()
        if confirmed:
            return Names(Answered.FOUND, tuple(confirmed), holds_seconds)
        for one in (pointer, *forward):
            if one.answer.lookup is Lookup.TROUBLE:
                return Names(Answered.TROUBLE, (), holds_seconds, one.answer.detail)
        return Names(Answered.NONE, (), holds_seconds, f"{address} has no name that is its own")

    def _in_order(self, records: Sequence[tuple[int, str]]) -> tuple[str, ...]:
        """Hosts by preference, equals in random order (RFC 5321 §5.1). None for a Null MX (RFC 7505 §3)."""
        by_preference: dict[int, list[str]] = {}
        for preference, host in records:
            if host:
                by_preference.setdefault(preference, []).append(host)
        ordered: list[str] = []
        for preference in sorted(by_preference):
            equals = by_preference[preference]
            self._shuffle(equals)
            ordered += equals
        return tuple(ordered[:MX_MAX])

    # Questions

    def _known(self, name: str, kind: str) -> _Cached | None:
        cached = (self._texts_cache if kind == "TXT" else self._cache).get((name, kind))
        if cached is None or cached.expires_at <= self._monotonic():
            return None
        self.counters.cached += 1
        return cached

    async def _ask(self, name: str, kind: str) -> _Cached:
        known = self._known(name, kind)
        if known is not None:
            return known
        key = (name, kind)
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.get_running_loop().create_task(self._look_up(name, kind))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)  # who waits no longer does not end it for the others

    async def _look_up(self, name: str, kind: str) -> _Cached:
        self.counters.questions += 1
        answer, ttl_seconds = await self._query(name, kind)
        if answer.lookup is Lookup.TROUBLE:
            self.counters.trouble += 1
        cache, most = (self._texts_cache, TEXTS_CACHE_MAX) if kind == "TXT" else (self._cache, CACHE_MAX)
        cache.pop((name, kind), None)
        while len(cache) >= most:
            del cache[next(iter(cache))]  # the oldest
        found = cache[name, kind] = _Cached(self._monotonic() + ttl_seconds, answer)
        return found

    async def _query(self, name: str, kind: str) -> tuple[_Answer, float]:
        """The answer, and for how many seconds it holds."""
        try:
            absolute = dns.name.from_text(name)
        except dns.exception.DNSException as error:
            return _Answer(Lookup.NO_SUCH_NAME, (), f"{name} is no domain name: {error}"), NEGATIVE_TTL_MAX_SECONDS
        try:
            found = await self._resolver.resolve(absolute, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            detail = f"{name} does not exist"
            return _Answer(Lookup.NO_SUCH_NAME, (), detail), _negative_ttl(error)
        except dns.exception.Timeout:
            detail = f"no name server answered for {name} {kind} in time"
        except dns.resolver.NoNameservers as error:
            detail = f"no name server has an answer for {name} {kind}: {_codes(error)}"
        except (dns.exception.DNSException, OSError) as error:
            detail = f"{name} {kind}: {type(error).__name__}"
        else:
            ttl = found.chaining_result.minimum_ttl
            if found.rrset is None:
                return _Answer(Lookup.FOUND), _clamped(ttl, NEGATIVE_TTL_MAX_SECONDS)
            answer = _Answer(Lookup.FOUND, _records(found.rrset), "", _texts(found.rrset))
            return answer, _clamped(ttl, TTL_MAX_SECONDS)
        return _Answer(Lookup.TROUBLE, (), detail), TROUBLE_TTL_SECONDS


def _records(rrset: object) -> tuple[tuple[int, str], ...]:
    records: list[tuple[int, str]] = []
    for rdata in rrset:  # type: ignore[attr-defined]
        if isinstance(rdata, dns.rdtypes.ANY.MX.MX):
            host = rdata.exchange.canonicalize().to_text(omit_final_dot=True)
            records.append((rdata.preference, "" if host == "." or not host else host))
        elif isinstance(rdata, dns.rdtypes.ANY.PTR.PTR):
            records.append((0, rdata.target.to_text(omit_final_dot=True)))
        elif not isinstance(rdata, dns.rdtypes.ANY.TXT.TXT):
            records.append((0, rdata.address))
    return tuple(records[: ADDRESSES_PER_HOST_MAX * MX_MAX])


def _texts(rrset: object) -> tuple[bytes, ...]:
    """As many as fit into `TEXTS_MAX` and `TEXTS_OCTETS_MAX`."""
    texts: list[bytes] = []
    room = TEXTS_OCTETS_MAX
    for rdata in rrset:  # type: ignore[attr-defined]
        if isinstance(rdata, dns.rdtypes.ANY.TXT.TXT):
            text = b"".join(rdata.strings)
            room -= len(text)
            if room < 0 or len(texts) == TEXTS_MAX:
                break
            texts.append(text)
    return tuple(texts)


def _pointer(address: str) -> tuple[str, str, str] | None:
    """Where DNS has the names of an IP address, the kind of record that must confirm them, and the address as such a
    record has it. None: no address, or one of a single link, which DNS does not know."""
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    if ip.version == 6 and ip.scope_id is not None:
        return None
    if ip.version == 6 and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    pointer_name = dns.reversename.from_address(str(ip)).to_text(omit_final_dot=True)
    return pointer_name, "A" if ip.version == 4 else "AAAA", str(ip)


def _names(answer: _Answer) -> tuple[str, ...]:
    """What PTR says, as far as these are names of hosts."""
    names: list[str] = []
    for _, text in answer.records[:NAMES_MAX]:
        try:
            names.append(canonical_domain(text))
        except AddressError:
            continue
    return tuple(dict.fromkeys(names))


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    """From the SOA record beside the answer, RFC 2308 §5."""
    try:
        responses: dict[dns.name.Name, dns.message.QueryMessage] = error.kwargs["responses"]
        ttl = min(response.resolve_chaining().minimum_ttl for response in responses.values())
    except (KeyError, ValueError, dns.exception.DNSException):
        return TTL_MIN_SECONDS
    return _clamped(ttl, NEGATIVE_TTL_MAX_SECONDS)


def _clamped(ttl_seconds: float, most_seconds: float) -> float:
    return min(max(ttl_seconds, TTL_MIN_SECONDS), most_seconds)


def _codes(error: dns.resolver.NoNameservers) -> str:
    codes = sorted({str(one[-2]) for one in error.kwargs.get("errors", ())})
    return ", ".join(codes) or "no usable answer"


def _literal(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def _resolver(settings: ResolverSettings) -> dns.asyncresolver.Resolver:
    """Raises: ValueError."""
    if settings.nameservers:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [name_server(text) for text in settings.nameservers]
    else:
        try:
            resolver = dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            resolver = dns.asyncresolver.Resolver(configure=False)
            resolver.nameservers = ["127.0.0.1"]  # what the C library does
    resolver.timeout = settings.try_seconds
    resolver.lifetime = settings.question_seconds
    return resolver


def name_server(text: str) -> dns.nameserver.Nameserver:
    """text: `address`, `address:port` or `[address]:port`. Raises: ValueError."""
    address, port = text, "53"
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    return dns.nameserver.Do53Nameserver(str(ip_address(address)), int(port))
