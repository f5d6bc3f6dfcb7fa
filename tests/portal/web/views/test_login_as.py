"""Staff logs in as a customer, and returns."""

import pytest
from django.test import Client
from tests.portal.web.conftest import People, SignedIn
from tests.support.portal import actions

from outgate.portal.accounts import access
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import AuditEntry, Right, User
from outgate.portal.accounts.services import set_active, set_rights

pytestmark = pytest.mark.django_db(databases="__all__")


def test_banner_stays_until_return(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.staff)
    assert client.get("/customers/alpha/outbound/").status_code == 403

    landed = client.post("/customers/alpha/login-as/", follow=True)
    assert "You are logged in as <strong>Alpha</strong>" in landed.content.decode()
    assert "You are logged in as" in client.get("/customers/alpha/outbound/").content.decode()
    back = client.post("/return/", follow=True)
    assert "You are logged in as" not in back.content.decode()
    assert client.get("/customers/alpha/outbound/").status_code == 403


def test_both_logs_name_who_acted_as_whom(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.staff)
    client.post("/customers/alpha/login-as/")
    client.post("/customers/alpha/outbound/sources/", {"network": "9.9.9.9"})
    client.post("/return/")

    assert actions()[-3:] == ["customer.login-as", "source.added", "customer.returned"]
    entry = AuditEntry.objects.get(action="source.added")
    assert (entry.actor, entry.acting_as, entry.customer) == ("staff@example.com", "alpha", "alpha")
    for user in (people.admin, people.staff):
        page = signed_in(user).get("/audit/").content.decode()
        assert "customer.login-as" in page
        assert "staff@example.com" in page


def test_session_gets_another_key(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.staff)
    before = client.session.session_key

    client.post("/customers/alpha/login-as/")
    between = client.session.session_key
    client.post("/return/")
    assert len({before, between, client.session.session_key}) == 3


def test_acting_ends_when_the_customer_closes_its_door(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.staff)
    client.post("/customers/alpha/login-as/")
    admin = Caller.of_user(people.admin)

    access.set_partner_management(caller=admin, customer=people.alpha, on=False)

    assert client.get("/customers/alpha/outbound/").status_code == 403
    assert "closed to partners" in client.get("/customers/").content.decode()
    assert client.post("/customers/alpha/login-as/", follow=True).redirect_chain[-1][0] == "/customers/"
    assert client.get("/customers/alpha/outbound/").status_code == 403


def test_acting_ends_when_the_right_ends(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.staff)
    client.post("/customers/alpha/login-as/")

    set_rights(actor=Caller.of_user(people.operator).actor, user=people.staff, rights=[])

    assert client.get("/customers/alpha/outbound/").status_code == 403


def test_nobody_goes_on_to_another_customer_or_to_the_staffs_pages(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.operator)
    client.post("/customers/alpha/login-as/")

    assert client.post("/customers/beta/login-as/").status_code == 404
    assert client.post("/customers/alpha/login-as/").status_code == 404
    assert client.get("/customers/").status_code == 404
    assert client.get(f"/team/{people.staff.pk}/").status_code == 404


def test_acting_staff_may_not_switch_partner_management(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.staff)
    client.post("/customers/alpha/login-as/")

    assert client.post("/customers/alpha/access/", {"form": "partner"}).status_code == 422
    assert access.is_partner_managed(people.alpha)


def test_logging_in_as_needs_a_post(people: People, signed_in: SignedIn) -> None:
    assert signed_in(people.staff).get("/customers/alpha/login-as/").status_code == 405


def acting(people: People, signed_in: SignedIn) -> Client:
    client = signed_in(people.staff)
    assert client.post("/customers/alpha/login-as/").status_code == 302
    return client


def test_change_under_way_fails_when_the_customer_closes_its_door(people: People, signed_in: SignedIn) -> None:
    client = acting(people, signed_in)
    access.set_partner_management(caller=Caller.of_user(people.admin), customer=people.alpha, on=False)

    for path, form in (
        ("/customers/alpha/outbound/sources/", {"network": "9.9.9.9"}),
        ("/customers/alpha/general/", {"name": "Mine"}),
        ("/customers/alpha/access/", {"networks": ""}),
    ):
        assert client.post(path, form).status_code == 403, path
    form = {"email": "mine@alpha.example", "role": "customer-admin"}
    assert client.post("/team/", form).status_code == 422  # its own team again, where there is no such role
    assert not User.objects.filter(email="mine@alpha.example").exists()
    assert not people.alpha.sources.exists()
    assert people.staff.email not in [user.email for user in User.objects.filter(customer=people.alpha)]
    ends = AuditEntry.objects.filter(action="customer.returned")
    assert [(end.actor, end.acting_as, end.customer) for end in ends] == [("staff@example.com", "alpha", "alpha")]


