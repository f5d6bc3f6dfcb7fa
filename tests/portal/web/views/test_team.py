"""The people of a tenant, and keys."""

import pytest
from django.test import Client
from tests.portal.web.conftest import People, SignedIn
from tests.support.portal import actions

from outgate.portal.accounts.models import ApiKey, AuditEntry, User

pytestmark = pytest.mark.django_db(databases="__all__")


def test_admin_adds_somebody_who_can_sign_in(people: People, signed_in: SignedIn) -> None:
    answer = signed_in(people.admin).post(
        "/team/", {"email": "New@Alpha.example", "name": "New", "role": "customer-viewer"}
    )
    new = User.objects.get(email="new@alpha.example")
    assert (new.customer, new.role) == (people.alpha, "customer-viewer")
    signing = Client().post("/account/login/", {"login": new.email, "password": answer.context["password"]})
    assert signing.status_code == 302
    assert actions().count("user.added") == 8


def test_mistake_stands_beside_its_field(people: People, signed_in: SignedIn) -> None:
    page = signed_in(people.admin).post("/team/", {"email": "nobody", "role": "customer-admin"})

    assert page.status_code == 422
    assert "is not an email address" in page.content.decode().partition('id="email-error"')[2][:200]


def test_nobody_changes_himself(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.admin)

    for work in ("disable", "reset-factors", "password"):
        client.post(f"/team/{people.admin.pk}/", {"do": work})
    assert client.get("/customers/alpha/").status_code == 200


def test_buttons_do_what_they_say(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.operator)
    path = f"/team/{people.staff.pk}/"

    for work, more in (
        ("disable", {}),
        ("enable", {}),
        ("unlock", {}),
        ("rights", {"rights": ["audit", "nonsense"]}),
        ("reset-factors", {}),
        ("nonsense", {}),
    ):
        assert client.post(path, {"do": work, **more}).status_code == 302
    people.staff.refresh_from_db()
    assert people.staff.rights == ["audit"]
    done = ["user.disabled", "user.enabled", "user.unlocked", "user.rights-set", "user.second-factors-reset"]
    assert actions()[-5:] == done
    assert "There is no such button" in client.get(path).content.decode()


def test_key_is_shown_once_and_revoked(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.admin)
    form = {"name": "Monitoring", "scopes": ["customers:read"], "days": "30"}

    secret = client.post("/keys/", form).context["made"].secret
    key = ApiKey.objects.get()
    page = client.get("/keys/").content.decode()
    assert key.prefix in page
    assert secret not in page
    assert client.post(f"/keys/{key.prefix}/revoke/").status_code == 302
    assert "Revoked" in client.get("/keys/").content.decode()
    assert AuditEntry.objects.latest("number").customer == "alpha"
    assert client.post("/keys/", {**form, "days": "many"}).status_code == 422
