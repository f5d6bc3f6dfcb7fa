"""Turns what people type into values that the rows may hold, or says why not. Pure.

Every refusal names the field and the remedy, since it is shown as it stands on the page and on the command line.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from outgate.mail.address import AddressError, Path, canonical_domain
from outgate.portal.errors import Invalid
from outgate.portal.outbound.models import LOGIN_MAX

IPV4_PREFIX_MIN: Final = 24  # a wider network is more than one organisation's mail servers
IPV6_PREFIX_MIN: Final = 48  # what one site is given, RFC 6177 §2
PORT_MAX: Final = 65535
TYPED_MAX: Final = 320  # characters: the longest that anything here can be is a mailbox, RFC 5321 §4.5.3.1

# The registries of special-purpose addresses (RFC 6890 and its updates), by what we say of them. Save for ::1 none is
# narrower than the widest source that is taken, so that a source lies in one of these or touches none.
_SPECIAL: Final[dict[str, tuple[str, ...]]] = {
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "documentation": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
    "reserved": (
        "0.0.0.0/8",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "::/32",
        "64:ff9b::/32",
        "100::/32",
        "2001::/23",
        "2002::/16",
        "5f00::/16",
    ),
}
_SPECIAL_NETWORKS: Final = tuple(
    (ip_network(network), kind) for kind, networks in _SPECIAL.items() for network in networks
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")  # all that has been given out, RFC 4291 §2.4 and the IANA registry


def typed(field: str, text: str, remedy: str) -> str:
    """Without the blanks around it. What is empty or very long is not said again. Raises: Invalid."""
    text = text.strip()
    if not text:
        raise Invalid(field, f"This is empty. {remedy}")
    if len(text) > TYPED_MAX:
        raise Invalid(field, f"This is {len(text)} characters long, which is too much. {remedy}")
    return text


def parse_domain(field: str, text: str) -> str:
    """A domain's canonical name. Raises: Invalid."""
    text = typed(field, text, "Enter a name such as example.com.")
    try:
        name = canonical_domain(text.removesuffix("."))
    except AddressError as error:
        if meant := _name_within(text):
            raise Invalid(field, f"{text!r} is not a domain name. Enter {meant}, if that is meant.") from error
        raise Invalid(field, f"{_sentence(str(error))} Enter a name such as example.com.") from error
    if "." not in name or name.rpartition(".")[2].isdigit():
        raise Invalid(field, f"{text!r} is not a mail domain. Enter a full name such as example.com.")
    return name


def _name_within(text: str) -> str:
    """The domain in the address of a page, in a mailbox, a wildcard or a name with a port; empty if none is."""
    host = text.rpartition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    try:
        name = canonical_domain(host.removeprefix("*.").strip("."))
    except AddressError:
        return ""
    return name if "." in name and not name.rpartition(".")[2].isdigit() else ""


def parse_source(field: str, text: str, *, allow_private: bool) -> str:
    """An outbound source's network in its one spelling, such as "198.51.100.7/32". Raises: Invalid."""
    text = typed(field, text, _NETWORK_REMEDY)
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if "%" in text:  # a zone of IPv6, RFC 4007 §11, which the module takes and nobody else knows
        raise Invalid(field, _not_a_network(text))
    try:
        network = ip_network(text)
    except ValueError as error:
        raise Invalid(field, _not_a_network(text)) from error
    if isinstance(network, IPv6Network) and network.num_addresses == 1 and network.network_address.ipv4_mapped:
        raise Invalid(field, f"{text} is an IPv4 address. Enter it as {network.network_address.ipv4_mapped}.")
    minimum = IPV4_PREFIX_MIN if network.version == 4 else IPV6_PREFIX_MIN
    kind = special_kind(network)
    if kind is not None and not _is_allowed(kind, allow_private):
        noun = "address" if network.num_addresses == 1 else "network"
        raise Invalid(field, f"{text} is a {kind} {noun}. Enter the public address that your mail leaves from.")
    if network.prefixlen < minimum:
        raise Invalid(
            field,
            f"{text} is too wide: at most a /{minimum} is taken. Enter only the addresses that your mail leaves from.",
        )
    return str(network)


def special_kind(network: IPv4Network | IPv6Network) -> str | None:
    """What is special about a network that is not of the public Internet; None if nothing is.

    A network that is wider than anything special in it is public here, and too wide for other reasons.
    """
    for special, kind in _SPECIAL_NETWORKS:
        if special.version == network.version and special.supernet_of(network):  # type: ignore[arg-type]
            return kind
    return "reserved" if network.version == 6 and not network.overlaps(_GLOBAL_UNICAST) else None


def _is_allowed(kind: str, allow_private: bool) -> bool:
    """Laboratories send from anywhere, but nobody sends from a multicast group."""
    return allow_private and kind != "multicast"


