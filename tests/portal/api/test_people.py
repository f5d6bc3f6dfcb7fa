"""Users, allowed addresses and partner management by the API."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.mfa.utils import is_mfa_enabled
from django.test import Client
from django.utils import timezone
from msgspec import structs
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import PASSWORD, People, add, without_right
from tests.support.portal import ACTOR, actions, partner

from outgate.contract.commands import SendNotice
from outgate.portal.accounts import links, lockout
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope, create_key, scopes_of
from outgate.portal.accounts.models import AuditEntry, Right, Role, User
from outgate.portal.accounts.services import set_active
from outgate.portal.errors import Invalid
from outgate.portal.feed.codec import decode_command
from outgate.portal.feed.models import OrderedCommand
from outgate.portal.feed.services import record_heartbeat

pytestmark = pytest.mark.django_db(databases="__all__")


def emails(api: Api) -> list[str]:
    return [each["email"] for each in api.get("/users").json()["items"]]


def test_each_lists_whom_it_manages(people: People) -> None:
    assert emails(api_of(people.admin)) == ["admin@alpha.example", "viewer@alpha.example"]
    assert emails(api_of(people.staff)) == ["staff@example.com"]
    assert len(emails(api_of(people.operator))) == User.objects.count()


def test_customer_adds_disables_and_enables_its_own(alpha: Api, people: People) -> None:
    answer = alpha.send("POST", "/users", {"email": "New@alpha.example", "name": "New", "role": "customer-admin"})

    assert answer.status_code == 201
    made, password = answer.json()["user"], answer.json()["password"]
    user = User.objects.get(pk=made["id"])
    assert (user.customer, user.role, user.check_password(password)) == (people.alpha, "customer-admin", True)
    assert alpha.get(f"/users/{user.pk}").json() == made
    for _ in range(2):
        assert alpha.send("POST", f"/users/{user.pk}/disable").json()["is_active"] is False
    assert alpha.send("POST", f"/users/{user.pk}/enable").json()["is_active"] is True


@pytest.mark.parametrize(
    ("who", "body", "field"),
    [
        ("admin", {"role": "operator"}, "role"),
        ("admin", {"role": "partner"}, "role"),
        ("staff", {"role": "operator"}, "role"),
        ("staff", {"role": "customer-admin"}, "role"),
        ("operator", {"role": "partner"}, "partner"),
        ("operator", {"role": "partner", "partner": 2**31}, "partner"),
        ("operator", {"role": "customer-viewer"}, "role"),
        ("admin", {"role": "nonsense"}, "role"),
        ("admin", {"role": "customer-admin", "email": "viewer@alpha.example"}, "email"),
        ("admin", {"role": "customer-admin", "email": "nonsense"}, "email"),
        ("admin", {"role": "customer-admin", "password": "mine"}, "password"),
    ],
)
def test_nobody_makes_what_it_may_not(people: People, who: str, body: dict[str, object], field: str) -> None:
    before = User.objects.count()

    answer = api_of(getattr(people, who)).send("POST", "/users", {"email": "x@example.com", **body})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert User.objects.count() == before


def test_operator_adds_staff_of_the_partner_that_it_names(people: People) -> None:
    body = {"email": "x@example.com", "role": "partner", "partner": partner("other").pk, "rights": ["tracker"]}

    made = api_of(people.operator).send("POST", "/users", body).json()["user"]
    assert (made["partner"], made["rights"]) == ("other", ["tracker"])


def test_user_of_the_operator_is_not_the_partners_to_disable(people: People) -> None:
    api = api_of(people.staff)

    assert api.send("POST", f"/users/{people.operator.pk}/disable").status_code == 404
    assert api.send("POST", f"/users/{people.other_staff.pk}/disable").status_code == 404
    assert User.objects.filter(is_active=False).count() == 0


def test_staff_makes_no_key_that_may_more_than_itself(people: People) -> None:
    """A key has all rights of its scopes: with them it could add somebody who may all."""
    staff = without_right(people.staff, Right.MANAGE_CUSTOMERS)
    caller = Caller.of_user(staff)

    assert not {Scope.CUSTOMERS_WRITE, Scope.TEAM_WRITE, Scope.CUSTOMERS_MANAGE} & set(scopes_of(caller))
    for scope in (Scope.CUSTOMERS_WRITE, Scope.TEAM_WRITE, Scope.INSTALLATION_WRITE):
        with pytest.raises(Invalid):
            create_key(caller=caller, name="Test", scopes=[scope])
    assert Scope.INSTALLATION_WRITE in scopes_of(Caller.of_user(people.operator))
    assert Scope.TEAM_WRITE in scopes_of(Caller.of_user(people.admin))


@pytest.fixture
def letters(settings: Any) -> Callable[[], list[SendNotice]]:
    """A worker lives that sends them, and the operator has named the portal's address."""
    settings.SITE = structs.replace(settings.SITE, url="https://portal.example.com", has_public_url=True)
    record_heartbeat(worker="mx1/1", revision=1, queued=0, now=timezone.now())

    def sent() -> list[SendNotice]:
        found = [decode_command(row.body) for row in OrderedCommand.objects.order_by("pk")]
        return [each for each in found if isinstance(each, SendNotice)]

    return sent


