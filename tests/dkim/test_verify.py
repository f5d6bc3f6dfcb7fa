"""Verdicts: dkimpy and a signer by hand as oracles, what attackers do, and what each way to fail is called."""

import base64
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.signing import (
    DOMAIN,
    Algorithm,
    Canonicalization,
    key,
    sign_by_hand,
    signed,
    verdict_of_dkimpy,
)

from outgate.dkim.body import BodyHashes
from outgate.dkim.canonical import HeaderFields
from outgate.dkim.key import NO_KEY, KeyFlaw, PublicKey, parse_key
from outgate.dkim.signature import Flaw, read_signatures
from outgate.dkim.verify import verdict_without_key, verify
from outgate.mail.evidence import DkimVerdict, SignatureResult

PASS, FAIL, NEUTRAL, PERMERROR = DkimVerdict.PASS, DkimVerdict.FAIL, DkimVerdict.NEUTRAL, DkimVerdict.PERMERROR
NOW = 1_800_000_000.0
RSA: Algorithm = "rsa-sha256"
ED25519: Algorithm = "ed25519-sha256"
ALGORITHMS: list[Algorithm] = [RSA, ED25519]
CANONICALIZATIONS: list[Canonicalization] = ["simple", "relaxed"]
KEYS = {key(one).selector.decode(): parse_key([key(one).record]) for one in ALGORITHMS}


def judge(content: bytes, keys: dict[str, PublicKey | KeyFlaw] = KEYS, now: float = NOW) -> list[SignatureResult]:
    """All signatures of a message, whose keys are known by selector."""
    head, _, body = content.partition(b"\r\n\r\n")
    head += b"\r\n"
    signatures = read_signatures(head)
    hashes = BodyHashes(signatures)
    hashes.update(body)
    fields, digests = HeaderFields(head), hashes.digests()
    return [
        one.result if isinstance(one, Flaw) else verify(one, fields, digests, keys.get(one.selector, NO_KEY), now)
        for one in signatures
    ]


def verdicts(content: bytes) -> list[DkimVerdict]:
    return [one.verdict for one in judge(content)]


FIELDS = [
    b"Received: from a by b",
    b"From: Alice <a@alpha.example>",
    b"To: b@beta.example",
    b"Subject: folded\r\n\tone",
]
BODY = b"Hello,  \r\n\r\n\tworld \r\n\r\n"


def message(fields: list[bytes] = FIELDS, body: bytes = BODY) -> bytes:
    return b"".join([field + b"\r\n" for field in fields]) + b"\r\n" + body


# dkimpy as the oracle

blanks = st.sampled_from([b"", b" ", b"\t", b"  ", b" \t ", b"\r\n ", b"\r\n\t", b" \r\n  "])
words = st.sampled_from([b"x", b"a@alpha.example", b"=?utf-8?q?x?=", b"\xc3\xa4", b"\xff", b"y" * 300, b":", b";b=x"])
values = st.lists(st.tuples(blanks, words, blanks).map(b"".join), min_size=1, max_size=4).map(b"".join)
names = st.sampled_from([b"From", b"TO", b"Subject", b"subject", b"X-Odd", b"Date", b"Cc", b"Reply-To"])
fields_of_any_kind = st.lists(st.tuples(names, values).map(b":".join), max_size=6).map(
    lambda fields: [field for field in fields if not field.startswith(b"From")] + [b"From: a@alpha.example"]
)
lines = st.sampled_from(
    [b"", b" ", b"\t ", b"text", b"text ", b" two  words\t", b"\xc3\xa4\xff", b"z" * 2000, b".", b"From: x"]
)
bodies = st.lists(lines, max_size=6).map(b"\r\n".join)


