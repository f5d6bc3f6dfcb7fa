"""Targets: the header and its From field, against slow readings and against what other readers would show."""

import re
from collections.abc import Callable, Iterator
from email import policy as email_policy
from email.headerregistry import HeaderRegistry
from email.parser import BytesHeaderParser
from email.utils import getaddresses

from tests.fuzz.engine import Target, target
from tests.support.messages import head

from outgate.mail.address import AddressError, canonical_domain
from outgate.mail.evidence import VALUES_MAX
from outgate.policy.evidence import read_evidence
from outgate.policy.from_field import DOMAINS_MAX, read_from
from outgate.policy.header import FROM_FIELDS_MAX, TEXT_MAX, HeaderFacts, read_header
from outgate.policy.proof import MORE

HEADERS = [
    head() + b"\r\nbody\r\n",
    b"Received: from a by b;\r\n\tMon, 23 Nov 2026 12:00:00 +0000\r\nReceived : x\r\n" + head("\r\n folded\tsubject"),
    b"from : \r\n Alice\r\n <alice@alpha.example>\r\nFrom-Nothing: x\r\nX-From: a@b\r\n\r\nFrom: b@beta.example\r\n",
    b"From: a@alpha.example\r\nFROM\t:b@beta.example\r\nfrom: c@gamma.example\r\n\r\n",
    b"Subject: =?utf-8?q?x?=\r\nsubject: second\r\nMessage-ID:<1@a>\r\nFrom: J\xfcrgen <j@alpha.example>\r\n\r\n",
    b"From: a@alpha.example\nX: y\rFrom: b@beta.example\r\n\r\n",
    b"X: \xc2\x85From: a@alpha.example\r\nY: \xe2\x80\xa8From: b@beta.example\r\n\r\n",
    b"\r\nFrom: a@alpha.example\r\n",
    b" From: a@alpha.example\r\nFrom: b@beta.example\r\n\r\n",
]
FROM_TOKENS = [
    *(
        b"From:",
        b"\r\nFrom: ",
        b"From :",
        b"\nFrom: b@beta.example\r\n",
        b"\r\n ",
        b"\r\n\t",
        b"\r\n\r\n",
        b"@beta.example",
    ),
    *(
        b"Received:",
        b"\r\nReceived: x\r\n",
        b"Subject:",
        b"Message-ID:",
        b"<x@gamma.example>",
        b"\xe2\x80\xa9",
        b"\x1c",
    ),
]


@target("header", seeds=HEADERS, tokens=FROM_TOKENS)
def header(octets: bytes) -> None:
    """As a reading line by line has it; and no lenient reader finds a From field that was not judged."""
    facts = read_header(octets, is_complete=True)
    expected = _read_by_line(octets)
    assert (facts.header_octets, facts.has_end) == (expected.header_octets, expected.has_end)
    assert facts.received_count >= expected.received_count
    if re.fullmatch(rb"(?:[\t -\xff]|\r\n)*", octets[: facts.header_octets]):  # else a bare CR or LF ends lines too
        assert facts.received_count == expected.received_count
        assert (facts.subject, facts.message_id) == (expected.subject, expected.message_id)
    assert len(facts.from_fields) <= FROM_FIELDS_MAX
    assert set(expected.from_fields) <= set(facts.from_fields) or len(facts.from_fields) == FROM_FIELDS_MAX
    for text in (facts.from_text, facts.subject, facts.message_id):
        assert text.isprintable()
        assert len(text.encode()) <= 3 * TEXT_MAX  # an octet that is no UTF-8 becomes a character of three
    domains = read_from(facts.from_fields[0]) if len(facts.from_fields) == 1 else None
    if domains is not None:
        block = octets[: facts.header_octets]
        for reader in READERS:
            fields = list(reader(block))
            assert len(fields) <= 1, (reader.__name__, fields)
            for value in fields:
                shown = _shown(value)
                assert shown <= set(domains), (reader.__name__, shown, domains)


