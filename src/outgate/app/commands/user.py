"""`outgate user`: who may sign in. Passwords are read from the terminal or standard input, never from arguments, which
every account on the machine could see."""
# ruff: noqa: PLC0415 - Django takes half a second to import: only the command that needs it does

import sys
from enum import Enum
from typing import Annotated

import typer

from outgate.app.commands.control_plane import actor, control_plane, fail, is_terminal, print_json, print_table

app = typer.Typer(help="Who may sign in.", no_args_is_help=True)


class RoleName(Enum):
    """The values of `portal.accounts.models.Role`, known without Django."""

    OPERATOR = "operator"
    PARTNER = "partner"
    CUSTOMER_ADMIN = "customer-admin"
    CUSTOMER_VIEWER = "customer-viewer"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Email = Annotated[str, typer.Argument(help="The user's email address.", show_default=False)]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input, one line.")]
Generate = Annotated[bool, typer.Option("--generate-password", help="Make a password and print it, this once.")]


@app.command()
def add(
    context: typer.Context,
    email: Email,
    role: Annotated[RoleName, typer.Option(help="What the user is.")],
    name: Annotated[str, typer.Option(help="The person's name.")] = "",
    partner: Annotated[str, typer.Option(help="Whose staff it is: with the role partner.")] = "",
    customer: Annotated[str, typer.Option(help="Id or name of the customer: with the two customer roles.")] = "",
    password_stdin: FromInput = False,
    generate_password: Generate = False,
) -> None:
    """Add a user."""
    with control_plane(context):
        from outgate.portal.accounts.models import Role
        from outgate.portal.accounts.services import add_user
        from outgate.portal.customers.models import Partner
        from outgate.portal.customers.selectors import customer_named

        employer = Partner.objects.filter(name=partner).first() if partner else None
        if partner and employer is None:
            fail(f"There is no partner {partner!r}. `outgate customer apply --create` makes it with a customer.")
        secret = _password(password_stdin, generate_password)
        user = add_user(
            actor=actor(),
            email=email,
            role=Role(role.value),
            password=secret,
            name=name,
            partner=employer,
            customer=customer_named(customer) if customer else None,
        )
        print(f"{user.email} may sign in as {user.get_role_display()}.")
        if generate_password:
            print(f"Password: {secret}")


@app.command("list")
def list_users(context: typer.Context, as_json: AsJson = False) -> None:
    """List users."""
    with control_plane(context):
        from outgate.portal.accounts.selectors import users

        rows = [
            {
                "email": user.email,
                "name": user.name,
                "role": user.role,
                "partner": user.partner.name if user.partner else "",
                "customer": user.customer.slug if user.customer else "",
                "state": "active" if user.is_active else "disabled",
            }
            for user in users()
        ]
    if as_json:
        print_json(rows)
    elif not rows:
        print("There is no user yet. `outgate user add EMAIL --role operator` adds one.")
    else:
        print_table(list(rows[0]), [list(row.values()) for row in rows])


@app.command()
def password(
    context: typer.Context, email: Email, password_stdin: FromInput = False, generate_password: Generate = False
) -> None:
    """Give a user a new password."""
    with control_plane(context):
        from outgate.portal.accounts.selectors import user_with
        from outgate.portal.accounts.services import set_password

        user = user_with(email)
        secret = _password(password_stdin, generate_password)
        set_password(actor=actor(), user=user, password=secret)
        print(f"{user.email} has a new password.")
        if generate_password:
            print(f"Password: {secret}")


@app.command("reset-factors")
def reset_factors(context: typer.Context, email: Email) -> None:
    """Take away a user's second factors and end all sessions, for somebody who lost phone and key."""
    with control_plane(context):
        from outgate.portal.accounts.selectors import user_with
        from outgate.portal.accounts.services import reset_second_factors

        user = user_with(email)
        reset_second_factors(actor=actor(), user=user)
        print(f"{user.email} has no second factor any more, and is signed out everywhere.")


@app.command()
def unlock(context: typer.Context, email: Email) -> None:
    """Forget a user's failed sign-ins, so that nobody has to wait."""
    with control_plane(context):
        from outgate.portal.accounts.selectors import user_with
        from outgate.portal.accounts.services import unlock as forget_failures

        user = user_with(email)
        number = forget_failures(actor=actor(), user=user)
        print(f"{number} failed sign-ins of {user.email} are forgotten.")


@app.command()
def disable(context: typer.Context, email: Email) -> None:
    """Let a user sign in no more."""
    _set_active(context, email, is_active=False)


@app.command()
def enable(context: typer.Context, email: Email) -> None:
    """Let a disabled user sign in again."""
    _set_active(context, email, is_active=True)


def _set_active(context: typer.Context, email: str, *, is_active: bool) -> None:
    with control_plane(context):
        from outgate.portal.accounts.selectors import user_with
        from outgate.portal.accounts.services import set_active

        user = user_with(email)
        set_active(actor=actor(), user=user, is_active=is_active)
        print(f"{user.email} may {'sign in' if is_active else 'no longer sign in'}.")


def _password(from_input: bool, generate: bool) -> str:
    from outgate.portal.accounts.services import generate_password

    if from_input and generate:
        fail("give either --password-stdin or --generate-password, not both", code=2)
    if generate:
        return generate_password()
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    if not is_terminal():
        fail("nobody is there to ask for a password: give --password-stdin or --generate-password", code=2)
    asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked
