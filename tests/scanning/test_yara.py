"""What a rule's match means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.mail.findings import Category
from outgate.scanning.interface import Context, Unscannable
from outgate.scanning.mime import take_apart
from outgate.scanning.pipeline import Pipeline
from outgate.scanning.yara import MATCHES_MAX, Yara, YaraMatch, finding_of

CONTEXT = Context("ada@alpha.example", ("bob@beta.example",))
MAIL = (
    b"Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\nhello\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n"
)


def test_header_and_each_decoded_part_are_looked_at() -> None:
    seen: list[bytes] = []

    def matches(octets: bytes) -> list[YaraMatch]:
        seen.append(octets)
        return [YaraMatch("Hello", {})] if octets.strip() == b"hello" else []

    findings = list(Yara(matches, "1").scan(take_apart(MAIL), CONTEXT))
    assert seen[0].startswith(b"Subject: s")
    assert len(seen) == 3
    assert [(finding.category, finding.name, finding.place) for finding in findings] == [
        (Category.MALWARE, "Hello", "1"),
        (Category.MALWARE, "Hello", "2"),
    ]


@pytest.mark.parametrize(
    ("metadata", "category", "weight"),
    [
        ({}, Category.MALWARE, 100),
        ({"category": "phishing"}, Category.PHISHING, 100),
        ({"category": "nonsense"}, Category.MALWARE, 100),
        ({"category": "data-loss"}, Category.MALWARE, 100),
        ({"category": "spam"}, Category.SPAM, 900),
        ({"category": "spam", "weight": 5_000}, Category.SPAM, 1_000),
        ({"category": "spam", "weight": "x"}, Category.SPAM, 900),
    ],
    ids=["none", "phishing", "nonsense", "other", "spam", "much", "text"],
)
def test_metadata_may_say_what_it_means(metadata: dict[str, object], category: Category, weight: int) -> None:
    finding = finding_of(YaraMatch("Rule", {**metadata, "description": "told"}), "1")
    assert (finding.category, finding.weight, finding.detail) == (category, weight, "told")


@given(st.dictionaries(st.sampled_from(["category", "weight", "description"]), st.integers() | st.text() | st.floats()))
def test_no_metadata_makes_a_finding_that_is_none(metadata: dict[str, object]) -> None:
    assert 1 <= finding_of(YaraMatch("Rule", metadata), "").weight <= 1_000


def test_findings_are_bounded() -> None:
    yara = Yara(lambda _: [YaraMatch(f"R{number}", {}) for number in range(1_000)], "1")
    assert len(list(yara.scan(take_apart(MAIL), CONTEXT))) == MATCHES_MAX


def test_rules_that_take_too_long_make_the_message_unscannable() -> None:
    def matches(octets: bytes) -> list[YaraMatch]:
        raise Unscannable("scan-too-long")

    [finding] = Pipeline((Yara(matches, "1"),)).scan(MAIL, CONTEXT).findings
    assert (finding.category, finding.scanner, finding.name) == (Category.UNSCANNABLE, "yara", "scan-too-long")
