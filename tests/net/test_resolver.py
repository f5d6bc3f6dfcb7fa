"""DNS answers of every kind, from a real server on loopback."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest
from tests.support.dns_server import DnsServer, Zone

from outgate.delivery.interface import Addresses, Lookup, MailExchangers
from outgate.net import resolver as module
from outgate.net.resolver import DnsResolver, ResolverSettings

T = TypeVar("T")

ZONE = {
    "two.example": {"MX": ["10 mx1.two.example.", "20 mx2.two.example."]},
    "mx1.two.example": {"A": ["192.0.2.1", "192.0.2.2"], "AAAA": ["2001:db8::1"]},
    "mx2.two.example": {"A": ["192.0.2.3"]},
    "equal.example": {"MX": [f"5 MX{number}.equal.example." for number in range(8)]},
    "null.example": {"MX": ["0 ."]},
    "odd-null.example": {"MX": ["0 .", "10 mx1.two.example."]},
    "plain.example": {"A": ["192.0.2.4"]},
    "six.example": {"AAAA": ["2001:db8::6"]},
    "text.example": {"TXT": ["hello"]},
    "alias.example": {"CNAME": ["two.example."]},
    "hostalias.example": {"CNAME": ["plain.example."]},
    "many.example": {"MX": [f"{number} mail-exchanger-{number}.many.example." for number in range(60)]},
}
RCODES = {"refused.example": "REFUSED", "servfail.example": "SERVFAIL", "silent.example": "SILENT"}


@pytest.fixture
def zone() -> Zone:
    return Zone(ZONE, rcodes=RCODES)


@pytest.fixture
def server(zone: Zone) -> Iterator[DnsServer]:
    with DnsServer(zone) as server:
        yield server


class Now:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def ask(server: DnsServer, question: Callable[[DnsResolver], Awaitable[T]], now: Now | None = None) -> T:
    async def run() -> T:
        return await question(make(server, now))

    return asyncio.run(run())


def make(server: DnsServer, now: Now | None = None) -> DnsResolver:
    settings = ResolverSettings((f"127.0.0.1:{server.port}",), try_seconds=0.5, question_seconds=0.5)
    return DnsResolver(settings, monotonic=now or time.monotonic, shuffle=list.reverse)


def test_mail_exchangers_by_preference(server: DnsServer) -> None:
    found = ask(server, lambda resolver: resolver.mail_exchangers("two.example"))
    assert found == MailExchangers(Lookup.FOUND, ("mx1.two.example", "mx2.two.example"))


def test_equal_preferences_are_shuffled_at_each_question(server: DnsServer) -> None:
    async def run() -> list[tuple[str, ...]]:
        resolver = make(server)
        orders: list[tuple[str, ...]] = []
        resolver._shuffle = lambda hosts: hosts.sort(reverse=bool(len(orders)))
        for _ in range(2):
            orders.append((await resolver.mail_exchangers("equal.example")).hosts)  # noqa: PERF401
        return orders

    first, second = asyncio.run(run())
    assert first == tuple(f"mx{number}.equal.example" for number in range(8))
    assert second == first[::-1]


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("null.example", MailExchangers(Lookup.NULL_MX)),
        ("odd-null.example", MailExchangers(Lookup.FOUND, ("mx1.two.example",))),
        ("plain.example", MailExchangers(Lookup.FOUND, ("plain.example",))),
        ("six.example", MailExchangers(Lookup.FOUND, ("six.example",))),
        ("alias.example", MailExchangers(Lookup.FOUND, ("mx1.two.example", "mx2.two.example"))),
        ("hostalias.example", MailExchangers(Lookup.FOUND, ("hostalias.example",))),
    ],
)
def test_how_domains_say_where_their_mail_goes(server: DnsServer, domain: str, expected: MailExchangers) -> None:
    assert ask(server, lambda resolver: resolver.mail_exchangers(domain)) == expected


@pytest.mark.parametrize(
    ("domain", "lookup"),
    [
        ("absent.example", Lookup.NO_SUCH_NAME),
        ("text.example", Lookup.NO_SUCH_NAME),
        ("refused.example", Lookup.TROUBLE),
        ("servfail.example", Lookup.TROUBLE),
        ("silent.example", Lookup.TROUBLE),
        (f"{'a' * 64}.example", Lookup.NO_SUCH_NAME),
    ],
)
def test_only_dns_itself_says_that_a_name_does_not_exist(server: DnsServer, domain: str, lookup: Lookup) -> None:
    mail = ask(server, lambda resolver: resolver.mail_exchangers(domain))
    assert (mail.lookup, mail.hosts) == (lookup, ())
    assert mail.detail
    addresses = ask(server, lambda resolver: resolver.addresses(domain))
    assert (addresses.lookup, addresses.addresses) == (lookup, ())


def test_a_server_that_is_not_there_is_trouble() -> None:
    settings = ResolverSettings(("127.0.0.1:1",), try_seconds=0.5, question_seconds=0.5)
    found = asyncio.run(DnsResolver(settings).mail_exchangers("two.example"))
    assert found.lookup is Lookup.TROUBLE


def test_answers_too_long_for_udp_come_by_tcp(server: DnsServer) -> None:
    found = ask(server, lambda resolver: resolver.mail_exchangers("many.example"))
    assert found.hosts == tuple(f"mail-exchanger-{number}.many.example" for number in range(module.MX_MAX))
    assert server.zone.asked_by_tcp == 1


def test_addresses_of_both_families_alternate(server: DnsServer) -> None:
    first, second, third = ask(server, lambda resolver: resolver.addresses("mx1.two.example")).addresses
    assert second == "2001:db8::1"
    assert {first, third} == {"192.0.2.1", "192.0.2.2"}  # in whatever order DNS has them
    assert ask(server, lambda resolver: resolver.addresses("hostalias.example")).addresses == ("192.0.2.4",)


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
def test_an_address_stands_for_itself(server: DnsServer, host: str) -> None:
    assert ask(server, lambda resolver: resolver.addresses(host)) == Addresses(Lookup.FOUND, (host,))
    assert not server.zone.asked


def test_localhost_is_never_asked_of_dns(server: DnsServer) -> None:
    assert ask(server, lambda resolver: resolver.addresses("localhost")).addresses == ("127.0.0.1", "::1")
    assert not server.zone.asked


def test_the_same_question_at_the_same_time_is_asked_once(server: DnsServer) -> None:
    async def run() -> list[MailExchangers]:
        resolver = make(server)
        return list(await asyncio.gather(*(resolver.mail_exchangers("two.example") for _ in range(50))))

    assert len(set(asyncio.run(run()))) == 1
    assert server.zone.asked["two.example", "MX"] == 1


def test_who_gives_up_does_not_end_the_question_for_others(server: DnsServer) -> None:
    async def run() -> MailExchangers:
        resolver = make(server)
        impatient = asyncio.create_task(resolver.mail_exchangers("two.example"))
        patient = asyncio.create_task(resolver.mail_exchangers("two.example"))
        await asyncio.sleep(0)
        impatient.cancel()
        return await patient

    assert asyncio.run(run()).lookup is Lookup.FOUND


@pytest.mark.parametrize(
    ("ttl", "held_seconds"), [(300, 300), (0, module.TTL_MIN_SECONDS), (10_000_000, module.TTL_MAX_SECONDS)]
)
def test_answers_are_kept_as_long_as_they_hold(ttl: int, held_seconds: float) -> None:
    zone = Zone(ZONE, ttl=ttl)
    now = Now()

    async def run(server: DnsServer) -> None:
        resolver = make(server, now)
        for seconds, questions in ((0.0, 1), (held_seconds - 1, 1), (held_seconds, 2)):
            now.seconds = 1000.0 + seconds
            await resolver.mail_exchangers("two.example")
            assert zone.asked["two.example", "MX"] == questions

    with DnsServer(zone) as server:
        asyncio.run(run(server))


@pytest.mark.parametrize(
    ("domain", "held_seconds"),
    [("absent.example", 300), ("text.example", 300), ("servfail.example", module.TROUBLE_TTL_SECONDS)],
)
def test_bad_answers_are_kept_too(server: DnsServer, domain: str, held_seconds: float) -> None:
    now = Now()

    async def run() -> None:
        resolver = make(server, now)
        for seconds, is_asked in ((0.0, True), (held_seconds - 1, False), (held_seconds, True)):
            now.seconds = 1000.0 + seconds
            before = server.zone.asked[domain, "MX"]
            await resolver.mail_exchangers(domain)
            assert (server.zone.asked[domain, "MX"] > before) is is_asked

    asyncio.run(run())


def test_the_cache_is_bounded(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE_MAX", 3)

    async def run() -> int:
        resolver = make(server)
        for number in range(6):
            await resolver.mail_exchangers(f"absent{number}.example")
        return len(resolver._cache)

    assert asyncio.run(run()) == 3


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.1", "192.0.2.1", 53),
        ("192.0.2.1:5353", "192.0.2.1", 5353),
        ("2001:db8::1", "2001:db8::1", 53),
        ("[2001:db8::1]", "2001:db8::1", 53),
        ("[2001:db8::1]:5353", "2001:db8::1", 5353),
    ],
)
def test_name_servers_with_and_without_port(text: str, address: str, port: int) -> None:
    resolver = DnsResolver(ResolverSettings((text,)))._resolver
    (server,) = resolver.nameservers
    assert str(server) == f"Do53:{address}@{port}"


@pytest.mark.parametrize("text", ["ns.example", "192.0.2.1:port", "192.0.2.1:53:53", ""])
def test_a_name_server_that_is_no_address_is_a_mistake(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        DnsResolver(ResolverSettings((text,)))
