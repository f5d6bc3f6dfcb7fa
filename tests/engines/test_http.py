"""Responses: however they are cut they say the same, and what is none is refused in bounded memory."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.engines.http import HEAD_MAX, Response, ResponseReader, request_head
from outgate.engines.interface import REPLY_MAX, EngineFault


def read(octets: bytes, cut: int = 1 << 20, *, is_end: bool = False) -> Response | None:
    reader = ResponseReader()
    for start in range(0, len(octets), cut):
        reader.receive(octets[start : start + cut])
    if is_end:
        reader.end()
    return reader.response


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Response(200, b"hello", True)),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length:5 \r\n\r\nhello", Response(200, b"hello", False)),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", Response(200, b"", False)),
    (b"HTTP/1.1 204\r\n\r\n", Response(204, b"", True)),
    (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        + CHUNKED.replace(b"200", b"503")
        + b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n",
        Response(503, b"hello", True),
    ),
]


@pytest.mark.parametrize(("octets", "response"), WHOLE, ids=range(len(WHOLE)))
@pytest.mark.parametrize("cut", [1, 2, 7, 1000])
def test_response_is_the_same_however_it_is_cut(octets: bytes, response: Response, cut: int) -> None:
    assert read(octets, cut) == response
    assert read(octets[:-1], cut) is None


def test_body_without_a_length_goes_to_the_end() -> None:
    octets = b"HTTP/1.1 200 OK\r\n\r\nhello"
    assert read(octets) is None
    assert read(octets, is_end=True) == Response(200, b"hello", False)


@pytest.mark.parametrize(
    "octets",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (REPLY_MAX + 1),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz",
        b"x" * (HEAD_MAX + 1),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (REPLY_MAX + 1),
        CHUNKED + b"40000\r\n" + (b"x" * 262_144 + b"\r\n40000\r\n") * 5,
        CHUNKED + b"0" * 300,
    ],
    ids=range(17),
)
def test_what_is_no_response_or_too_much_of_one(octets: bytes) -> None:
    with pytest.raises(EngineFault, match="nonsense"):
        read(octets)


def test_response_that_is_cut_off() -> None:
    with pytest.raises(EngineFault, match="connection-lost"):
        read(WHOLE[0][0][:-1], is_end=True)
    with pytest.raises(EngineFault, match="connection-lost"):
        read(b"", is_end=True)


@given(st.lists(st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"Content-Length: 3\r\n", b"\r\n", b"abc", b"0", b"\xff"])))
def test_nothing_but_a_fault_is_raised(parts: list[bytes]) -> None:
    with contextlib.suppress(EngineFault):
        read(b"".join(parts), 3, is_end=True)


@given(st.text(), st.text())
def test_no_value_makes_a_line_of_its_own(host: str, value: str) -> None:
    head = request_head("/x", host, [("A", value), ("B", "b")], 7)
    assert head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r") == 6
    assert head.endswith(b"\r\nB: b\r\n\r\n")
