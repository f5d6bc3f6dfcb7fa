"""What is said of all signatures together, and that the record keeps evidence as it is."""

import msgspec
import pytest

from outgate.mail.evidence import NO_EVIDENCE, DkimVerdict, Evidence, SignatureResult, overall


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((), "none"),
        ((DkimVerdict.PASS,), "pass"),
        ((DkimVerdict.FAIL, DkimVerdict.PASS), "pass"),
        ((DkimVerdict.TEMPERROR, DkimVerdict.FAIL), "temperror"),
        ((DkimVerdict.FAIL, DkimVerdict.TEMPERROR), "fail"),
    ],
)
def test_one_that_passes_speaks_for_all_else_the_topmost(verdicts: tuple[DkimVerdict, ...], expected: str) -> None:
    assert overall(tuple(SignatureResult("alpha.example", "s1", each) for each in verdicts)) == expected


def test_evidence_survives_the_record() -> None:
    evidence = Evidence("microsoft", tenant_ids=("a",), signatures=(SignatureResult("d", "s", DkimVerdict.FAIL, "x"),))
    for each in (evidence, NO_EVIDENCE):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(each), type=Evidence) == each


def test_evidence_of_an_older_record_lacks_what_is_newer() -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(["declared"]), type=Evidence) == Evidence("declared")
