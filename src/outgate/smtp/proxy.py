"""Reads the header of the PROXY protocol, versions 1 and 2, that a load balancer sends in front of the dialogue.

The header says who the client is, so it is believed only on a listener whose every peer is a named proxy; the listener
sees to that. Nothing is guessed: what is not exactly a header, or is longer than a header can be, is a `ProxyError`,
and the connection ends without a word. Source: "The PROXY protocol", HAProxy, sections 2.1 and 2.2.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

V1_LENGTH_MAX: Final = 107  # octets with CR LF, section 2.1
V2_LENGTH_MAX: Final = 4096  # octets behind the fixed part; the field could say 65,535. A limit of ours, well above use

_V1_BEGINNING: Final = b"PROXY "
_V1_LINE: Final = re.compile(rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) ([0-9]{1,5}) ([0-9]{1,5})")
_V1_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [ -~]*)?")

_V2_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED_LENGTH: Final = 16  # octets: signature, version and command, family and transport, length
_V2_LOCAL: Final = 0x20
_V2_PROXY: Final = 0x21
_V2_UNSPECIFIED: Final = 0x00
_V2_TCP4: Final = 0x11
_V2_TCP6: Final = 0x21
_PORT_MAX: Final = 65_535


class ProxyError(Exception):
    """What came is no PROXY header. The text is for the log; the peer gets none."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """address: IPv4 or IPv6 in its one canonical text; an IPv4 address in IPv6 clothes is that IPv4 address."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """source: the client, destination: what it connected to. Both None: the proxy does not say (LOCAL, UNKNOWN, an
    unspecified family); then the connection's own endpoints stand.

    is_local: the proxy speaks for itself, as in a health check. rest: octets behind the header, the dialogue's own.
    """

    source: Endpoint | None
    destination: Endpoint | None
    is_local: bool
    rest: bytes


class ProxyHeaderReader:
    """Collects octets until they are a header. Holds at most one header's octets and the last read."""

    __slots__ = ("_octets",)

    def __init__(self) -> None:
        self._octets = b""

    def receive(self, octets: bytes) -> ProxyHeader | None:
        """The header, as soon as it is complete; then the reader is done. None: more must come.

        Raises: ProxyError.
        """
        octets = self._octets = self._octets + octets
        if octets[: len(_V1_BEGINNING)] == _V1_BEGINNING[: len(octets)]:
            return _read_v1(octets)
        if octets[: len(_V2_SIGNATURE)] == _V2_SIGNATURE[: len(octets)]:
            return _read_v2(octets)
        raise ProxyError(f"no PROXY header, but {octets[:16]!r}")


def _read_v1(octets: bytes) -> ProxyHeader | None:
    end = octets.find(b"\r\n", 0, V1_LENGTH_MAX)
    if end < 0:
        if len(octets) >= V1_LENGTH_MAX:
            raise ProxyError("a version 1 header without an end")
        return None
    line, rest = octets[:end], octets[end + 2 :]
    if _V1_UNKNOWN.fullmatch(line):
        return ProxyHeader(None, None, is_local=False, rest=rest)
    match = _V1_LINE.fullmatch(line)
    if match is None:
        raise ProxyError(f"a version 1 header that cannot be read: {line!r}")
    family, source, destination, source_port, destination_port = (group.decode() for group in match.groups())
    return ProxyHeader(
        _v1_endpoint(family, source, source_port),
        _v1_endpoint(family, destination, destination_port),
        is_local=False,
        rest=rest,
    )


def _v1_endpoint(family: str, address: str, port: str) -> Endpoint:
    number = int(port)
    if number > _PORT_MAX or str(number) != port:
        raise ProxyError(f"no port: {port}")
    try:
        return _endpoint(IPv4Address(address) if family == "TCP4" else IPv6Address(address), number)
    except AddressValueError as error:
        raise ProxyError(f"no {family} address: {address}") from error


def _read_v2(octets: bytes) -> ProxyHeader | None:
    if len(octets) < _V2_FIXED_LENGTH:
        return None
    command, family = octets[12], octets[13]
    length = int.from_bytes(octets[14:16], "big")
    if length > V2_LENGTH_MAX:
        raise ProxyError(f"a version 2 header of {length} octets")
    if command not in (_V2_LOCAL, _V2_PROXY):
        raise ProxyError(f"version and command {command:#04x} of a version 2 header")
    end = _V2_FIXED_LENGTH + length
    if len(octets) < end:
        return None
    rest = octets[end:]
    if command == _V2_LOCAL:
        return ProxyHeader(None, None, is_local=True, rest=rest)
    if family == _V2_UNSPECIFIED:
        return ProxyHeader(None, None, is_local=False, rest=rest)
    if family == _V2_TCP4:
        width = 4
    elif family == _V2_TCP6:
        width = 16
    else:
        raise ProxyError(f"family and transport {family:#04x} of a version 2 header")
    block = octets[_V2_FIXED_LENGTH:end]  # two addresses, two ports, then what we have no use for (TLVs)
    if len(block) < 2 * width + 4:
        raise ProxyError("a version 2 header too short for its addresses")
    ports = block[2 * width :]
    return ProxyHeader(
        _v2_endpoint(block[:width], ports[:2]),
        _v2_endpoint(block[width : 2 * width], ports[2:4]),
        is_local=False,
        rest=rest,
    )


def _v2_endpoint(address: bytes, port: bytes) -> Endpoint:
    return _endpoint(IPv4Address(address) if len(address) == 4 else IPv6Address(address), int.from_bytes(port, "big"))


def _endpoint(address: IPv4Address | IPv6Address, port: int) -> Endpoint:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return Endpoint(str(address), port)
