"""What the header of a message from a cloud says of the tenant that sent it. Pure; time linear in the header.

Anybody may write these fields, and what Exchange Online does with those that it finds is not documented, so every
occurrence counts, as any reader might read it: one that is hidden from some readers is one that contradicts.
"""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from outgate.mail.address import AddressError, canonical_domain
from outgate.mail.evidence import SIGNATURES_MAX, VALUE_MAX, VALUES_MAX
from outgate.policy.header import TooManyNames, any_fields, is_plain, value_end
from outgate.policy.proof import MORE, HeaderEvidence

OCCURRENCES_MAX: Final = 64  # of one name, or SFP values, that are read; with more the name contradicts itself
FIELDS_MAX: Final = 4 * OCCURRENCES_MAX  # of all four names together that are read; with more all of them contradict
FIELD_OCTETS_MAX: Final = 1024  # octets of one value that are read, folds included; a longer one is nobody's
SFP_MAX: Final = 16  # characters of one SFP value that are kept; the known ones have four

_CONTRADICTION: Final = HeaderEvidence((MORE,), (MORE,), (MORE,), MORE)

_ID: Final = b"x-ms-exchange-crosstenant-id"
_AUTH_AS: Final = b"x-ms-exchange-crosstenant-authas"
_ORG: Final = b"x-originatororg"
_REPORT: Final = b"x-forefront-antispam-report"
_RECEIVED: Final = b"received"
_SIGNATURE: Final = b"dkim-signature"
_NAMES: Final = rb"x-(?:ms-exchange-crosstenant-(?:id|authas)|originatororg|forefront-antispam-report)"

# What all readers read alike: each line begins behind an LF. White space before the colon is RFC 5322 §4.5. Signatures
# count above the first Received field only.
_PLAIN: Final = re.compile(rb"\n(?=[Xx])(?i:(" + _NAMES + rb")[ \t]*+:)")
_PLAIN_TOP: Final = re.compile(rb"\n(?=[DdRrXx])(?i:(" + _NAMES + rb"|received|dkim-signature)[ \t]*+:)")
# Octets that are not printable ASCII may stand before the colon; where a line begins is for `any_fields` to say.
# Two patterns, since one that begins with a literal is found several times faster than one with a choice.
_ANY: Final = re.compile(rb"(" + _NAMES + rb")[^!-~]*+:")
_ANY_RECEIVED: Final = re.compile(rb"(received)[^!-~]*+:")
_STRICT_SIGNATURE: Final = re.compile(rb"\r\ndkim-signature[ \t]*+:")

_SFP: Final = re.compile(rb"sfp:\s*+([^;\s]*+)")


def read_evidence(block: bytes) -> HeaderEvidence:
    """block: the header as it came, without the empty line that ends it or with it."""
    try:
        fields, signatures_on_top = _plain_fields(block) if is_plain(block) else _any_fields(block)
    except TooManyNames:
        return _CONTRADICTION
    values: dict[bytes, list[bytes]] = {_ID: [], _ORG: [], _AUTH_AS: []}
    reports: dict[bytes, None] = {}  # as they came: decoding is dear
    reports_count = 0
    reported_to = 0
    for name, start in fields:
        if name == _REPORT:
            if start >= reported_to:  # else it stands within one that has been read to its end
                reported_to = value_end(block, start, len(block))
                if reports_count <= OCCURRENCES_MAX:
                    found = _sfp_values(block[start:reported_to], OCCURRENCES_MAX + 1 - reports_count)
                    reports_count += max(len(found), 1)
                    reports.update(dict.fromkeys(found))
        elif len(values[name]) <= OCCURRENCES_MAX:
            values[name].append(_value(block, start))
    return HeaderEvidence(
        _different(map(_text, values[_ID]), len(values[_ID])),
        _different(map(_domain, values[_ORG]), len(values[_ORG])),
        _different(map(_text, values[_AUTH_AS]), len(values[_AUTH_AS])),
        ",".join(_different([_text(each)[:SFP_MAX] for each in reports], reports_count)),
        signatures_on_top,
    )


Field = tuple[bytes, int]  # its name in lower case, and where its value begins


def _plain_fields(block: bytes) -> tuple[list[Field], int]:
    """Those that are evidence, and how many signatures stand above the first Received field, as far as they count. What
    all readers read alike: each line begins behind CR LF. Raises: TooManyNames."""
    lines = b"\n" + block  # so that the first line is found like the others
    fields: list[Field] = []
    signatures = at = 0
    for found in _PLAIN_TOP.finditer(lines):
        name, at = found[1].lower(), found.end()
        if name == _SIGNATURE:
            signatures += 1
        elif name != _RECEIVED:
            fields.append((name, at - 1))
        if name == _RECEIVED or signatures == SIGNATURES_MAX or len(fields) > FIELDS_MAX:
            fields += [(more[1].lower(), more.end() - 1) for more in islice(_PLAIN.finditer(lines, at), FIELDS_MAX + 1)]
            break
    if len(fields) > FIELDS_MAX:
        raise TooManyNames
    return fields, signatures


def _any_fields(block: bytes) -> tuple[list[Field], int]:
    """As `_plain_fields`, but as any reader might read it; the order between different names does not count. Raises:
    TooManyNames."""
    lower = block.lower()
    fields = [(found[1], found.end()) for found in any_fields(lower, _ANY)]
    received = next((found.end() for found in any_fields(lower, _ANY_RECEIVED)), len(block))
    return fields, _signatures_above(lower, received)


def _signatures_above(lower: bytes, end: int) -> int:
    """As the verifier of signatures reads: fewer than another reader may see is safe, more would not be."""
    return sum(1 for _ in islice(_STRICT_SIGNATURE.finditer(b"\r\n" + lower[:end]), SIGNATURES_MAX))


def _value(block: bytes, start: int) -> bytes:
    limit = min(start + FIELD_OCTETS_MAX + 3, len(block))
    end = value_end(block, start, limit)
    if end - start > FIELD_OCTETS_MAX:
        return b"?" * VALUE_MAX  # whatever stands there, it is no id and no domain
    return block[start:end]


def _sfp_values(value: bytes, names_max: int) -> list[bytes]:
    """Of one report, in lower case. The name is looked for first and the semicolon before it after that: a report may
    be all semicolons. names_max: how many names are looked at."""
    octets = _unfold(value).lower()
    values: list[bytes] = []
    at = 0
    for found in islice(_SFP.finditer(octets), names_max):
        before = octets[at : found.start()].rstrip()
        if before.endswith(b";") or not (before or at):
            values.append(found[1])
        at = found.end()
    return values


def _unfold(value: bytes) -> bytes:
    return value.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")


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
