"""The tenant lock and what a customer wants of the clouds' mail, changed by services."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from tests.support.portal import ACTOR, actions, customer, living_document, newest

from outgate.contract.policy import (
    DEFAULT_LIMITS,
    Counted,
    GoogleSettings,
    Limit,
    LimitScope,
    MicrosoftSettings,
    PoolAction,
    Provider,
    ProviderDocument,
    SenderLimits,
    SignatureRule,
)
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.errors import Invalid, NotFound
from outgate.portal.feed.changes import changes
from outgate.portal.outbound import cloud_services, services
from outgate.portal.outbound.models import MicrosoftName, MicrosoftTenant, OutboundSettings
from outgate.portal.providers.services import enter

pytestmark = pytest.mark.django_db(databases="__all__")

TENANT = "1b2c3d4e-0000-4000-8000-1234567890ab"
NAME = "contoso.onmicrosoft.com"


def publish(provider: Provider, *networks: str) -> None:
    """As the clerk does after it has asked the provider."""
    document = ProviderDocument(provider, networks, "1", datetime(2026, 11, 23, tzinfo=UTC).timestamp())
    with changes() as changed:
        changed.write(f"provider:{provider.value}", lambda: document)


def test_customer_that_has_set_nothing_has_the_defaults_and_no_row() -> None:
    written = living_document(customer())

    assert written.microsoft == MicrosoftSettings()
    assert written.google == GoogleSettings()
    assert written.limits == SenderLimits()
    assert not OutboundSettings.objects.exists()


def test_confirmed_tenant_reaches_the_workers_in_one_spelling() -> None:
    made = customer()

    tenant = cloud_services.confirm_tenant(actor=ACTOR, customer=made, tenant_id=f" {{{TENANT.upper()}}} ")
    cloud_services.add_microsoft_name(actor=ACTOR, customer=made, name="Contoso.OnMicrosoft.com.")

    assert living_document(made).microsoft == MicrosoftSettings((TENANT,), (NAME,))
    assert tenant.confirmed_by == ACTOR.name
    assert actions()[-2:] == ["tenant.confirmed", "microsoft-name.added"]


def test_confirming_again_changes_nothing() -> None:
    made = customer()
    cloud_services.confirm_tenant(actor=ACTOR, customer=made, tenant_id=TENANT)
    cloud_services.add_microsoft_name(actor=ACTOR, customer=made, name=NAME)
    before = newest(), actions()

    cloud_services.confirm_tenant(actor=ACTOR, customer=made, tenant_id=TENANT)
    cloud_services.add_microsoft_name(actor=ACTOR, customer=made, name=NAME)

    assert (newest(), actions()) == before


@pytest.mark.parametrize(
    ("tenant_id", "said"),
    [
        ("contoso", "is not a tenant id. Enter the directory id"),
        (TENANT[:-1], "is not a tenant id"),
        ("00000000-0000-0000-0000-000000000000", "is not a tenant id"),
        ("84DF9E7F-E9F6-40AF-B435-AAAAAAAAAAAA", "all private outlook.com mailboxes"),
        ("9188040d-6c67-4c5b-b112-36a304b66dad", "all private outlook.com mailboxes"),
    ],
)
def test_what_is_no_organisations_tenant_is_refused(tenant_id: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        cloud_services.confirm_tenant(actor=ACTOR, customer=customer(), tenant_id=tenant_id)

    assert caught.value.field == "tenant_id"
    assert not MicrosoftTenant.objects.exists()


@pytest.mark.parametrize(
    "name", ["contoso.com", "onmicrosoft.com", ".onmicrosoft.com", "a.b.onmicrosoft.com", "-a.onmicrosoft.com", ""]
)
def test_what_is_no_tenants_name_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match=r"Enter the .* began with, example\.onmicrosoft\.com"):
        cloud_services.add_microsoft_name(actor=ACTOR, customer=customer(), name=name)


def test_tenant_and_name_are_one_customers() -> None:
    first, second = customer("First"), customer("Second")
    cloud_services.confirm_tenant(actor=ACTOR, customer=first, tenant_id=TENANT)
    cloud_services.add_microsoft_name(actor=ACTOR, customer=first, name=NAME)

    with pytest.raises(Invalid, match="is another customer's already") as caught:
        cloud_services.confirm_tenant(actor=ACTOR, customer=second, tenant_id=TENANT)
    with pytest.raises(Invalid, match="is another customer's already"):
        cloud_services.add_microsoft_name(actor=ACTOR, customer=second, name=NAME)

    assert "First" not in caught.value.public_message
    assert living_document(second).microsoft == MicrosoftSettings()
    assert actions()[-2:] == ["tenant.contested", "microsoft-name.contested"]
    alarm = AuditEntry.objects.latest("number")
    assert (alarm.object, alarm.detail) == (f"second/{NAME}", {"holder": "first"})
    assert (alarm.customer, alarm.partner_id) == ("", None)  # the operator's alone


def test_two_customers_cannot_have_one_tenant_even_past_the_services() -> None:
    first, second = customer("First"), customer("Second")
    cloud_services.confirm_tenant(actor=ACTOR, customer=first, tenant_id=TENANT)
    cloud_services.add_microsoft_name(actor=ACTOR, customer=first, name=NAME)

    with pytest.raises(IntegrityError), transaction.atomic():
        second.microsoft_tenants.create(tenant_id=TENANT, confirmed_at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        second.microsoft_names.create(name=NAME)


def test_tenants_name_is_not_proven_as_anothers_domain_nor_the_other_way_round() -> None:
    first, second = customer("First"), customer("Second")
    cloud_services.add_microsoft_name(actor=ACTOR, customer=first, name=NAME)
    claim = second.domains.create(name=NAME, challenge="of a time when such names were taken")
    proven = first.domains.create(name="fabrikam.onmicrosoft.com", challenge="the same")
    services.vouch_for_domain(actor=ACTOR, domain=proven)

    with pytest.raises(Invalid, match="is another customer's already"):
        services.vouch_for_domain(actor=ACTOR, domain=claim)
    with pytest.raises(Invalid, match="is another customer's already"):
        cloud_services.add_microsoft_name(actor=ACTOR, customer=second, name="fabrikam.onmicrosoft.com")
    cloud_services.add_microsoft_name(actor=ACTOR, customer=first, name="fabrikam.onmicrosoft.com")


def test_removed_tenant_and_name_are_free_for_another() -> None:
    first, second = customer("First"), customer("Second")
    cloud_services.confirm_tenant(actor=ACTOR, customer=first, tenant_id=TENANT)
    cloud_services.add_microsoft_name(actor=ACTOR, customer=first, name=NAME)

    cloud_services.remove_tenant(actor=ACTOR, customer=first, tenant_id=TENANT.upper())
    cloud_services.remove_microsoft_name(actor=ACTOR, customer=first, name=NAME)

    cloud_services.confirm_tenant(actor=ACTOR, customer=second, tenant_id=TENANT)
    cloud_services.add_microsoft_name(actor=ACTOR, customer=second, name=NAME)
    assert living_document(first).microsoft == MicrosoftSettings()
    with pytest.raises(NotFound, match="has no tenant"):
        cloud_services.remove_tenant(actor=ACTOR, customer=first, tenant_id=TENANT)
    with pytest.raises(NotFound, match="has no name"):
        cloud_services.remove_microsoft_name(actor=ACTOR, customer=first, name=NAME)
    assert MicrosoftName.objects.get().customer == second


def test_there_is_a_last_tenant_and_a_last_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_services, "TENANTS_MAX", 1)
    monkeypatch.setattr(cloud_services, "NAMES_MAX", 1)
    made = customer()
    cloud_services.confirm_tenant(actor=ACTOR, customer=made, tenant_id=TENANT)
    cloud_services.add_microsoft_name(actor=ACTOR, customer=made, name=NAME)

    with pytest.raises(Invalid, match="already 1 tenants"):
        cloud_services.confirm_tenant(actor=ACTOR, customer=made, tenant_id=TENANT.replace("1b2c", "ffff"))
    with pytest.raises(Invalid, match="already 1 names"):
        cloud_services.add_microsoft_name(actor=ACTOR, customer=made, name="b.onmicrosoft.com")


def test_pools_relayed_mail_and_signature_are_settings_with_an_audit_line_each() -> None:
    made = customer()
    wanted = {
        "relayed_mail": False,
        "high_risk_pool": PoolAction.DELIVER,
        "relay_pool": PoolAction.HOLD,
        "relay_pool_forwards": True,
    }

    for _ in range(2):  # the second time there is nothing to do
        cloud_services.set_microsoft(actor=ACTOR, customer=made, **wanted)  # type: ignore[arg-type]
        cloud_services.set_google(actor=ACTOR, customer=made, signature=SignatureRule.REQUIRE)

    written = living_document(made)
    assert written.microsoft == MicrosoftSettings((), (), False, PoolAction.DELIVER, PoolAction.HOLD, True)
    assert written.google == GoogleSettings(SignatureRule.REQUIRE)
    assert actions()[-2:] == ["microsoft.changed", "google.changed"]
    assert actions().count("microsoft.changed") == 1


def test_limits_reach_the_workers_and_only_what_differs_is_stored() -> None:
    made = customer()
    rules = (
        Limit(LimitScope.NULL, Counted.MESSAGES, 60, 5),
        Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 300, 9),
    )
    wanted = SenderLimits(limits=rules, exempt=("News@Example.com", "@B.Example"))

    for _ in range(2):
        cloud_services.set_limits(actor=ACTOR, customer=made, limits=wanted)

    assert living_document(made).limits == SenderLimits(
        limits=tuple(sorted(rules)), exempt=("@b.example", "news@example.com")
    )
    assert set(OutboundSettings.objects.get().limits) == {"limits", "exempt"}
    assert actions().count("limits.changed") == 1


def test_no_rules_means_no_limits_and_the_defaults_in_any_order_are_the_defaults() -> None:
    made = customer()

    cloud_services.set_limits(actor=ACTOR, customer=made, limits=SenderLimits(limits=()))
    assert living_document(made).limits.limits == ()

    cloud_services.set_limits(actor=ACTOR, customer=made, limits=SenderLimits(limits=DEFAULT_LIMITS[::-1]))
    assert living_document(made).limits == SenderLimits()
    assert OutboundSettings.objects.get().limits == {}


def rule(seconds: int = 300, maximum: int = 1) -> Limit:
    return Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, seconds, maximum)


@pytest.mark.parametrize(
    ("limits", "field", "said"),
    [
        (SenderLimits((rule(59),)), "rules[0].seconds", "from 60 to 604800"),
        (SenderLimits((rule(), rule(604_801))), "rules[1].seconds", "from 60 to 604800"),
        (SenderLimits((rule(maximum=0),)), "rules[0].maximum", "from 1 to"),
        (SenderLimits((rule(), rule(maximum=2))), "rules[1]", r"already a limit of recipients of a mailbox in 300"),
        (SenderLimits(tuple(rule(60 + each) for each in range(51))), "rules", "at most 50"),
        (SenderLimits(exempt=("news",)), "exempt[0]", "Enter a mailbox such as news@example.com"),
        (SenderLimits(exempt=("@",)), "exempt[0]", "or all of a domain as @example.com"),
        (SenderLimits(exempt=("a@b.example", "A@B.example")), "exempt[1]", r"listed already at exempt\[0\]"),
        (SenderLimits(exempt=("",)), "exempt[0]", "Enter a mailbox"),
        (SenderLimits(exempt=("@a.example",) * 1001), "exempt", "at most 1000"),
        (SenderLimits(slow_messages_max=-1), "slow_messages_max", "from 0 to"),
        (SenderLimits(slow_octets_max=-1), "slow_octets_max", "from 0 to"),
        (SenderLimits(lock_factor=0.5), "lock_factor", "or 0 for a mailbox never locked"),
        (SenderLimits(lock_factor=float("nan")), "lock_factor", "or 0 for"),
        (SenderLimits(lock_factor=float("inf")), "lock_factor", "or 0 for"),
        (SenderLimits(lock_seconds=59), "lock_seconds", "from 60 to"),
        (SenderLimits(lock_seconds=600, lock_max_seconds=599), "lock_max_seconds", "from 600 to"),
        (SenderLimits(invalid_percent=101), "invalid_percent", "from 0 to 100"),
        (SenderLimits(invalid_minimum=0), "invalid_minimum", "from 1 to"),
    ],
)
def test_limits_that_make_no_sense_are_refused_with_the_remedy(limits: SenderLimits, field: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        cloud_services.set_limits(actor=ACTOR, customer=customer(), limits=limits)

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("network", "said"),
    [("40.107.1.7", "of Microsoft 365"), ("74.125.3.0/24", "of Google Workspace"), ("2a01:111:f400:7::/64", "tenant")],
)
def test_source_within_a_clouds_ranges_is_refused(network: str, said: str) -> None:
    publish(Provider.MICROSOFT, "40.107.0.0/16", "2a01:111:f400::/48")
    publish(Provider.GOOGLE, "74.125.0.0/16")

    with pytest.raises(Invalid, match=f"{said}.*") as caught:
        services.add_source(actor=ACTOR, customer=customer(), network=network)

    assert caught.value.field == "network"
    assert "the customer" not in caught.value.public_message  # who reads it is the customer


def test_source_within_ranges_that_came_with_outgate_is_refused_before_any_are_published() -> None:
    enter([ProviderDocument(Provider.MICROSOFT, ("40.107.0.0/16",), "1", 1_795_000_000.0)])

    with pytest.raises(Invalid, match="of Microsoft 365"):
        services.add_source(actor=ACTOR, customer=customer(), network="40.107.1.7")


def test_source_around_a_clouds_addresses_is_refused_too_and_others_are_taken() -> None:
    made = customer()
    services.add_source(actor=ACTOR, customer=made, network="40.107.1.7")  # nothing is known of the ranges yet
    publish(Provider.MICROSOFT, "9.9.9.16/28", "40.107.0.0/16")

    with pytest.raises(Invalid, match="choose the mail platform Microsoft 365, and confirm your tenant"):
        services.add_source(actor=ACTOR, customer=made, network="9.9.9.0/24")
    services.add_source(actor=ACTOR, customer=made, network="9.9.9.8")
    services.add_source(actor=ACTOR, customer=made, network="40.107.1.7", label="as before")
