"""Customers, their texts and outbound settings by the API."""

import pytest
from django.utils import timezone
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support import portal
from tests.support.portal import ACTOR, actions, beat, customer, newest

from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.models import Customer
from outgate.portal.outbound import services as outbound
from outgate.portal.outbound.activation import finish_activations
from outgate.portal.outbound.missing import Missing
from outgate.portal.outbound.selectors import sender_limits

pytestmark = pytest.mark.django_db(databases="__all__")


def ids(answer: object) -> list[str]:
    return [item["id"] for item in answer.json()["items"]]  # type: ignore[attr-defined]


def test_each_caller_lists_its_own_customers(people: People) -> None:
    assert ids(api_of(people.operator).get("/customers")) == ["alpha", "beta"]
    assert ids(api_of(people.staff).get("/customers")) == ["alpha"]
    assert ids(api_of(people.other_staff).get("/customers")) == ["beta"]
    assert ids(api_of(people.admin).get("/customers")) == ["alpha"]


def test_pages_hold_every_customer_once(people: People) -> None:
    for number in range(7):
        customer(f"More {number}")
    api = api_of(people.operator)

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = api.get("/customers", limit=4, cursor=cursor).json()
        assert len(answer["items"]) <= 4
        seen += [item["id"] for item in answer["items"]]
        cursor = answer["next"]
    assert seen == sorted(Customer.objects.values_list("slug", flat=True))


def test_search_is_by_name_and_beginning_of_the_id(people: People) -> None:
    api = api_of(people.operator)

    assert ids(api.get("/customers", q="LPH")) == ["alpha"]
    assert ids(api.get("/customers", q="bet")) == ["beta"]
    outbound.add_domain(actor=ACTOR, customer=people.alpha, name="sending.example")
    assert ids(api.get("/customers", q="Sending")) == ["alpha"]


@pytest.mark.parametrize("query", [{"cursor": "%%%"}, {"cursor": "AA"}, {"limit": 0}, {"limit": 9999}, {"limit": "x"}])
def test_nonsense_in_a_query_is_a_problem_or_an_empty_page(people: People, query: dict[str, object]) -> None:
    answer = api_of(people.operator).get("/customers", **query)

    assert answer.status_code in (200, 422)
    if answer.status_code == 422:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"]


def test_text_comes_out_goes_in_and_changes_what_differs(alpha: Api, people: People) -> None:
    text = alpha.get("/customers/alpha/text").content.decode()
    wanted = text + '\n[[sources]]\nnetwork = "9.9.9.9"\nlabel = "office"\n'

    difference = alpha.send("POST", "/customers/alpha/text/diff", wanted).json()["difference"]
    assert '+network = "9.9.9.9/32"' in difference
    assert not people.alpha.sources.exists()
    assert alpha.send("PUT", "/customers/alpha/text", wanted).json()["difference"] == difference
    assert people.alpha.sources.get().label == "office"
    assert alpha.send("PUT", "/customers/alpha/text", wanted).json()["difference"] == ""


@pytest.mark.parametrize(
    ("was", "instead", "field"),
    [
        ('plan = "gateway"', 'plan = "unified"', "plan"),
        ('partner = "default"', 'partner = "other"', "partner"),
        ('id = "alpha"', 'id = "beta"', "id"),
        ('name = "Alpha"', 'name = "Beta"', "name"),
        ('id = "alpha"', "", "id"),
    ],
)
def test_customer_does_not_change_by_text_what_is_its_providers(alpha: Api, was: str, instead: str, field: str) -> None:
    text = alpha.get("/customers/alpha/text").content.decode()
    assert was in text

    answer = alpha.send("PUT", "/customers/alpha/text", text.replace(was, instead))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_nobody_but_the_operator_vouches_for_a_domain_by_text(alpha: Api, people: People) -> None:
    text = alpha.get("/customers/alpha/text").content.decode()
    wanted = text + '\n[[domains]]\nname = "victim.example"\n'

    for api in (alpha, api_of(people.staff)):
        answer = api.send("PUT", "/customers/alpha/text", wanted)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "domains[0].verified"
    assert not people.alpha.domains.exists()
    assert api_of(people.operator).send("PUT", "/customers/alpha/text", wanted).status_code == 200
    assert people.alpha.domains.get().is_verified


def test_text_of_a_customers_key_may_what_its_pages_may(alpha: Api, people: People) -> None:
    text = alpha.get("/customers/alpha/text").content.decode()
    limits = "\n[limits]\nlock_factor = 5.0\n"
    lending = text.replace('foreign_from = "refuse"', 'foreign_from = "allow"')

    answer = alpha.send("PUT", "/customers/alpha/text", lending + limits)
    assert [error["field"] for error in answer.json()["errors"]] == ["foreign_from"]
    assert answer.json()["errors"][0]["detail"].startswith("Only your provider can change this.")
    assert alpha.send("PUT", "/customers/alpha/text", text + limits).status_code == 200
    assert sender_limits(people.alpha).lock_factor == 5
    assert api_of(people.staff).send("PUT", "/customers/alpha/text", lending).status_code == 200


def test_partner_does_not_move_a_customer_to_another_partner(people: People) -> None:
    api = api_of(people.staff)
    text = api.get("/customers/alpha/text").content.decode()

    answer = api.send("PUT", "/customers/alpha/text", text.replace('partner = "default"', 'partner = "other"'))
    assert [error["field"] for error in answer.json()["errors"]] == ["partner"]


