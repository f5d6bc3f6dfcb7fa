"""What a customer may send, changed by services."""

from typing import Any

import pytest
from tests.support.portal import ACTOR, actions, customer, living_document, newest

from outgate.contract.policy import Outbound, OutboundSource, RelayTls, SenderRelay, SendingDomain
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.models import Customer, MailPlatform, Plan, Region
from outgate.portal.customers.services import change_region, create_region
from outgate.portal.errors import Invalid
from outgate.portal.outbound import services
from outgate.portal.outbound.models import SendingDomain as DomainRow

pytestmark = pytest.mark.django_db(databases="__all__")


def test_claimed_domain_is_no_workers_business() -> None:
    made = customer()
    before = newest()

    domain = services.add_domain(actor=ACTOR, customer=made, name="Example.COM")

    assert domain.name == "example.com"
    assert not domain.is_verified
    assert newest() == before
    assert living_document(made).domains == ()


def test_domain_is_proven_by_its_challenge() -> None:
    made = customer()
    domain = services.add_domain(actor=ACTOR, customer=made, name="example.com", include_subdomains=True)

    with pytest.raises(services.DomainNotProven, match="has no TXT record 'outgate-domain-verification="):
        services.verify_domain(actor=ACTOR, domain=domain, txt_records=frozenset({"v=spf1 -all"}))
    services.verify_domain(actor=ACTOR, domain=domain, txt_records=frozenset({"v=spf1 -all", domain.challenge}))

    assert living_document(made).domains == (SendingDomain("example.com", include_subdomains=True),)
    assert actions()[-2:] == ["domain.added", "domain.verified"]


def test_first_proof_wins() -> None:
    first, second = customer("First"), customer("Second")
    claims = [services.add_domain(actor=ACTOR, customer=each, name="example.com") for each in (first, second)]
    services.vouch_for_domain(actor=ACTOR, domain=claims[1])

    with pytest.raises(Invalid, match=r"example\.com is another customer's already"):
        services.verify_domain(actor=ACTOR, domain=claims[0], txt_records=frozenset({claims[0].challenge}))

    assert living_document(first).domains == ()
    assert living_document(second).domains == (SendingDomain("example.com"),)
    alarm = AuditEntry.objects.latest("pk")
    assert (alarm.action, alarm.customer, alarm.detail) == ("domain.contested", "", {"holder": "second"})


def test_withdrawn_proof_frees_the_domain_for_another() -> None:
    first, second = customer("First"), customer("Second")
    claims = [services.add_domain(actor=ACTOR, customer=each, name="example.com") for each in (first, second)]
    services.vouch_for_domain(actor=ACTOR, domain=claims[0])

    services.withdraw_proof(actor=ACTOR, domain=claims[0])
    services.vouch_for_domain(actor=ACTOR, domain=claims[1])

    assert living_document(first).domains == ()
    assert living_document(second).domains == (SendingDomain("example.com"),)


def test_two_customers_cannot_be_proven_even_past_the_services() -> None:
    from django.db import IntegrityError, transaction
    from django.utils import timezone

    claims = [services.add_domain(actor=ACTOR, customer=customer(name), name="example.com") for name in ("A", "B")]
    services.vouch_for_domain(actor=ACTOR, domain=claims[0])

    with pytest.raises(IntegrityError), transaction.atomic():
        DomainRow.objects.filter(pk=claims[1].pk).update(verified_at=timezone.now(), proof="dns")


def test_repeated_wishes_change_nothing() -> None:
    made = customer()
    domain = services.add_domain(actor=ACTOR, customer=made, name="example.com")
    services.vouch_for_domain(actor=ACTOR, domain=domain)
    services.add_source(actor=ACTOR, customer=made, network="9.9.9.9", label="Wien")
    services.set_sender_relay(actor=ACTOR, customer=made, domain="example.com", host="relay.example.net")
    services.add_auto_forward(actor=ACTOR, customer=made, address="a@archive.example")
    services.switch_outbound(actor=ACTOR, customer=made, on=True)
    before, lines = newest(), actions()

    services.add_domain(actor=ACTOR, customer=made, name="EXAMPLE.com")
    services.vouch_for_domain(actor=ACTOR, domain=domain)
    services.add_source(actor=ACTOR, customer=made, network="9.9.9.9/32", label="Wien")
    services.set_sender_relay(actor=ACTOR, customer=made, domain="example.com", host="relay.example.net")
    services.add_auto_forward(actor=ACTOR, customer=made, address="a@Archive.example")
    services.switch_outbound(actor=ACTOR, customer=made, on=True)

    assert (newest(), actions()) == (before, lines)


