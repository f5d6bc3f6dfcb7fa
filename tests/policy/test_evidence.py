"""Tenant evidence is read as any reader might read it: what is hidden from some contradicts."""

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.mail.evidence import SIGNATURES_MAX, VALUE_MAX, VALUES_MAX
from outgate.policy.evidence import (
    FIELD_OCTETS_MAX,
    FIELDS_MAX,
    OCCURRENCES_MAX,
    read_evidence,
)
from outgate.policy.header import NAMES_MAX
from outgate.policy.proof import MORE, NO_HEADER_EVIDENCE, HeaderEvidence

ID = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


def block(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


def test_a_header_without_any_says_nothing() -> None:
    assert read_evidence(b"") == NO_HEADER_EVIDENCE
    assert read_evidence(block("From: a@alpha.example", "Subject: x")) == NO_HEADER_EVIDENCE


def test_each_field_is_read() -> None:
    read = read_evidence(
        block(
            "DKIM-Signature: v=1; d=alpha.example",
            "Received: from a by b",
            "DKIM-Signature: v=1; d=older.example",
            f"X-MS-Exchange-CrossTenant-Id: {ID}",
            "X-OriginatorOrg: Alpha.Example",
            "X-MS-Exchange-CrossTenant-AuthAs: Internal",
            "X-Forefront-Antispam-Report: CIP:255.255.255.255;SFV:NSPM;DIR:OUT;SFP:1102;",
            "X-MS-Exchange-CrossTenant-Identity: no",
            "X-OriginatorOrganisation: no",
        )
    )
    assert read == HeaderEvidence((ID,), ("alpha.example",), ("internal",), "1102", 1)


@pytest.mark.parametrize(
    "line",
    [
        f"x-ms-exchange-crosstenant-id: {ID}",
        f"X-MS-Exchange-CrossTenant-id:{ID.upper()}  ",
        f"X-MS-EXCHANGE-CROSSTENANT-ID \t:\t{ID}",
        f"X-MS-Exchange-CrossTenant-Id:\r\n\t{ID}",
        f"X-MS-Exchange-CrossTenant-Id: \r\n {ID}\r\n ",
        f"X-MS-Exchange-CrossTenant-Id\x00\xa0: {ID}",
        f"\xa0X-MS-Exchange-CrossTenant-Id: {ID}",
    ],
)
@pytest.mark.parametrize("before", ["", "From: a@alpha.example\r\n"])
def test_case_folding_and_odd_octets_hide_nothing(line: str, before: str) -> None:
    assert read_evidence(before.encode() + block(line)).tenant_ids == (ID,)


@pytest.mark.parametrize("line_end", ["\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x85", "\xc2\x85", "\xe2\x80\xa8"])
def test_a_line_may_begin_where_any_reader_begins_one(line_end: str) -> None:
    read = read_evidence(block(f"X-MS-Exchange-CrossTenant-Id: {ID}", f"X: y{line_end}X-OriginatorOrg: evil.example"))
    assert read.tenant_ids == (ID,)
    assert read.originator_orgs == ("evil.example",)


@pytest.mark.parametrize("line_end", ["\n", "\r", "\0"])
def test_a_value_that_readers_end_in_different_places_is_nobodys(line_end: str) -> None:
    read = read_evidence(block(f"X-OriginatorOrg: alpha.example{line_end}more"))
    assert read.originator_orgs == ("alpha.example?more",)


def test_repeated_fields_count_once_if_equal_and_each_if_not() -> None:
    name = "X-MS-Exchange-CrossTenant-Id: "
    assert read_evidence(block(name + ID, name + ID.upper())).tenant_ids == (ID,)
    assert read_evidence(block(name + ID, name + OTHER, name + ID)).tenant_ids == (ID, OTHER)


def test_an_empty_value_is_one_like_any_other() -> None:
    assert read_evidence(block("X-OriginatorOrg:", "X-MS-Exchange-CrossTenant-Id: ")) == HeaderEvidence(("",), ("",))


def test_more_values_than_are_kept_contradict() -> None:
    lines = [f"X-OriginatorOrg: d{number}.example" for number in range(VALUES_MAX)]
    assert MORE not in read_evidence(block(*lines)).originator_orgs
    orgs = read_evidence(block(*lines, "X-OriginatorOrg: last.example")).originator_orgs
    assert len(orgs) == VALUES_MAX
    assert orgs[-1] == MORE
    reports = [f"X-Forefront-Antispam-Report: SFP:{number}{'x' * 99}" for number in range(VALUES_MAX + 1)]
    assert read_evidence(block(*reports)).sfp.split(",")[-1] == MORE
    many = [f"X-OriginatorOrg: {ID}"] * OCCURRENCES_MAX
    assert read_evidence(block(*many)).originator_orgs == (ID,)
    assert read_evidence(block(*many, "X-OriginatorOrg: evil.example")).originator_orgs == (ID, "evil.example", MORE)


@pytest.mark.parametrize(
    ("first", "place", "most"),
    [
        (b"", b"X-MS-Exchange-CrossTenant-AuthAs: Internal\r\n", FIELDS_MAX),
        (b"X: \xff\r\n", b"X: X-OriginatorOrg:\r\n", NAMES_MAX),
    ],
    ids=["plain", "read by anybody"],
)
def test_where_evidence_may_stand_in_too_many_places_everything_contradicts(
    first: bytes, place: bytes, most: int
) -> None:
    last = block("X-OriginatorOrg: evil.example", f"X-MS-Exchange-CrossTenant-Id: {ID}")
    read = read_evidence(first + place * (most - 2) + last)
    assert (read.tenant_ids, read.originator_orgs) == ((ID,), ("evil.example",))
    contradiction = read_evidence(first + place * (most - 1) + last)
    assert contradiction == HeaderEvidence((MORE,), (MORE,), (MORE,), MORE)


def test_lines_that_only_begin_with_a_name_hide_nothing() -> None:
    lines = ["X-OriginatorOrg-x: y"] * NAMES_MAX * 2
    assert read_evidence(block(*lines, "X-OriginatorOrg: evil.example")).originator_orgs == ("evil.example",)


@pytest.mark.parametrize("above", ["DKIM-Signature: x", f"X-MS-Exchange-CrossTenant-Id: {ID}", "Received: x"])
def test_evidence_below_signatures_and_received_is_found(above: str) -> None:
    read = read_evidence(block(*[above] * (SIGNATURES_MAX + 2), "Received: y", "X-OriginatorOrg: evil.example"))
    assert read.originator_orgs == ("evil.example",)
    assert read.signatures_on_top == (SIGNATURES_MAX if "DKIM" in above else 0)


def test_a_long_value_is_nobodys() -> None:
    long = read_evidence(block(f"X-OriginatorOrg:{' ' * FIELD_OCTETS_MAX}alpha.example")).originator_orgs
    assert long == ("?" * VALUE_MAX,)
    at_its_fold = f"alpha.example{' ' * (FIELD_OCTETS_MAX - 13)}"
    assert read_evidence(block(f"X-OriginatorOrg:{at_its_fold}")).originator_orgs == ("alpha.example",)
    assert read_evidence(block(f"X-OriginatorOrg:{at_its_fold}\r\n evil.example")).originator_orgs == ("?" * VALUE_MAX,)
    folded = "\r\n ".join(["x" * 50] * 10)
    (cut,) = read_evidence(block(f"X-MS-Exchange-CrossTenant-Id: {folded}")).tenant_ids
    assert len(cut) == VALUE_MAX


@pytest.mark.parametrize(
    ("values", "sfp"),
    [
        (("SFP:1501",), "1501"),
        (("CIP:1.2.3.4; sfp: 1022 ;X:y",), "1022"),
        (("CIP:1.2.3.4;\r\n\tSFP:1101;DIR:OUT;",), "1101"),
        (("XSFP:1501;", "SCL:1"), ""),
        (("SFP:1102;", "SFP:1501;", "SFP:1102"), "1102,1501"),
        (("SFP:1102;X\nX-Forefront-Antispam-Report: SFP:1501",), "1102"),
    ],
)
def test_the_sfp_is_taken_out_of_each_report(values: tuple[str, ...], sfp: str) -> None:
    assert read_evidence(block(*(f"X-Forefront-Antispam-Report: {value}" for value in values))).sfp == sfp


def test_more_sfp_values_than_are_read_contradict_though_they_are_equal() -> None:
    for name, piece in (
        ("X: y", "\r\nX-Forefront-Antispam-Report: SFP:1102"),
        ("X-Forefront-Antispam-Report:", ";SFP:1102"),
    ):
        assert read_evidence(block(name + piece * OCCURRENCES_MAX)).sfp == "1102"
        assert read_evidence(block(name + piece * (OCCURRENCES_MAX + 1))).sfp == f"1102,{MORE}"
        assert read_evidence(block(name + piece * 5_000)).sfp.split(",")[-1] == MORE
    assert read_evidence(block(*["X-Forefront-Antispam-Report: x"] * 5_000)).sfp == MORE


@pytest.mark.parametrize(
    ("lines", "on_top"),
    [
        (("DKIM-Signature: a", "dkim-signature: b", "X: y"), 2),
        (("Received: x", "DKIM-Signature: a"), 0),
        (("ARC-Seal: x", "DKIM-Signature: a", "RECEIVED: x", "DKIM-Signature: b"), 1),
        (("DKIM-Signature: a", "X: \xe4\nReceived: x", "DKIM-Signature: b"), 1),
        (("X: \xe4\nDKIM-Signature: a", "DKIM-Signature: b"), 1),
    ],
)
def test_signatures_above_the_first_received_field_are_counted(lines: tuple[str, ...], on_top: int) -> None:
    assert read_evidence(block(*lines)).signatures_on_top == on_top


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_and_printable(octets: bytes) -> None:
    read = read_evidence(b"X-OriginatorOrg:" + octets)
    assert read.originator_orgs
    for value in (*read.tenant_ids, *read.originator_orgs, *read.auth_as, read.sfp):
        assert value.isascii()
        assert value.isprintable() or not value
        assert len(value) <= VALUE_MAX


@pytest.mark.parametrize(
    "piece",
    [
        b"X-OriginatorOrg: a\n",
        b"\nX-Forefront-Antispam-Report:",
        b"X-Forefront-Antispam-Report: SFP:1\r\n",
        b"\n",
        b"\x85",
        b"\n\xff\xff",
        b"\r\n ",
        b"X-OriginatorOrg \r\n",
        b";sfp:;",
        b"X-OriginatorOrg:" + b" " * 2000,
        b"\nDKIM-Signature: x\n",
        b"\nReceived:",
    ],
)
def test_a_mebibyte_of_anything_is_read_in_time(piece: bytes) -> None:
    octets = (b"X-Forefront-Antispam-Report: " + piece * (1024 * 1024 // len(piece)))[: 1024 * 1024]
    began = perf_counter()
    read_evidence(octets)
    assert perf_counter() - began < 3  # linear takes a tenth of a second; quadratic would take minutes