def test_invited_user_chooses_the_password_by_the_mailed_link(
    alpha: Api, letters: Callable[[], list[SendNotice]]
) -> None:
    body = {"email": "new@alpha.example", "role": "customer-viewer", "mail_link": True}
    answer = alpha.send("POST", "/users", body).json()

    assert answer["password"] is None
    assert not User.objects.get(pk=answer["user"]["id"]).has_usable_password()
    assert datetime.fromisoformat(answer["user"]["link_expires_at"]) > timezone.now() + timedelta(days=6)
    (letter,) = letters()
    assert letter.recipients == ("new@alpha.example",)
    assert "https://portal.example.com/account/password/link/" in letter.text
    listed = {each["email"]: each["link_expires_at"] for each in alpha.get("/users").json()["items"]}
    assert listed == {
        "admin@alpha.example": None,
        "new@alpha.example": answer["user"]["link_expires_at"],
        "viewer@alpha.example": None,
    }


def test_link_for_another_password_goes_to_the_user_alone(
    alpha: Api, people: People, letters: Callable[[], list[SendNotice]]
) -> None:
    path = f"/users/{people.viewer.pk}/password-link"
    for _ in range(links.REQUESTS_PER_ACCOUNT):
        answer = alpha.send("POST", path)
        assert answer.status_code == 200
    assert {letter.recipients for letter in letters()} == {("viewer@alpha.example",)}
    assert "/password/link/" not in answer.content.decode()
    assert User.objects.get(pk=people.viewer.pk).check_password(PASSWORD)

    refused = alpha.send("POST", path)
    assert (refused.status_code, refused.json()["code"]) == (409, "not-now")
    assert "within the hour. Wait, or make a password." in refused.json()["detail"]


def test_no_link_is_mailed_without_the_portals_address(alpha: Api, people: People) -> None:
    body = {"email": "new@alpha.example", "role": "customer-viewer", "mail_link": True}
    for path, told in (("/users", body), (f"/users/{people.viewer.pk}/password-link", None)):
        answer = alpha.send("POST", path, told)
        assert (answer.status_code, answer.json()["code"]) == (409, "no-links")
    assert not User.objects.filter(email="new@alpha.example").exists()


def test_new_password_is_told_once(alpha: Api, people: People) -> None:
    once = {"idempotency-key": "one"}
    first, again = (
        alpha.send("POST", f"/users/{people.viewer.pk}/password", headers=once).json()["password"] for _ in range(2)
    )

    assert again is None
    user = User.objects.get(pk=people.viewer.pk)
    assert (user.check_password(first), user.check_password(PASSWORD)) == (True, False)


def sign_in(user: User, password: str = PASSWORD) -> Client:
    browser = Client()
    assert browser.post("/account/login/", {"login": user.email, "password": password}).status_code == 302
    return browser


@pytest.mark.parametrize("work", ["end-sessions", "reset-second-factors", "password", "disable"])
def test_session_ends(alpha: Api, people: People, work: str) -> None:
    browser, other = sign_in(people.viewer), sign_in(people.admin)
    assert browser.get("/customers/alpha/").status_code == 200

    assert alpha.send("POST", f"/users/{people.viewer.pk}/{work}").status_code == 200

    assert browser.get("/customers/alpha/").status_code == 302
    assert other.get("/customers/alpha/").status_code == 200


