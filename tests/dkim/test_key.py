"""Key records: good ones, flawed ones, and several for one name."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from tests.support.signing import key

from outgate.dkim.key import NO_KEY, RECORD_MAX, KeyFlaw, PublicKey, parse_key
from outgate.mail.evidence import DkimVerdict

RSA = key("rsa-sha256").record
ED25519 = key("ed25519-sha256").record
P_RSA = RSA.partition(b"p=")[2]
P_ED25519 = ED25519.partition(b"p=")[2]


def p_of(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, layout: PublicFormat) -> bytes:
    return base64.b64encode(public.public_bytes(Encoding.DER, layout))


def rsa_numbers(modulus: int, exponent: int = 65537) -> bytes:
    return p_of(rsa.RSAPublicNumbers(exponent, modulus).public_key(), PublicFormat.PKCS1)


def parsed(record: bytes) -> PublicKey:
    found = parse_key([record])
    assert isinstance(found, PublicKey), found
    return found


def test_keys_of_both_kinds() -> None:
    assert parsed(RSA).algorithm == "rsa"
    assert parsed(ED25519).algorithm == "ed25519"


@pytest.mark.parametrize(
    "record",
    [
        b"p=" + P_RSA,
        b"v=DKIM1; p=" + P_RSA[:100] + b" \t" + P_RSA[100:] + b" ;",
        b"k=RSA; h=sha1:sha256; s=email : other; n=a note; new=1; p=" + P_RSA,
        b"s=*; t=; p=" + P_RSA,
    ],
)
def test_ways_to_write_a_key(record: bytes) -> None:
    assert parsed(record) == PublicKey(parsed(RSA).key)


def test_an_rsa_key_may_stand_by_itself() -> None:
    bare = parsed(RSA).key
    assert isinstance(bare, rsa.RSAPublicKey)
    assert parsed(b"p=" + p_of(bare, PublicFormat.PKCS1)).key == bare


def test_flags() -> None:
    found = parsed(b"t=y : s; p=" + P_RSA)
    assert (found.is_testing, found.is_strict) == (True, True)
    assert (parsed(RSA).is_testing, parsed(RSA).is_strict) == (False, False)


@pytest.mark.parametrize("bits", [1024, 8192])
def test_rsa_keys_from_1024_to_8192_bits(bits: int) -> None:
    assert parsed(b"p=" + rsa_numbers(2**bits - 1)).algorithm == "rsa"


EC = p_of(ec.generate_private_key(ec.SECP256R1()).public_key(), PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        (b"", "not a tag list"),
        (b"v=spf1 -all", "v= is not DKIM1, or not in front"),
        (b"k=rsa; v=DKIM1; p=" + P_RSA, "v= is not DKIM1, or not in front"),
        (b"v=DKIM2; p=" + P_RSA, "v= is not DKIM1, or not in front"),
        (b"v=DKIM1", "p= is missing"),
        (b"v=DKIM1; p=", "it is revoked"),
        (b"p=%s; p=%s" % (P_RSA, P_RSA), "tag 'p' comes twice"),
        (b"h=sha1; p=" + P_RSA, "not for SHA-256"),
        (b"s=tlsrpt; p=" + P_RSA, "not for mail"),
        (b"k=dsa; p=" + P_RSA, "k= has an unknown kind of key: 'dsa'"),
        (b"p=" + P_ED25519, "p= is not an RSA key"),
        (b"p=" + EC, "p= is not an RSA key"),
        (b"p=Zm9v", "p= is not an RSA key"),
        (b"p=!", "p= is not base64"),
        (b"k=ed25519; p=" + P_RSA, "p= is not an Ed25519 key"),
        (b"p=" + rsa_numbers(2**1023 - 1), "an RSA key of 1,023 bits, where 1,024 to 8,192 are right"),
        (b"p=" + rsa_numbers(2**8193 - 1), "an RSA key of 8,193 bits, where 1,024 to 8,192 are right"),
        (b"p=" + rsa_numbers(2**2048 - 1, 2**64 + 1), "an RSA key with a huge exponent"),
        (b"p=" + b"A" * RECORD_MAX, "longer than 8,192 octets"),
    ],
)
def test_flawed_records(record: bytes, detail: str) -> None:
    assert parse_key([record]) == KeyFlaw(DkimVerdict.PERMERROR, f"key in DNS: {detail}")


def test_of_several_records_the_first_that_is_a_key_counts() -> None:
    assert parse_key([b"v=spf1 -all", b"p=", b"\xff\x00", RSA, ED25519]) == parsed(RSA)
    assert parse_key([]) == NO_KEY
    revoked = parse_key([b"p="])
    assert parse_key([b"v=spf1 -all", b"p="]) == parse_key([b"p=", b"v=spf1 -all"]) == revoked
    assert parse_key([b"p="] * 8 + [RSA]) == revoked


@given(st.lists(st.sampled_from([b"v=DKIM1", b"p=", b";", b"k=ed25519", b"t=", b"y", b"\xff", b"AAAA", b":", b"="])))
def test_parsing_never_raises(parts: list[bytes]) -> None:
    parse_key([b"".join(parts), b";".join(parts)])


@given(st.binary(max_size=300))
def test_no_octets_in_a_key_raise(octets: bytes) -> None:
    parse_key([b"p=" + base64.b64encode(octets), b"k=ed25519; p=" + base64.b64encode(octets)])


@given(st.integers(0, 293), st.integers(0, 255))
def test_no_damage_to_a_key_raises(place: int, octet: int) -> None:
    octets = bytearray(base64.b64decode(P_RSA))
    octets[place % len(octets)] = octet
    parse_key([b"p=" + base64.b64encode(octets)])
