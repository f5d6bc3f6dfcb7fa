"""Domains and paths: the addresses of an envelope.

A path keeps the text that came, so that it can go on unchanged, and beside it the one canonical form of its domain,
so that two spellings of a domain can never be two identities. RFC 5321 §2.3.5, §4.1.2; RFC 5890; RFC 6531.
"""

from functools import lru_cache
from typing import Final, Self
from unicodedata import is_normalized

import idna
from msgspec import Struct

LOCAL_PART_MAX: Final = 64  # octets, RFC 5321 §4.5.3.1.1
DOMAIN_MAX: Final = 255  # octets, RFC 5321 §4.5.3.1.2
PATH_MAX: Final = 256  # octets with punctuation, RFC 5321 §4.5.3.1.3
LABEL_MAX: Final = 63  # octets, RFC 1035 §2.3.4
DOMAINS_KEPT: Final = 10_000  # whose canonical form is remembered: most mail is of domains that were seen before

_LABEL_OCTETS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


class AddressError(ValueError):
    """A domain or mailbox that is not one. The text says what is wrong with it, for a person."""


@lru_cache(maxsize=DOMAINS_KEPT)
def canonical_domain(text: str) -> str:
    """The one form in which `text`, a domain name, is compared and looked up: lower case, A-labels, no trailing dot.

    Nothing is mapped but case: a name that IDNA 2008 (RFC 5891) would have to fold, such as one in full-width letters,
    is refused, so that no look-alike spelling becomes somebody's domain. So is a name that is not in normal form C:
    lower case alone would make an ASCII k of the Kelvin sign.
    Raises: AddressError.
    """
    name = text.lower()
    if not text.isascii():
        if not is_normalized("NFC", text):
            raise AddressError(f"{text!r} is not a domain name: it is not in Unicode normal form C")
        try:
            name = idna.encode(name, strict=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise AddressError(f"{text!r} is not a domain name: {error}") from error
    if not name or len(name) > DOMAIN_MAX:
        raise AddressError(f"{text!r} is not a domain name: it must have 1 to {DOMAIN_MAX} octets")
    for label in name.split("."):
        if not label or len(label) > LABEL_MAX or not _LABEL_OCTETS.issuperset(label):
            raise AddressError(f"{text!r} is not a domain name: {label!r} is not a label")
        if label[0] == "-" or label[-1] == "-":
            raise AddressError(f"{text!r} is not a domain name: {label!r} begins or ends with a hyphen")
        if label.startswith("xn--"):
            _check_a_label(text, label)
    return name


def _check_a_label(text: str, label: str) -> None:
    try:
        idna.ulabel(label)
    except (idna.IDNAError, UnicodeError) as error:
        raise AddressError(f"{text!r} is not a domain name: {error}") from error


class Path(Struct, frozen=True, gc=False):
    """A reverse-path or forward-path without its angle brackets. RFC 5321 §4.1.2.

    text: the mailbox as it was written, source route removed (RFC 5321 Appendix C); what the next hop is told.
    local_part: as it was written, quotes included; its case belongs to the target host (RFC 5321 §2.4).
    domain: canonical (see `canonical_domain`), an address literal in brackets, or empty.
    """

    text: str
    local_part: str
    domain: str

    @property
    def is_utf8(self) -> bool:
        """Does the address need SMTPUTF8 (RFC 6531) at the next hop?"""
        return not self.text.isascii()

    @property
    def is_address_literal(self) -> bool:
        return self.domain.startswith("[")

    @classmethod
    def parse(cls, text: str) -> Self:
        """A path from a plain mailbox as a person writes it in a configuration; the wire has its own grammar.

        Raises: AddressError.
        """
        local_part, at, domain = text.rpartition("@")
        if not at or not local_part or not local_part.isprintable() or " " in local_part or "@" in local_part:
            raise AddressError(f"{text!r} is not a mailbox: write it as local-part@domain")
        if len(local_part.encode()) > LOCAL_PART_MAX:
            raise AddressError(f"{text!r} is not a mailbox: its local part exceeds {LOCAL_PART_MAX} octets")
        return cls(text, local_part, canonical_domain(domain))


class ReversePath(Path, frozen=True, gc=False):
    """Where notices about the message go; may be null. RFC 5321 §3.3, §4.5.5."""

    @property
    def is_null(self) -> bool:
        return not self.text


class ForwardPath(Path, frozen=True, gc=False):
    """Where the message goes. Its domain is empty only for the bare `postmaster` of RFC 5321 §4.5.1."""

    @property
    def is_postmaster(self) -> bool:
        return self.local_part.lower() == "postmaster"


NULL_REVERSE_PATH: Final = ReversePath("", "", "")
