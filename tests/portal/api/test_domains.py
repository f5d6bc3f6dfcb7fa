"""Domains by the API."""

import pytest
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.portal import ACTOR, actions

from outgate.portal.api import domains
from outgate.portal.outbound import services as outbound
from outgate.portal.web.ownership import DomainQuestion, NoAnswer

pytestmark = pytest.mark.django_db(databases="__all__")
PATH = "/customers/alpha/domains"


def test_domain_is_added_listed_and_removed(alpha: Api) -> None:
    answer = alpha.send("POST", PATH, {"name": "Alpha.Example.", "include_subdomains": True})

    made = answer.json()
    assert (answer.status_code, made["name"], made["verified"]) == (201, "alpha.example", False)
    assert alpha.get(PATH).json() == {"items": [made], "next": None}
    assert alpha.send("DELETE", f"{PATH}/alpha.example").status_code == 204
    assert alpha.send("DELETE", f"{PATH}/alpha.example").status_code == 404


def test_same_name_again_changes_only_what_is_said(alpha: Api) -> None:
    alpha.send("POST", PATH, {"name": "alpha.example", "include_subdomains": True})

    assert alpha.send("POST", PATH, {"name": "alpha.example"}).json()["include_subdomains"] is True
    again = alpha.send("POST", PATH, {"name": "alpha.example", "include_subdomains": False})
    assert again.json()["include_subdomains"] is False


def test_list_comes_in_pages(alpha: Api, people: People) -> None:
    for number in range(5):
        outbound.add_domain(actor=ACTOR, customer=people.alpha, name=f"d{number}.example")

    names: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = alpha.get(PATH, limit=2, cursor=cursor).json()
        names += [each["name"] for each in page["items"]]
        cursor = page["next"]
    assert names == [f"d{number}.example" for number in range(5)]


def test_published_challenge_verifies_and_again_asks_nobody(
    alpha: Api, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")
    asked: list[str] = []

    def records(name: str, question: DomainQuestion) -> frozenset[str]:
        asked.append(name)
        return frozenset({domain.challenge}) if len(asked) > 1 else frozenset()

    monkeypatch.setattr(domains, "txt_records", records)
    refused = alpha.send("POST", f"{PATH}/alpha.example/verify")
    assert (refused.status_code, refused.json()["code"]) == (409, "domain-not-proven")
    assert domain.challenge in refused.json()["detail"]
    for _ in range(2):
        answer = alpha.send("POST", f"{PATH}/alpha.example/verify", headers={"idempotency-key": "a"})
        assert answer.json()["verified"] is True
    assert alpha.send("POST", f"{PATH}/alpha.example/verify").status_code == 200
    assert len(asked) == 2
    assert actions().count("domain.verified") == 1


def test_silence_of_dns_is_a_problem(alpha: Api, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")

    def silent(name: str, question: DomainQuestion) -> frozenset[str]:
        raise NoAnswer("Nobody says. Try again.")

    monkeypatch.setattr(domains, "txt_records", silent)
    assert alpha.send("POST", f"{PATH}/alpha.example/verify").json()["detail"] == "Nobody says. Try again."


def test_only_the_operator_vouches(alpha: Api, people: People) -> None:
    outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")

    for api in (alpha, api_of(people.staff)):
        assert api.send("POST", f"{PATH}/alpha.example/vouch").status_code == 404
    answer = api_of(people.operator).send("POST", f"{PATH}/alpha.example/vouch")
    assert (answer.status_code, answer.json()["verified"]) == (200, True)


def test_domain_of_another_customer_is_refused_without_saying_whose(people: People, alpha: Api) -> None:
    taken = outbound.add_domain(actor=ACTOR, customer=people.beta, name="taken.example")
    outbound.vouch_for_domain(actor=ACTOR, domain=taken)
    alpha.send("POST", PATH, {"name": "taken.example"})

    answer = api_of(people.operator).send("POST", f"{PATH}/taken.example/vouch")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "name")
    assert "Beta" not in answer.content.decode()
