"""Where the recipients of a message go: the sending domain's relay for all of them, else the MX of each one's domain.

RFC 5321 §5.1; RFC 7505.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from outgate.contract.policy import RelayTls, SenderRelay
from outgate.delivery.interface import Lookup, MailExchangers, NextHop
from outgate.mail.address import ForwardPath
from outgate.mail.message import Message
from outgate.mail.reply import Reply
from outgate.policy.reasons import Reason, reply_of

Router = Callable[[Message], SenderRelay | None]


class RouteUnknown(Exception):
    """The policy in hand does not know the message's customer and may be old: nobody can say where it must go. It is
    deferred, since a sender relay that is to be used must not be passed by."""


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Why there is no next hop for a domain, and for good or for now."""

    reply: Reply
    reason: Reason


def relay_hop(relay: SenderRelay) -> NextHop:
    return NextHop(f"{relay.host}:{relay.port}", (relay.host,), relay.port, relay.tls, from_operator=True)


def exchanger_hop(domain: str, found: MailExchangers, port: int) -> NextHop | NoRoute:
    """The next hop for recipients at `domain`. A domain that does not exist, or takes no mail, is for good."""
    match found.lookup:
        case Lookup.FOUND:
            return NextHop(domain, found.hosts, port, RelayTls.OPPORTUNISTIC)
        case Lookup.NO_SUCH_NAME:
            return NoRoute(reply_of(Reason.DOMAIN_NOT_FOUND, domain), Reason.DOMAIN_NOT_FOUND)
        case Lookup.NULL_MX:
            return NoRoute(reply_of(Reason.DOMAIN_TAKES_NO_MAIL, domain), Reason.DOMAIN_TAKES_NO_MAIL)
        case Lookup.TROUBLE:
            return NoRoute(reply_of(Reason.DNS_TROUBLE, found.detail or domain), Reason.DNS_TROUBLE)


def literal_hop(domain: str, port: int) -> NextHop:
    """For an address literal, which is its own host. RFC 5321 §5.1"""
    return NextHop(domain, (domain,), port, RelayTls.OPPORTUNISTIC)


def by_domain(paths: tuple[ForwardPath, ...], places: Iterable[int]) -> dict[str, list[int]]:
    """The places of recipients, by domain."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place in places:
        groups[paths[place].domain].append(place)
    return groups
