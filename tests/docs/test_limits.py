"""docs/limits.md leaves out no limit, and each limit says what it is."""

import pytest
from tools import generate_docs, limits

from outgate.app.configuration import Limits
from outgate.policy.reasons import Reason

CONSTANTS = list(limits.constants())
OF_SESSIONS = {
    Reason.RECIPIENT_LIMIT,
    Reason.TALKED_EARLY,
    Reason.ERROR_LIMIT,
    Reason.IDLE_LIMIT,
    Reason.SENT_AHEAD,
    Reason.LINE_LIMIT,
    Reason.TIMED_OUT,
    Reason.TOO_SLOW,
    Reason.MESSAGE_TOO_LARGE,
    Reason.HEADER_TOO_LARGE,
    Reason.HOP_LIMIT,
    Reason.OVERLOADED,
    Reason.SPOOL_FULL,
}


def test_each_constant_says_what_it_limits() -> None:
    assert len(CONSTANTS) > 100
    assert [constant.name for constant in CONSTANTS if not constant.comment] == []


def test_the_document_names_every_constant_and_every_setting_of_limits() -> None:
    text = (generate_docs.ROOT / "docs" / "limits.md").read_text("utf-8")
    missing = [constant.name for constant in CONSTANTS if f"`{constant.name}`" not in text]
    missing += [f"limits.{key}" for key in Limits.__struct_fields__ if f"`limits.{key}`" not in text]
    assert missing == []


def test_constants_are_found_by_the_text_of_their_modules() -> None:
    names = {constant.name for constant in CONSTANTS}
    assert {"smtp.incoming.COMMAND_LINE_MAX", "net.listener.HELD_MAX", "spool.segments.large.FLUSH_OCTETS"} <= names
    assert not names & limits.NO_LIMITS
    assert all(limits.value_of(name) for name in limits.NO_LIMITS)  # none is left that is gone


def test_every_reason_of_a_limit_is_in_the_table() -> None:
    assert {row.reason for row in limits.REACHED} >= OF_SESSIONS


def test_a_name_that_is_no_limit_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        limits.value_of("smtp.incoming.NO_SUCH_LIMIT")
    with pytest.raises(KeyError):
        limits.value_of("limits.no_such_setting")