@settings(max_examples=60, deadline=None)
@given(fields_of_any_kind, bodies, st.sampled_from(ALGORITHMS), *[st.sampled_from(CANONICALIZATIONS)] * 2, st.data())
def test_as_dkimpy_has_it_signed_and_then_changed(
    fields: list[bytes],
    body: bytes,
    algorithm: Algorithm,
    of_header: Canonicalization,
    of_body: Canonicalization,
    data: st.DataObject,
) -> None:
    if body and not body.endswith(b"\r\n"):
        body = body.rstrip(b" \t")  # blanks before no line end: dkimpy keeps them, RFC 6376 §3.4.4 does not
    content = signed(message(fields, body), algorithm, of_header, of_body)
    assert verdicts(content) == [PASS]
    head = content.partition(b"\r\n\r\n")[0]
    end_of_signature = head.index(b"\r\nTo:") if b"\r\nTo:" in head else head.index(b"\r\nFrom:")
    where = data.draw(st.integers(end_of_signature, len(content)), "where")
    what = data.draw(st.sampled_from([b" ", b"\t", b"x", b"\r\n", b"\r\n ", b"  ", b"A", b"\r\n\r\n"]), "what")
    gone = data.draw(st.integers(0, 2), "gone")
    changed = content[:where] + what + content[where + gone :]
    if _is_odd(changed):
        judge(changed)
    else:
        assert (verdicts(changed)[:1] == [PASS]) is verdict_of_dkimpy(changed)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ALGORITHMS), *[st.sampled_from(CANONICALIZATIONS)] * 2, st.data())
def test_no_change_to_the_signature_passes_that_dkimpy_sees_fail(
    algorithm: Algorithm, of_header: Canonicalization, of_body: Canonicalization, data: st.DataObject
) -> None:
    content = signed(message(), algorithm, of_header, of_body)
    where = data.draw(st.integers(0, content.index(b"\r\nReceived")), "where")
    what = data.draw(
        st.sampled_from([b"", b" ", b"\t", b"\r\n ", b"x", b"A", b";", b"=", b"; l=1", b":", b"; x=1"]), "what"
    )
    gone = data.draw(st.integers(0, 3), "gone")
    changed = content[:where] + what + content[where + gone :]
    if verdicts(changed)[:1] == [PASS] and not _is_odd(changed):
        assert verdict_of_dkimpy(changed)


