"""Where a message goes next, and which addresses mail is never sent to. RFC 5321 §5.1; RFC 6890."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from outgate.contract.policy import SenderRelay
from outgate.mail.address import ReversePath
from outgate.policy.snapshot import Snapshot


def route(snapshot: Snapshot, customer_id: str, reverse_path: ReversePath) -> SenderRelay | None:
    """The customer's sender relay for the sending domain; None: the recipients' MX.

    The sending domain is the reverse-path's where that is the customer's own. Mail with a null or foreign reverse-path
    has none and goes by MX: its From header is the writer's word, and a route must not hang on that. A relay for a
    domain whose proof includes subdomains serves those too, unless one has a relay of its own.
    """
    customer = snapshot.customer(customer_id)
    if customer is None or not customer.sender_relays:
        return None
    domain = reverse_path.domain
    if snapshot.owner(domain) != customer_id:
        return None
    relays = customer.sender_relays
    return relays.get(domain) or relays.get(snapshot.proof(domain))


def is_forbidden_address(address: str) -> str | None:
    """Why mail may not be sent to an IP address, in a word or two for people; None if it may.

    Ask for the very address that is connected to, each time: a name may lead elsewhere a second later. The operator's
    setting for private next hops stands above this. Documentation networks are refused too: nobody is there, and a
    clear answer at once serves the sender better than two days of time-outs. An IPv6 address that carries an IPv4
    address to a gateway is judged by what it carries.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "not an IP address"
    if isinstance(parsed, IPv4Address):
        return _forbidden_ipv4(parsed)
    return _forbidden_ipv6(parsed)


def _forbidden_ipv4(address: IPv4Address) -> str | None:
    for network, kind in _IPV4:
        if address in network:
            return kind
    return None


def _forbidden_ipv6(address: IPv6Address) -> str | None:
    for network, shift in _CARRIERS:
        if address in network:
            return _forbidden_ipv4(IPv4Address(int(address) >> shift & 0xFFFFFFFF))
    for network, kind in _IPV6:
        if address in network:
            return kind
    return None if address in _GLOBAL_UNICAST else "reserved"


# The registry of special-purpose IPv4 addresses (RFC 6890), multicast (RFC 5771) and the former class E (RFC 1112 §4).
_IPV4: Final = tuple(
    (IPv4Network(network), kind)
    for kind, networks in {
        "unspecified": ("0.0.0.0/8",),  # on many systems 0.x reaches this host
        "loopback": ("127.0.0.0/8",),
        "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
        "link-local": ("169.254.0.0/16",),  # the metadata service of clouds among them
        "documentation": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
        "multicast": ("224.0.0.0/4",),
        "broadcast": ("255.255.255.255/32",),
        "reserved": ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"),
    }.items()
    for network in networks
)

# IPv6 that some gateway turns into IPv4, and how far from the right the IPv4 address stands.
_CARRIERS: Final = (
    (IPv6Network("::ffff:0:0/96"), 0),  # mapped, RFC 4291 §2.5.5.2
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052 §2.1
    (IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056 §2
)

_IPV6: Final = tuple(
    (IPv6Network(network), kind)
    for kind, networks in {
        "unspecified": ("::/128",),
        "loopback": ("::1/128",),
        "private": ("fc00::/7", "fec0::/10", "64:ff9b:1::/48"),
        "link-local": ("fe80::/10",),
        "multicast": ("ff00::/8",),
        "documentation": ("2001:db8::/32", "3fff::/20"),
        "reserved": ("2001::/23",),  # Teredo, which may lead anywhere, ORCHID, benchmarks; RFC 2928
    }.items()
    for network in networks
)

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")  # all that has been given out, RFC 4291 §2.4 and the IANA registry
