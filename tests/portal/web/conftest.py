"""The site for tests: its people, and browsers that are signed in."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.cache import cache
from django.test import Client
from tests.support.portal import ACTOR, customer, partner

from outgate.portal.accounts.models import Right, Role, User
from outgate.portal.accounts.services import add_user
from outgate.portal.customers.models import Customer
from outgate.portal.web.readiness import readiness

PASSWORD = "correct-horse-battery"
SignedIn = Callable[[User], Client]


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    """Quick hashes, files by their plain names, and a database that is there."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.ALLOWED_HOSTS = ["testserver", "localhost"]
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "whitenoise" not in each]
    readiness.set_ready()
    cache.clear()  # the library counts sign-ins there


class People:
    """One for each role at two customers of two partners. Staff has a second factor."""

    def __init__(self) -> None:
        self.alpha = customer("Alpha")
        self.beta = self._at_other_partner("Beta")
        self.operator = add("operator@example.com", Role.OPERATOR)
        self.staff = add("staff@example.com", Role.PARTNER, partner=partner())
        self.other_staff = add("other@example.com", Role.PARTNER, partner=partner("other"))
        self.admin = add("admin@alpha.example", Role.CUSTOMER_ADMIN, customer=self.alpha)
        self.viewer = add("viewer@alpha.example", Role.CUSTOMER_VIEWER, customer=self.alpha)
        self.foreign_admin = add("admin@beta.example", Role.CUSTOMER_ADMIN, customer=self.beta)
        self.foreign_viewer = add("viewer@beta.example", Role.CUSTOMER_VIEWER, customer=self.beta)
        for user in (self.operator, self.staff, self.other_staff):
            give_factor(user)

    @staticmethod
    def _at_other_partner(name: str) -> Customer:
        made = customer(name)
        made.partner = partner("other")
        made.save(update_fields=["partner"])
        return made


def add(email: str, role: Role, **more: Any) -> User:
    return add_user(actor=ACTOR, email=email, role=role, password=PASSWORD, **more)


def give_factor(user: User) -> str:
    """The secret of an authenticator app."""
    secret: str = generate_totp_secret()
    TOTP.activate(user, secret)
    RecoveryCodes.activate(user)
    return secret


@pytest.fixture
def people(db: None) -> People:
    return People()


@pytest.fixture
def signed_in() -> SignedIn:
    """A browser of somebody who has taken all steps of signing in."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


def without_right(user: User, right: Right) -> User:
    user.rights = [each for each in user.rights if each != right.value]
    user.save(update_fields=["rights"])
    return user


__all__ = ["PASSWORD", "People", "SignedIn", "add", "give_factor", "without_right"]
