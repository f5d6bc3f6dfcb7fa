"""Next hops from relays, domains and address literals."""

import pytest
from tests.support.delivery import forward_path

from outgate.contract.policy import RelayTls, SenderRelay
from outgate.delivery.interface import Lookup, MailExchangers, NextHop, Unreachable
from outgate.delivery.routes import by_domain, domain_hop, relay_hop, with_exchangers
from outgate.policy.reasons import Reason


def test_a_sender_relay_is_the_operators_word() -> None:
    relay = SenderRelay("alpha.example", "relay.example", 2525, RelayTls.VERIFIED)
    expected = NextHop("relay.example:2525", ("relay.example",), 2525, RelayTls.VERIFIED, from_operator=True)
    assert relay_hop(relay) == expected


@pytest.mark.parametrize(
    ("domain", "hosts"),
    [
        ("receiver.example", ()),
        ("[192.0.2.1]", ("192.0.2.1",)),
        ("[IPv6:2001:db8::1]", ("2001:db8::1",)),
        ("[ipv6:2001:db8::1]", ("2001:db8::1",)),
    ],
)
def test_an_address_literal_is_its_own_host(domain: str, hosts: tuple[str, ...]) -> None:
    assert domain_hop(domain, 25) == NextHop(domain, hosts, 25, RelayTls.OPPORTUNISTIC)


def test_hosts_found_by_dns() -> None:
    found = MailExchangers(Lookup.FOUND, ("mx1.example", "mx2.example"))
    assert with_exchangers(domain_hop("receiver.example", 25), found).hosts == found.hosts


@pytest.mark.parametrize(
    ("lookup", "reason", "is_permanent"),
    [
        (Lookup.NO_SUCH_NAME, Reason.DOMAIN_NOT_FOUND, True),
        (Lookup.NULL_MX, Reason.DOMAIN_TAKES_NO_MAIL, True),
        (Lookup.TROUBLE, Reason.DNS_TROUBLE, False),
    ],
)
def test_only_dns_itself_ends_a_delivery(lookup: Lookup, reason: Reason, is_permanent: bool) -> None:
    with pytest.raises(Unreachable) as caught:
        with_exchangers(domain_hop("receiver.example", 25), MailExchangers(lookup))
    assert caught.value.reason is reason
    assert caught.value.reply.is_permanent is is_permanent
    assert "receiver.example" in str(caught.value.reply)


def test_recipients_by_domain() -> None:
    paths = tuple(forward_path(text) for text in ("a@one.example", "b@two.example", "c@one.example", "d@one.example"))
    assert by_domain(paths, (0, 1, 2)) == {"one.example": [0, 2], "two.example": [1]}
