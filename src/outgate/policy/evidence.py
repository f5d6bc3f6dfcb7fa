"""What the header of a message from a cloud says of the tenant that sent it. Pure; time linear in the header.

Anybody may write these fields, and what Exchange Online does with those that it finds is not documented, so every
occurrence counts, as any reader might read it: one that is hidden from some readers is one that contradicts.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import Struct

from outgate.mail.address import AddressError, canonical_domain
from outgate.mail.evidence import SIGNATURES_MAX, VALUE_MAX, VALUES_MAX
from outgate.policy.header import any_fields, is_plain

OCCURRENCES_MAX: Final = 64  # of one name, or SFP values, that are read; with more the name contradicts itself
FIELD_OCTETS_MAX: Final = 1024  # octets of one value that are read, folds included; a longer one is nobody's
SFP_MAX: Final = 16  # characters of one SFP value that are kept; the known ones have four

MORE: Final = "..."  # stands last where there was more than is kept; it is nobody's id, domain or way of signing in


class HeaderEvidence(Struct, frozen=True):
    """tenant_ids, originator_orgs, auth_as: the different values of X-MS-Exchange-CrossTenant-Id (lower case),
    X-OriginatorOrg (canonical where it is a domain) and X-MS-Exchange-CrossTenant-AuthAs (lower case), topmost first,
    at most `VALUES_MAX`, each cut to `VALUE_MAX` and printable. An empty or unreadable value is one like any other.
    Where there were more, `MORE` stands last.

    sfp: of X-Forefront-Antispam-Report; where there are several different ones all of them, topmost first, with
    commas. signatures_on_top: how many DKIM-Signature fields stand above the first Received field. Each server writes
    its Received line above all that it was given, so that only these can be of the last server or later: what stands
    below may have been signed at any time, for anybody, and be sent again.
    """

    tenant_ids: tuple[str, ...] = ()
    originator_orgs: tuple[str, ...] = ()
    auth_as: tuple[str, ...] = ()
    sfp: str = ""
    signatures_on_top: int = 0


NO_HEADER_EVIDENCE: Final = HeaderEvidence()

_ID: Final = b"x-ms-exchange-crosstenant-id"
_AUTH_AS: Final = b"x-ms-exchange-crosstenant-authas"
_ORG: Final = b"x-originatororg"
_REPORT: Final = b"x-forefront-antispam-report"
_RECEIVED: Final = b"received"
_SIGNATURE: Final = b"dkim-signature"
_NAMES: Final = rb"x-(?:ms-exchange-crosstenant-(?:id|authas)|originatororg|forefront-antispam-report)"

# What all readers read alike: each line begins behind an LF. White space before the colon is RFC 5322 §4.5.
_PLAIN: Final = re.compile(rb"\n(?=[DdRrXx])(?i:(" + _NAMES + rb"|received|dkim-signature)[ \t]*+:)")
# Octets that are not printable ASCII may stand before the colon; where a line begins is for `any_fields` to say.
# Two patterns, since one that begins with a literal is found several times faster than one with a choice.
_ANY: Final = re.compile(rb"(" + _NAMES + rb")[^!-~]*+:")
_ANY_RECEIVED: Final = re.compile(rb"(received)[^!-~]*+:")
_STRICT_SIGNATURE: Final = re.compile(rb"\r\ndkim-signature[ \t]*+:")

_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")
_END: Final = re.compile(rb"\r\n(?![ \t])")
_SFP: Final = re.compile(rb"(?:^|;)\s*+sfp:\s*+([^;\s]*+)", re.IGNORECASE)


def read_evidence(block: bytes) -> HeaderEvidence:
    """block: the header as it came, without the empty line that ends it or with it."""
    values: dict[bytes, list[bytes]] = {_ID: [], _ORG: [], _AUTH_AS: []}
    reports: dict[bytes, None] = {}  # as they came: decoding is dear
    reports_count = 0
    reported_to = 0
    on_top: int | None = None
    signatures = 0
    plain = is_plain(block)
    for name, start in _plain_fields(block) if plain else _any_fields(block):
        if name == _SIGNATURE:
            signatures += 1
        elif name == _RECEIVED:
            if on_top is None:
                on_top = signatures if plain else _signatures_above(block, start)
        elif name == _REPORT:
            if start >= reported_to:  # else it stands within one that has been read to its end
                reported_to = _end(block, start, len(block))
                if reports_count <= OCCURRENCES_MAX:
                    octets = _unfold(block[start:reported_to])
                    found = [one[1] for one in islice(_SFP.finditer(octets), OCCURRENCES_MAX + 1 - reports_count)]
                    reports_count += max(len(found), 1)
                    reports.update(dict.fromkeys(found))
        elif len(values[name]) <= OCCURRENCES_MAX:
            values[name].append(_value(block, start))
    if on_top is None:
        on_top = signatures if plain else _signatures_above(block, len(block))
    return HeaderEvidence(
        _different(map(_text, values[_ID]), len(values[_ID])),
        _different(map(_domain, values[_ORG]), len(values[_ORG])),
        _different(map(_text, values[_AUTH_AS]), len(values[_AUTH_AS])),
        ",".join(_different([_text(each)[:SFP_MAX] for each in reports], reports_count)),
        min(on_top, SIGNATURES_MAX),
    )


def _plain_fields(block: bytes) -> Iterator[tuple[bytes, int]]:
    """Names in lower case, and where the values begin. One octet is put in front, so that the first line is found."""
    for found in _PLAIN.finditer(b"\n" + block):
        yield found[1].lower(), found.end() - 1


def _any_fields(block: bytes) -> Iterator[tuple[bytes, int]]:
    """As `_plain_fields`, but of Received only the first, last: the order between different names does not count."""
    for found in any_fields(block, _ANY):
        yield found[1], found.end()
    for found in islice(any_fields(block, _ANY_RECEIVED), 1):
        yield found[1], found.end()


def _signatures_above(block: bytes, end: int) -> int:
    """As the verifier of signatures reads: fewer than another reader may see is safe, more would not be."""
    return len(_STRICT_SIGNATURE.findall(b"\r\n" + block[:end].lower()))


def _end(block: bytes, start: int, limit: int) -> int:
    """Where the strict reading's value ends (RFC 5322 §2.2.3), so that a bare CR or LF stands within it."""
    found = _END.search(block, start, limit)
    return found.start() if found else limit


def _value(block: bytes, start: int) -> bytes:
    limit = min(start + FIELD_OCTETS_MAX + 2, len(block))
    end = _end(block, start, limit)
    if end - start > FIELD_OCTETS_MAX:
        return b"?" * VALUE_MAX  # whatever stands there, it is no id and no domain
    return block[start:end]


def _unfold(value: bytes) -> bytes:
    return _FOLD.sub(b"", value)


def _text(value: bytes) -> str:
    text = _unfold(value).strip(b" \t").decode("ascii", "replace").lower()[:VALUE_MAX]
    return text if text.isascii() and text.isprintable() else "".join([_printable(each) for each in text])


def _printable(character: str) -> str:
    return character if " " <= character <= "~" else "?"


def _domain(value: bytes) -> str:
    text = _text(value)
    try:
        return canonical_domain(text)
    except AddressError:
        return text


def _different(values: Iterable[str], occurrences: int) -> tuple[str, ...]:
    kept = list(dict.fromkeys(values))
    if len(kept) > VALUES_MAX or occurrences > OCCURRENCES_MAX:
        kept = [*kept[: VALUES_MAX - 1], MORE]
    return tuple(kept)
