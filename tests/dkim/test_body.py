"""Body hashes: as the RFC says, in any cutting, in little memory."""

import hashlib
import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.signing import Canonicalization, canonical_body, sign_by_hand

from outgate.dkim.body import LINES_PUT_OFF_MAX, BodyDigest, BodyHashes
from outgate.dkim.signature import Signature, read_signatures

FIELD = sign_by_hand([b"From: a@alpha.example"], b"")
BOTH = read_signatures(FIELD + FIELD.replace(b"c=relaxed/relaxed", b"c=relaxed"))

bodies = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b" ", b"\t", b" \r\n", b"a", b"\xff", b"  b\t ", b"\r\n\r\n", b"x" * 70])
).map(b"".join)


def expected(body: bytes) -> tuple[BodyDigest, ...]:
    canonical = [canonical_body(body, "simple"), canonical_body(body, "relaxed")]
    return tuple(
        BodyDigest(is_relaxed, hashlib.sha256(one).digest(), len(one))
        for is_relaxed, one in zip((False, True), canonical, strict=True)
    )


@given(bodies, st.lists(st.integers(0, 60)))
def test_hashes_are_of_the_canonical_body_in_any_cutting(body: bytes, cuts: list[int]) -> None:
    hashes = BodyHashes(BOTH)
    for start, end in itertools.pairwise((0, *sorted(cuts), len(body) + 60)):
        hashes.update(body[start:end])
    assert hashes.digests() == expected(body)
    assert hashes.digests() == expected(body)  # and again


def test_every_short_body_octet_by_octet() -> None:
    for length in range(7):
        for octets in itertools.product(b"\r\n x", repeat=length):
            hashes = BodyHashes(BOTH)
            for octet in octets:
                hashes.update(bytes((octet,)))
            assert hashes.digests() == expected(bytes(octets)), octets


@pytest.mark.parametrize(("canonicalization", "canonical"), [("simple", b"\r\n"), ("relaxed", b"")])
@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n"])
def test_empty_bodies(canonicalization: Canonicalization, canonical: bytes, body: bytes) -> None:
    hashes = BodyHashes(BOTH)
    hashes.update(body)
    digest = hashes.digests()[canonicalization == "relaxed"]
    assert (digest.sha256, digest.size_octets) == (hashlib.sha256(canonical).digest(), len(canonical))


def test_only_what_the_signatures_use_is_hashed() -> None:
    relaxed = BOTH[0]
    assert isinstance(relaxed, Signature)
    assert [one.is_relaxed for one in BodyHashes([relaxed, relaxed]).digests()] == [True]
    assert BodyHashes(read_signatures(b"DKIM-Signature: x\r\n")).digests() == ()


@pytest.mark.parametrize("unit", [b"\r\n", b" ", b"\t \r\n", b"\r\n\r", b"\r", b"\n", b"\r\n \r\n"])
def test_no_run_is_kept_in_memory(unit: bytes) -> None:
    chunk = (unit * 65_536)[:65_536]
    hashes = BodyHashes(BOTH)
    hashes.update(chunk)
    tracemalloc.start()
    try:
        for _ in range(64):
            hashes.update(chunk)
        hashes.update(b"end")
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4_096
    assert most < 8 * len(chunk)
    assert hashes.digests() == expected(chunk * 65 + b"end")


def test_empty_lines_are_not_hashed_all_at_once_when_something_follows() -> None:
    hashes = BodyHashes(BOTH)
    for count in range(1, 40):
        hashes.update(b"\r\n" * 5_000)
        assert all(one._lines_put_off <= LINES_PUT_OFF_MAX for one in hashes._hashes)
        if count % 13 == 0:
            assert hashes.digests() == expected(b"\r\n")
    assert hashes.digests() == expected(b"\r\n")
    hashes.update(b" \r")
    assert hashes.digests() == expected(b"\r\n" * 195_000 + b" \r")
    hashes.update(b"\n")
    assert hashes.digests() == expected(b"\r\n" * 195_000 + b" \r\n")
    hashes.update(b"end")
    assert hashes.digests() == expected(b"\r\n" * 195_000 + b" \r\nend")
