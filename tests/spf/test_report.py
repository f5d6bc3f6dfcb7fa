from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.spf.test_check import ANSWERS
from tests.support.spf import TableDns, txt

from outgate.spf.check import QUESTIONS_MAX, Result
from outgate.spf.lookup import Answer, Question, answered
from outgate.spf.proposal import Step
from outgate.spf.report import Caution, Inclusion, Ours, Report, State, report_on
from outgate.spf.survey import COUNTED_MAX

OURS = Ours("spf.ours.example", ("192.0.2.1", "2001:db8::1"))
MICROSOFT = replace(OURS, platform="microsoft-365")
GOOGLE = replace(OURS, platform="google-workspace")
AROUND: dict[str, dict[str, list[str]]] = {
    "spf.ours.example": {"TXT": ["v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"]},
    "spf.protection.outlook.com": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]},
    "_spf.google.com": {"TXT": ["v=spf1 ip4:203.0.113.0/24 ~all"]},
    "host.example": {"A": ["192.0.2.99"], "AAAA": ["2001:db8::99"]},
    **txt(
        deep="v=spf1 include:spf.ours.example include:spf.protection.outlook.com ?all",
        eight="v=spf1 " + "a:host.example " * 7 + "-all",
        nine="v=spf1 " + "a:host.example " * 8 + "-all",
        spf_partly="v=spf1 ip4:192.0.2.1 -all",
    ),
}


def report(*texts: str, ours: Ours = OURS, more: dict[str, Any] | None = None, **options: bool) -> Report:
    table = {**AROUND, "a.example": {"TXT": list(texts)}, **(more or {})}
    return answered(report_on("a.example", ours, **options), TableDns(table))


def test_all_is_good() -> None:
    found = report("v=spf1 include:spf.ours.example -all", "token=1")
    assert found.state is State.GOOD
    assert found.records == ("v=spf1 include:spf.ours.example -all",)
    assert (found.inclusion, found.lookups, found.lookups_proposed, found.voids) == (Inclusion.DIRECT, 1, 1, 0)
    assert [(each.address, each.result, each.mechanism) for each in found.results] == [
        ("192.0.2.1", Result.PASS, "include:spf.ours.example"),
        ("2001:db8::1", Result.PASS, "include:spf.ours.example"),
    ]
    assert (found.cautions, found.to_publish, found.steps, found.problem) == ((), "", (), "")


def test_included_through_another() -> None:
    found = report("v=spf1 include:deep.example -all", ours=MICROSOFT)
    assert (found.state, found.inclusion, found.lookups, found.to_publish) == (State.GOOD, Inclusion.NESTED, 3, "")
    assert found.cautions == ()


def test_not_included() -> None:
    found = report("v=spf1 a:host.example -all", ours=MICROSOFT)
    assert (found.state, found.inclusion, found.lookups, found.lookups_proposed) == (
        State.NOT_INCLUDED,
        Inclusion.ABSENT,
        1,
        3,
    )
    assert {each.result for each in found.results} == {Result.FAIL}
    assert found.to_publish == (
        "v=spf1 a:host.example include:spf.protection.outlook.com include:spf.ours.example -all"
    )
    assert found.steps == (Step.PLATFORM_ADDED, Step.OURS_ADDED)
    assert found.is_proposal_good
    assert found.cautions == (Caution.PLATFORM_MISSING,)


def test_ours_is_published_and_the_platform_is_not() -> None:
    found = report("v=spf1 include:spf.ours.example ~all", ours=GOOGLE)
    assert found.state is State.GOOD
    assert found.to_publish == "v=spf1 include:spf.ours.example include:_spf.google.com ~all"
    assert found.cautions == (Caution.PLATFORM_MISSING,)


def test_no_record_and_no_domain() -> None:
    found = report("token=1", ours=MICROSOFT)
    assert (found.state, found.records) == (State.NO_RECORD, ())
    assert found.to_publish == "v=spf1 include:spf.protection.outlook.com include:spf.ours.example ~all"
    assert (found.is_proposal_good, found.lookups_proposed) == (True, 2)
    gone = answered(report_on("b.example", OURS), TableDns(AROUND))
    assert (gone.state, gone.problem, gone.to_publish) == (State.NO_NAME, "b.example is not in DNS", "")
    assert answered(report_on("example", OURS), TableDns({})).state is State.NO_NAME


def test_two_records_become_one() -> None:
    found = report("v=spf1 include:spf.ours.example -all", "v=spf1 a:host.example -all")
    assert found.state is State.SEVERAL_RECORDS
    assert len(found.records) == 2
    assert {each.result for each in found.results} == {Result.PERMERROR}
    assert found.to_publish == "v=spf1 include:spf.ours.example a:host.example -all"
    assert (found.is_proposal_good, found.lookups_proposed) == (True, 2)
    assert "2 SPF records" in found.problem


