"""The chain of the audit log."""

from typing import Any

import pytest
from django.db import connection
from tests.support.portal import ACTOR, customer, partner

from outgate.portal.accounts import audit
from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.models import AuditEntry, AuditHead

pytestmark = pytest.mark.django_db(databases="__all__")


def tamper(statement: str, *values: Any) -> None:
    """Past the models, as somebody with the database's password would."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def write(lines: int = 4) -> None:
    for number in range(lines):
        audit.record(ACTOR, "region.changed", f"region-{number}", number=number)


def test_untouched_log_is_good() -> None:
    write()

    verified = audit.verify()
    assert (verified.lines, verified.fault) == (4, "")
    assert verified.digest == AuditEntry.objects.get(number=4).digest


def test_empty_log_is_good() -> None:
    assert audit.verify() == audit.Verified(0, "")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "somebody@else.example"),
        ("action", "region.created"),
        ("object", "region-9"),
        ("customer", "beta"),
        ("partner_id", 7),
        ("acting_as", "beta"),
        ("address", "198.51.100.9"),
        ("detail", '{"number": 9}'),
        ("at", "2020-01-01 00:00:00"),
    ],
)
def test_changed_line_is_found(column: str, value: str | int) -> None:
    write()
    tamper(f"UPDATE accounts_auditentry SET {column} = %s WHERE number = 2", value)

    verified = audit.verify()
    assert verified.lines == 1
    assert "line 2 was changed" in verified.fault


def test_removed_line_is_found() -> None:
    write()
    tamper("DELETE FROM accounts_auditentry WHERE number = 3")

    assert audit.verify().fault == "line 3 is missing"


def test_cut_off_end_is_found() -> None:
    write()
    tamper("DELETE FROM accounts_auditentry WHERE number = 4")

    assert audit.verify().fault == "the log ends at line 3, and 4 were written"


def test_line_made_anew_with_a_fitting_digest_is_found_by_the_next() -> None:
    write()
    entry = AuditEntry.objects.get(number=2)
    entry.actor = "somebody@else.example"
    digest = audit.digest_of(entry, AuditEntry.objects.get(number=1).digest)
    tamper("UPDATE accounts_auditentry SET actor = %s, digest = %s WHERE number = 2", entry.actor, digest)

    assert audit.verify().lines == 2


def test_line_of_a_customer_is_in_its_log_and_its_partners() -> None:
    made = customer("Example")

    audit.record(Actor("ann@example.com", "198.51.100.7", "example"), "domain.verified", "example/example.com")

    entry = AuditEntry.objects.latest("number")
    assert (entry.customer, entry.partner_id) == ("example", made.partner_id)
    assert (entry.address, entry.acting_as) == ("198.51.100.7", "example")


def test_partner_named_like_a_customer_shows_nothing_in_the_customers_log() -> None:
    customer("Example")
    partner("example")

    assert not AuditEntry.objects.filter(customer="example", action__startswith="partner.")


def test_deleted_customer_keeps_its_lines() -> None:
    from outgate.portal.customers.services import delete_customer

    delete_customer(actor=ACTOR, customer=customer("Example"))

    actions = AuditEntry.objects.filter(customer="example").order_by("number").values_list("action", flat=True)
    assert list(actions) == ["customer.created", "customer.deleted"]
    assert AuditHead.objects.get().number == AuditEntry.objects.count()
