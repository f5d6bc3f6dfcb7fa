"""DKIM-Signature fields, read strictly. RFC 6376 §3.5, §6.1.1."""

import re
from typing import Final

from msgspec import Struct

from outgate.dkim.tags import SPACE, Tag, TagError, from_base64, number, parts, read_tags, shown
from outgate.mail.address import DOMAIN_MAX, AddressError, canonical_domain
from outgate.mail.evidence import SIGNATURES_MAX, DkimVerdict, SignatureResult

FIELD_MAX: Final = 16 * 1024  # octets of one DKIM-Signature field; real ones are below 3 KiB
TIME_DIGITS_MAX: Final = 12  # of t= and x=, RFC 6376 §3.5
LENGTH_DIGITS_MAX: Final = 76  # of l=, RFC 6376 §3.5
BODY_HASH_OCTETS: Final = 32  # of SHA-256


class Flaw(Struct, frozen=True):
    """A signature that no key can verify: what to say of it at once."""

    result: SignatureResult


class Signature(Struct, frozen=True):
    """A DKIM-Signature field that follows the grammar; nothing is verified yet.

    domain, agent_domain: of d= and i=, canonical. algorithm: of the key, "rsa" or "ed25519"; the hash is SHA-256.
    header_names: of h=, lower case. length: of l=. signed_at, expires_at: of t= and x=, seconds since the epoch; a time
    of signing in the future is held against nobody, since clocks are wrong more often than it would show a forgery.
    field: itself, without the value of b= and without the last CR LF. ordinal: which DKIM-Signature field it is, from
    the top.
    """

    domain: str
    selector: str
    agent_domain: str
    algorithm: str
    is_header_relaxed: bool
    is_body_relaxed: bool
    header_names: tuple[bytes, ...]
    body_hash: bytes
    signature: bytes
    length: int | None
    signed_at: int | None
    expires_at: int | None
    field: bytes
    ordinal: int

    @property
    def key_name(self) -> str:
        """Where DNS has the key. RFC 6376 §3.6.2.1."""
        return f"{self.selector}._domainkey.{self.domain}"

    def result(self, verdict: DkimVerdict, detail: str = "") -> SignatureResult:
        return SignatureResult(self.domain, self.selector, verdict, detail)


_SIGNATURE: Final = re.compile(rb"\r\n(?i:dkim-signature)[ \t]*+:")
_TO_FIELD_END: Final = re.compile(rb"[^\r]*+(?:\r\n[ \t][^\r]*+|\r(?!\n)[^\r]*+)*+")


def read_signatures(head: bytes) -> tuple[Signature | Flaw, ...]:
    """The topmost `SIGNATURES_MAX` DKIM-Signature fields, topmost first. Total, in time linear in `head`.

    head: the header block as it came: lines with their CR LF, without the empty line behind. Strictly read: only CR LF
    ends a line; content that came by BDAT may hold others, which are flaws within a signature.
    """
    found: list[Signature | Flaw] = []
    block = b"\r\n" + head  # so that the first field is found like the others
    for match in _SIGNATURE.finditer(block):
        end_of_field = _TO_FIELD_END.match(block, match.end(), match.end() + FIELD_MAX)  # more is a flaw anyway
        assert end_of_field is not None  # it matches nothing, too
        found.append(_read(block[match.start() + 2 : match.end()], end_of_field[0], len(found)))
        if len(found) == SIGNATURES_MAX:
            break
    return tuple(found)


def _read(name: bytes, value: bytes, ordinal: int) -> Signature | Flaw:
    domain = selector = ""
    try:
        if len(name) + len(value) > FIELD_MAX:
            raise TagError(f"longer than {FIELD_MAX:,} octets")
        tags = read_tags(value)
        domain = _domain(tags, b"d")
        selector = _domain(tags, b"s")
        return _signature(tags, domain, selector, name, value, ordinal)
    except TagError as error:  # RFC 8601 §2.7.1: a syntax error is neutral
        return Flaw(SignatureResult(domain, selector, DkimVerdict.NEUTRAL, str(error)))
    except _NeverVerifies as error:
        return Flaw(SignatureResult(domain, selector, DkimVerdict.PERMERROR, str(error)))


class _NeverVerifies(Exception):
    """Well written, and still no signature that counts. Never leaves this module."""


