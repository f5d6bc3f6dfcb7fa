"""Tenant lock, pools and Google's signature on the page."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from tests.portal.web.conftest import People, SignedIn
from tests.support import sightings
from tests.support.portal import ACTOR, living_document
from tests.support.sightings import FITTING, OWN, TENANT, evidence, record, refused, tenant

from outgate.contract.policy import PoolAction, SignatureRule
from outgate.policy.providers import STALE_SECONDS
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.models import Customer
from outgate.portal.outbound import cloud_services, services
from outgate.portal.outbound.selectors import microsoft_settings
from outgate.portal.providers.models import ProviderState
from outgate.portal.web.sections.clouds import STALE_DAYS
from outgate.portal.web.tenant_lookup import NotFoundOut
from outgate.portal.web.views.outbound import clouds

pytestmark = pytest.mark.django_db(databases="__all__")
PAGE = "/customers/alpha/outbound/"


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "AT", timezone.now().timestamp() - 60)


@pytest.fixture
def alpha(people: People) -> Customer:
    made = people.alpha
    made.mail_platform = "microsoft-365"
    made.save(update_fields=["mail_platform"])
    services.vouch_for_domain(actor=ACTOR, domain=services.add_domain(actor=ACTOR, customer=made, name=OWN))
    return made


@pytest.fixture
def browser(alpha: Customer, people: People, signed_in: SignedIn) -> Any:
    return signed_in(people.admin)


def text(answer: Any) -> str:
    page: str = answer.content.decode()
    return page


def test_parts_of_a_cloud_are_shown_to_its_customers_only(browser: Any, alpha: Customer) -> None:
    assert 'id="tenant"' in text(browser.get(PAGE))
    assert 'id="google"' not in text(browser.get(PAGE))
    alpha.mail_platform = "google-workspace"
    alpha.save(update_fields=["mail_platform"])
    page = text(browser.get(PAGE))
    assert 'id="google"' in page
    assert 'id="tenant"' not in page
    assert 'id="pools"' not in page


def test_what_came_is_proposed_and_confirmed_with_a_click(browser: Any, alpha: Customer) -> None:
    page = text(browser.get(PAGE))
    assert "waits (451) until a tenant is confirmed" in page
    assert "No mail of yours came from Microsoft 365" in page
    record(refused(alpha, FITTING, 0), refused(alpha, FITTING, 1))
    page = text(browser.get(PAGE))
    assert "2 messages with your domain came from this tenant" in page
    assert "Confirm this tenant" in page
    page = text(browser.post(f"{PAGE}tenant/", {"tenant_id": TENANT, "name": "alpha.onmicrosoft.com"}, follow=True))
    assert f"The tenant {TENANT} is confirmed" in page
    assert "waits (451) until a tenant is confirmed" not in page
    assert living_document(alpha).microsoft.tenant_ids == (TENANT,)
    assert living_document(alpha).microsoft.names == ("alpha.onmicrosoft.com",)
    assert AuditEntry.objects.filter(action="tenant.confirmed").exists()


def test_what_does_not_fit_is_shown_with_the_reason_and_cannot_be_confirmed_with_a_click(
    browser: Any, alpha: Customer
) -> None:
    foreign = evidence(tenant_ids=(tenant(1),), originator_orgs=("evil.example",))
    record(refused(alpha, foreign, 0))
    page = text(browser.get(PAGE))
    assert "not proposed" in page
    assert "Confirm this tenant" not in page


def test_half_a_confirmation_is_none(browser: Any, alpha: Customer) -> None:
    answer = browser.post(f"{PAGE}tenant/", {"tenant_id": TENANT, "name": "not a name"})
    assert answer.status_code == 422
    assert microsoft_settings(alpha).tenant_ids == ()


@pytest.mark.parametrize(
    ("path", "form", "error"),
    [
        ("tenant/", {"tenant_id": "contoso"}, "tenant-tenant_id-error"),
        ("tenant/names/", {"name": "example.com"}, "tenant-name-name-error"),
        ("pools/", {"high_risk_pool": "eat", "relay_pool": "hold"}, "pools-high_risk_pool-error"),
    ],
)
def test_mistakes_stand_beside_their_field(browser: Any, path: str, form: dict[str, str], error: str) -> None:
    answer = browser.post(PAGE + path, form)
    assert answer.status_code == 422
    assert f'id="{error}"' in text(answer)


def test_another_customers_tenant_is_refused_without_saying_whose(
    browser: Any, alpha: Customer, people: People
) -> None:
    cloud_services.confirm_tenant(actor=ACTOR, customer=people.beta, tenant_id=TENANT)
    page = text(browser.post(f"{PAGE}tenant/", {"tenant_id": TENANT}))
    assert "another customer&#x27;s already" in page
    assert "beta" not in page.lower().replace("alphabeta", "")


def test_tenant_and_name_are_removed(browser: Any, alpha: Customer) -> None:
    cloud_services.confirm_tenant(actor=ACTOR, customer=alpha, tenant_id=TENANT)
    cloud_services.add_microsoft_name(actor=ACTOR, customer=alpha, name="alpha.onmicrosoft.com")
    assert browser.post(f"{PAGE}tenant/remove/", {"tenant_id": TENANT}).status_code == 302
    assert browser.post(f"{PAGE}tenant/names/remove/", {"name": "alpha.onmicrosoft.com"}).status_code == 302
    assert microsoft_settings(alpha).tenant_ids == microsoft_settings(alpha).names == ()


def test_pools_relayed_mail_and_signature(browser: Any, alpha: Customer) -> None:
    browser.post(f"{PAGE}pools/", {"high_risk_pool": "hold", "relay_pool": "deliver", "relay_pool_forwards": "on"})
    browser.post(f"{PAGE}tenant/relayed/", {})
    settings = microsoft_settings(alpha)
    assert (settings.high_risk_pool, settings.relay_pool) == (PoolAction.HOLD, PoolAction.DELIVER)
    assert settings.relay_pool_forwards
    assert not settings.relayed_mail
    alpha.mail_platform = "google-workspace"
    alpha.save(update_fields=["mail_platform"])
    browser.post(f"{PAGE}google/", {"signature": "require"})
    assert living_document(alpha).google.signature is SignatureRule.REQUIRE
    assert living_document(alpha).microsoft.high_risk_pool is PoolAction.HOLD


def test_look_up_fills_the_form_in_and_changes_nothing(
    browser: Any, alpha: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "tenant_of", lambda *_: TENANT)
    page = text(browser.post(f"{PAGE}tenant/look-up/", {"domain": OWN}))
    assert f'value="{TENANT}"' in page
    assert "Nothing is changed yet" in page
    assert microsoft_settings(alpha).tenant_ids == ()

    def silent(*_: object) -> str:
        raise NotFoundOut("Microsoft's service did not answer. Try again, or enter the id by hand.")

    monkeypatch.setattr(clouds, "tenant_of", silent)
    assert "did not answer" in text(browser.post(f"{PAGE}tenant/look-up/", {"domain": OWN}))


def test_only_by_the_own_proven_domains_is_looked_up(
    browser: Any, alpha: Customer, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(clouds, "tenant_of", lambda domain, *_: asked.append(domain))
    services.add_domain(actor=ACTOR, customer=alpha, name="claimed.example")
    services.vouch_for_domain(
        actor=ACTOR, domain=services.add_domain(actor=ACTOR, customer=people.beta, name="beta.example")
    )
    for domain in ("claimed.example", "beta.example", "../common", ""):
        answer = browser.post(f"{PAGE}tenant/look-up/", {"domain": domain})
        assert answer.status_code == 422
        assert "looked up by a proven domain" in text(answer)
    assert asked == []


def test_no_transaction_is_open_while_microsoft_is_asked(
    browser: Any, alpha: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth = len(connection.savepoint_ids)
    seen: list[int] = []

    def asked(*_: object) -> str:
        seen.append(len(connection.savepoint_ids))
        return TENANT

    monkeypatch.setattr(clouds, "tenant_of", asked)
    browser.post(f"{PAGE}tenant/look-up/", {"domain": OWN})
    assert seen == [depth]


def test_page_waits_for_what_comes_and_stops_when_something_came(browser: Any, alpha: Customer) -> None:
    assert f'hx-get="{PAGE}tenant/seen/"' in text(browser.get(f"{PAGE}tenant/seen/"))
    record(refused(alpha, FITTING, 0))
    seen = text(browser.get(f"{PAGE}tenant/seen/"))
    assert "hx-get" not in seen
    assert "Confirm this tenant" in seen


def test_viewer_sees_what_came_and_can_confirm_nothing(
    browser: Any, alpha: Customer, people: People, signed_in: SignedIn
) -> None:
    record(refused(alpha, FITTING, 0))
    viewer = signed_in(people.viewer)
    page = text(viewer.get(PAGE))
    assert TENANT in page
    assert "Confirm this tenant" not in page
    for path in ("tenant/", "tenant/remove/", "tenant/look-up/", "tenant/names/", "tenant/relayed/", "pools/"):
        assert viewer.post(PAGE + path, {"tenant_id": TENANT, "domain": OWN}).status_code == 403
    assert microsoft_settings(alpha).tenant_ids == ()


def test_removing_the_last_tenant_says_that_mail_waits(browser: Any, alpha: Customer) -> None:
    cloud_services.confirm_tenant(actor=ACTOR, customer=alpha, tenant_id=TENANT)
    assert "It is the only one: all mail from Microsoft 365 waits" in text(browser.get(PAGE))
    cloud_services.confirm_tenant(actor=ACTOR, customer=alpha, tenant_id=tenant(1))
    page = text(browser.get(PAGE))
    assert "It is the only one" not in page
    assert "that of your other tenants passes" in page
    assert f"by {ACTOR.name}" in page
    assert "none in the last 30 days" in page


def test_pools_say_what_came_from_them(browser: Any, alpha: Customer) -> None:
    record(
        refused(alpha, evidence(pool="normal"), 0),
        refused(alpha, evidence(pool="high-risk"), 1),
        refused(alpha, evidence(pool="relay"), 2),
        refused(alpha, evidence(pool="relay"), 3),
    )
    page = text(browser.get(PAGE))
    assert "Of your last 4 messages from Microsoft 365 in 7 days" in page
    assert "<strong>1</strong> came from the high-risk pool, <strong>2</strong> came from the relay pool" in page


def test_google_page_says_whether_its_mail_is_signed(browser: Any, alpha: Customer) -> None:
    alpha.mail_platform = "google-workspace"
    alpha.save(update_fields=["mail_platform"])
    assert "No mail of yours came from Google" in text(browser.get(PAGE))
    google = {"source_class": "google", "tenant_ids": (), "originator_orgs": (), "auth_as": ()}
    record(refused(alpha, evidence(**google, dkim="pass"), 0))
    assert "all had a signature that passed" in text(browser.get(PAGE))
    record(refused(alpha, evidence(**google, dkim="none"), 1))
    assert "1 had no signature that passed" in text(browser.get(PAGE))


def test_mail_from_google_is_not_among_what_came_from_microsoft(browser: Any, alpha: Customer) -> None:
    record(refused(alpha, evidence(source_class="google", tenant_ids=(), originator_orgs=(), auth_as=()), 0))
    assert "No mail of yours came from Microsoft 365" in text(browser.get(PAGE))


def test_old_ranges_are_an_alarm(browser: Any) -> None:
    ProviderState.objects.create(provider="microsoft", networks=["40.92.0.0/15"], confirmed_at=timezone.now())
    assert "Networks known" in text(browser.get(PAGE))
    ProviderState.objects.update(confirmed_at=timezone.now() - timedelta(days=36))
    page = text(browser.get(PAGE))
    assert "36 days old: mail from addresses of the provider that are new since then" in page
    assert "the list that came with this version" in page
    ProviderState.objects.update(confirmed_at=timezone.now(), fetched_at=timezone.now(), last_error="status 500")
    page = text(browser.get(PAGE))
    assert "days old" not in page
    assert "Microsoft&#x27;s service of addresses" in page or "Microsoft's service of addresses" in page
    assert "the last try failed; this list stays in use" in page


def test_a_list_is_old_here_when_the_workers_take_it_to_be(browser: Any) -> None:
    assert STALE_DAYS * 86_400 == STALE_SECONDS


def test_overview_asks_for_the_tenant(browser: Any, alpha: Customer) -> None:
    assert "Tenant confirmed" in text(browser.get("/customers/alpha/"))
    alpha.mail_platform = "exchange"
    alpha.save(update_fields=["mail_platform"])
    assert "Tenant confirmed" not in text(browser.get("/customers/alpha/"))