def test_operator_stays_when_the_door_is_closed(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.operator)
    client.post("/customers/alpha/login-as/")
    access.set_partner_management(caller=Caller.of_user(people.admin), customer=people.alpha, on=False)

    assert client.get("/customers/alpha/outbound/").status_code == 200


def test_acting_ends_when_the_customer_goes_to_another_partner(people: People, signed_in: SignedIn) -> None:
    client = acting(people, signed_in)
    people.alpha.partner = people.beta.partner
    people.alpha.save()

    assert client.get("/customers/alpha/outbound/").status_code == 404
    assert "Alpha" not in client.get("/customers/").content.decode()


def test_acting_ends_with_the_account(people: People, signed_in: SignedIn) -> None:
    client = acting(people, signed_in)
    set_active(actor=Caller.of_user(people.operator).actor, user=people.staff, is_active=False)

    assert client.get("/customers/alpha/outbound/").headers["Location"].startswith("/account/login/")


def test_signing_out_is_returning_for_the_log(people: People, signed_in: SignedIn) -> None:
    client = acting(people, signed_in)
    client.post("/account/logout/")

    entry = AuditEntry.objects.get(action="customer.returned")
    assert (entry.actor, entry.acting_as) == ("staff@example.com", "alpha")
    client.force_login(people.staff)
    assert client.get("/customers/alpha/outbound/").status_code == 403  # a new session acts for nobody


def test_acting_reaches_nothing_of_its_own_or_of_others(people: People, signed_in: SignedIn) -> None:
    """Neither up to what staff has, nor sideways, nor to another customer by naming it in a form."""
    client = acting(people, signed_in)

    for path in ("/customers/", "/customers/new/", "/customers/beta/", "/customers/beta/general/"):
        assert client.get(path).status_code == 404, path
        assert client.post(path, {"customer": "beta", "partner": str(people.beta.partner_id)}).status_code == 404, path
    for user in (people.staff, people.operator, people.other_staff, people.foreign_admin):
        for work in ("password", "reset-factors", "rights", "disable", "link", "email"):
            assert client.post(f"/team/{user.pk}/", {"do": work, "rights": "team"}).status_code == 404
    for role in ("operator", "partner"):
        answer = client.post(
            "/team/", {"email": "x@example.com", "role": role, "partner": str(people.staff.partner_id)}
        )
        assert answer.status_code == 422
    client.post("/team/", {"email": "x@alpha.example", "role": "customer-viewer", "customer": str(people.beta.pk)})
    assert User.objects.get(email="x@alpha.example").customer == people.alpha
    page = client.get("/audit/").content.decode()
    assert "beta" not in page


def test_acting_gives_nobody_more_rights_than_before(people: People, signed_in: SignedIn) -> None:
    """Whoever may log in as customers and nothing else manages none of their contracts."""
    set_rights(actor=Caller.of_user(people.operator).actor, user=people.staff, rights=[Right.LOGIN_AS])
    client = acting(people, signed_in)

    assert client.post("/customers/alpha/general/", {"name": "Mine", "plan": "365"}).status_code == 403
    assert client.post("/customers/alpha/general/delete/", {"name": "Alpha"}).status_code == 403
    client.post("/return/")
    assert client.get("/team/").status_code == 404
    assert client.get("/audit/").status_code == 404


def test_every_line_of_an_acting_session_names_both(people: People, signed_in: SignedIn) -> None:
    client = acting(people, signed_in)
    before = AuditEntry.objects.latest("number").number
    client.post("/customers/alpha/outbound/domains/", {"name": "alpha.example"})
    client.post("/customers/alpha/outbound/sources/", {"network": "9.9.9.9"})
    client.post("/customers/alpha/outbound/switch/", {"outbound": "on"})
    client.post("/team/", {"email": "x@alpha.example", "role": "customer-viewer"})
    client.post(f"/team/{people.viewer.pk}/", {"do": "disable"})
    client.post("/keys/", {"name": "Monitoring", "scopes": ["customers:read"], "days": "30"})
    client.post("/customers/alpha/access/", {"form": "", "networks": "198.51.100.0/24"})
    client.post("/customers/alpha/general/", general_form(people))

    lines = list(AuditEntry.objects.filter(number__gt=before).order_by("number"))
    assert [line.action for line in lines] == [
        "domain.added",
        "source.added",
        "outbound.on",
        "user.added",
        "user.disabled",
        "api-key.created",
        "address.list-set",
        "customer.changed",
    ]
    assert {(line.actor, line.acting_as, line.customer) for line in lines} == {("staff@example.com", "alpha", "alpha")}


def general_form(people: People) -> dict[str, str]:
    region, rule = str(people.alpha.region_id), people.alpha.foreign_from
    return {"name": "Alpha Ltd", "plan": "unified", "region": region, "foreign_from": rule}
