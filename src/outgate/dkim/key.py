"""Key records, as DNS has them. RFC 6376 §3.6.1, §6.1.2; RFC 8301 §3.2; RFC 8463 §4."""

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec import Struct

from outgate.dkim.tags import TagError, from_base64, parts, read_tags, shown
from outgate.mail.evidence import DkimVerdict

RECORDS_MAX: Final = 8  # TXT records of one name that are looked at
RECORD_MAX: Final = 8 * 1024  # octets of a key record; an RSA key of 8,192 bits has some 1,400
RSA_BITS_MIN: Final = 1024  # RFC 8301 §3.2: shorter keys prove nothing
RSA_BITS_MAX: Final = 8192  # RFC 8301 §3.2 demands 4,096; above, verifying costs too much
EXPONENT_BITS_MAX: Final = (
    64  # bits of it in an RSA key; 2 and 17 are in use. A long one makes verifying as dear as signing
)


class PublicKey(Struct, frozen=True):
    """is_testing: t=y, the domain only tries DKIM. is_strict: t=s, the domain of i= must be d= itself."""

    key: RSAPublicKey | Ed25519PublicKey
    is_testing: bool = False
    is_strict: bool = False

    @property
    def algorithm(self) -> str:
        """As `Signature.algorithm`."""
        return "rsa" if isinstance(self.key, RSAPublicKey) else "ed25519"


class KeyFlaw(Struct, frozen=True):
    """No key, and the verdict that follows. detail: for people."""

    verdict: DkimVerdict
    detail: str


NO_KEY: Final = KeyFlaw(DkimVerdict.PERMERROR, "no key in DNS")


def parse_key(records: Sequence[bytes]) -> PublicKey | KeyFlaw:
    """The first key that is one; else what is wrong with the first record that means to be one. Total.

    records: the TXT records of a name, each with its strings joined. There should be one (RFC 6376 §3.6.2.2); a second
    one, such as an SPF record from a wildcard, does no harm.
    """
    flaw = NO_KEY
    for record in records[:RECORDS_MAX]:
        try:
            return _parse(record)
        except TagError as error:
            if flaw is NO_KEY or b"p=" in record:
                flaw = KeyFlaw(DkimVerdict.PERMERROR, f"key in DNS: {error}")
    return flaw


def _parse(record: bytes) -> PublicKey:
    """Raises: TagError."""
    if len(record) > RECORD_MAX:
        raise TagError(f"longer than {RECORD_MAX:,} octets")
    tags = read_tags(record)
    if b"v" in tags and (tags[b"v"].value != b"DKIM1" or next(iter(tags)) != b"v"):
        raise TagError("v= is not DKIM1, or not in front")
    if b"p" not in tags:
        raise TagError("p= is missing")
    if not tags[b"p"].value:
        raise TagError("it is revoked")
    if b"h" in tags and b"sha256" not in parts(tags[b"h"].value.lower()):
        raise TagError("not for SHA-256")
    if b"s" in tags and not {b"*", b"email"} & set(parts(tags[b"s"].value.lower())):
        raise TagError("not for mail")
    octets = from_base64("p", tags[b"p"].value)
    kind = tags[b"k"].value.lower() if b"k" in tags else b"rsa"
    key: RSAPublicKey | Ed25519PublicKey
    if kind == b"rsa":
        key = _rsa_key(octets)
    elif kind == b"ed25519":
        key = _ed25519_key(octets)
    else:
        raise TagError(f"k= has an unknown kind of key: {shown(kind)}")
    flags = parts(tags[b"t"].value.lower()) if b"t" in tags else ()
    return PublicKey(key, is_testing=b"y" in flags, is_strict=b"s" in flags)


def _rsa_key(octets: bytes) -> RSAPublicKey:
    """A SubjectPublicKeyInfo, or an RSAPublicKey by itself: RFC 6376 §3.6.1 says the one, its examples the other."""
    try:
        key = load_der_public_key(octets)
        if not isinstance(key, RSAPublicKey):
            raise TagError("p= is not an RSA key")
        exponent = key.public_numbers().e
    except (ValueError, UnsupportedAlgorithm):
        raise TagError("p= is not an RSA key") from None
    if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        raise TagError(f"an RSA key of {key.key_size:,} bits, where {RSA_BITS_MIN:,} to {RSA_BITS_MAX:,} are right")
    if exponent.bit_length() > EXPONENT_BITS_MAX:
        raise TagError("an RSA key with a huge exponent")
    return key


def _ed25519_key(octets: bytes) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise TagError("p= is not an Ed25519 key") from None
