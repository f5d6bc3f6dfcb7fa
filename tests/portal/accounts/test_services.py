"""Users and the audit log."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from tests.support.portal import ACTOR, actions, customer, partner

from outgate.portal.accounts import audit, lockout, services
from outgate.portal.accounts.models import AppendOnly, AuditEntry, FailedSignIn, Role, User
from outgate.portal.accounts.selectors import user_with, users
from outgate.portal.errors import Invalid, NotFound

pytestmark = pytest.mark.django_db(databases="__all__")

PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def add(email: str = "ann@example.com", role: Role = Role.OPERATOR, password: str = PASSWORD, **more: Any) -> User:
    return services.add_user(actor=ACTOR, email=email, role=role, password=password, **more)


def test_user_is_known_by_address_in_any_case() -> None:
    add(" Ann@Example.COM ", name="Ann")

    user = user_with("ANN@example.com")
    assert (user.email, user.name, user.role, user.is_active) == ("ann@example.com", "Ann", "operator", True)
    assert user.check_password(PASSWORD)
    assert actions() == ["user.added"]


def test_address_is_taken_once() -> None:
    add()

    with pytest.raises(Invalid, match=r"There is already a user ann@example\.com"):
        add("ANN@example.com")


@pytest.mark.parametrize(
    "email", ["", "ann", "ann@", "a b@example.com", "x" * 60 + "@" + "y" * 63 + ".z" * 80 + ".com"]
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(Invalid) as caught:
        add(email)
    assert caught.value.field == "email"


@pytest.mark.parametrize("password", ["", "only11chars", "1qaz2wsx3edc"])
def test_weak_password_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as caught:
        add(password=password)
    assert caught.value.field == "password"


def test_role_and_tenant_belong_together() -> None:
    made, employer = customer(), partner()

    add("a@example.com", Role.PARTNER, partner=employer)
    add("b@example.com", Role.CUSTOMER_ADMIN, customer=made)
    add("c@example.com", Role.CUSTOMER_VIEWER, customer=made)
    for role, more in (
        (Role.PARTNER, {}),
        (Role.CUSTOMER_ADMIN, {}),
        (Role.OPERATOR, {"partner": employer}),
        (Role.CUSTOMER_VIEWER, {"customer": made, "partner": employer}),
    ):
        with pytest.raises(Invalid, match="Give one"):
            add("d@example.com", role, **more)
    assert [user.email for user in users()] == ["a@example.com", "b@example.com", "c@example.com"]


def test_database_refuses_a_role_of_another_tenant_even_past_the_services() -> None:
    add("a@example.com", Role.PARTNER, partner=partner())

    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(email="a@example.com").update(role=Role.OPERATOR)


def test_new_password_is_the_only_one() -> None:
    user = add()

    services.set_password(actor=ACTOR, user=user, password="another-horse-battery")

    again = user_with("ann@example.com")
    assert again.check_password("another-horse-battery")
    assert not again.check_password(PASSWORD)


def test_disabling_is_recorded_once() -> None:
    user = add()

    for _ in range(2):
        services.set_active(actor=ACTOR, user=user, is_active=False)

    assert not user_with("ann@example.com").is_active
    assert actions() == ["user.added", "user.disabled"]


def test_unlocking_forgets_the_failures_of_one_account_and_is_recorded() -> None:
    user, now = add(), timezone.now()
    for account in (user.email, user.email, "bob@example.com"):
        lockout.record_failure(account=account, address="192.0.2.1", now=now)

    assert services.unlock(actor=ACTOR, user=user) == 2

    assert [each.account for each in FailedSignIn.objects.all()] == ["bob@example.com"]
    entry = AuditEntry.objects.latest("number")
    assert (entry.action, entry.object, entry.detail) == ("user.unlocked", user.email, {"number": 2})


def test_unknown_user_is_said_to_be_unknown() -> None:
    with pytest.raises(NotFound, match=r"There is no user x@example\.com"):
        user_with("x@example.com")


def test_generated_passwords_are_strong_and_differ() -> None:
    made = {services.generate_password() for _ in range(20)}

    assert len(made) == 20
    assert min(map(len, made)) >= 20


def test_audit_log_names_actor_action_and_object() -> None:
    user = add()
    audit.record(audit.Actor.of(user), "domain.verified", "example/example.com", proof="dns")

    entry = AuditEntry.objects.latest("pk")
    assert (entry.actor, entry.action, entry.object, entry.detail) == (
        "ann@example.com",
        "domain.verified",
        "example/example.com",
        {"proof": "dns"},
    )


def test_audit_log_holds_no_password() -> None:
    services.set_password(actor=ACTOR, user=add(), password="another-horse-battery")

    assert not [entry for entry in AuditEntry.objects.all() if "battery" in f"{entry} {entry.detail}"]


def test_audit_log_cannot_be_changed() -> None:
    add()
    entry = AuditEntry.objects.get()

    for work in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(actor="nobody"),
    ):
        with pytest.raises(AppendOnly):
            work()
    assert AuditEntry.objects.get().actor == ACTOR.name