def test_all_settings_reach_the_document_in_order() -> None:
    made = customer()
    for name in ("b.example", "a.example"):
        services.vouch_for_domain(actor=ACTOR, domain=services.add_domain(actor=ACTOR, customer=made, name=name))
    services.add_source(actor=ACTOR, customer=made, network="9.9.9.9", label="Wien")
    services.add_source(actor=ACTOR, customer=made, network="2a02:898::/48")
    services.set_sender_relay(
        actor=ACTOR, customer=made, domain="a.example", host="relay.example.net", port=2525, tls=RelayTls.VERIFIED
    )
    services.add_auto_forward(actor=ACTOR, customer=made, address="X@archive.example")

    document = living_document(made)

    assert [domain.name for domain in document.domains] == ["a.example", "b.example"]
    assert set(document.sources) == {OutboundSource("9.9.9.9/32", "Wien"), OutboundSource("2a02:898::/48")}
    assert document.sender_relays == (SenderRelay("a.example", "relay.example.net", 2525, RelayTls.VERIFIED),)
    assert document.auto_forwards == ("X@archive.example",)
    assert (document.outbound, document.customer_id) == (Outbound.OFF, "example")


def test_what_is_removed_leaves_the_document() -> None:
    made = customer()
    domain = services.add_domain(actor=ACTOR, customer=made, name="example.com")
    services.vouch_for_domain(actor=ACTOR, domain=domain)
    source = services.add_source(actor=ACTOR, customer=made, network="9.9.9.9")
    relay = services.set_sender_relay(actor=ACTOR, customer=made, domain="example.com", host="relay.example.net")
    forward = services.add_auto_forward(actor=ACTOR, customer=made, address="a@archive.example")

    services.remove_sender_relay(actor=ACTOR, relay=relay)
    services.remove_auto_forward(actor=ACTOR, destination=forward)
    services.remove_source(actor=ACTOR, source=source)
    services.remove_domain(actor=ACTOR, domain=domain)

    document = living_document(made)
    assert (document.domains, document.sources, document.sender_relays, document.auto_forwards) == ((), (), (), ())


def relay_domains(made: Customer) -> list[str]:
    return sorted(relay.domain for relay in living_document(made).sender_relays)


def test_sender_relay_goes_with_its_domain() -> None:
    made, other = customer("First"), customer("Other")
    for each in (made, other):
        services.add_domain(actor=ACTOR, customer=each, name="a_b.example", include_subdomains=True)
        services.add_domain(actor=ACTOR, customer=each, name="own.a_b.example")
        services.add_domain(actor=ACTOR, customer=each, name="a-b.example", include_subdomains=True)
        for name in ("a_b.example", "mail.a_b.example", "own.a_b.example", "mail.a-b.example"):
            services.set_sender_relay(actor=ACTOR, customer=each, domain=name, host="relay.example.net")

    gone = services.remove_domain(actor=ACTOR, domain=made.domains.get(name="a_b.example"))

    assert gone == ["a_b.example", "mail.a_b.example"]
    assert relay_domains(made) == ["mail.a-b.example", "own.a_b.example"]
    assert len(relay_domains(other)) == 4
    assert actions()[-3:] == ["domain.removed", "relay.removed", "relay.removed"]


def test_sender_relay_of_a_subdomain_goes_when_subdomains_are_left_out() -> None:
    made = customer()
    services.add_domain(actor=ACTOR, customer=made, name="example.com", include_subdomains=True)
    for name in ("example.com", "mail.example.com"):
        services.set_sender_relay(actor=ACTOR, customer=made, domain=name, host="relay.example.net")

    services.add_domain(actor=ACTOR, customer=made, name="example.com")  # says nothing of subdomains
    assert relay_domains(made) == ["example.com", "mail.example.com"]
    services.add_domain(actor=ACTOR, customer=made, name="example.com", include_subdomains=False)

    assert relay_domains(made) == ["example.com"]
    assert actions()[-2:] == ["domain.changed", "relay.removed"]


def test_two_customers_may_share_a_source() -> None:
    made = [customer(name) for name in ("First", "Second")]

    for each in made:
        services.add_source(actor=ACTOR, customer=each, network="9.9.9.9")

    assert all(living_document(each).sources == (OutboundSource("9.9.9.9/32"),) for each in made)


def test_source_declared_again_keeps_its_label_unless_another_is_given() -> None:
    made = customer()
    services.add_source(actor=ACTOR, customer=made, network="9.9.9.9", label="Wien")

    assert services.add_source(actor=ACTOR, customer=made, network="9.9.9.9").label == "Wien"
    assert services.add_source(actor=ACTOR, customer=made, network="9.9.9.9", label="Graz").label == "Graz"
    assert services.add_source(actor=ACTOR, customer=made, network="9.9.9.9", label="").label == ""
    assert actions()[-3:] == ["source.added", "source.changed", "source.changed"]


