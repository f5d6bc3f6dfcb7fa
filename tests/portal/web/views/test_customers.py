"""The list of customers, and a new one."""

import time

import pytest
from tests.portal.web.conftest import PASSWORD, People, SignedIn
from tests.support.portal import ACTOR, actions, region

from outgate.portal.accounts.models import User
from outgate.portal.customers.models import Customer
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.web.forms import ENTRIES_MAX

pytestmark = pytest.mark.django_db(databases="__all__")
MANY = 10_000
PAGE_SECONDS = 0.3


def names(page: str) -> list[str]:
    return [part.partition("<")[0] for part in page.split('<div class="name">')[1:]]


def test_search_finds_name_id_and_domain(people: People, signed_in: SignedIn) -> None:
    SendingDomain.objects.create(customer=people.beta, name="mail.shop.example", challenge="x")
    client = signed_in(people.operator)

    assert names(client.get("/customers/").content.decode()) == ["Alpha", "Beta"]
    assert names(client.get("/customers/?q=LPH").content.decode()) == ["Alpha"]
    assert names(client.get("/customers/?q=bet").content.decode()) == ["Beta"]
    assert names(client.get("/customers/?q=mail.sh").content.decode()) == ["Beta"]
    nothing = client.get("/customers/?q=zzz").content.decode()
    assert 'Nothing found for "zzz"' in nothing.replace("&quot;", '"')


def test_sorting_and_strange_queries(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.operator)

    assert names(client.get("/customers/?sort=-name").content.decode()) == ["Beta", "Alpha"]
    for query in (
        "sort=password",
        "sort=-",
        "page=x",
        "page=-1",
        "page=99999999999",
        "page=0",
        "q=%ff",
        "q=" + "x" * 500,
    ):
        assert client.get(f"/customers/?{query}").status_code == 200, query


def test_typing_gets_the_table_alone(people: People, signed_in: SignedIn) -> None:
    part = signed_in(people.operator).get("/customers/?q=alpha", headers={"hx-request": "true"}).content.decode()

    assert part.lstrip().startswith('<section id="customers"')
    assert "<html" not in part


def test_ten_thousand_customers_are_no_burden(people: People, signed_in: SignedIn) -> None:
    Customer.objects.bulk_create(
        Customer(
            partner=people.alpha.partner,
            region=people.alpha.region,
            slug=f"customer-{number}",
            name=f"Customer {number}",
        )
        for number in range(MANY)
    )
    rows = Customer.objects.filter(slug__startswith="customer-").values_list("pk", flat=True)
    SendingDomain.objects.bulk_create(
        SendingDomain(customer_id=pk, name=f"d{number}.example", challenge="x") for number, pk in enumerate(rows)
    )
    client = signed_in(people.operator)
    client.get("/customers/")
    for query in ("", "page=400", "q=customer+9999", "q=d77", "sort=-outbound&page=200", "sort=region", "q=zzz"):
        best = min(_seconds(client, query) for _ in range(3))
        assert best < PAGE_SECONDS, (query, best)


def _seconds(client: object, query: str) -> float:
    begin = time.perf_counter()
    answer = client.get(f"/customers/?{query}")  # type: ignore[attr-defined]
    assert answer.status_code == 200
    return time.perf_counter() - begin


def test_new_customer_comes_with_domains_and_an_administrator(people: People, signed_in: SignedIn) -> None:
    form = {
        "name": "Gamma & Co",
        "plan": "unified",
        "mail_platform": "microsoft-365",
        "domains": "gamma.example\r\nGAMMA.example.org",
        "admin_name": "Gil",
        "admin_email": "gil@gamma.example",
    }
    answer = signed_in(people.staff).post("/customers/new/", form)

    assert answer.status_code == 200
    made = Customer.objects.get(name="Gamma & Co")
    assert (made.plan, made.mail_platform, made.partner) == ("unified", "microsoft-365", people.staff.partner)
    assert sorted(made.domains.values_list("name", flat=True)) == ["gamma.example", "gamma.example.org"]
    user = User.objects.get(email="gil@gamma.example")
    assert user.check_password(answer.context["password"])
    assert answer.context["password"] in answer.content.decode()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Alpha"}, "name"),
        ({"plan": "gold"}, "plan"),
        ({"mail_platform": ""}, "mail_platform"),
        ({"domains": "good.example\nno domain"}, "domains"),
        ({"domains": "good.example gamma.onmicrosoft.com"}, "domains"),
        ({"domains": " ".join(f"d{number}.example" for number in range(ENTRIES_MAX + 1))}, "domains"),
        ({"admin_email": "nobody"}, "admin_email"),
        ({"admin_email": "admin@alpha.example"}, "admin_email"),
    ],
)
def test_mistake_leaves_nothing_behind(change: dict[str, str], field: str, people: People, signed_in: SignedIn) -> None:
    form = {"name": "Gamma", "plan": "gateway", "mail_platform": "other", "domains": "good.example", **change}
    client = signed_in(people.staff)
    before = actions()

    answer = client.post("/customers/new/", form)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.content.decode()
    assert not Customer.objects.exclude(pk__in=[people.alpha.pk, people.beta.pk]).exists()
    assert actions() == before


def test_operator_chooses_partner_and_region(people: People, signed_in: SignedIn) -> None:
    other = region("Elsewhere")
    client = signed_in(people.operator)
    form = {"name": "Gamma", "plan": "gateway", "mail_platform": "other"}

    assert client.post("/customers/new/", form).status_code == 422
    chosen = {**form, "partner": str(people.beta.partner_id), "region": str(other.pk)}
    assert client.post("/customers/new/", chosen).status_code == 200
    made = Customer.objects.get(name="Gamma")
    assert (made.partner, made.region) == (people.beta.partner, other)


def test_staff_makes_no_customer_for_another_partner(people: People, signed_in: SignedIn) -> None:
    form = {"name": "Gamma", "plan": "gateway", "mail_platform": "other", "partner": str(people.beta.partner_id)}

    signed_in(people.staff).post("/customers/new/", form)
    assert Customer.objects.get(name="Gamma").partner == people.staff.partner


def test_partner_without_a_customer_sees_what_to_do(people: People, signed_in: SignedIn) -> None:
    Customer.objects.filter(pk=people.alpha.pk).delete()

    page = signed_in(people.staff).get("/customers/").content.decode()
    assert "There is no customer yet" in page
    assert 'href="/customers/new/"' in page
    assert ACTOR.name not in page
    assert PASSWORD not in page
