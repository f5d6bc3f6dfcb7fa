"""`outgate audit verify`."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from tests.support.portal import customer
from typer.testing import Result

from outgate.app.commands.audit import app
from outgate.portal.accounts.models import AuditEntry

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def outgate(run: Any) -> Callable[..., Result]:
    command: Callable[..., Result] = run(app)
    return command


def test_good_log_shows_its_last_digest(outgate: Callable[..., Result]) -> None:
    customer()

    result = outgate("verify")
    assert result.exit_code == 0, result.output
    assert f"Last digest: {AuditEntry.objects.latest('number').digest}" in result.stdout
    assert json.loads(outgate("verify", "--json").stdout)["lines"] == AuditEntry.objects.count()


def test_changed_line_fails_the_command(outgate: Callable[..., Result]) -> None:
    customer()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_auditentry SET actor = 'nobody' WHERE number = 2")

    result = outgate("verify")
    assert result.exit_code == 1
    assert "line 2 was changed" in result.output
    assert not json.loads(outgate("verify", "--json").stdout.partition("\noutgate:")[0])["good"]


def test_digest_of_before_shows_that_the_end_was_written_anew(outgate: Callable[..., Result]) -> None:
    customer()
    digest = AuditEntry.objects.latest("number").digest

    assert outgate("verify", "--digest", digest).exit_code == 0
    assert "written anew" in outgate("verify", "--digest", "0" * 64).output
