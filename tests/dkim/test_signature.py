"""DKIM-Signature fields: what they say, and what is wrong with those that say nothing."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.dkim.signature import FIELD_MAX, Flaw, Signature, read_signatures
from outgate.mail.evidence import SIGNATURES_MAX, DkimVerdict

HASH = b"A" * 43 + b"="
TAGS = {
    b"v": b"1",
    b"a": b"rsa-sha256",
    b"d": b"alpha.example",
    b"s": b"sel",
    b"h": b"from",
    b"bh": HASH,
    b"b": b"Zm9v",
}


def field(changes: dict[bytes, bytes | None]) -> bytes:
    tags = {name: value for name, value in {**TAGS, **changes}.items() if value is not None}
    return b"DKIM-Signature: " + b"; ".join([name + b"=" + value for name, value in tags.items()]) + b"\r\n"


def read(**changes: bytes | None) -> Signature | Flaw:
    (one,) = read_signatures(field({name.encode(): value for name, value in changes.items()}))
    return one


def test_all_that_a_signature_says() -> None:
    head = (
        b"dkim-SIGNATURE \t:v=1;a=ED25519-SHA256; c=Relaxed/simple;d=Alpha.Example;s=a.B_1; i=x@y=3Bz\r\n"
        b" @sub.alpha.example;q=x : dns/txt;h=From : To:\r\n\tX-Y;t=10;x=20;l=300;z=From:a;new=1;\r\n"
        b" bh=" + HASH[:20] + b"\r\n " + HASH[20:] + b"; b = Zm\r\n 9v ;\r\nSubject: x\r\n"
    )
    (found,) = read_signatures(head)
    assert found == Signature(
        domain="alpha.example",
        selector="a.b_1",
        agent_domain="sub.alpha.example",
        algorithm="ed25519",
        is_header_relaxed=True,
        is_body_relaxed=False,
        header_names=(b"from", b"to", b"x-y"),
        body_hash=bytes(32),
        signature=b"foo",
        length=300,
        signed_at=10,
        expires_at=20,
        field=head.removesuffix(b"\r\nSubject: x\r\n").replace(b" Zm\r\n 9v ", b""),
        ordinal=0,
    )
    assert found.key_name == "a.b_1._domainkey.alpha.example"


def test_what_is_not_said() -> None:
    found = read()
    assert isinstance(found, Signature)
    assert (found.is_header_relaxed, found.is_body_relaxed) == (False, False)
    assert (found.length, found.signed_at, found.expires_at, found.agent_domain) == (None, None, None, "alpha.example")
    half = read(c=b"relaxed")
    assert isinstance(half, Signature)
    assert (half.is_header_relaxed, half.is_body_relaxed) == (True, False)


def test_domains_in_utf8_become_a_labels() -> None:
    found = read(d="bücher.example".encode(), i="x@a.bücher.example".encode())
    assert isinstance(found, Signature)
    assert (found.domain, found.agent_domain) == ("xn--bcher-kva.example", "a.xn--bcher-kva.example")


NEUTRAL, PERMERROR = DkimVerdict.NEUTRAL, DkimVerdict.PERMERROR


@pytest.mark.parametrize(
    ("name", "value", "verdict", "detail"),
    [
        *((name.decode(), None, NEUTRAL, f"{name.decode()}= is missing") for name in TAGS),
        *((name.decode(), b"", NEUTRAL, f"{name.decode()}= is missing") for name in TAGS),
        ("v", b"2", PERMERROR, "v= is not 1"),
        ("a", b"rsa-sha1", PERMERROR, "rsa-sha1 proves nothing any more"),
        ("a", b"dsa-sha256", PERMERROR, "a= has an unknown algorithm: 'dsa-sha256'"),
        ("c", b"", PERMERROR, "c= has an unknown canonicalisation: ''"),
        ("c", b"relaxed/", PERMERROR, "c= has an unknown canonicalisation: 'relaxed/'"),
        ("c", b"relaxed/simple/simple", PERMERROR, "c= has an unknown canonicalisation: 'relaxed/simple/simple'"),
        ("d", b"alpha..example", NEUTRAL, "d= is not a domain name"),
        ("d", "alpha.exampl\uff45".encode(), NEUTRAL, "d= is not a domain name"),
        ("d", b"\xff.example", NEUTRAL, "d= is not a domain name"),
        ("d", b"alpha.example.", NEUTRAL, "d= is not a domain name"),
        ("s", b"a/b", NEUTRAL, "s= is not a domain name"),
        ("s", b"a." * 125 + b"a", NEUTRAL, "s= and d= make no domain name: too long"),
        ("h", b"to:subject", PERMERROR, "From is not signed"),
        ("h", b"from:", NEUTRAL, "h= is not a list of field names"),
        ("h", b"from to", NEUTRAL, "h= is not a list of field names"),
        ("bh", b"Zm9v", NEUTRAL, "bh= is not a hash of SHA-256"),
        ("bh", b"x", NEUTRAL, "bh= is not base64"),
        ("b", b"Zm9v=", NEUTRAL, "b= is not base64"),
        ("i", b"x@beta.example", PERMERROR, "i= is not of d="),
        ("i", b"x@notalpha.example", PERMERROR, "i= is not of d="),
        ("i", b"alpha.example", NEUTRAL, "i= is not an address"),
        ("i", b"x@", NEUTRAL, "i= is not an address"),
        ("q", b"http", PERMERROR, "q= knows no method but others than dns/txt"),
        ("l", b"-1", NEUTRAL, "l= is not a number"),
        ("l", b"1" * 77, NEUTRAL, "l= is not a number"),
        ("t", b"1" * 13, NEUTRAL, "t= is not a number"),
        ("x", b"soon", NEUTRAL, "x= is not a number"),
        ("t", b"5; x=5", NEUTRAL, "x= is not after t="),
        ("z", b"1; d=beta.example", NEUTRAL, "tag 'd' comes twice"),
        ("z", b"\x00", NEUTRAL, "an octet that no tag list may have"),
        ("z", b"1;;", NEUTRAL, "not a tag list"),
        ("z", b"x" * FIELD_MAX, NEUTRAL, "longer than 16,384 octets"),
    ],
)
def test_flaws(name: str, value: bytes | None, verdict: DkimVerdict, detail: str) -> None:
    found = read(**{name: value})
    assert isinstance(found, Flaw)
    assert (found.result.verdict, found.result.detail) == (verdict, detail)


def test_a_flaw_tells_whose_it_is_as_far_as_that_is_known() -> None:
    found = read(a=b"rsa-sha1")
    assert isinstance(found, Flaw)
    assert (found.result.domain, found.result.selector) == ("alpha.example", "sel")


def test_the_topmost_ones_are_looked_at() -> None:
    head = b"Received: x\r\n" + b"".join([field({b"s": b"s%d" % number}) for number in range(1000)])
    found = read_signatures(head)
    assert [(one.selector, one.ordinal) for one in found if isinstance(one, Signature)] == [
        (f"s{number}", number) for number in range(SIGNATURES_MAX)
    ]


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"X-Google-DKIM-Signature: v=1\r\n",
        b"Subject: x\r\n DKIM-Signature: v=1\r\n",
        b"Subject: x\nDKIM-Signature: v=1\r\n",
        b"Subject: x\rDKIM-Signature: v=1\r\n",
        b"DKIM-Signature\r\n : v=1\r\n",
        b" DKIM-Signature: v=1\r\n",
    ],
)
def test_what_is_no_signature_field(head: bytes) -> None:
    assert read_signatures(head) == ()


def test_a_bare_line_end_within_is_a_flaw_and_does_not_end_it() -> None:
    for stray in (b"\r", b"\n"):
        (found,) = read_signatures(field({b"z": b"1" + stray + b"Subject: x"}))
        assert isinstance(found, Flaw)


@given(st.lists(st.sampled_from([b"DKIM-Signature:", b"\r\n", b"\r", b"\n", b" ", b";", b"=", b"b", b"v=1", b"\xff"])))
def test_reading_never_raises(parts: list[bytes]) -> None:
    read_signatures(b"".join(parts))


@pytest.mark.parametrize(
    "unit", [b"DKIM-Signature: ", b"DKIM-Signature: x\r\n", b"\r\n ", b"\r", b"\n", b"a=", b";", b"x", b" ", b"\r\n"]
)
def test_a_huge_header_is_read_in_linear_time(unit: bytes) -> None:
    head = b"DKIM-Signature: " + (unit * 262_144)[:262_144]
    begun = time.process_time()
    read_signatures(head)
    assert time.process_time() - begun < 0.5  # some milliseconds; quadratic would be minutes
