"""Users go with all that refers to them, also from processes that do not know the sign-in library."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = """
import django
django.setup()
from django.db import connection
from outgate.portal.accounts import services
from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.models import Role, User
from outgate.portal.customers import services as customers
from outgate.portal.customers.models import Customer
from outgate.portal.start import migrate
actor = Actor("test")
"""
MAKE = """
migrate()
customer = customers.create_customer(
    actor=actor,
    name="Alpha",
    partner=customers.create_partner(actor=actor, name="p"),
    region=customers.create_region(actor=actor, name="r"),
)
user = services.add_user(
    actor=actor, email="a@example.com", role=Role.CUSTOMER_ADMIN, password="correct-horse-battery", customer=customer
)
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
session = SessionStore()
session.create()
UserSession.objects.create(user=user, ip="127.0.0.1", session_key=session.session_key, user_agent="x")
Authenticator.objects.create(user=user, type="totp", data={})
EmailAddress.objects.create(user=user, email=user.email)
SocialAccount.objects.create(user=user, provider="x", uid="1")
"""
COUNT = """
with connection.cursor() as cursor:
    for table in (
        "mfa_authenticator", "usersessions_usersession", "account_emailaddress", "socialaccount_socialaccount",
        "django_session",
    ):
        cursor.execute(f"SELECT count(*) FROM {table}")
        print(cursor.fetchone()[0], end=" ")
"""


def run(settings: str, state: Path, script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + script],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": settings,
            "OUTGATE_STATE": str(state),
            "OUTGATE_DATABASE": "",
            "PYTHONPATH": str(ROOT / "src"),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("work", "left"),
    [
        ("customers.delete_customer(actor=actor, customer=Customer.objects.get())", "0 0 0 0 0"),
        ("User.objects.all().delete()", "0 0 0 0 0"),
        ("services.reset_second_factors(actor=actor, user=User.objects.get())", "0 0 1 1 0"),
    ],
)
def test_small_process_leaves_nothing_behind(tmp_path: Path, work: str, left: str) -> None:
    run("outgate.portal.web.settings", tmp_path, MAKE)

    assert run("outgate.portal.settings", tmp_path, work + "\n" + COUNT) == left


def test_without_the_librarys_tables_a_user_is_deleted_too(tmp_path: Path) -> None:
    made = MAKE.partition("from allauth")[0]

    assert run("outgate.portal.settings", tmp_path, made + "user.delete()\nprint(User.objects.count())") == "0"