def parse_address(field: str, text: str) -> str:
    """A single IP address in its one spelling. Raises: Invalid."""
    text = typed(field, text, "Enter an IP address such as 198.51.100.7.")
    try:
        return str(_address(text))
    except ValueError as error:
        raise Invalid(field, f"{text!r} is not an IP address. Enter one such as 198.51.100.7.") from error


def _address(text: str) -> IPv4Address | IPv6Address:
    """Raises: ValueError, also for a zone (RFC 4007 §11): it is of one host alone."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    return ip_address(text)


def parse_relay_host(field: str, text: str, *, allow_private: bool) -> str:
    """A next hop's name or address. Where a name leads is looked at when mail goes there. Raises: Invalid."""
    text = typed(field, text, "Enter a name such as relay.example.com.")
    try:
        address = _address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        address = None
    if address is not None:
        kind = special_kind(ip_network(address))
        if kind is not None and not _is_allowed(kind, allow_private):
            raise Invalid(field, f"{text} is a {kind} address. Enter the public name or address of the host.")
        return str(address)
    try:
        name = canonical_domain(text.removesuffix("."))
    except AddressError as error:
        if meant := _name_within(text):
            raise Invalid(
                field, f"{text!r} is not a name. Enter {meant}, if that is meant, and the port in its own field."
            ) from error
        raise Invalid(field, f"{_sentence(str(error))} Enter a name such as relay.example.com.") from error
    if name.rpartition(".")[2].isdigit():
        raise Invalid(
            field, f"{text} is not an address. Enter a name such as relay.example.com, or all of the address."
        )
    if not allow_private and ("." not in name or name.endswith((".localhost", ".local", ".internal"))):
        raise Invalid(field, f"{text} is not a public name. Enter a full name such as relay.example.com.")
    return name


def parse_port(field: str, port: int) -> int:
    """Raises: Invalid."""
    if not 1 <= port <= PORT_MAX:
        raise Invalid(field, f"{port} is not a port. Enter a number from 1 to {PORT_MAX}; mail servers use 25.")
    return port


def parse_auto_forward(field: str, text: str) -> str:
    """A destination in the form of `CustomerDocument.auto_forwards`. Raises: Invalid."""
    text = typed(field, text, "Enter an address such as archive@example.com.")
    try:
        path = Path.parse(text.removesuffix("."))
    except AddressError as error:
        raise Invalid(field, _sentence(str(error))) from error
    if "*" in path.local_part:  # a mailbox may be called so, but whoever enters it means all of a domain
        raise Invalid(field, f"{text!r} would be one mailbox: * stands for no others. Enter each destination.")
    if "." not in path.domain or path.domain.rpartition(".")[2].isdigit():
        raise Invalid(field, f"{text!r} is not a public mailbox. Enter an address such as archive@example.com.")
    return f"{path.local_part}@{path.domain}"


def parse_text(field: str, text: str, maximum: int, *, may_be_empty: bool = False) -> str:
    """One printable line of at most `maximum` characters. Raises: Invalid."""
    text = text.strip()
    if not text and not may_be_empty:
        raise Invalid(field, "This is empty. Enter a text.")
    if len(text) > maximum:
        raise Invalid(field, f"This is {len(text)} characters long. Enter at most {maximum}.")
    if not text.isprintable():
        raise Invalid(field, "This holds a line break or another control character. Enter one line of text.")
    return text


def parse_slug(field: str, text: str) -> str:
    """Raises: Invalid."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise Invalid(field, f"{text!r} is not an id. Enter 1 to 63 of a-z, 0-9 and hyphens, such as example-ltd.")
    return text


_NETWORK_REMEDY: Final = "Enter one such as 198.51.100.7 or 2001:db8:7::/48."


def _not_a_network(text: str) -> str:
    try:
        if "%" in text:
            raise ValueError(text)
        wide = ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is not an IP address or network. {_NETWORK_REMEDY}"
    return f"{text} names both a network and a host. Enter {wide} for the network, or {text.partition('/')[0]}."


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def parse_login(login: str, password: str) -> tuple[str, str]:
    """Both or neither, each at most `LOGIN_MAX` octets and without control characters, RFC 4616 §2. Raises: Invalid."""
    login = login.strip()
    if not login and password:
        raise Invalid("login", "A password needs a user name. Enter it, or leave both empty.")
    if login and not password:
        raise Invalid("password", "A user name needs a password. Enter it, or leave both empty.")
    for field, value in (("login", login), ("password", password)):
        if len(value.encode()) > LOGIN_MAX or any(ord(character) < 32 or ord(character) == 127 for character in value):
            raise Invalid(field, f"This has at most {LOGIN_MAX} octets and no control characters.")
    return login, password
