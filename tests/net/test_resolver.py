import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from tests.support.dns_server import DnsServer, Zone

from outgate.delivery.interface import Addresses, Lookup, MailExchangers
from outgate.net.resolver import DnsResolver, ResolverSettings

ZONE = Zone(
    {
        "plain.example": {"MX": ["20 b.example.", "10 a.example."]},
        "equal.example": {"MX": [f"10 mx{number}.example." for number in range(6)]},
        "none.example": {"MX": ["0 ."]},
        "bare.example": {"A": ["192.0.2.9"]},
        "a.example": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
        "six.example": {"AAAA": ["2001:db8::6"]},
        "text.example": {"TXT": ["nothing"]},
        "alias.example": {"CNAME": ["a.example."]},
        "mx-alias.example": {"MX": ["10 alias.example."]},
    },
    rcodes={"refused.example": "REFUSED", "broken.example": "SERVFAIL"},
    silent={"silent.example"},
)


class Clock:
    now = 1000.0


def ask(scene: Callable[[DnsResolver, DnsServer, Clock], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = Clock()
        with DnsServer(ZONE) as server:
            settings = ResolverSettings((f"127.0.0.1:{server.port}",), question_seconds=1.0)
            await scene(DnsResolver(settings, now=lambda: clock.now, order=random.Random(1)), server, clock)

    asyncio.run(main())


def exchangers(domain: str) -> MailExchangers:
    found: list[MailExchangers] = []

    async def scene(resolver: DnsResolver, server: DnsServer, clock: Clock) -> None:
        found.append(await resolver.mail_exchangers(domain))

    ask(scene)
    return found[0]


def addresses(host: str) -> Addresses:
    found: list[Addresses] = []

    async def scene(resolver: DnsResolver, server: DnsServer, clock: Clock) -> None:
        found.append(await resolver.addresses(host))

    ask(scene)
    return found[0]


def test_exchangers_come_by_preference() -> None:
    assert exchangers("plain.example") == MailExchangers(Lookup.FOUND, ("a.example", "b.example"))


def test_equal_preferences_are_shuffled_each_time() -> None:
    orders = set()

    async def scene(resolver: DnsResolver, server: DnsServer, clock: Clock) -> None:
        for _ in range(20):
            orders.add((await resolver.mail_exchangers("equal.example")).hosts)

    ask(scene)
    assert len(orders) > 5


def test_a_domain_without_mx_is_its_own_exchanger() -> None:
    assert exchangers("bare.example") == MailExchangers(Lookup.FOUND, ("bare.example",))


@pytest.mark.parametrize(
    ("domain", "lookup"),
    [
        ("none.example", Lookup.NULL_MX),
        ("absent.invalid", Lookup.NO_SUCH_NAME),
        ("refused.example", Lookup.TROUBLE),
        ("broken.example", Lookup.TROUBLE),
        ("silent.example", Lookup.TROUBLE),
    ],
)
def test_only_a_clear_no_is_for_good(domain: str, lookup: Lookup) -> None:
    found = exchangers(domain)
    assert found.lookup is lookup
    assert not found.hosts
    assert domain in found.detail


def test_addresses_of_both_families() -> None:
    assert addresses("a.example") == Addresses(Lookup.FOUND, ("192.0.2.1", "2001:db8::1"))
    assert addresses("six.example").addresses == ("2001:db8::6",)
    assert addresses("alias.example").addresses == ("192.0.2.1", "2001:db8::1")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.5", "192.0.2.5"),
        ("[192.0.2.5]", "192.0.2.5"),
        ("[IPv6:2001:db8::5]", "2001:db8::5"),
        ("2001:DB8::5", "2001:db8::5"),
    ],
)
def test_an_address_stands_for_itself(host: str, address: str) -> None:
    assert addresses(host).addresses == (address,)


def test_localhost_is_never_asked_for() -> None:
    assert addresses("localhost").addresses[0] == "127.0.0.1"


def test_a_host_without_addresses_is_no_such_name() -> None:
    assert addresses("text.example").lookup is Lookup.NO_SUCH_NAME
    assert addresses("refused.example").lookup is Lookup.TROUBLE


def test_an_answer_is_kept_for_its_time_to_live_and_one_question_serves_all_who_ask() -> None:
    async def scene(resolver: DnsResolver, server: DnsServer, clock: Clock) -> None:
        question = ("plain.example", "MX")
        assert resolver.cached_mail_exchangers("plain.example") is None
        await asyncio.gather(*(resolver.mail_exchangers("plain.example") for _ in range(10)))
        assert server.asked[question] == 1
        assert resolver.cached_mail_exchangers("plain.example") is not None
        clock.now += 299
        await resolver.mail_exchangers("plain.example")
        assert server.asked[question] == 1
        clock.now += 2
        await resolver.mail_exchangers("plain.example")
        assert server.asked[question] == 2

    ask(scene)


def test_trouble_is_asked_again_soon() -> None:
    async def scene(resolver: DnsResolver, server: DnsServer, clock: Clock) -> None:
        await resolver.mail_exchangers("broken.example")
        asked = server.asked["broken.example", "MX"]
        clock.now += 11
        await resolver.mail_exchangers("broken.example")
        assert server.asked["broken.example", "MX"] > asked

    ask(scene)


def test_a_name_server_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="address"):
        DnsResolver(ResolverSettings(("dns.example:53",)), now=lambda: 0.0, order=random.Random())
