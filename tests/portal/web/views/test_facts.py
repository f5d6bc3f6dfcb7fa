"""What a customer is, and its end."""

import pytest
from django.test import Client
from tests.portal.web.conftest import People, SignedIn, without_right
from tests.support.portal import ACTOR, actions, document, living_document, region
from tests.support.tracked import accept

from outgate.contract.policy import Deleted, Outbound
from outgate.portal.accounts.access import set_partner_management
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import AuditEntry, Right, User
from outgate.portal.customers.models import Customer
from outgate.portal.outbound import services as outbound

pytestmark = pytest.mark.django_db(databases="__all__")
PAGE = "/customers/alpha/general/"
DELETE = "/customers/alpha/general/delete/"


def form(people: People, **wanted: str) -> dict[str, str]:
    made = Customer.objects.get(slug="alpha")
    return {
        "name": made.name,
        "partner": str(made.partner_id),
        "region": str(made.region_id),
        "plan": made.plan,
        "foreign_from": made.foreign_from,
        **wanted,
    }


def test_staff_changes_name_region_and_rule_without_logging_in(people: People, signed_in: SignedIn) -> None:
    other = region("Asia")
    client = signed_in(people.staff)
    assert f'href="{PAGE}"' in client.get("/customers/").content.decode()

    wanted = form(people, name="Alpha Ltd", region=str(other.pk), foreign_from="allow")
    assert client.post(PAGE, wanted).headers["Location"] == PAGE
    made = Customer.objects.get(slug="alpha")
    assert (made.name, made.region, made.foreign_from) == ("Alpha Ltd", other, "allow")
    entry = AuditEntry.objects.latest("number")
    assert (entry.action, entry.actor, entry.customer) == ("customer.changed", "staff@example.com", "alpha")
    assert "Alpha Ltd" in client.get(PAGE).content.decode()


def test_logged_in_staff_changes_it_under_settings(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.staff)
    client.post("/customers/alpha/login-as/")

    page = client.get(PAGE).content.decode()
    assert "You are logged in as" in page
    assert 'aria-label="Settings"' in page
    assert client.post(PAGE, form(people, plan="unified")).status_code == 302
    entry = AuditEntry.objects.latest("number")
    assert (entry.action, entry.acting_as) == ("customer.changed", "alpha")


def test_customers_own_people_see_the_facts_and_no_form(people: People, signed_in: SignedIn) -> None:
    for user in (people.admin, people.viewer):
        client = signed_in(user)
        page = client.get(PAGE).content.decode()
        assert "Gateway" in page
        assert 'name="plan"' not in page
        assert client.post(PAGE, form(people, plan="365")).status_code == 403
        assert client.post(DELETE, {"name": "Alpha"}).status_code == 403
    assert Customer.objects.get(slug="alpha").plan == "gateway"


def test_staff_without_the_right_logs_in_and_sees_the_facts(people: People, signed_in: SignedIn) -> None:
    client = signed_in(without_right(people.staff, Right.MANAGE_CUSTOMERS))

    assert PAGE not in client.get("/customers/").content.decode()
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, form(people, name="Mine")).status_code == 403
    client.post("/customers/alpha/login-as/")
    assert client.get(PAGE).status_code == 200
    assert client.post(PAGE, form(people, name="Mine")).status_code == 403
    assert client.post(DELETE, {"name": "Alpha"}).status_code == 403
    assert Customer.objects.get(slug="alpha").name == "Alpha"


def test_closed_customer_is_changed_by_the_operator_alone(people: People, signed_in: SignedIn) -> None:
    set_partner_management(caller=Caller.of_user(people.admin), customer=people.alpha, on=False)

    assert signed_in(people.staff).post(PAGE, form(people, name="Mine")).status_code == 403
    assert signed_in(people.operator).post(PAGE, form(people, name="Ours")).status_code == 302
    assert Customer.objects.get(slug="alpha").name == "Ours"


