"""DKIM signatures for tests, made and verified by dkimpy, with keys that only the tests know. RFC 6376, RFC 8463."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import dkim  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

DOMAIN = b"alpha.example"

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]
Canonicalization = Literal["simple", "relaxed"]


@dataclass(frozen=True)
class Key:
    """private: as dkimpy takes it. record: the TXT record that publishes the other half.

    The key of RSA is a new one in each process; that of Ed25519 is always the same, and so are its signatures.
    """

    selector: bytes
    private: bytes
    record: bytes


@cache
def key(algorithm: Algorithm) -> Key:
    if algorithm == "rsa-sha256":
        pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = pair.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        public = pair.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return Key(b"rsa", private, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public))
    seed = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a key of the tests").digest())
    public = seed.public_key().public_bytes_raw()
    return Key(
        b"ed25519", base64.b64encode(seed.private_bytes_raw()), b"v=DKIM1; k=ed25519; p=" + base64.b64encode(public)
    )


def signed(content: bytes, algorithm: Algorithm, header: Canonicalization, body: Canonicalization) -> bytes:
    """`content` behind its DKIM-Signature; the whole body is signed (no `l=`)."""
    pair = key(algorithm)
    signature: bytes = dkim.sign(
        content,
        pair.selector,
        DOMAIN,
        pair.private,
        canonicalize=(header.encode(), body.encode()),
        signature_algorithm=algorithm.encode(),
    )
    return signature + content


def verifies(content: bytes) -> bool:
    """As a receiver sees it, its DNS being the keys above."""
    return bool(dkim.verify(content, dnsfunc=_published))


def verdict_of_dkimpy(content: bytes) -> bool:
    """Does the topmost signature verify? What dkimpy cannot read does not."""
    try:
        return bool(dkim.DKIM(content).verify(dnsfunc=_published))
    except dkim.DKIMException:
        return False


def _published(name: bytes, timeout: int = 5) -> bytes | None:
    return {one.selector + b"._domainkey." + DOMAIN + b".": one.record for one in map(key, _ALGORITHMS)}.get(name)


_ALGORITHMS: tuple[Algorithm, ...] = ("rsa-sha256", "ed25519-sha256")


# What dkimpy cannot be made to sign: by hand, line by line, so that it shares nothing with the code under test.


def canonical_body(body: bytes, canonicalization: Canonicalization) -> bytes:
    """RFC 6376 §3.4.3, §3.4.4."""
    lines = body.split(b"\r\n")
    if canonicalization == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"" if canonicalization == "relaxed" else b"\r\n"
    return b"".join([line + b"\r\n" for line in lines])


def canonical_field(field: bytes, canonicalization: Canonicalization) -> bytes:
    """RFC 6376 §3.4.1, §3.4.2. field: without its last CR LF."""
    if canonicalization == "simple":
        return field
    name, _, value = field.partition(b":")
    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", value)
    return name.strip(b" \t").lower() + b":" + re.sub(rb"[ \t]+", b" ", unfolded).strip(b" ")


def sign_by_hand(
    fields: Sequence[bytes],
    body: bytes,
    *,
    algorithm: Algorithm = "rsa-sha256",
    header: Canonicalization = "relaxed",
    names: Sequence[bytes] = (b"from",),
    tags: bytes = b"",
    domain: bytes = DOMAIN,
    selector: bytes = b"",
    length: int | None = None,
) -> bytes:
    """A DKIM-Signature field with CR LF over `fields` (without theirs) and `body`, which is taken relaxed.

    names: of h=; they choose from the bottom. tags: further ones, each with its semicolon. selector: if not the key's
    own; the caller publishes the key under it.
    """
    pair = key(algorithm)
    canonical = canonical_body(body, "relaxed")
    if length is not None:
        canonical = canonical[:length]
        tags += b" l=%d;" % length
    own = (
        b"DKIM-Signature: v=1; a=%s; c=%s/relaxed; d=%s; s=%s;%s h=%s; bh=%s;\r\n\tb="
        % (
            algorithm.encode(),
            header.encode(),
            domain,
            selector or pair.selector,
            tags,
            b":".join(names),
            base64.b64encode(hashlib.sha256(canonical).digest()),
        )
    )  # fmt: skip
    left = list(fields)
    chosen: list[bytes] = []
    for name in names:
        for field in reversed(left):
            if field.partition(b":")[0].strip(b" \t").lower() == name.lower():
                left.reverse()
                left.remove(field)
                left.reverse()
                chosen.append(canonical_field(field, header) + b"\r\n")
                break
    octets = b"".join(chosen) + canonical_field(own, header)
    if algorithm == "rsa-sha256":
        signature = _rsa_key(pair.private).sign(octets, padding.PKCS1v15(), hashes.SHA256())
    else:
        seed = ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(pair.private))
        signature = seed.sign(hashlib.sha256(octets).digest())
    return own + base64.b64encode(signature) + b"\r\n"


@cache
def _rsa_key(private: bytes) -> rsa.RSAPrivateKey:
    loaded = serialization.load_pem_private_key(private, None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return loaded
