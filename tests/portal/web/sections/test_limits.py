"""What the parts about limits show; the page itself is tested with its forms."""

from outgate.contract.policy import DEFAULT_LIMITS, Counted, LimitScope
from outgate.portal.web.sections.limits import COUNTED, SCOPES, shown_rule


def test_every_kind_of_limit_has_its_words() -> None:
    assert {value for value, _ in SCOPES} == {scope.value for scope in LimitScope}
    assert {value for value, _ in COUNTED} == {counted.value for counted in Counted}
    first = shown_rule(0, DEFAULT_LIMITS[0])
    assert (first["scope"], first["counted"], first["time"], first["maximum"]) == (
        "One mailbox",
        "recipients",
        "5 minutes",
        50,
    )