def test_operator_alone_moves_a_customer_to_another_partner(people: People, signed_in: SignedIn) -> None:
    other = people.beta.partner
    staff, operator = signed_in(people.staff), signed_in(people.operator)

    assert staff.post(PAGE, form(people, partner=str(other.pk))).status_code == 302
    assert Customer.objects.get(slug="alpha").partner == people.alpha.partner
    assert operator.post(PAGE, form(people, partner=str(other.pk))).status_code == 302
    assert Customer.objects.get(slug="alpha").partner == other
    assert staff.get(PAGE).status_code == 404
    assert signed_in(people.admin).get(PAGE).status_code == 200


def test_plan_without_outbound_asks_first_and_then_switches_it_off(people: People, signed_in: SignedIn) -> None:
    outbound.vouch_for_domain(
        actor=ACTOR, domain=outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")
    )
    outbound.switch_outbound(actor=ACTOR, customer=people.alpha, on=True)
    client = signed_in(people.staff)

    asked = client.post(PAGE, form(people, plan="365"))
    assert asked.status_code == 422
    assert "This switches outbound off" in asked.content.decode()
    assert "mail that was accepted before is still delivered" in asked.content.decode()
    assert living_document(people.alpha).outbound is not Outbound.OFF
    assert client.post(PAGE, form(people, plan="365", switch_off="on")).status_code == 302
    assert living_document(people.alpha).outbound is Outbound.OFF
    assert actions()[-2:] == ["outbound.off", "customer.changed"]


def test_a_change_that_fails_leaves_outbound_on(people: People, signed_in: SignedIn) -> None:
    outbound.switch_outbound(actor=ACTOR, customer=people.alpha, on=True)

    answer = signed_in(people.staff).post(PAGE, form(people, name="", plan="365", switch_off="on"))
    assert answer.status_code == 422
    assert Customer.objects.get(slug="alpha").outbound != Outbound.OFF


@pytest.mark.parametrize(
    ("field", "value"), [("name", ""), ("plan", "gold"), ("region", "0"), ("partner", "x"), ("foreign_from", "")]
)
def test_mistakes_stand_in_the_page(field: str, value: str, people: People, signed_in: SignedIn) -> None:
    assert signed_in(people.operator).post(PAGE, form(people, **{field: value})).status_code == 422
    assert actions()[-1] != "customer.changed"


def test_customer_is_deleted_once_its_name_is_typed(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.staff)
    assert "2 people who can sign in" in client.get(PAGE).content.decode()

    refused = client.post(DELETE, {"name": "alpha"})
    assert refused.status_code == 422
    assert "This is not the customer" in refused.content.decode()
    assert Customer.objects.filter(slug="alpha").exists()
    assert client.post(DELETE, {"name": "Alpha"}).headers["Location"] == "/customers/"
    assert not Customer.objects.filter(slug="alpha").exists()
    assert not User.objects.filter(email__endswith="@alpha.example").exists()
    assert document(people.alpha) == Deleted()
    entry = AuditEntry.objects.get(action="customer.deleted")
    assert (entry.actor, entry.object, entry.customer) == ("staff@example.com", "alpha", "alpha")
    assert "customer.deleted" in client.get("/audit/").content.decode()


def test_held_mail_that_nobody_could_open_any_more_is_warned_of(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.staff)
    assert "Release first" not in client.get(PAGE).content.decode()
    accept(1, lane="held", lane_reason="content-spam")
    assert "nobody can open it after that. Release first" in client.get(PAGE).content.decode()


def test_deleting_the_customer_that_one_is_logged_in_as_returns(people: People, signed_in: SignedIn) -> None:
    client: Client = signed_in(people.staff)
    client.post("/customers/alpha/login-as/")

    answer = client.post(DELETE, {"name": "Alpha"}, follow=True)
    assert answer.redirect_chain[-1][0] == "/customers/"
    page = answer.content.decode()
    assert "Alpha was deleted" in page
    assert "You are" not in page
