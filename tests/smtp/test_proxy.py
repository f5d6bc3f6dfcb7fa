import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.smtp.proxy import V1_LENGTH_MAX, V2_LENGTH_MAX, Endpoint, ProxyError, ProxyHeader, ProxyHeaderReader

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
TCP4 = bytes([192, 0, 2, 1, 198, 51, 100, 2]) + (4321).to_bytes(2, "big") + (25).to_bytes(2, "big")
CLIENT, SERVER = Endpoint("192.0.2.1", 4321), Endpoint("198.51.100.2", 25)


def v2(command: int, family: int, block: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(block).to_bytes(2, "big") + block


GOOD = {
    b"PROXY TCP4 192.0.2.1 198.51.100.2 4321 25\r\n": (CLIENT, SERVER, False),
    b"PROXY TCP6 2001:DB8::1 2001:db8:0:0::2 65535 0\r\n": (
        Endpoint("2001:db8::1", 65_535),
        Endpoint("2001:db8::2", 0),
        False,
    ),
    b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 4321 25\r\n": (CLIENT, SERVER, False),
    b"PROXY UNKNOWN\r\n": (None, None, False),
    b"PROXY UNKNOWN ff:ff what ever 1 2\r\n": (None, None, False),
    v2(0x21, 0x11, TCP4): (CLIENT, SERVER, False),
    v2(0x21, 0x11, TCP4 + b"\x03\x00\x04\x01\x02\x03\x04"): (CLIENT, SERVER, False),  # a TLV behind the addresses
    v2(0x21, 0x21, bytes(15) + b"\x01" + bytes(15) + b"\x02" + b"\x10\xe1\x00\x19"): (
        Endpoint("::1", 4321),
        Endpoint("::2", 25),
        False,
    ),
    v2(0x20, 0x00, b""): (None, None, True),
    v2(0x20, 0x11, TCP4): (None, None, True),  # addresses of LOCAL mean nothing
    v2(0x21, 0x00, b"what ever"): (None, None, False),
}

BAD = [
    b"EHLO client.example\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 4321\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 4321 25 26\r\n",
    b"PROXY TCP4  192.0.2.1 198.51.100.2 4321 25\r\n",
    b"PROXY TCP4 192.0.2.01 198.51.100.2 4321 25\r\n",
    b"PROXY TCP4 192.0.2.256 198.51.100.2 4321 25\r\n",
    b"PROXY TCP4 ::1 ::2 4321 25\r\n",
    b"PROXY TCP6 192.0.2.1 198.51.100.2 4321 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 04321 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 -1 25\r\n",
    b"PROXY UDP4 192.0.2.1 198.51.100.2 4321 25\r\n",
    b"proxy TCP4 192.0.2.1 198.51.100.2 4321 25\r\n",
    b"PROXY UNKNOWN\nEHLO x\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 4321 25\nEHLO x\r\n",
    b"PROXY UNKNOWN " + b"x" * V1_LENGTH_MAX,
    b"\r\n\r\nQUIT\r\n",
    v2(0x11, 0x11, TCP4),  # version 1 in a version 2 header
    v2(0x22, 0x11, TCP4),  # no such command
    v2(0x21, 0x12, TCP4),  # a datagram
    v2(0x21, 0x31, bytes(216)),  # a UNIX socket
    v2(0x21, 0x11, TCP4[:-1]),
    v2(0x21, 0x21, TCP4),
    SIGNATURE + b"\x21\x11" + (V2_LENGTH_MAX + 1).to_bytes(2, "big"),
]


def read(octets: bytes, chunk_octets: int) -> tuple[ProxyHeader | None, bytes]:
    """The header, and all that is behind it."""
    reader = ProxyHeaderReader()
    for start in range(0, len(octets), chunk_octets):
        header = reader.receive(octets[start : start + chunk_octets])
        if header is not None:
            return header, header.rest + octets[start + chunk_octets :]
    return None, b""


@pytest.mark.parametrize("octets", GOOD)
@pytest.mark.parametrize("chunk_octets", [1, 7, 1000])
def test_header_is_read_and_what_follows_is_left(octets: bytes, chunk_octets: int) -> None:
    header, rest = read(octets + b"EHLO client.example\r\n", chunk_octets)
    assert header is not None
    assert (header.source, header.destination, header.is_local) == GOOD[octets]
    assert rest == b"EHLO client.example\r\n"


@pytest.mark.parametrize("octets", GOOD)
def test_incomplete_header_waits_for_more(octets: bytes) -> None:
    for length in range(len(octets)):
        assert ProxyHeaderReader().receive(octets[:length]) is None


@pytest.mark.parametrize("octets", BAD)
@pytest.mark.parametrize("chunk_octets", [1, 7, 1000])
def test_anything_else_is_an_error(octets: bytes, chunk_octets: int) -> None:
    with pytest.raises(ProxyError):
        read(octets, chunk_octets)


def test_longest_version_1_header_is_read() -> None:
    line = b"PROXY UNKNOWN " + b"x" * (V1_LENGTH_MAX - 16) + b"\r\n"
    assert len(line) == V1_LENGTH_MAX
    assert ProxyHeaderReader().receive(line) is not None
    with pytest.raises(ProxyError):
        ProxyHeaderReader().receive(line.replace(b"\r\n", b"x\r\n"))


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00\x0c"]),
    st.binary(max_size=300),
)
def test_any_octets_are_a_header_an_error_or_too_few(beginning: bytes, octets: bytes) -> None:
    reader = ProxyHeaderReader()
    try:
        header = reader.receive(beginning + octets)
    except ProxyError:
        return
    if header is not None:
        assert (beginning + octets).endswith(header.rest)
    assert len(reader._octets) <= V2_LENGTH_MAX + 16
