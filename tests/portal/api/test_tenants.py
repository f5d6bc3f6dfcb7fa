"""The tenant lock by the API."""

import pytest
from django.utils import timezone
from tests.portal.api.conftest import api_of
from tests.portal.web.conftest import People
from tests.support import sightings
from tests.support.portal import ACTOR, actions
from tests.support.sightings import FITTING, OWN, TENANT, record, refused

from outgate.portal.accounts.keys import Scope
from outgate.portal.api import tenants
from outgate.portal.outbound import cloud_services, services
from outgate.portal.outbound.selectors import google_settings, microsoft_settings
from outgate.portal.web.tenant_lookup import NotFoundOut

pytestmark = pytest.mark.django_db(databases="__all__")
PATH = "/customers/alpha/tenants"


def test_tenant_is_confirmed_shown_and_removed(people: People) -> None:
    api = api_of(people.admin)
    assert api.get(PATH).json()["tenant_ids"] == []
    answer = api.send("POST", PATH, {"tenant_id": TENANT.upper(), "names": ["alpha.onmicrosoft.com"]})
    assert answer.status_code == 201
    assert answer.json()["tenant_ids"] == [TENANT]
    assert microsoft_settings(people.alpha).names == ("alpha.onmicrosoft.com",)
    assert api.send("DELETE", f"{PATH}/{TENANT}").status_code == 204
    assert api.send("DELETE", f"{PATH}/{TENANT}").status_code == 404


def test_name_is_added_by_itself_and_removed(people: People) -> None:
    api = api_of(people.admin)
    for _ in range(2):
        assert api.send("PUT", f"{PATH}/names/Alpha.onmicrosoft.com").json()["names"] == ["alpha.onmicrosoft.com"]
    assert api.send("PUT", f"{PATH}/names/alpha.example").json()["errors"][0]["field"] == "name"
    assert api.send("DELETE", f"{PATH}/names/alpha.onmicrosoft.com").status_code == 204
    assert microsoft_settings(people.alpha).names == ()


def test_half_a_confirmation_is_none(people: People) -> None:
    api = api_of(people.admin)
    assert api.send("POST", PATH, {"tenant_id": TENANT, "names": ["x"]}).status_code == 422
    assert microsoft_settings(people.alpha).tenant_ids == ()


def test_anothers_tenant_is_refused_and_an_alarm_however_it_is_asked(people: People) -> None:
    cloud_services.confirm_tenant(actor=ACTOR, customer=people.beta, tenant_id=TENANT)
    api = api_of(people.admin)
    for headers in ({}, {"idempotency-key": "once-1"}):
        before = actions().count("tenant.contested")
        answer = api.send("POST", PATH, {"tenant_id": TENANT}, headers=headers)
        assert answer.status_code == 422
        assert "beta" not in answer.content.decode().lower()
        assert actions().count("tenant.contested") == before + 1
    assert microsoft_settings(people.alpha).tenant_ids == ()


def test_customers_key_sets_by_text_what_its_page_lets_it_set(people: People) -> None:
    api = api_of(people.admin)
    wanted = f"""{api.get("/customers/alpha/text").content.decode()}
[microsoft]
tenant_ids = ["{TENANT}"]
relay_pool = "hold"

[google]
signature = "require"
"""
    assert api.send("PUT", "/customers/alpha/text", wanted).status_code == 200
    assert microsoft_settings(people.alpha).tenant_ids == (TENANT,)
    assert google_settings(people.alpha).signature.value == "require"


@pytest.mark.parametrize(("method", "path"), [("PUT", "/customers/alpha/text"), ("POST", "/customers/alpha/text/diff")])
def test_anothers_tenant_in_a_text_is_an_alarm_also_when_it_is_only_looked_at(
    people: People, method: str, path: str
) -> None:
    cloud_services.confirm_tenant(actor=ACTOR, customer=people.beta, tenant_id=TENANT)
    api = api_of(people.admin)
    text = api.get("/customers/alpha/text").content.decode()
    answer = api.send(method, path, f'{text}\n[microsoft]\ntenant_ids = ["{TENANT}"]\n')
    assert answer.status_code == 422
    assert actions()[-1] == "tenant.contested"


def test_what_came_is_told(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "AT", timezone.now().timestamp() - 60)
    domain = services.add_domain(actor=ACTOR, customer=people.alpha, name=OWN)
    services.vouch_for_domain(actor=ACTOR, domain=domain)
    record(refused(people.alpha, FITTING, 0), refused(people.alpha, FITTING, 1))
    told = api_of(people.admin).get(PATH).json()
    assert [(each["tenant_id"], each["proposed"], each["problem"]) for each in told["seen"]] == [(TENANT, True, "")]
    (shown,) = told["sightings"]
    assert (shown["tenant_ids"], shown["originator_orgs"], shown["signatures"]) == ([TENANT], [OWN], [OWN])
    assert (shown["messages"], shown["auth_as"]) == (2, ["internal"])
    assert shown["last_reason"] == "tenant-unconfirmed"


def test_name_is_removed(people: People) -> None:
    api = api_of(people.admin)
    api.send("POST", PATH, {"tenant_id": TENANT, "names": ["alpha.onmicrosoft.com"]})
    assert api.send("DELETE", f"{PATH}/names/alpha.onmicrosoft.com").status_code == 204
    assert api.send("DELETE", f"{PATH}/names/alpha.onmicrosoft.com").status_code == 404
    assert microsoft_settings(people.alpha).names == ()


def test_look_up_is_of_an_own_proven_domain_and_confirms_nothing(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = api_of(people.admin)
    domain = services.add_domain(actor=ACTOR, customer=people.alpha, name=OWN)
    monkeypatch.setattr(tenants, "tenant_of", lambda *_: TENANT)
    assert api.send("POST", f"{PATH}/look-up", {"domain": OWN}).status_code == 422  # not proven
    assert api.send("POST", f"{PATH}/look-up", {"domain": "beta.example"}).status_code == 404
    services.vouch_for_domain(actor=ACTOR, domain=domain)
    answer = api.send("POST", f"{PATH}/look-up", {"domain": OWN.upper()})
    assert answer.json() == {"domain": OWN, "tenant_id": TENANT}
    assert microsoft_settings(people.alpha).tenant_ids == ()

    def silent(*_: object) -> str:
        raise NotFoundOut("Microsoft's service did not answer. Try again, or enter the id by hand.")

    monkeypatch.setattr(tenants, "tenant_of", silent)
    answer = api.send("POST", f"{PATH}/look-up", {"domain": OWN})
    assert (answer.status_code, answer.json()["code"]) == (409, "tenant-not-found")


def test_rules_are_set_together(people: People) -> None:
    api = api_of(people.admin)
    wanted = {"high_risk_pool": "hold", "google_signature": "require", "relayed_mail": False}
    answer = api.send("PUT", "/customers/alpha/cloud-rules", wanted)
    assert answer.status_code == 200
    assert answer.json()["high_risk_pool"] == "hold"
    assert not microsoft_settings(people.alpha).relayed_mail
    assert google_settings(people.alpha).signature.value == "require"


def test_reading_is_not_changing_and_a_foreign_key_finds_nothing(people: People) -> None:
    reader = api_of(people.admin, Scope.CUSTOMERS_READ)
    assert reader.send("POST", PATH, {"tenant_id": TENANT}).status_code == 403
    assert api_of(people.foreign_admin).get(PATH).status_code == 404