def _is_odd(content: bytes) -> bool:
    """What dkimpy reads otherwise, by design: bare line ends, header lines that are none, blanks before no line end."""
    lines = content.partition(b"\r\n\r\n")[0].split(b"\r\n")
    bare = content.replace(b"\r\n", b"")
    stray = any(re.match(rb"[ \t]|[!-9;-~]+:", line) is None for line in lines)
    return b"\r" in bare or b"\n" in bare or stray or content.endswith((b" ", b"\t"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("of_header", CANONICALIZATIONS)
@pytest.mark.parametrize("of_body", CANONICALIZATIONS)
@pytest.mark.parametrize(
    "body", [b"", b"\r\n", b"x", b"x\r\n\r\n\r\n", b"\xff \t\r\n", b"a" * 100_000, b" \t\r\n \r\n"]
)
def test_what_dkimpy_signs_verifies(
    algorithm: Algorithm, of_header: Canonicalization, of_body: Canonicalization, body: bytes
) -> None:
    content = signed(message(body=body), algorithm, of_header, of_body)
    assert judge(content) == [SignatureResult("alpha.example", key(algorithm).selector.decode(), PASS)]


# RFC 8463, appendix A

RFC_8463_FIELDS = [
    b"From: Joe SixPack <joe@football.example.com>",
    b"To: Suzie Q <suzie@shopping.example.net>",
    b"Subject: Is dinner ready?",
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)",
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>",
]
RFC_8463_BODY = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
RFC_8463_RSA = (
    b"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91"
    b"y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)
RFC_8463_KEYS = {
    "brisbane": parse_key([b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]),
    "test": parse_key([b"v=DKIM1; k=rsa; p=" + RFC_8463_RSA]),
}
SIGNATURE_BRISBANE = b"/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
SIGNATURE_TEST = (
    b"F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeef"
    b"Osk2Jz\r\n dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8="
)


@pytest.mark.parametrize(
    ("algorithm", "selector", "signature"),
    [(b"ed25519-sha256", b"brisbane", SIGNATURE_BRISBANE), (b"rsa-sha256", b"test", SIGNATURE_TEST)],
    ids=["ed25519", "rsa"],
)
def test_the_examples_of_rfc_8463(algorithm: bytes, selector: bytes, signature: bytes) -> None:
    field = (
        b"DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n"
        b" q=dns/txt; s=%s; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n"
        b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=%s"
    ) % (algorithm, selector, signature)
    assert [one.verdict for one in judge(message([field, *RFC_8463_FIELDS], RFC_8463_BODY), RFC_8463_KEYS)] == [PASS]


# What the signer may do, by hand


def by_hand(
    fields: list[bytes] = FIELDS,
    body: bytes = BODY,
    *,
    algorithm: Algorithm = RSA,
    header: Canonicalization = "relaxed",
    names: tuple[bytes, ...] = (b"from", b"to"),
    tags: bytes = b"",
    domain: bytes = DOMAIN,
    length: int | None = None,
) -> bytes:
    field = sign_by_hand(
        fields, body, algorithm=algorithm, header=header, names=names, tags=tags, domain=domain, length=length
    )
    return field + message(fields, body)


@pytest.mark.parametrize("header", CANONICALIZATIONS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_repeated_fields_are_signed_from_the_bottom(header: Canonicalization, algorithm: Algorithm) -> None:
    fields = [b"X: 1", b"X:  2", *FIELDS, b"x : 3"]
    names = (b"X", b"from", b"x", b"nothing")
    content = by_hand(fields, names=names, header=header, algorithm=algorithm)
    assert verdicts(content) == [PASS]
    assert verdicts(content.replace(b"X: 1", b"X: 0")) == [PASS]  # not signed
    assert verdicts(content.replace(b"X:  2", b"X:  0")) == [FAIL]
    assert verdicts(content + b"more") == [FAIL]
    assert verdicts(content.replace(b"X: 1\r\n", b"X: 1\r\nNothing: now\r\n")) == [FAIL]  # oversigned


def test_the_value_of_b_may_stand_anywhere_and_be_folded_otherwise() -> None:
    content = by_hand(tags=b" i=@sub.alpha.example; q=dns/txt; t=5; x=1900000000;")
    assert verdicts(content) == [PASS]
    at = content.index(b"\tb=") + 40
    assert verdicts(content[:at] + b" \r\n \t" + content[at:]) == [PASS]
    field, _, rest = content.partition(b"\r\nReceived")
    assert verdicts(field + b"; \r\nReceived" + rest) == [FAIL]  # the semicolon is signed


def test_another_signature_on_top_and_one_that_is_signed() -> None:
    below = signed(message(), RSA, "relaxed", "relaxed")
    fields = below.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n")
    above = sign_by_hand(fields, BODY, algorithm=ED25519, names=(b"from", b"dkim-signature"))
    both = above + message(fields)
    assert [(one.selector, one.verdict) for one in judge(both)] == [("ed25519", PASS), ("rsa", PASS)]
    assert verdicts(both.replace(b"s=rsa;", b"s=rsa; z=x;")) == [FAIL, FAIL]


# What an attacker may do


def test_a_second_from_above_the_signed_one_is_no_pass() -> None:
    content = b"From: mallory@beta.example\r\n" + by_hand()
    assert not verdict_of_dkimpy(content)
    assert judge(content)[0] == SignatureResult("alpha.example", "rsa", FAIL, "not all From fields are signed")
    below = by_hand().replace(b"\r\n\r\n", b"\r\nfrom : mallory@beta.example\r\n\r\n", 1)
    assert verdicts(below) == [FAIL]


def test_a_second_from_that_is_signed_as_well_verifies() -> None:
    assert verdicts(by_hand([b"From: x@y.example", *FIELDS], names=(b"from", b"from"))) == [PASS]


def test_a_signature_that_does_not_cover_the_whole_body_is_neutral() -> None:
    body = b"signed\r\n"
    whole = by_hand(body=body, length=len(body))
    assert verdicts(whole) == [PASS]
    more = judge(whole + b"and more\r\n")
    assert more == [SignatureResult("alpha.example", "rsa", NEUTRAL, "signs 8 of 18 octets of the body")]
    assert verdicts(whole + b"\r\n \r\n") == [PASS]  # empty lines are nothing
    assert verdicts(by_hand(body=body, length=0)) == [NEUTRAL]
    assert judge(by_hand(body=body, length=9))[0].detail == "the body is shorter than l="


def test_an_expired_signature_fails() -> None:
    content = by_hand(tags=b" t=1; x=1800000000;")
    assert [one.verdict for one in judge(content, now=1_800_000_000.0)] == [PASS]
    assert judge(content, now=1_800_000_000.5) == [SignatureResult("alpha.example", "rsa", FAIL, "expired")]


def test_a_clock_that_is_ahead_is_held_against_nobody() -> None:
    assert verdicts(by_hand(tags=b" t=1900000000;")) == [PASS]


def test_what_was_changed_is_told() -> None:
    content = by_hand()
    assert judge(content.replace(b"world", b"World"))[0].detail == "the body was changed"
    assert judge(content.replace(b"To: b@", b"To: c@"))[0].detail == "the signature does not fit header and key"
    (found,) = judge(content.replace(b"\tb=", b"\tb=AAAA"))
    assert (found.verdict, found.detail) == (FAIL, "the signature does not fit header and key")
    zero = content[: content.index(b"\tb=") + 3] + base64.b64encode(bytes(256)) + b"\r\n" + message()
    assert verdicts(zero) == [FAIL]


# What the key may say


def with_key(content: bytes, record: bytes) -> SignatureResult:
    return judge(content, {"rsa": parse_key([record]), "ed25519": parse_key([record])})[0]


P_RSA = b"p=" + key(RSA).record.partition(b"p=")[2]


def test_a_key_that_is_revoked_missing_or_not_to_be_had() -> None:
    content = by_hand()
    assert with_key(content, b"v=DKIM1; p=").verdict is PERMERROR
    assert judge(content, {"rsa": parse_key([])})[0] == SignatureResult(
        "alpha.example", "rsa", PERMERROR, "no key in DNS"
    )
    trouble = KeyFlaw(DkimVerdict.TEMPERROR, "SERVFAIL")
    assert judge(content, {"rsa": trouble})[0].verdict is DkimVerdict.TEMPERROR


def test_the_wrong_kind_of_key() -> None:
    assert with_key(by_hand(), key(ED25519).record).detail == "a= wants rsa, the key is ed25519"
    assert with_key(by_hand(algorithm=ED25519), key(RSA).record).detail == "a= wants ed25519, the key is rsa"


def test_a_key_in_testing_proves_nothing_and_denies_nothing() -> None:
    assert with_key(by_hand(), b"t=y; " + P_RSA).verdict is NEUTRAL
    assert with_key(by_hand().replace(b"world", b"World"), b"t=y; " + P_RSA).verdict is NEUTRAL


def test_a_strict_key_forbids_subdomains() -> None:
    strict = b"t=s; " + P_RSA
    assert with_key(by_hand(), strict).verdict is PASS
    assert with_key(by_hand(tags=b" i=x@sub.alpha.example;"), strict).verdict is PERMERROR


def test_what_needs_no_key_is_said_without_one() -> None:
    head = sign_by_hand(FIELDS, BODY, tags=b" x=5;")
    (signature,) = read_signatures(head)
    assert not isinstance(signature, Flaw)
    digests = BodyHashes([signature]).digests()
    fields = HeaderFields(head + message()[: -len(BODY) - 2])
    assert verdict_without_key(signature, fields, digests, 5.0) is None
    assert verdict_without_key(signature, fields, digests, 6.0) == signature.result(FAIL, "expired")


# Size


@pytest.mark.parametrize("unit", [b"From: x@y.example\r\n", b"X: y\r\n", b"X:" + b" \r\n " * 300 + b"\r\n", b"\r\n "])
@pytest.mark.parametrize("header", CANONICALIZATIONS)
def test_a_huge_header_is_judged_in_linear_time(unit: bytes, header: Canonicalization) -> None:
    field = sign_by_hand(FIELDS, BODY, names=(b"from", *[b"x"] * 4000, b"to"), header=header)
    head = (field * 8)[:-2] + b"\r\n" + (unit * (262_144 // len(unit)))
    begun = time.process_time()
    assert len(judge(head + message())) == 8
    assert time.process_time() - begun < 1.0  # some 50 ms; quadratic would be minutes