def _read_by_line(octets: bytes) -> HeaderFacts:
    """RFC 5322 §2.2, §4.5, with the one leniency that white space may stand in front of the colon."""
    if octets.startswith(b"\r\n"):
        return HeaderFacts(has_end=True)
    lines: list[bytes] = []
    rest = octets
    has_end = False
    while rest and not has_end:
        line, _, rest = rest.partition(b"\r\n")
        if line:
            lines.append(line)
        has_end = not line
    block = b"".join(line + b"\r\n" for line in lines) if has_end else octets
    fields: list[tuple[bytes, bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if fields:
                name, value = fields.pop()
                fields.append((name, value + b"\r\n" + line))
            continue
        name, colon, value = line.partition(b":")
        fields.append((name.lower() if colon else b"", value))
    named: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        named.setdefault(name, []).append(value)
    return HeaderFacts(
        from_fields=tuple(named.get(b"from", ())),
        received_count=len(named.get(b"received", ())),
        subject=_first_text(named.get(b"subject")),
        message_id=_first_text(named.get(b"message-id")),
        header_octets=len(block),
        has_end=has_end,
    )


def _first_text(values: list[bytes] | None) -> str:
    """The first that says anything, for people."""
    for value in values or ():
        text = value[:TEXT_MAX].decode("utf-8", "replace").strip()
        if not text.isprintable():
            text = text.replace("\r\n", "").replace("\t", " ")
            text = "".join(character if character.isprintable() else "?" for character in text)
        if text:
            return text
    return ""


# Readers that are more lenient than RFC 5322: each yields the values of the From fields that it sees.


def by_any_line_end(block: bytes) -> Iterator[bytes]:
    yield from _from_lines(re.split(rb"\r\n|\r|\n", block))


def by_unicode_line_end(block: bytes) -> Iterator[bytes]:
    yield from _from_lines([line.encode() for line in block.decode("utf-8", "replace").splitlines()])


def by_latin_1_line_end(block: bytes) -> Iterator[bytes]:
    yield from _from_lines([line.encode("latin-1") for line in block.decode("latin-1").splitlines()])


def by_c_string(block: bytes) -> Iterator[bytes]:
    """Ends a line at NUL too, as a program in C does."""
    yield from _from_lines(re.split(rb"\r?\n|\0", block))


def _from_lines(lines: list[bytes]) -> Iterator[bytes]:
    value: bytes | None = None
    for place, line in enumerate(lines):
        if place and line[:1] in (b" ", b"\t"):  # goes on with the field before, whichever that is
            value = value and value + b" " + line.strip()
            continue
        if value is not None:
            yield value
        name, colon, rest = line.partition(b":")
        value = rest if colon and name.strip().lower() == b"from" else None
    if value is not None:
        yield value


def by_the_standard_library(block: bytes) -> Iterator[bytes]:
    message = BytesHeaderParser(policy=email_policy.compat32).parsebytes(block)
    for name, value in message.raw_items():
        if name.strip().lower() == "from":
            yield value.encode("ascii", "surrogateescape")


READERS: list[Callable[[bytes], Iterator[bytes]]] = [
    by_any_line_end,
    by_unicode_line_end,
    by_latin_1_line_end,
    by_c_string,
    by_the_standard_library,
]

# From field

VALUES = [
    *(
        b" alice@alpha.example",
        b' "Example, Alice" <alice@ALPHA.example>',
        b" A (x (y)) <a@alpha.example>, b@beta.example",
    ),
    *(b" <@one.example,@two.example:a@alpha.example>", b' "alice example"@alpha.example', b" [Shop] <a@[192.0.2.1]>"),
    *("jürgen@BÜCHER.example".encode(), b"\r\n Alice\r\n\t<alice@alpha.example>", b" Team: a@alpha.example;"),
    *(b" =?utf-8?q?M=C3=BCller=2C_Hans?= <hans@alpha.example>", b' "a \\"b\\" <c@d>" <alice@alpha.example>'),
]
VALUE_TOKENS = [
    b"@beta.example",
    b"<b@beta.example>",
    b'"',
    b"(",
    b")",
    b"\\",
    b",",
    b";",
    b"[",
    b"]",
    b"=?utf-8?q?",
    b"?=",
]


@target("from-field", seeds=VALUES, tokens=VALUE_TOKENS)
def from_field(value: bytes) -> None:
    """Where it is read, no reader of the standard library finds another domain in it; and each domain is canonical."""
    domains = read_from(value)
    if domains is None:
        return
    assert 0 < len(domains) <= DOMAINS_MAX
    for domain in domains:
        assert domain.startswith("[") or canonical_domain(domain) == domain
    assert _shown(value.replace(b"\r\n", b"")) <= set(domains)


def _shown(value: bytes) -> set[str]:
    """The domains that readers of the standard library would show, in their canonical form."""
    text = value.decode("utf-8", "replace")
    shown = {address.rpartition("@")[2] for _, address in getaddresses([text]) if "@" in address}
    try:
        addresses = HeaderRegistry()("From", text).addresses  # type: ignore[attr-defined]
        shown |= {address.domain for address in addresses if address.domain}
    except Exception:
        pass
    return {_canonical(domain) for domain in shown}


def _canonical(domain: str) -> str:
    try:
        return canonical_domain(domain)
    except AddressError:
        return domain.lower()


EVIDENCE = [
    (
        b"DKIM-Signature: a\r\nReceived: b\r\nX-MS-Exchange-CrossTenant-Id:\r\n\t1-2\r\n"
        b"X-OriginatorOrg: Alpha.example\r\n"
        b"X-MS-Exchange-CrossTenant-AuthAs: Internal\r\nX-Forefront-Antispam-Report: CIP:1;SFP:1102;\r\n\r\n"
    ),
    b"x-originatororg : a.example\nX-OriginatorOrg: b.example\r\n c\r\n\r\n",
]
EVIDENCE_TOKENS = [
    *(b"X-OriginatorOrg:", b"\r\nX-OriginatorOrg: ", b"\nX-MS-Exchange-CrossTenant-Id: x\r\n", b"SFP:1501;"),
    *(b"\r\nX-Forefront-Antispam-Report: ", b"\r\nReceived: ", b"\r\n ", b"\r", b"\n", b"\x85", b"\xe2\x80\xa8"),
]


@target("evidence", seeds=EVIDENCE, tokens=EVIDENCE_TOKENS)
def evidence(octets: bytes) -> None:
    """No reader finds a field of which nothing was read, nor another value than was read: or what was read is no id."""
    read = read_evidence(octets)
    for values in (read.tenant_ids, read.originator_orgs, read.auth_as):
        assert len(values) <= VALUES_MAX
        assert all(value.isascii() and (value.isprintable() or not value) for value in values)
    for line_end in (rb"\r\n", rb"\r\n|\r|\n", rb"\r?\n|\0"):
        lines = re.split(line_end, octets)
        for place, line in enumerate(lines):
            name, colon, value = line.partition(b":")
            if not colon or (place and line[:1] in b" \t") or name.strip().lower() != b"x-originatororg":
                continue
            assert read.originator_orgs, line
            shown = value.strip().lower()
            if (
                re.fullmatch(rb"[a-z0-9.-]{1,99}", shown)
                and lines[place + 1 : place + 2] != []
                and (lines[place + 1][:1] not in (b" ", b"\t"))
            ):
                told = {one for one in read.originator_orgs if one.startswith(shown.decode())}
                assert told or MORE in read.originator_orgs or "?" in "".join(read.originator_orgs), line


TARGETS: list[Target] = [header, from_field, evidence]