@pytest.mark.parametrize("name", ["Contoso.onmicrosoft.com.", "contoso.mail.onmicrosoft.com", "onmicrosoft.com"])
def test_tenants_name_is_no_domain(name: str) -> None:
    made = customer()
    with pytest.raises(Invalid, match=r"Choose the mail platform Microsoft 365, then enter it under Tenant lock, as"):
        services.add_domain(actor=ACTOR, customer=made, name=name)
    made.mail_platform = MailPlatform.MICROSOFT_365
    made.save()

    with pytest.raises(Invalid, match=r"\. Enter it under Tenant lock, as First name of the tenant") as caught:
        services.add_domain(actor=ACTOR, customer=made, name=name)

    assert caught.value.field == "name"
    services.add_domain(actor=ACTOR, customer=made, name="notonmicrosoft.com")


def test_tenants_name_that_is_among_the_domains_goes_on_as_one() -> None:
    made = customer()
    made.domains.create(name="contoso.onmicrosoft.com", challenge="of a time when such names were taken")

    domain = services.add_domain(actor=ACTOR, customer=made, name="contoso.onmicrosoft.com", include_subdomains=True)
    services.vouch_for_domain(actor=ACTOR, domain=domain)

    assert living_document(made).domains == (SendingDomain("contoso.onmicrosoft.com", include_subdomains=True),)


def test_laboratory_setting_lets_private_sources_in(settings: Any) -> None:
    made = customer()
    with pytest.raises(Invalid, match=r"10\.1\.2\.3 is a private address"):
        services.add_source(actor=ACTOR, customer=made, network="10.1.2.3")

    settings.ALLOW_PRIVATE_ADDRESSES = True
    services.add_source(actor=ACTOR, customer=made, network="10.1.2.3")

    assert living_document(made).sources == (OutboundSource("10.1.2.3/32"),)


def test_sender_relay_is_for_own_domains_and_their_subdomains() -> None:
    made = customer()
    services.add_domain(actor=ACTOR, customer=made, name="example.com")
    services.add_domain(actor=ACTOR, customer=made, name="wide.example", include_subdomains=True)

    services.set_sender_relay(actor=ACTOR, customer=made, domain="a.b.wide.example", host="relay.example.net")
    for stranger in ("other.example", "mail.example.com", "xwide.example"):
        with pytest.raises(Invalid, match=r"is not one of your domains\. Add it"):
            services.set_sender_relay(actor=ACTOR, customer=made, domain=stranger, host="relay.example.net")


def test_sender_relay_that_is_ourselves_is_refused() -> None:
    create_region(actor=ACTOR, name="EU", smarthost="out.outgate.example")
    made = customer()
    services.add_domain(actor=ACTOR, customer=made, name="example.com")

    with pytest.raises(Invalid, match="mail would go round in circles"):
        services.set_sender_relay(actor=ACTOR, customer=made, domain="example.com", host="OUT.outgate.example.")
    ours = Region.objects.get(name="EU")
    change_region(
        actor=ACTOR, region=ours, smarthost="", spf_include="", sending_addresses=["9.9.9.25", "2a02:898::25"]
    )
    for host in ("9.9.9.25", "[2A02:898:0::25]"):
        with pytest.raises(Invalid, match="mail would go round in circles"):
            services.set_sender_relay(actor=ACTOR, customer=made, domain="example.com", host=host)


def test_switching_on_is_activating_first_and_off_at_once() -> None:
    made = customer()

    services.switch_outbound(actor=ACTOR, customer=made, on=True)
    assert living_document(made).outbound is Outbound.ACTIVATING
    services.switch_outbound(actor=ACTOR, customer=made, on=False)
    assert living_document(made).outbound is Outbound.OFF
    assert actions()[-2:] == ["outbound.on", "outbound.off"]


def test_plan_without_outbound_cannot_be_switched_on() -> None:
    made = customer()
    made.plan = Plan.THREE_SIX_FIVE
    made.save()

    with pytest.raises(Invalid, match=r"The plan 365 has no outbound\. Choose Gateway or Unified first"):
        services.switch_outbound(actor=ACTOR, customer=made, on=True)


def test_lists_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    made = customer()
    for name in ("DOMAINS_MAX", "SOURCES_MAX", "SENDER_RELAYS_MAX", "AUTO_FORWARDS_MAX"):
        monkeypatch.setattr(services, name, 1)
    services.add_domain(actor=ACTOR, customer=made, name="wide.example", include_subdomains=True)
    services.add_source(actor=ACTOR, customer=made, network="9.9.9.9")
    services.set_sender_relay(actor=ACTOR, customer=made, domain="wide.example", host="relay.example.net")
    services.add_auto_forward(actor=ACTOR, customer=made, address="a@archive.example")

    for work in (
        lambda: services.add_domain(actor=ACTOR, customer=made, name="b.example"),
        lambda: services.add_source(actor=ACTOR, customer=made, network="9.9.9.10"),
        lambda: services.set_sender_relay(
            actor=ACTOR, customer=made, domain="b.wide.example", host="relay.example.net"
        ),
        lambda: services.add_auto_forward(actor=ACTOR, customer=made, address="b@archive.example"),
    ):
        with pytest.raises(Invalid, match=r"There are already 1 .*, the most that a customer can have"):
            work()
