from hypothesis import given
from hypothesis import strategies as st
from tests.spf.test_check import ANSWERS, RECORDS
from tests.support.spf import Table, TableDns, txt

from outgate.spf.check import Problem
from outgate.spf.lookup import Answer, Kind, Question, answered
from outgate.spf.record import BadRecord, parse_record
from outgate.spf.survey import COUNTED_MAX, Cost, Survey, survey

QUESTIONS_MAX = 2 * COUNTED_MAX


def surveyed(record: str, table: Table, kinds: tuple[Kind, ...] = (Kind.A,)) -> Survey:
    return answered(survey("a.example", parse_record(record.encode()), kinds), TableDns(table))


TREE: dict[str, dict[str, list[str]]] = {
    **txt(
        b="v=spf1 include:c.example include:d.example a:host.example -all mx",
        c="v=spf1 ip4:192.0.2.1 ?include:e.example ~all",
        d="v=spf1 ptr redirect=e.example",
        e="v=spf1 ip4:192.0.2.2 -all",
        loop="v=spf1 include:loop2.example -all",
        loop2="v=spf1 redirect=loop.example",
        wrong="v=spf1 moo",
        down="v=spf1",
    ),
    "host.example": {"A": ["192.0.2.3"]},
    "a.example": {"MX": ["host.example"]},
    "down.example": {"TXT": ["FAIL"]},
}


def test_lookups_are_counted_through_the_tree() -> None:
    found = surveyed("v=spf1 ip4:192.0.2.9 mx include:b.example ~all include:wrong.example", TREE)
    # mx; b, c, e below c, d, ptr of d, e below d, a of b
    assert found.lookups == 8
    assert found.costs == [Cost("mx", 1), Cost("include:b.example", 7)]
    assert found.direct == {"b.example"}
    assert found.reached == {"b.example", "c.example", "d.example", "e.example"}
    assert found.has_ptr
    assert (found.voids, found.problem, found.is_cut, found.trouble) == (0, None, False, "")


def test_what_is_not_included_with_a_plus_is_not_reached() -> None:
    found = surveyed("v=spf1 ~include:b.example include:c.example -all", TREE)
    assert found.reached == {"c.example"}


def test_terms_that_find_nothing() -> None:
    record = "v=spf1 a:host.example a:absent.example mx:host.example exists:absent.example -all"
    assert surveyed(record, TREE).voids == 3
    assert surveyed(record, TREE, (Kind.AAAA,)).voids == 4  # host.example has no IPv6 address


def test_terms_that_depend_on_the_sender_are_counted_only() -> None:
    found = surveyed("v=spf1 include:%{i}.x.example exists:%{l}.x.example include:_spf.%{d} -all", TREE)
    assert (found.lookups, found.voids) == (3, 0)
    assert found.reached == {"_spf.a.example"}  # %{d} is the same for all
    assert found.problem is Problem.TARGET


def test_what_is_wrong_within() -> None:
    found = surveyed("v=spf1 include:wrong.example include:absent.example include:down.example -all", TREE)
    assert found.problem is Problem.TARGET
    assert "wrong.example" in found.detail
    assert ["wrong" in cost.problem or "not in DNS" in cost.problem for cost in found.costs] == [True, True, False]
    assert "down.example" in found.trouble


def test_circles_and_endless_records_end() -> None:
    found = surveyed("v=spf1 include:loop.example -all", TREE)
    assert found.is_cut
    assert found.lookups > 10
    found = surveyed("v=spf1 " + "a:host.example " * 100 + "-all", TREE)
    assert (found.is_cut, found.lookups) == (True, 100)
    assert found.costs[-1] == Cost("a:host.example", 1)


@given(RECORDS, st.data())
def test_whatever_dns_says_it_ends(record: bytes, data: st.DataObject) -> None:
    asked: list[Question] = []

    def ask(question: Question) -> Answer:
        asked.append(question)
        return data.draw(ANSWERS)

    try:
        parsed = parse_record(record)
    except BadRecord:
        return
    answered(survey("a.example", parsed, (Kind.A, Kind.AAAA)), ask)
    assert len(asked) <= QUESTIONS_MAX