def test_second_factors_are_taken_away(people: People) -> None:
    assert is_mfa_enabled(people.staff)

    api_of(people.operator).send("POST", f"/users/{people.staff.pk}/reset-second-factors")
    assert not is_mfa_enabled(people.staff)
    assert actions()[-1] == "user.second-factors-reset"


def test_who_had_to_wait_need_not(alpha: Api, people: People) -> None:
    for _ in range(lockout.FAILURES_PER_ACCOUNT_AND_ADDRESS):
        Client().post("/account/login/", {"login": people.viewer.email, "password": "wrong"})
    assert Client().post("/account/login/", {"login": people.viewer.email, "password": PASSWORD}).status_code != 302

    assert alpha.send("POST", f"/users/{people.viewer.pk}/unlock").status_code == 200
    sign_in(people.viewer)
    entry = AuditEntry.objects.get(action="user.unlocked")
    assert (entry.customer, entry.object) == ("alpha", "viewer@alpha.example")
    assert entry.actor.startswith("API key ")


def test_address_and_rights_are_changed_together_or_not_at_all(people: People) -> None:
    api = api_of(people.staff)
    colleague = add("colleague@example.com", Role.PARTNER, partner=people.staff.partner, rights=[Right.AUDIT])
    path = f"/users/{colleague.pk}"

    changed = api.send("PATCH", path, {"email": "New@example.com", "rights": ["tracker", "login-as"]})
    assert (changed.json()["email"], changed.json()["rights"]) == ("new@example.com", ["login-as", "tracker"])
    assert api.send("PATCH", path, {"rights": []}).json()["email"] == "new@example.com"
    for body, field in (
        ({"rights": ["tracker"], "email": "operator@example.com"}, "email"),
        ({"email": "x@example.com", "rights": ["everything"]}, "rights[0]"),
        ({"role": "operator"}, "role"),
        ({"email": None}, "email"),
    ):
        answer = api.send("PATCH", path, body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert api.get(path).json()["rights"] == []


def test_key_of_a_customer_gives_nobody_rights(alpha: Api, people: People) -> None:
    body = {"email": "x@alpha.example", "rights": ["manage-customers"]}
    answer = alpha.send("PATCH", f"/users/{people.viewer.pk}", body)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "rights")
    assert User.objects.get(pk=people.viewer.pk).email == "viewer@alpha.example"
    assert alpha.send("PATCH", f"/users/{people.staff.pk}", {"rights": []}).status_code == 404


def test_allowed_addresses_are_the_own_tenants(alpha: Api, people: People) -> None:
    assert alpha.get("/allowed-addresses").json() == {"networks": []}
    answer = alpha.send("PUT", "/allowed-addresses", {"networks": ["198.51.100.0/24"]})
    assert answer.json()["errors"][0]["field"] == "networks"  # the caller would lock itself out
    wanted = {"networks": ["127.0.0.1", "198.51.100.0/24"]}
    told = {"networks": ["127.0.0.1/32", "198.51.100.0/24"]}
    assert alpha.send("PUT", "/allowed-addresses", wanted).json() == told
    assert alpha.get("/allowed-addresses").json() == told
    assert api_of(people.staff).get("/allowed-addresses").json() == {"networks": []}
    assert api_of(people.operator).send("PUT", "/allowed-addresses", wanted).status_code == 422


def test_only_the_customer_decides_on_partner_management(alpha: Api, people: People) -> None:
    path = "/customers/alpha/partner-management"

    for user in (people.staff, people.operator):
        answer = api_of(user).send("PUT", path, {"on": False})
        assert (answer.status_code, answer.json()["code"]) == (403, "right-missing")
    assert alpha.get(path).json() == {"on": True}
    assert alpha.send("PUT", path, {"on": False}).json() == {"on": False}
    assert api_of(people.staff).get(path).status_code == 404
    assert api_of(people.operator).get(path).json() == {"on": False}


def test_disabled_user_is_listed_as_such(alpha: Api, people: People) -> None:
    set_active(actor=ACTOR, user=people.viewer, is_active=False)

    assert [each["is_active"] for each in alpha.get("/users").json()["items"]] == [True, False]
    assert people.viewer.role == Role.CUSTOMER_VIEWER