def test_a_record_with_a_mistake_has_to_be_mended_first() -> None:
    found = report("v=spf1 moo include:spf.ours.example -all")
    assert (found.state, found.to_publish) == (State.BROKEN, "")
    assert "'moo'" in found.problem


def test_over_ten_lookups() -> None:
    found = report("v=spf1 include:nine.example a:host.example include:spf.ours.example -all")
    assert (found.state, found.lookups, found.is_over_limit) == (State.BROKEN, 11, True)
    assert [(cost.term, cost.lookups) for cost in found.costs] == [
        ("include:nine.example", 9),
        ("a:host.example", 1),
        ("include:spf.ours.example", 1),
    ]
    assert "10" in found.problem


def test_over_ten_lookups_with_ours_only() -> None:
    found = report("v=spf1 include:nine.example a:host.example -all")
    assert (found.state, found.lookups, found.lookups_proposed) == (State.NOT_INCLUDED, 10, 11)
    assert found.is_over_limit
    assert not found.is_proposal_good
    assert Caution.NEAR_LIMIT in found.cautions


def test_we_pass_before_the_limit_is_met() -> None:
    found = report("v=spf1 include:spf.ours.example include:nine.example a:host.example -all")
    assert (found.state, found.lookups) == (State.GOOD, 11)
    assert found.cautions == (Caution.LATER_PROBLEM,)


@pytest.mark.parametrize(
    ("record", "caution"),
    [
        ("v=spf1 include:spf.ours.example +all", Caution.PLUS_ALL),
        ("v=spf1 include:spf.ours.example all", Caution.PLUS_ALL),
        ("v=spf1 include:spf.ours.example ?all", Caution.NEUTRAL_ALL),
        ("v=spf1 include:spf.ours.example", Caution.NO_ALL),
        ("v=spf1 include:spf.ours.example ptr -all", Caution.PTR),
        ("v=spf1 include:spf.ours.example include:eight.example -all", Caution.NEAR_LIMIT),
        ("v=spf1 include:spf.ours.example a:x.example a:y.example a:z.example -all", Caution.VOIDS),
        ("v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all", Caution.NOT_BY_INCLUDE),
        ("v=spf1 include:spf.ours.example include:absent.example -all", Caution.LATER_PROBLEM),
        ("v=spf1 include:spf.ours.example " + "ip4:198.51.100.1 " * 30 + "-all", Caution.TOO_LONG),
    ],
)
def test_cautions(record: str, caution: Caution) -> None:
    found = report(record)
    assert (found.state, found.cautions) == (State.GOOD, (caution,))


def test_what_the_operator_has_to_set() -> None:
    found = report("v=spf1 mx -all", ours=Ours("", ()))
    assert (found.state, found.to_publish, found.results) == (State.UNREADY, "", ())
    found = report("v=spf1 include:spf.ours.example -all", ours=Ours("spf.ours.example", ()))
    assert (found.state, found.inclusion, found.results) == (State.UNREADY, Inclusion.DIRECT, ())
    found = report("v=spf1 include:spf.partly.example -all", ours=replace(OURS, include="spf.partly.example"))
    assert found.state is State.NOT_INCLUDED
    assert found.cautions == (Caution.OURS_FAILS,)
    assert [each.result for each in found.results] == [Result.PASS, Result.FAIL]


def test_dns_that_does_not_answer() -> None:
    found = report("FAIL")
    assert (found.state, found.problem) == (State.UNKNOWN, "no answer within 2 seconds")
    found = report("v=spf1 include:down.example -all", more={"down.example": {"TXT": ["FAIL"]}})
    assert (found.state, found.records) == (State.UNKNOWN, ("v=spf1 include:down.example -all",))
    assert "down.example" in found.problem


def test_subdomains_of_a_wildcard() -> None:
    record = "v=spf1 include:spf.ours.example -all"
    wild = {"outgate-spf-wildcard.a.example": {"TXT": ["v=spf1 -all"]}}
    assert report(record, with_subdomains=True).wildcard == ""
    assert report(record, with_subdomains=True, more=wild).wildcard == "v=spf1 -all"
    assert report(record, more=wild).wildcard == ""


def test_a_report_can_be_kept_as_json() -> None:
    found = report("v=spf1 \xe9\0 -all")
    assert found.records == ("v=spf1 \\xc3\\xa9\\x00 -all",)  # PostgreSQL takes no NUL
    assert msgspec.json.decode(msgspec.json.encode(found), type=Report) == found


@given(st.data())
def test_whatever_dns_says_there_is_a_report(data: st.DataObject) -> None:
    asked: list[Question] = []

    def ask(question: Question) -> Answer:
        asked.append(question)
        return data.draw(ANSWERS)

    found = answered(report_on("a.example", MICROSOFT, with_subdomains=True), ask)
    assert len(asked) <= 2 * 3 * QUESTIONS_MAX + 4 * COUNTED_MAX + 2
    assert found.problem.isprintable()
