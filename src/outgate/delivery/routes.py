"""Where the recipients of a message go: the sending domain's relay for all of them, else the MX of each one's domain.

RFC 5321 §5.1; RFC 7505.
"""

from collections.abc import Callable, Iterable, Sequence

from outgate.contract.policy import RelayTls, SenderRelay
from outgate.delivery.interface import Lookup, MailExchangers, NextHop, Unreachable
from outgate.mail.address import ForwardPath
from outgate.mail.message import Message
from outgate.policy.reasons import Reason, reply_of

Router = Callable[[Message], SenderRelay | None]


class RouteUnknown(Exception):
    """The policy in hand does not know the message's customer and may be old: nobody can say where it must go. It is
    deferred, since a sender relay that is to be used must not be passed by."""


def relay_hop(relay: SenderRelay) -> NextHop:
    return NextHop(f"{relay.host}:{relay.port}", (relay.host,), relay.port, relay.tls, True, relay.login)


def domain_hop(domain: str, port: int) -> NextHop:
    """The next hop for recipients at `domain`; without hosts as long as these have not been looked up. An address
    literal is its own host."""
    if domain.startswith("["):
        address = domain[1:-1]
        hosts: tuple[str, ...] = (address[5:] if address[:5].lower() == "ipv6:" else address,)
    else:
        hosts = ()
    return NextHop(domain, hosts, port, RelayTls.OPPORTUNISTIC)


def with_exchangers(next_hop: NextHop, found: MailExchangers) -> NextHop:
    """`next_hop` with the hosts that DNS names. A domain that does not exist, or takes no mail, is for good.

    Raises: Unreachable.
    """
    domain = next_hop.name
    match found.lookup:
        case Lookup.FOUND:
            return NextHop(domain, found.hosts, next_hop.port, next_hop.tls)
        case Lookup.NO_SUCH_NAME:
            raise _no_route(Reason.DOMAIN_NOT_FOUND, domain)
        case Lookup.NULL_MX:
            raise _no_route(Reason.DOMAIN_TAKES_NO_MAIL, domain)
        case Lookup.TROUBLE:
            raise _no_route(Reason.DNS_TROUBLE, f"{domain} ({found.detail})" if found.detail else domain)


def _no_route(reason: Reason, context: str) -> Unreachable:
    return Unreachable(reply_of(reason, context), reason=reason)


def by_domain(paths: Sequence[ForwardPath], places: Iterable[int]) -> dict[str, list[int]]:
    """The places of recipients, by domain."""
    groups: dict[str, list[int]] = {}
    for place in places:
        groups.setdefault(paths[place].domain, []).append(place)
    return groups
