"""An installation of before gets its audit log chained and keeps its staff's rights."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from outgate.portal.accounts import audit
from outgate.portal.accounts.models import AuditEntry, Right, User

BEFORE = [("accounts", "0001_initial")]


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_lines_of_before_are_chained_and_new_ones_go_on_from_there() -> None:
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    old = executor.migrate(BEFORE).apps
    partner = old.get_model("customers", "Partner").objects.create(name="p")
    old.get_model("accounts", "User").objects.create(email="staff@example.com", role="partner", partner=partner)
    for number in range(3):
        old.get_model("accounts", "AuditEntry").objects.create(
            actor="ann", action="region.changed", object=f"r{number}", detail={"ü": number}
        )

    MigrationExecutor(connection).migrate(latest)
    try:
        assert audit.verify().lines == 3
        assert User.objects.get().rights == sorted(Right.values)
        audit.record(audit.CLERK, "region.changed", "r")
        verified = audit.verify()
        assert (verified.lines, verified.fault) == (4, "")
        assert AuditEntry.objects.latest("number").number == 4
    finally:
        MigrationExecutor(connection).migrate(latest)
