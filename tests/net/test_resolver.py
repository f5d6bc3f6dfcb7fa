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
from outgate.reception.interface import Answered

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
    "long._domainkey.example": {"TXT": ['"v=DKIM1; p=" "AAAA"', '"\\255 x"']},
    "texts.example": {"TXT": [f'"{number:03d}{"x" * 200}" "{"y" * 250}"' for number in range(30)]},
    "short.example": {"TXT": [f'"{number}"' for number in range(100)]},
    "textalias.example": {"CNAME": ["text.example."]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["MX1.two.example.", "mx2.two.example.", "absent.example."]},
    "4.2.0.192.in-addr.arpa": {"PTR": ["servfail.example.", "plain.example."]},
    "5.2.0.192.in-addr.arpa": {"PTR": ["servfail.example.", "mx2.two.example."]},
    "6.2.0.192.in-addr.arpa": {"PTR": ["mx2.two.example."]},
    "7.2.0.192.in-addr.arpa": {"CNAME": ["7.other.example."]},
    "7.other.example": {"PTR": ["seven.example."]},
    "seven.example": {"CNAME": ["seven.plain.example."]},
    "seven.plain.example": {"A": ["192.0.2.7"]},
    "9.2.0.192.in-addr.arpa": {"PTR": ["a\\032b.example.", f"{'x' * 60}.example."]},
    "10.2.0.192.in-addr.arpa": {"PTR": [f"n{number}.pool.example." for number in range(20)]},
    "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": {"PTR": ["six.example."]},
    "many.example": {"MX": [f"{number} mail-exchanger-{number}.many.example." for number in range(60)]},
}
RCODES = {
    "8.2.0.192.in-addr.arpa": "SERVFAIL",
    "refused.example": "REFUSED",
    "servfail.example": "SERVFAIL",
    "silent.example": "SILENT",
}


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


# The proof of senders


def test_the_strings_of_a_text_are_joined_and_aliases_followed(server: DnsServer) -> None:
    found = ask(server, lambda resolver: resolver.texts("long._domainkey.example"))
    assert (found.answered, set(found.texts)) == (Answered.FOUND, {b"v=DKIM1; p=AAAA", b"\xff x"})
    assert ask(server, lambda resolver: resolver.texts("textalias.example")).texts == (b"hello",)


def test_of_many_texts_as_many_are_kept_as_there_is_room_for(server: DnsServer) -> None:
    found = ask(server, lambda resolver: resolver.texts("texts.example"))
    assert len(found.texts) == module.TEXTS_OCTETS_MAX // 453
    assert len(ask(server, lambda resolver: resolver.texts("short.example")).texts) == module.TEXTS_MAX


@pytest.mark.parametrize(
    ("name", "answered"),
    [
        ("absent.example", Answered.NONE),
        ("two.example", Answered.NONE),
        (f"{'a' * 64}.example", Answered.NONE),
        ("refused.example", Answered.TROUBLE),
        ("servfail.example", Answered.TROUBLE),
        ("silent.example", Answered.TROUBLE),
    ],
)
def test_no_text_and_trouble_are_told_apart(server: DnsServer, name: str, answered: Answered) -> None:
    found = ask(server, lambda resolver: resolver.texts(name))
    assert (found.answered, found.texts) == (answered, ())
    assert found.detail


def test_what_is_known_of_a_text_and_for_how_long(server: DnsServer) -> None:
    now = Now()

    async def run() -> None:
        resolver = make(server, now)
        assert resolver.known_texts("text.example") is None
        assert (await resolver.texts("text.example")).holds_seconds == 300
        now.seconds += 299
        known = resolver.known_texts("text.example")
        assert known is not None
        assert (known.texts, known.holds_seconds) == ((b"hello",), 1)
        now.seconds += 1
        assert resolver.known_texts("text.example") is None

    asyncio.run(run())
    assert server.zone.asked["text.example", "TXT"] == 1


def test_the_cache_of_texts_is_bounded_by_itself(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEXTS_CACHE_MAX", 3)

    async def run() -> tuple[int, int]:
        resolver = make(server)
        await resolver.mail_exchangers("null.example")
        for number in range(6):
            await resolver.texts(f"absent{number}.example")
        return len(resolver._cache), len(resolver._texts_cache)

    assert asyncio.run(run()) == (1, 3)


@pytest.mark.parametrize(
    ("address", "answered", "names"),
    [
        ("192.0.2.1", Answered.FOUND, ("mx1.two.example",)),
        ("::ffff:192.0.2.1", Answered.FOUND, ("mx1.two.example",)),
        ("192.0.2.4", Answered.FOUND, ("plain.example",)),  # though another name is in trouble
        ("192.0.2.5", Answered.TROUBLE, ()),
        ("192.0.2.6", Answered.NONE, ()),  # the name has other addresses
        ("192.0.2.7", Answered.FOUND, ("seven.example",)),  # RFC 2317 delegates by CNAME
        ("192.0.2.8", Answered.TROUBLE, ()),
        ("192.0.2.9", Answered.NONE, ()),
        ("192.0.2.99", Answered.NONE, ()),
        ("2001:db8::6", Answered.FOUND, ("six.example",)),
        ("2001:0DB8::0006", Answered.FOUND, ("six.example",)),
    ],
)
def test_names_that_are_confirmed(server: DnsServer, address: str, answered: Answered, names: tuple[str, ...]) -> None:
    found = ask(server, lambda resolver: resolver.confirmed_names(address))
    assert (found.answered, found.names) == (answered, names)
    assert bool(found.detail) is (answered is not Answered.FOUND)


@pytest.mark.parametrize("address", ["", "mx1.two.example", "192.0.2.1:25", "fe80::1%eth0"])
def test_what_is_no_address_has_no_names_and_nobody_is_asked(server: DnsServer, address: str) -> None:
    found = ask(server, lambda resolver: resolver.confirmed_names(address))
    assert found.answered is Answered.NONE
    assert make(server).known_names(address) == found
    assert not server.zone.asked


def test_only_some_of_many_names_are_looked_at(server: DnsServer) -> None:
    assert ask(server, lambda resolver: resolver.confirmed_names("192.0.2.10")).answered is Answered.NONE
    assert sum(name.endswith(".pool.example") for name, _ in server.zone.asked) == module.NAMES_MAX


def test_what_is_known_of_names(server: DnsServer) -> None:
    now = Now()

    async def run() -> None:
        resolver = make(server, now)
        assert resolver.known_names("192.0.2.6") is None
        asked = await resolver.confirmed_names("192.0.2.6")
        now.seconds += 10
        known = resolver.known_names("192.0.2.6")
        assert known is not None
        assert (known.answered, known.detail) == (Answered.NONE, asked.detail)
        assert asked.holds_seconds - known.holds_seconds == 10
        del resolver._cache["mx2.two.example", "A"]
        assert resolver.known_names("192.0.2.6") is None

    asyncio.run(run())


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
