"""`outgate user`."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from tests.support.portal import actions, customer, partner
from typer.testing import Result

from outgate.app.commands.user import RoleName, app
from outgate.portal.accounts.lockout import record_failure
from outgate.portal.accounts.models import AuditEntry, Role, User

pytestmark = pytest.mark.django_db(databases="__all__")

PASSWORD = "correct-horse-battery"


@pytest.fixture
def outgate(run: Any) -> Callable[..., Result]:
    command: Callable[..., Result] = run(app)
    return command


def test_roles_are_those_of_the_portal() -> None:
    assert [role.value for role in RoleName] == list(Role.values)


def test_user_is_added_with_a_password_from_standard_input(outgate: Callable[..., Result]) -> None:
    result = outgate("add", "Ann@Example.com", "--role", "operator", "--password-stdin", input=f"{PASSWORD}\n")

    assert result.exit_code == 0, result.output
    assert result.stdout == "ann@example.com may sign in as Operator.\n"
    assert User.objects.get().check_password(PASSWORD)
    assert PASSWORD not in str(list(AuditEntry.objects.values()))


def test_generated_password_is_printed_this_once(outgate: Callable[..., Result]) -> None:
    result = outgate("add", "ann@example.com", "--role", "operator", "--generate-password")

    password = result.stdout.splitlines()[-1].removeprefix("Password: ")
    assert User.objects.get().check_password(password)


def test_person_at_a_terminal_is_asked_twice_and_not_shown_it(
    outgate: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from outgate.app.commands import user

    monkeypatch.setattr(user, "is_terminal", lambda: True)

    result = outgate("add", "ann@example.com", "--role", "operator", input=f"{PASSWORD}\n{PASSWORD}\n")

    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.parametrize("arguments", [(), ("--password-stdin", "--generate-password")])
def test_password_must_come_from_somewhere(outgate: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    result = outgate("add", "ann@example.com", "--role", "operator", *arguments)

    assert result.exit_code == 2
    assert User.objects.count() == 0


def test_weak_password_and_wrong_tenant_are_refused(outgate: Callable[..., Result]) -> None:
    weak = outgate("add", "ann@example.com", "--role", "operator", "--password-stdin", input="short\n")
    lonely = outgate("add", "ann@example.com", "--role", "customer-admin", "--password-stdin", input=f"{PASSWORD}\n")

    assert (weak.exit_code, lonely.exit_code) == (1, 1)
    assert "too short" in weak.stderr
    assert "Users of a customer have a customer" in lonely.stderr


def test_users_of_partner_and_customer_are_listed_with_these(outgate: Callable[..., Result]) -> None:
    assert "There is no user yet" in outgate("list").stdout
    partner("MSP")
    customer("Example")
    for email, *more in (
        ("a@example.com", "--role", "partner", "--partner", "MSP"),
        ("b@example.com", "--role", "customer-viewer", "--customer", "example", "--name", "Bea"),
    ):
        assert outgate("add", email, *more, "--generate-password").exit_code == 0

    rows = json.loads(outgate("list", "--json").stdout)

    assert [(row["email"], row["partner"], row["customer"], row["state"]) for row in rows] == [
        ("a@example.com", "MSP", "", "active"),
        ("b@example.com", "", "example", "active"),
    ]
    assert "Bea" in outgate("list").stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--role", "partner", "--partner", "nobody"), "There is no partner 'nobody'"),
        (("--role", "customer-admin", "--customer", "nobody"), "There is no customer 'nobody'"),
    ],
)
def test_unknown_tenant_is_said_to_be_unknown(outgate: Callable[..., Result], more: tuple[str, ...], said: str) -> None:
    result = outgate("add", "ann@example.com", *more, "--generate-password")

    assert result.exit_code == 1
    assert said in result.stderr
    assert "Password" not in result.output


def test_password_is_changed_and_account_disabled_and_enabled(outgate: Callable[..., Result]) -> None:
    outgate("add", "ann@example.com", "--role", "operator", "--generate-password")

    outgate("password", "Ann@example.com", "--password-stdin", input=f"{PASSWORD}\n")
    assert User.objects.get().check_password(PASSWORD)
    assert outgate("disable", "ann@example.com").stdout == "ann@example.com may no longer sign in.\n"
    assert not User.objects.get().is_active
    assert outgate("enable", "ann@example.com").stdout == "ann@example.com may sign in.\n"
    assert User.objects.get().is_active
    assert actions() == ["user.added", "user.password-set", "user.disabled", "user.enabled"]


@pytest.mark.parametrize("command", ["password", "disable"])
def test_unknown_user_is_said_to_be_unknown(outgate: Callable[..., Result], command: str) -> None:
    more = ["--generate-password"] if command == "password" else []

    result = outgate(command, "nobody@example.com", *more)

    assert result.exit_code == 1
    assert "There is no user nobody@example.com" in result.stderr
    assert "Password" not in result.output


def test_failed_sign_ins_are_forgotten(outgate: Callable[..., Result]) -> None:
    outgate("add", "ann@example.com", "--role", "operator", "--generate-password")
    for _ in range(3):
        record_failure(account="ann@example.com", address="198.51.100.7", now=timezone.now())

    assert outgate("unlock", "ann@example.com").stdout == "3 failed sign-ins of ann@example.com are forgotten.\n"


def test_second_factors_are_reset(outgate: Callable[..., Result]) -> None:
    outgate("add", "ann@example.com", "--role", "operator", "--generate-password")

    result = outgate("reset-factors", "ann@example.com")
    assert result.exit_code == 0, result.output
    assert actions()[-1] == "user.second-factors-reset"