def test_refused_text_names_every_mistake(alpha: Api) -> None:
    text = alpha.get("/customers/alpha/text").content.decode()
    bad = text + '\n[[sources]]\nnetwork = "10.1.2.3"\n\n[[sources]]\nnetwork = "nonsense"\n'

    answer = alpha.send("PUT", "/customers/alpha/text", bad)
    assert [error["field"] for error in answer.json()["errors"]] == ["sources[0].network", "sources[1].network"]
    assert alpha.send("PUT", "/customers/alpha/text", "= no toml").status_code == 422


def test_switching_on_shows_how_far_it_has_come(alpha: Api, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal, "NOW", timezone.now())  # heartbeats count from now
    beat("n/1", newest())
    answer = alpha.send("PUT", "/customers/alpha/outbound/status", {"on": True}).json()
    assert (answer["status"], answer["everywhere"]) == ("activating", False)
    assert answer["workers"] == [{"name": "n/1", "applied": False}]
    beat("n/1", newest())
    told = alpha.get("/customers/alpha/outbound").json()
    assert (told["workers"], told["applied_seconds"]) == ([{"name": "n/1", "applied": True}], None)
    assert finish_activations(now=portal.NOW) == ["alpha"]
    beat("n/1", newest())
    told = alpha.get("/customers/alpha/outbound").json()
    assert (told["status"], told["everywhere"]) == ("active", True)
    assert 0 <= told["applied_seconds"] < 60
    assert [each["code"] for each in told["missing"]] == ["domain", "source"]
    assert told["missing"][0]["meaning"] == Missing.DOMAIN.meaning


def test_source_is_added_and_removed(alpha: Api) -> None:
    answer = alpha.send("POST", "/customers/alpha/outbound/sources", {"network": "9.9.9.9", "label": "office"})
    assert (answer.status_code, answer.json()) == (201, {"network": "9.9.9.9/32", "label": "office"})
    for wanted, label in (({}, "office"), ({"label": "home"}, "home"), ({"label": ""}, "")):
        answer = alpha.send("POST", "/customers/alpha/outbound/sources", {"network": "9.9.9.9", **wanted})
        assert answer.json()["label"] == label
    assert alpha.get("/customers/alpha/outbound").json()["sources"] == [answer.json()]
    path = "/customers/alpha/outbound/sources?network=9.9.9.9/32"
    assert alpha.send("DELETE", path).status_code == 204
    assert alpha.send("DELETE", path).status_code == 404


def test_refusal_names_field_and_remedy(alpha: Api) -> None:
    answer = alpha.send("POST", "/customers/alpha/outbound/sources", {"network": "10.1.2.3"})

    assert answer.status_code == 422
    body = answer.json()
    assert body["code"] == "value-refused"
    assert body["errors"] == [{"field": "network", "detail": body["detail"]}]
    assert body["detail"] == "10.1.2.3 is a private address. Enter the public address that your mail leaves from."


def test_audit_names_the_key(alpha: Api) -> None:
    alpha.send("POST", "/customers/alpha/outbound/sources", {"network": "9.9.9.9"})

    assert actions()[-1] == "source.added"
    entry = AuditEntry.objects.latest("number")
    assert entry.actor.startswith("API key ")
    assert (entry.customer, entry.address) == ("alpha", "127.0.0.1")


def test_key_without_the_scope_changes_nothing(people: People) -> None:
    api = api_of(people.admin, Scope.CUSTOMERS_READ)

    answer = api.send("POST", "/customers/alpha/outbound/sources", {"network": "9.9.9.9"})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    assert not people.alpha.sources.exists()


def test_outbound_shows_the_challenge(alpha: Api, people: People) -> None:
    domain = outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")

    assert alpha.get("/customers/alpha/outbound").json()["domains"] == [
        {"name": "alpha.example", "include_subdomains": False, "verified": False, "challenge": domain.challenge}
    ]


def test_lists_of_sources_and_forwards_come_in_pages(alpha: Api) -> None:
    for number in range(3):
        alpha.send("POST", "/customers/alpha/outbound/sources", {"network": f"9.9.9.{number}"})
        body = {"address": f"a{number}@x.example"}
        assert alpha.send("POST", "/customers/alpha/outbound/auto-forwards", body).json() == body

    for path, field, last in (("sources", "network", "9.9.9.2/32"), ("auto-forwards", "address", "a2@x.example")):
        first = alpha.get(f"/customers/alpha/outbound/{path}", limit=2).json()
        assert len(first["items"]) == 2
        rest = alpha.get(f"/customers/alpha/outbound/{path}", cursor=first["next"]).json()
        assert ([each[field] for each in rest["items"]], rest["next"]) == ([last], None)


def test_platform_is_set(alpha: Api, people: People) -> None:
    answer = alpha.send("PUT", "/customers/alpha/outbound/platform", {"mail_platform": "google-workspace"})

    people.alpha.refresh_from_db()
    assert answer.json()["mail_platform"] == people.alpha.mail_platform == "google-workspace"


def test_text_is_set_only_if_it_is_as_it_was_read(alpha: Api) -> None:
    read = alpha.get("/customers/alpha/text")
    text, tag = read.content.decode(), read.headers["ETag"]
    assert alpha.send("GET", "/customers/alpha/text", headers={"if-none-match": tag}).status_code == 304
    wanted = text + '\n[[sources]]\nnetwork = "9.9.9.9"\n'

    assert alpha.send("PUT", "/customers/alpha/text", wanted, headers={"if-match": tag}).status_code == 200
    again = alpha.send("PUT", "/customers/alpha/text", text, headers={"if-match": tag})
    assert (again.status_code, again.json()["code"]) == (412, "changed-since")
    assert alpha.get("/customers/alpha/outbound").json()["sources"]
    assert alpha.send("PUT", "/customers/alpha/text", text, headers={"if-match": "*"}).status_code == 200
