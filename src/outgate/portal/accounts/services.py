"""Changes users."""

import secrets
from typing import Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from outgate.portal.accounts import audit
from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.models import CUSTOMER_ROLES, EMAIL_MAX, Role, User
from outgate.portal.customers.models import NAME_MAX, Customer, Partner
from outgate.portal.errors import Invalid
from outgate.portal.outbound.validation import parse_text

GENERATED_PASSWORD_OCTETS: Final = 15  # of randomness: 20 characters


def generate_password() -> str:
    """One that nobody guesses and that can be copied as one word."""
    return secrets.token_urlsafe(GENERATED_PASSWORD_OCTETS)


@transaction.atomic
def add_user(
    *,
    actor: Actor,
    email: str,
    role: Role,
    password: str,
    name: str = "",
    partner: Partner | None = None,
    customer: Customer | None = None,
) -> User:
    """An account that may sign in at once. Raises: Invalid."""
    email = normal_email(email)
    if User.objects.filter(email=email).exists():
        raise Invalid("email", f"There is already a user {email}. Change that one, or choose another address.")
    _check_tenant(role, partner, customer)
    user = User(email=email, role=role, partner=partner, customer=customer)
    user.name = parse_text("name", name, NAME_MAX, may_be_empty=True)
    _set_password(user, password)
    user.save()
    audit.record(actor, "user.added", email, role=role.value, tenant=str(partner or customer or ""))
    return user


@transaction.atomic
def set_password(*, actor: Actor, user: User, password: str) -> None:
    """Raises: Invalid."""
    _set_password(user, password)
    user.save(update_fields=["password"])
    audit.record(actor, "user.password-set", user.email)


@transaction.atomic
def set_active(*, actor: Actor, user: User, is_active: bool) -> None:
    """Let the user sign in, or no more. Idempotent."""
    if User.objects.filter(pk=user.pk, is_active=not is_active).update(is_active=is_active):
        user.is_active = is_active
        audit.record(actor, "user.enabled" if is_active else "user.disabled", user.email)


def normal_email(text: str) -> str:
    """The one spelling of a user's address. Raises: Invalid."""
    email = text.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Invalid("email", f"{text!r} is not an email address. Enter one such as admin@example.com.") from error
    if len(email) > EMAIL_MAX:
        raise Invalid("email", f"This is {len(email)} characters long. Enter at most {EMAIL_MAX}.")
    return email


def _check_tenant(role: Role, partner: Partner | None, customer: Customer | None) -> None:
    if (role is Role.PARTNER) != (partner is not None):
        raise Invalid("partner", "Partner staff has a partner, and nobody else has. Give one with this role only.")
    if (role in CUSTOMER_ROLES) != (customer is not None):
        raise Invalid(
            "customer", "Users of a customer have a customer, and nobody else has. Give one with these roles."
        )


def _set_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid("password", " ".join(error.messages)) from error
    user.set_password(password)
