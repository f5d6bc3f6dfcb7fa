"""Keys to the API."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from tests.support.portal import customer, partner

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import KEYS_MAX, Scope, create_key, key_with, revoke_key, scopes_of
from outgate.portal.accounts.models import ApiKey, AuditEntry, Right, Role
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid

pytestmark = pytest.mark.django_db(databases="__all__")
READ = [Scope.CUSTOMERS_READ.value]


def admin() -> Caller:
    """Of the one customer that there is."""
    made = Customer.objects.first() or customer()
    return Caller("admin@example.com", Role.CUSTOMER_ADMIN, customer_id=made.pk)


def test_key_opens_until_it_expires() -> None:
    made = create_key(caller=admin(), name="Monitoring", scopes=READ, days=1)

    now = timezone.now()
    found = key_with(made.secret, now=now)
    assert found is not None
    assert (found.role, found.customer_id, found.partner_id) == ("customer-admin", made.key.customer_id, None)
    assert key_with(made.secret, now=now + timedelta(days=1, seconds=1)) is None


def test_revoked_key_opens_nothing() -> None:
    caller = admin()
    made = create_key(caller=caller, name="Monitoring", scopes=READ)

    for _ in range(2):
        revoke_key(caller=caller, key=made.key)

    assert key_with(made.secret, now=timezone.now()) is None
    assert AuditEntry.objects.filter(action="api-key.revoked").count() == 1


@pytest.mark.parametrize(
    "spoil", [lambda s: s[:-1], lambda s: s + "x", lambda s: "xx" + s[2:], lambda _: "", lambda _: "og__"]
)
def test_wrong_secret_opens_nothing(spoil: object) -> None:
    made = create_key(caller=admin(), name="Monitoring", scopes=READ)
    assert callable(spoil)

    assert key_with(spoil(made.secret), now=timezone.now()) is None


def test_database_holds_no_secret() -> None:
    made = create_key(caller=admin(), name="Monitoring", scopes=READ)

    secret = made.secret.split("_", 2)[2]  # which may have a "_" itself
    assert secret not in str(ApiKey.objects.values()) + str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("name", "scopes", "days", "field"),
    [
        ("", READ, 1, "name"),
        ("a", [], 1, "scopes"),
        ("a", ["all"], 1, "scopes"),
        ("a", READ, 0, "days"),
        ("a", READ, 9999, "days"),
    ],
)
def test_nonsense_is_refused(name: str, scopes: list[str], days: int, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        create_key(caller=admin(), name=name, scopes=scopes, days=days)
    assert caught.value.field == field


def test_who_may_not_make_keys_makes_none() -> None:
    made = customer()
    callers = [
        Caller("viewer@example.com", Role.CUSTOMER_VIEWER, customer_id=made.pk),
        Caller("staff@example.com", Role.PARTNER, partner_id=made.partner_id, rights=frozenset({Right.LOGIN_AS.value})),
        Caller("key", Role.CUSTOMER_ADMIN, customer_id=made.pk, scopes=frozenset(READ)),
    ]
    for caller in callers:
        with pytest.raises(Invalid, match="may not make keys"):
            create_key(caller=caller, name="a", scopes=READ)


def test_staff_that_acts_for_a_customer_makes_the_customers_key() -> None:
    made = customer()
    caller = Caller("staff@example.com", Role.OPERATOR, acting_for=made)

    assert create_key(caller=caller, name="a", scopes=READ).key.customer_id == made.pk


def staff_without(*rights: Right, acting_for: Customer | None = None) -> Caller:
    held = frozenset(right.value for right in Right if right not in rights)
    return Caller("staff@example.com", Role.PARTNER, partner_id=partner().pk, rights=held, acting_for=acting_for)


@pytest.mark.parametrize(
    ("right", "scope"), [(Right.TRACKER, Scope.MESSAGES_READ), (Right.QUARANTINE, Scope.MESSAGES_DECIDE)]
)
def test_staff_makes_no_key_to_mail_that_it_may_not_see_itself(right: Right, scope: Scope) -> None:
    made = customer()
    for acting_for in (None, made):
        assert scope in scopes_of(staff_without(acting_for=acting_for))
        caller = staff_without(right, acting_for=acting_for)
        with pytest.raises(Invalid, match="may not do this yourself"):
            create_key(caller=caller, name="a", scopes=[scope])
    assert Scope.TEAM_WRITE in scopes_of(staff_without(right, acting_for=made))  # what a customer's admin may do


def key_of_keys(*scopes: Scope, days: int = 10) -> Caller:
    """A caller that is a key, which may make others."""
    made = create_key(caller=admin(), name="Maker", scopes=[Scope.KEYS_WRITE, *scopes], days=days)
    return Caller.of_key(made.key)


def test_key_makes_one_of_its_own_tenant_that_ends_with_it() -> None:
    maker = key_of_keys(Scope.CUSTOMERS_READ)

    made = create_key(caller=maker, name="a", scopes=READ).key
    row = ApiKey.objects.get(pk=maker.key_id)
    assert (made.role, made.customer_id, made.expires_at) == (row.role, row.customer_id, row.expires_at)
    assert made.created_by == f"API key {row.prefix} (Maker)"
    entry = AuditEntry.objects.latest("number")
    assert (entry.action, entry.customer, entry.detail["days"]) == ("api-key.created", "example", 10)


@pytest.mark.parametrize(
    ("scopes", "days", "field"), [([Scope.TEAM_WRITE], 1, "scopes"), (READ, 11, "days"), (READ, 0, "days")]
)
def test_key_makes_none_that_may_more_or_lasts_longer(scopes: list[str], days: int, field: str) -> None:
    maker = key_of_keys(Scope.CUSTOMERS_READ)

    with pytest.raises(Invalid) as caught:
        create_key(caller=maker, name="a", scopes=scopes, days=days)
    assert caught.value.field == field
    assert ApiKey.objects.count() == 1


def test_what_a_revoked_key_has_made_is_revoked_with_it() -> None:
    first = key_of_keys()
    second = Caller.of_key(create_key(caller=first, name="b", scopes=[Scope.KEYS_WRITE]).key)
    create_key(caller=second, name="c", scopes=[Scope.KEYS_WRITE])
    other = create_key(caller=admin(), name="d", scopes=READ).key

    revoke_key(caller=admin(), key=ApiKey.objects.get(pk=first.key_id))

    assert [key.pk for key in ApiKey.objects.filter(revoked_at=None)] == [other.pk]
    assert AuditEntry.objects.filter(action="api-key.revoked").count() == 3
    with pytest.raises(Invalid, match="has just been revoked"):  # whose request was under way
        create_key(caller=second, name="e", scopes=[Scope.KEYS_WRITE])


def test_keys_are_bounded() -> None:
    caller = admin()
    ApiKey.objects.bulk_create(
        ApiKey(
            prefix=f"p{number}",
            name="a",
            role=Role.CUSTOMER_ADMIN,
            customer_id=caller.customer_id,
            expires_at=timezone.now() + timedelta(days=1),
        )
        for number in range(KEYS_MAX)
    )

    with pytest.raises(Invalid, match="already 100 keys"):
        create_key(caller=caller, name="a", scopes=READ)


def test_database_refuses_a_key_of_another_tenant_than_its_role_has() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.create(prefix="p", name="a", role=Role.OPERATOR, partner=partner(), expires_at=timezone.now())
