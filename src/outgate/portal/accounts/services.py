"""Changes users."""

import secrets
from collections.abc import Iterable
from typing import Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from outgate.portal.accounts import audit, letters, lockout, sign_in_rows
from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.models import CUSTOMER_ROLES, EMAIL_MAX, Right, Role, User
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
    password: str | None,
    name: str = "",
    partner: Partner | None = None,
    customer: Customer | None = None,
    rights: Iterable[Right] | None = None,
) -> User:
    """An account that may sign in at once. password: None is none, until the person has set one by a link.
    rights: of partner staff; None is all of them. Raises: Invalid."""
    email = normal_email(email)
    if User.objects.filter(email=email).exists():
        raise Invalid("email", f"There is already a user {email}. Change that one, or choose another address.")
    _check_tenant(role, partner, customer)
    user = User(email=email, role=role, partner=partner, customer=customer)
    user.name = parse_text("name", name, NAME_MAX, may_be_empty=True)
    if role is Role.PARTNER:
        user.rights = sorted(right.value for right in (Right if rights is None else rights))
    if password is None:
        user.set_unusable_password()
    else:
        check_password(user, password)
        user.set_password(password)
    user.save()
    audit.record_for(
        partner or customer, actor, "user.added", email, role=role.value, tenant=str(partner or customer or "")
    )
    return user


@transaction.atomic
def set_rights(*, actor: Actor, user: User, rights: Iterable[Right]) -> None:
    """What partner staff may do. Idempotent. Raises: Invalid."""
    if user.role != Role.PARTNER:
        raise Invalid("rights", "Only partner staff has single rights; the others have those of their role.")
    wanted = sorted({right.value for right in rights})
    if user.rights != wanted:
        user.rights = wanted
        user.save(update_fields=["rights"])
        audit.record_for(user.partner, actor, "user.rights-set", user.email, rights=" ".join(wanted))


@transaction.atomic
def set_password(*, actor: Actor, user: User, password: str) -> None:
    """Links to set one end. Raises: Invalid."""
    check_password(user, password)
    user.set_password(password)
    user.save(update_fields=["password"])
    user.password_links.all().delete()
    audit.record_for(user.customer or user.partner, actor, "user.password-set", user.email)
    letters.tell_of_change(user=user, actor=actor, what="A new password was set.")


@transaction.atomic
def set_email(*, actor: Actor, user: User, email: str) -> None:
    """Give the user another address to sign in with; both are told. Idempotent. Raises: Invalid."""
    email, former = normal_email(email), user.email
    if email == former:
        return
    if User.objects.filter(email=email).exists():
        raise Invalid("email", f"There is already a user {email}. Choose another address.")
    user.email = email
    user.save(update_fields=["email"])
    user.password_links.all().delete()
    sign_in_rows.forget_addresses(user.pk)
    sign_in_rows.end_sessions(user.pk)
    audit.record_for(user.customer or user.partner, actor, "user.email-set", email, former=former)
    for to in (former, email):
        letters.tell_of_change(
            user=user, actor=actor, what=f"You sign in as {email} from now on, no more as {former}.", to=to
        )


@transaction.atomic
def set_active(*, actor: Actor, user: User, is_active: bool) -> None:
    """Let the user sign in, or no more. Idempotent."""
    if User.objects.filter(pk=user.pk, is_active=not is_active).update(is_active=is_active):
        user.is_active = is_active
        user.password_links.all().delete()
        action = "user.enabled" if is_active else "user.disabled"
        audit.record_for(user.customer or user.partner, actor, action, user.email)


@transaction.atomic
def reset_second_factors(*, actor: Actor, user: User) -> None:
    """Take away codes, passkeys and recovery codes of somebody who lost them, and end the user's sessions: whoever has
    them now is out. At the next sign-in staff sets up new ones."""
    sign_in_rows.delete_second_factors(user.pk)
    sign_in_rows.end_sessions(user.pk)
    audit.record_for(user.customer or user.partner, actor, "user.second-factors-reset", user.email)
    letters.tell_of_change(user=user, actor=actor, what="All second factors were taken away.")


@transaction.atomic
def end_sessions(*, actor: Actor, user: User) -> None:
    """Sign the user out everywhere; nothing else of the account changes."""
    sign_in_rows.end_sessions(user.pk)
    audit.record_for(user.customer or user.partner, actor, "user.sessions-ended", user.email)


@transaction.atomic
def unlock(*, actor: Actor, user: User) -> int:
    """Forget the user's failed sign-ins, so that nobody has to wait. Returns how many there were."""
    number = lockout.unlock(account=user.email)
    audit.record_for(user.customer or user.partner, actor, "user.unlocked", user.email, number=number)
    return number


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


def check_password(user: User, password: str) -> None:
    """May the user have this password? Raises: Invalid."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid("password", " ".join(error.messages)) from error
