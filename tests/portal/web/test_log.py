"""What the portal writes into the installation's log."""

import json
import logging
from pathlib import Path

import pytest
from tests.support.portal import ACTOR

from outgate.portal.accounts.alarms import LOG, raise_alarm
from outgate.portal.web.log import JsonLines


@pytest.mark.django_db(databases="__all__")
def test_alarm_is_one_line_with_what_it_is_about(tmp_path: Path) -> None:
    path = tmp_path / "outgate.log"
    handler = JsonLines(path)
    LOG.addHandler(handler)
    try:
        raise_alarm(ACTOR, "tenant.contested", "example/x", holder="other")
    finally:
        LOG.removeHandler(handler)
    (line,) = path.read_text("utf-8").splitlines()
    entry = json.loads(line)
    del entry["at"]
    assert entry == {
        "process": "portal",
        "event": "tenant.contested",
        "actor": ACTOR.name,
        "object": "example/x",
        "holder": "other",
    }


def test_error_without_a_request_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "outgate.log"
    JsonLines(path).emit(logging.LogRecord("x", logging.ERROR, "x", 1, "it broke", None, None))
    entry = json.loads(path.read_text("utf-8"))
    assert (entry["event"], entry["error"]) == ("portal-error", "it broke")
