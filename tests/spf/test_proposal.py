import pytest

from outgate.spf.proposal import Proposal, Step, Wanted, propose

OURS = Wanted("spf.ours.example")
MICROSOFT = Wanted("spf.ours.example", "spf.protection.outlook.com")


@pytest.mark.parametrize(
    ("records", "wanted", "expected", "steps"),
    [
        ([], OURS, "v=spf1 include:spf.ours.example ~all", [Step.NEW]),
        (
            [],
            MICROSOFT,
            "v=spf1 include:spf.protection.outlook.com include:spf.ours.example ~all",
            [Step.NEW],
        ),
        (["v=spf1 mx -all"], OURS, "v=spf1 mx include:spf.ours.example -all", [Step.OURS_ADDED]),
        (
            ["v=spf1  mx  ~ALL exp=x.example"],
            OURS,
            "v=spf1 mx include:spf.ours.example ~ALL exp=x.example",
            [Step.OURS_ADDED],
        ),
        (["v=spf1 mx"], OURS, "v=spf1 mx include:spf.ours.example", [Step.OURS_ADDED]),
        (["V=SPF1"], OURS, "v=spf1 include:spf.ours.example", [Step.OURS_ADDED]),
        (
            ["v=spf1 a redirect=x.example"],
            OURS,
            "v=spf1 a include:spf.ours.example redirect=x.example",
            [Step.OURS_ADDED],
        ),
        (
            ["v=spf1 include:spf.protection.outlook.com -all"],
            MICROSOFT,
            "v=spf1 include:spf.protection.outlook.com include:spf.ours.example -all",
            [Step.OURS_ADDED],
        ),
        (
            ["v=spf1 include:spf.ours.example -all"],
            MICROSOFT,
            "v=spf1 include:spf.ours.example include:spf.protection.outlook.com -all",
            [Step.PLATFORM_ADDED],
        ),
        # Where nobody comes to it, or not with "+"
        (
            ["v=spf1 mx -all include:spf.ours.example"],
            OURS,
            "v=spf1 mx include:spf.ours.example -all",
            [Step.OURS_MOVED],
        ),
        (["v=spf1 ?include:SPF.ours.example. -all"], OURS, "v=spf1 include:spf.ours.example -all", [Step.OURS_MOVED]),
        # Several become one
        (
            ["v=spf1 include:a.example -all", "v=spf1 mx INCLUDE:A.example ~all moo=1"],
            OURS,
            "v=spf1 include:a.example mx include:spf.ours.example ~all moo=1",
            [Step.MERGED, Step.OURS_ADDED],
        ),
        (
            ["v=spf1 include:spf.ours.example -all", "v=spf1 mx -all"],
            OURS,
            "v=spf1 include:spf.ours.example mx -all",
            [Step.MERGED],
        ),
        (
            ["v=spf1 redirect=a.example", "v=spf1 redirect=b.example +all"],
            OURS,
            "v=spf1 include:a.example include:spf.ours.example ~all",
            [Step.MERGED, Step.OURS_ADDED],
        ),
        # Nothing can be said
        (["v=spf1 moo -all"], OURS, "", []),
        (["v=spf1 mx -all", "v=spf1 \xe9"], OURS, "", []),
        (["v=spf1 -all"], Wanted("", "spf.protection.outlook.com"), "", []),
    ],
)
def test_proposals(records: list[str], wanted: Wanted, expected: str, steps: list[Step]) -> None:
    """`reached` is what the record includes with "+" before its `all`, as a survey finds."""
    reached: frozenset[str] = frozenset()
    if len(records) == 1:
        terms = records[0].partition("-all")[0].split()
        reached = frozenset(term.partition(":")[2] for term in terms if term.startswith("include:"))
    found = propose([record.encode("latin-1") for record in records], wanted, reached)
    assert found == Proposal(expected, tuple(steps))


def test_what_is_included_through_others_is_not_added() -> None:
    reached = frozenset({"all.corp.example", "spf.ours.example", "spf.protection.outlook.com"})
    assert propose([b"v=spf1 include:all.corp.example -all"], MICROSOFT, reached) == Proposal()
