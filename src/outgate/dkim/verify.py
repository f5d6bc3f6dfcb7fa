"""The verdict on one signature. RFC 6376 §3.7, §6.1; RFC 8601 §2.7.1; RFC 8463 §3."""

import hashlib
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from outgate.dkim.body import BodyDigest
from outgate.dkim.canonical import HeaderFields, relaxed_field
from outgate.dkim.key import KeyFlaw, PublicKey
from outgate.dkim.signature import Signature
from outgate.mail.evidence import DkimVerdict, SignatureResult

_PADDING: Final = PKCS1v15()
_PREHASHED: Final = Prehashed(SHA256())


def verdict_without_key(
    signature: Signature, head: HeaderFields, digests: Sequence[BodyDigest], now: float
) -> SignatureResult | None:
    """What can be said without a key, whose look-up is spared then; None: the key decides.

    now: seconds since the epoch.
    """
    if signature.expires_at is not None and now > signature.expires_at:
        return signature.result(DkimVerdict.FAIL, "expired")
    if head.count(b"from") > signature.header_names.count(b"from"):
        # Whoever put another From above the signed one would speak with the signer's voice: RFC 6376 §8.15.
        return signature.result(DkimVerdict.FAIL, "not all From fields are signed")
    size_octets = _digest_for(signature, digests).size_octets
    if signature.length is not None and signature.length < size_octets:
        # RFC 6376 §8.2: anybody could have put the rest there. Neither good nor forged, so it is neutral.
        detail = f"signs {signature.length:,} of {size_octets:,} octets of the body"
        return signature.result(DkimVerdict.NEUTRAL, detail)
    return None


def verify(
    signature: Signature,
    head: HeaderFields,
    digests: Sequence[BodyDigest],
    key: PublicKey | KeyFlaw,
    now: float,
) -> SignatureResult:
    """Total; never raises. head: the fields of the block that `signature` was read from. digests: of `BodyHashes`, made
    for this signature among others. now: seconds since the epoch.

    A syntax error is NEUTRAL; what can never verify, its key included, PERMERROR; what does not fit the message, or is
    too old, FAIL. A key in testing (t=y) is NEUTRAL whatever it says: the domain wants mail treated as unsigned.
    """
    early = verdict_without_key(signature, head, digests, now)
    if early is not None:
        return early
    if isinstance(key, KeyFlaw):
        return signature.result(key.verdict, key.detail)
    if key.algorithm != signature.algorithm:
        return signature.result(DkimVerdict.PERMERROR, f"a= wants {signature.algorithm}, the key is {key.algorithm}")
    if key.is_strict and signature.agent_domain != signature.domain:
        return signature.result(DkimVerdict.PERMERROR, "the key forbids subdomains in i=")
    detail = _mismatch(signature, head, digests, key)
    if key.is_testing:  # RFC 6376 §3.6.1
        return signature.result(DkimVerdict.NEUTRAL, f"key in testing; {detail or 'it verifies'}")
    return signature.result(DkimVerdict.FAIL if detail else DkimVerdict.PASS, detail)


def _mismatch(signature: Signature, head: HeaderFields, digests: Sequence[BodyDigest], key: PublicKey) -> str:
    """What does not fit, or nothing."""
    digest = _digest_for(signature, digests)
    if signature.length is not None and signature.length > digest.size_octets:
        return "the body is shorter than l="
    if digest.sha256 != signature.body_hash:
        return "the body was changed"
    return "" if _fits(signature, head, key) else "the signature does not fit header and key"


def _fits(signature: Signature, head: HeaderFields, key: PublicKey) -> bool:
    relaxed = signature.is_header_relaxed
    signed = head.selected(signature.header_names, relaxed=relaxed, own=signature.ordinal)
    own = relaxed_field(signature.field) if relaxed else signature.field
    header_hash = hashlib.sha256(signed)
    header_hash.update(own)  # without CR LF: RFC 6376 §3.7
    public_key = key.key
    try:
        if isinstance(public_key, RSAPublicKey):
            public_key.verify(signature.signature, header_hash.digest(), _PADDING, _PREHASHED)
        else:
            public_key.verify(signature.signature, header_hash.digest())  # RFC 8463 §3: of the hash
    except (InvalidSignature, ValueError):
        return False
    return True


def _digest_for(signature: Signature, digests: Sequence[BodyDigest]) -> BodyDigest:
    return next(one for one in digests if one.is_relaxed == signature.is_body_relaxed)
