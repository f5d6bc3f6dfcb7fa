"""Numbers with a checksum, keys, a customer's own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.corpus import mails

from outgate.contract.scanning import ScanPolicy
from outgate.mail.findings import Finding
from outgate.scanning import data_loss
from outgate.scanning.data_loss import COUNT_MAX, DataLoss, masked
from outgate.scanning.interface import Context
from outgate.scanning.mime import take_apart


def found(text: str, policy: ScanPolicy | None = None) -> list[Finding]:
    octets = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode()
    context = Context("ada@alpha.example", ("bob@beta.example",), policy=policy or ScanPolicy())
    return list(DataLoss().scan(take_apart(octets), context))


def names(text: str, policy: ScanPolicy | None = None) -> list[tuple[str, int]]:
    return [(finding.name, finding.weight) for finding in found(text, policy)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("card 4111 1111 1111 1111 thanks", [("card-number", 1)]),
        ("4111-1111-1111-1111, 5500005555555559 and 4111111111111111 again", [("card-number", 2)]),
        ("4111 1111 1111 1112", []),
        ("0000 0000 0000 0000", []),
        ("order 1234567890123456", []),
        ("pay to DE89 3704 0044 0532 0130 00 today", [("iban", 1)]),
        ("pay to DE88 3704 0044 0532 0130 00 today", []),
        ("BSN: 111222333", [("national-id-nl", 1)]),
        ("call 111222333", []),
        ("my SSN is 536-90-4399", [("national-id-us", 1)]),
        ("part 536-90-4399", []),
        ("codice RCCMNL83S18D969H", [("national-id-it", 1)]),
        ("NIR 2 95 10 99 126 111 93", [("national-id-fr", 1)]),
        ("AHV 756.9217.0769.85", [("national-id-ch", 1)]),
        ("DNI 54362315K", [("national-id-es", 1)]),
        ("pesel 44051401359", [("national-id-pl", 1)]),
        ("-----BEGIN RSA PRIVATE KEY-----\r\nabc", [("private-key", 1)]),
        ("key AKIAIOSFODNN7EXAMPLE", [("cloud-key", 1)]),
        ("token ghp_" + "a1B2" * 9, [("access-token", 1)]),
        ("password: kT9#vQ2!xW7z", [("password", 1)]),
        ("password: changeme", []),
        ("an ordinary letter, 12 March 2024, invoice 2024-0117, +44 20 7946 0958", []),
    ],
)
def test_what_is_found(text: str, expected: list[tuple[str, int]]) -> None:
    assert names(text) == expected


def test_a_number_is_shown_by_its_end_only() -> None:
    assert found("4111 1111 1111 1111")[0].detail == "\u20261111"
    assert masked("DE89370400440532013000") == "\u20263000"


def test_own_words_and_patterns() -> None:
    policy = ScanPolicy(words=("Project Falcon", "geheim"), patterns=(r"INV-\d{6}",))
    assert names("about project  falcon", policy) == []
    assert names("about PROJECT FALCON, geheim! INV-123456 Geheimnis", policy) == [("words", 3)]


def test_pattern_that_would_take_for_ever_elsewhere() -> None:
    policy = ScanPolicy(patterns=(r"(a+)+$", r"(x|xx)*y"))
    names("a" * 200_000 + "b" + "x" * 100_000, policy)


@pytest.mark.parametrize("pattern", ["(", "a{1,100000}", r"(?=look)", r"\1"])
def test_patterns_that_are_not_taken_find_nothing(pattern: str) -> None:
    assert names("text", ScanPolicy(patterns=(pattern,))) == []


def test_counts_are_bounded() -> None:
    text = "geheim " * (COUNT_MAX * 2)
    assert names(text, ScanPolicy(words=("geheim",))) == [("words", COUNT_MAX)]


def test_made_texts_cost_little() -> None:
    for text in ("4" * 500_000, "1 " * 250_000, "password: " * 50_000, "eyJ" * 100_000, "A" * 500_000):
        names(text)


def test_ordinary_mail_is_not_suspected() -> None:
    """Numbers of people and cards in mail of a public corpus: next to none."""
    suspected = total = 0
    for mail in list(mails())[::6]:
        total += 1
        findings = DataLoss().scan(take_apart(mail.as_sent), Context("a@b.example", ()))
        suspected += any(finding.name != "password" for finding in findings)
    assert suspected <= total * 0.005


PIECES = "password|PASSWORT|kennwort|api_key|api-key|apikey|\u017fecret|access-token|client_secret|:|=|hunter2Zx9Kq"
BLANKS = '\u212aennwort| |\u2003|\xa0|\x1f|\x0b|\r\n|"'


@given(st.lists(st.sampled_from([*PIECES.split("|"), *BLANKS.split("|")]), max_size=12).map("".join))
def test_nothing_is_found_that_was_not_suspected(text: str) -> None:
    if data_loss._PASSWORD.search(text):
        assert "password" in {data_loss._SUSPECT_NAMES[number] for number in data_loss._SUSPECTS.Match(text)}
