"""Targets: DKIM signatures, keys and bodies, against slow readings and any cutting."""

import base64
import hashlib
import itertools

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.fuzz.engine import target
from tests.support.signing import Canonicalization, canonical_body, canonical_field, key, sign_by_hand

from outgate.dkim.body import BodyDigest, BodyHashes
from outgate.dkim.canonical import HeaderFields
from outgate.dkim.key import KeyFlaw, PublicKey, parse_key
from outgate.dkim.signature import Flaw, Signature, read_signatures
from outgate.dkim.verify import verify
from outgate.mail.evidence import SIGNATURES_MAX, DkimVerdict

FIELDS = [b"Received: from a by b", b"From: a@alpha.example", b"To: b@beta.example"]
BODY = b"Hello,  \r\n\r\n\tworld \r\n\r\n"
HEAD = b"".join([field + b"\r\n" for field in FIELDS])
ED25519 = key("ed25519-sha256")
PUBLIC = parse_key([ED25519.record])
assert isinstance(PUBLIC, PublicKey)
assert isinstance(PUBLIC.key, Ed25519PublicKey)
ED25519_PUBLIC = PUBLIC.key
RSA = (
    b"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91"
    b"y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)  # of RFC 8463, so that examples are always the same
SIGNED = sign_by_hand(FIELDS, BODY, algorithm="ed25519-sha256", names=(b"from", b"to", b"from"))
BOTH = read_signatures(SIGNED + SIGNED.replace(b"/relaxed", b""))


@target(
    "dkim-message",
    seeds=[
        SIGNED + HEAD + b"\r\n" + BODY,
        sign_by_hand(FIELDS, BODY, algorithm="ed25519-sha256", header="simple", tags=b" i=@alpha.example; t=1; x=9;")
        + SIGNED
        + HEAD
        + b"\r\n"
        + BODY,
        sign_by_hand(FIELDS, BODY, algorithm="ed25519-sha256", length=5) + HEAD + b"\r\n" + BODY,
    ],
    tokens=[
        b"DKIM-Signature: ",
        b"\r\nDKIM-Signature:",
        b"\r\n ",
        b"\r\n\r\n",
        b"; b=",
        b"b=",
        b"; l=3",
        b"h=",
        b"x=1",
    ],
)
def message(octets: bytes) -> None:
    """Nothing raises; a verdict of pass stands only where a reading line by line finds the same octets signed."""
    head, empty_line, body = octets.partition(b"\r\n\r\n")
    head += b"\r\n" * bool(empty_line)
    signatures = read_signatures(head)
    assert len(signatures) <= SIGNATURES_MAX
    hashes = BodyHashes(signatures)
    hashes.update(body)
    fields, digests = HeaderFields(head), hashes.digests()
    for one in signatures:
        if isinstance(one, Flaw):
            assert one.result.verdict in (DkimVerdict.NEUTRAL, DkimVerdict.PERMERROR)
            continue
        if verify(one, fields, digests, PUBLIC, 5.0).verdict is DkimVerdict.PASS:
            ED25519_PUBLIC.verify(one.signature, hashlib.sha256(_signed(one, head)).digest())
            canonical = canonical_body(body, "relaxed" if one.is_body_relaxed else "simple")
            assert hashlib.sha256(canonical).digest() == one.body_hash


def _signed(signature: Signature, head: bytes) -> bytes:
    """RFC 6376 §3.7, in the slowest way."""
    fields: list[bytes] = []
    for line in head.removesuffix(b"\r\n").split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\r\n" + line
        else:
            fields.append(line)
    named = [(field.partition(b":")[0].rstrip(b" \t").lower(), field) for field in fields if b":" in field]
    own = [at for at, (name, _) in enumerate(named) if name == b"dkim-signature"][signature.ordinal]
    del named[own]
    how: Canonicalization = "relaxed" if signature.is_header_relaxed else "simple"
    chosen = []
    for wanted in signature.header_names:
        for at in reversed(range(len(named))):
            if named[at][0] == wanted:
                chosen.append(canonical_field(named.pop(at)[1], how) + b"\r\n")
                break
    return b"".join(chosen) + canonical_field(signature.field, how)


@target(
    "dkim-key",
    seeds=[
        b"v=DKIM1; k=rsa; p=" + RSA,
        ED25519.record,
        b"v=DKIM1; h=sha1:sha256; s=email; t=y:s; n=note; " + ED25519.record.partition(b";")[2],
    ],
    tokens=[b"p=", b"k=rsa", b"k=ed25519", b"; ", b"v=DKIM1", base64.b64encode(b"0\x82"), b"AAAA", b"t=y"],
)
def key_record(octets: bytes) -> None:
    """Nothing raises, and a key that is read can be used."""
    found = parse_key(octets.split(b"\n"))
    if isinstance(found, KeyFlaw):
        assert found.detail.isprintable()
    else:
        assert found.algorithm in ("rsa", "ed25519")


@target(
    "dkim-body", seeds=[BODY, b"\r\n" * 9 + b" \t\r\n x", b"a" * 100 + b"\r"], tokens=[b"\r\n", b" ", b"\t", b" \r\n"]
)
def body(octets: bytes) -> None:
    """In one piece, in three and octet by octet the same, and as the RFC has it."""
    for size in (len(octets) or 1, len(octets) // 3 + 1, 1):
        hashes = BodyHashes(BOTH)
        for start, end in itertools.pairwise((*range(0, len(octets), size), len(octets))):
            hashes.update(octets[start:end])
        canonical = [canonical_body(octets, "simple"), canonical_body(octets, "relaxed")]
        assert hashes.digests() == tuple(
            BodyDigest(relaxed, hashlib.sha256(one).digest(), len(one))
            for relaxed, one in zip((False, True), canonical, strict=True)
        )


TARGETS = [message, key_record, body]
