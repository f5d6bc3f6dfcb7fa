"""Users, allowed addresses and partner management by the API."""

import pytest
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People, without_right
from tests.support.portal import ACTOR, partner

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope, create_key, scopes_of
from outgate.portal.accounts.models import Right, Role, User
from outgate.portal.accounts.services import set_active
from outgate.portal.errors import Invalid

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
