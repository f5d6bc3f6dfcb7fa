from outgate.portal.outbound.models import SendingDomain
from outgate.portal.spf import texts
from outgate.portal.spf.selectors import DomainSpf
from outgate.spf.proposal import Step
from outgate.spf.report import Caution, Report, State


def test_everything_has_its_text() -> None:
    assert set(texts.STATES) == set(State)
    assert set(texts.CAUTIONS) == set(Caution)
    assert set(texts.STEPS) == set(Step)
    assert set(State) - set(texts.MEANINGS) == {State.GOOD, State.UNKNOWN}


def test_what_could_not_be_asked_is_told_apart_from_what_nobody_asked() -> None:
    domain = SendingDomain(name="a.example")
    assert texts.label_of(DomainSpf(domain)) == "Not asked yet"
    assert texts.label_of(DomainSpf(domain, trouble="no answer")) == "Could not be asked"
    report = Report("a.example", State.GOOD)
    assert texts.label_of(DomainSpf(domain, report, trouble="no answer")) == "Our mail passes"


def test_the_operator_is_told_what_is_missing() -> None:
    assert texts.missing_of("spf.example", ["192.0.2.1"], "Europe") == ""
    assert "the SPF include and the sending addresses of the region Europe" in texts.missing_of("", [], "Europe")
    assert "set the sending addresses" in texts.missing_of("spf.example", [], "Europe")