def _signature(
    tags: dict[bytes, Tag], domain: str, selector: str, name: bytes, value: bytes, ordinal: int
) -> Signature:
    """Raises: TagError, _NeverVerifies."""
    if _required(tags, b"v") != b"1":
        raise _NeverVerifies("v= is not 1")  # RFC 6376 §6.1.1
    algorithm = _algorithm(_required(tags, b"a"))
    header_relaxed, body_relaxed = _canonicalisations(tags)
    names = _required(tags, b"h")
    if _HEADER_NAMES.fullmatch(names) is None:
        raise TagError("h= is not a list of field names")
    header_names = tuple(names.translate(None, SPACE).lower().split(b":"))
    if b"from" not in header_names:
        raise _NeverVerifies("From is not signed")  # RFC 6376 §6.1.1
    body_hash = from_base64("bh", _required(tags, b"bh"))
    if len(body_hash) != BODY_HASH_OCTETS:
        raise TagError("bh= is not a hash of SHA-256")
    signed = from_base64("b", _required(tags, b"b"))
    if len(f"{selector}._domainkey.{domain}") > DOMAIN_MAX:
        raise TagError("s= and d= make no domain name: too long")
    if b"q" in tags and not any(one.lower() == b"dns/txt" for one in parts(tags[b"q"].value)):
        raise _NeverVerifies("q= knows no method but others than dns/txt")
    signed_at, expires_at = _time(tags, b"t"), _time(tags, b"x")
    if signed_at is not None and expires_at is not None and expires_at <= signed_at:
        raise TagError("x= is not after t=")  # RFC 6376 §3.5
    start, end = tags[b"b"].start, tags[b"b"].end
    return Signature(
        domain,
        selector,
        _agent_domain(tags, domain),
        algorithm,
        header_relaxed,
        body_relaxed,
        header_names,
        body_hash,
        signed,
        number("l", tags[b"l"].value, LENGTH_DIGITS_MAX) if b"l" in tags else None,
        signed_at,
        expires_at,
        name + value[:start] + value[end:],  # RFC 6376 §3.7
        ordinal,
    )


_HEADER_NAMES: Final = re.compile(  # printable, but neither colon nor semicolon
    rb"[ \t\r\n]*+[!-9<-~]++[ \t\r\n]*+(?::[ \t\r\n]*+[!-9<-~]++[ \t\r\n]*+)*+"
)


def _required(tags: dict[bytes, Tag], name: bytes) -> bytes:
    tag = tags.get(name)
    if tag is None or not tag.value:
        raise TagError(f"{name.decode('ascii')}= is missing")
    return tag.value


def _domain(tags: dict[bytes, Tag], name: bytes) -> str:
    """As A-labels where it is in UTF-8 (RFC 8616)."""
    value = _required(tags, name)
    try:
        return canonical_domain(value.decode("utf-8"))
    except (AddressError, UnicodeDecodeError):
        raise TagError(f"{name.decode('ascii')}= is not a domain name") from None


def _algorithm(value: bytes) -> str:
    match value.lower():
        case b"rsa-sha256":
            return "rsa"
        case b"ed25519-sha256":
            return "ed25519"
        case b"rsa-sha1":
            raise _NeverVerifies("rsa-sha1 proves nothing any more")  # RFC 8301 §3.1
        case _:
            raise _NeverVerifies(f"a= has an unknown algorithm: {shown(value)}")


_CANONICALISATIONS: Final = {b"simple": False, b"relaxed": True}


def _canonicalisations(tags: dict[bytes, Tag]) -> tuple[bool, bool]:
    """For header and body: relaxed? The default of both is simple."""
    if b"c" not in tags:
        return False, False
    of_header, slash, of_body = tags[b"c"].value.lower().partition(b"/")
    header = _CANONICALISATIONS.get(of_header)
    body = _CANONICALISATIONS.get(of_body) if slash else False
    if header is None or body is None:
        raise _NeverVerifies(f"c= has an unknown canonicalisation: {shown(tags[b'c'].value)}")
    return header, body


def _time(tags: dict[bytes, Tag], name: bytes) -> int | None:
    return number(name.decode("ascii"), tags[name].value, TIME_DIGITS_MAX) if name in tags else None


def _agent_domain(tags: dict[bytes, Tag], domain: str) -> str:
    """Of i=, whose local part is nobody's business but the signer's."""
    if b"i" not in tags:
        return domain
    _, at, text = tags[b"i"].value.rpartition(b"@")
    try:
        agent_domain = canonical_domain(text.decode("utf-8"))
    except (AddressError, UnicodeDecodeError):
        agent_domain = ""
    if not at or not agent_domain:
        raise TagError("i= is not an address")
    if agent_domain != domain and not agent_domain.endswith(f".{domain}"):
        raise _NeverVerifies("i= is not of d=")  # RFC 6376 §6.1.1
    return agent_domain
