"""A customer as a text: into the database and out again."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.support.portal import ACTOR, actions, customer, living_document, newest

from outgate.contract.policy import (
    Counted,
    ForeignFrom,
    GoogleSettings,
    Limit,
    LimitScope,
    Login,
    MicrosoftSettings,
    Outbound,
    Platform,
    PoolAction,
    RelayTls,
    SenderLimits,
    SignatureRule,
)
from outgate.portal.customers import services
from outgate.portal.customers.models import Customer, MailPlatform, Plan, Region
from outgate.portal.customers.selectors import customer_named
from outgate.portal.customers.text import (
    CustomerText,
    DomainText,
    LimitsText,
    SenderRelayText,
    SourceText,
    Switch,
    TextRefused,
    read_text,
    write_text,
)
from outgate.portal.customers.text_apply import apply_text, preview_text, text_of
from outgate.portal.outbound.cloud_services import confirm_tenant
from outgate.portal.outbound.services import add_domain, vouch_for_domain

pytestmark = pytest.mark.django_db(databases="__all__")

GUIDE = Path(__file__).parents[3] / "docs" / "customer-text.md"

TENANT = "1b2c3d4e-0000-4000-8000-1234567890ab"
TEXT = """
name = "Example Ltd"
outbound = "on"
auto_forwards = ["a@Archive.example"]
[[domains]]
name = "Example.com"
include_subdomains = true
[[domains]]
name = "claimed.example"
verified = false
[[sources]]
network = "9.9.9.9"
label = "Wien"
[[sender_relays]]
domain = "mail.example.com"
host = "relay.example.net"
"""


def apply(text: str, **options: Any) -> Customer:
    return customer_named(apply_text(actor=ACTOR, text=read_text(text), **options).slug)


def problems(text: str, **options: Any) -> list[str]:
    before = newest(), actions()
    with pytest.raises(TextRefused) as caught, transaction.atomic():
        apply(text, **options)
    assert (newest(), actions()) == before
    return [str(problem) for problem in caught.value.problems]


def test_new_customer_is_what_its_text_says() -> None:
    made = apply(TEXT)

    written = living_document(made)
    assert (made.slug, made.partner.name, made.region.name) == ("example-ltd", "default", "default")
    assert written.outbound is Outbound.ACTIVATING
    assert [(domain.name, domain.include_subdomains) for domain in written.domains] == [("example.com", True)]
    assert [source.network for source in written.sources] == ["9.9.9.9/32"]
    assert [(relay.domain, relay.host) for relay in written.sender_relays] == [
        ("mail.example.com", "relay.example.net")
    ]
    assert written.auto_forwards == ("a@archive.example",)


def test_everything_that_changes_is_one_revision() -> None:
    made = apply(TEXT)
    before = newest()

    apply(TEXT.replace("9.9.9.9", "9.9.9.10").replace("Wien", "Graz").replace('"on"', '"off"'))

    assert newest() == before + 1
    assert living_document(made).outbound is Outbound.OFF


def test_what_is_no_longer_in_the_text_is_gone() -> None:
    made = apply(TEXT)

    apply('name = "Example Ltd"')

    written = living_document(made)
    assert (written.domains, written.sources, written.sender_relays, written.auto_forwards) == ((), (), (), ())
    assert written.outbound is Outbound.OFF
    assert made.domains.count() == 0


def test_sender_relay_keeps_its_password_when_another_domain_comes_above_it() -> None:
    login = '\nhost = "relay.example.net"\nlogin = "ann"'
    relay = TEXT.replace('\nhost = "relay.example.net"', login)
    made = apply(relay + '\npassword = "s3cret!"')

    apply(relay.replace('"Example.com"\ninclude_subdomains = true', '"mail.example.com"'))

    [written] = living_document(made).sender_relays
    assert (written.domain, written.login) == ("mail.example.com", Login("ann", "s3cret!"))


def test_text_applied_twice_changes_nothing() -> None:
    apply(TEXT)
    before = newest(), actions()

    apply(TEXT)

    assert (newest(), actions()) == before


def test_domain_whose_proof_the_text_takes_back_is_a_claim_again() -> None:
    made = apply(TEXT)

    apply(TEXT.replace("include_subdomains = true", "include_subdomains = true\nverified = false"))

    assert living_document(made).domains == ()
    assert made.domains.filter(name="example.com", verified_at=None).exists()


def test_customer_named_by_id_may_be_renamed() -> None:
    made = apply(TEXT)

    apply('id = "example-ltd"\nname = "Example AG"')

    made.refresh_from_db()
    assert made.name == "Example AG"
    assert Customer.objects.count() == 1


def test_every_problem_is_told_with_its_path_and_nothing_is_done() -> None:
    other = customer("Other")
    vouch_for_domain(actor=ACTOR, domain=add_domain(actor=ACTOR, customer=other, name="taken.example"))
    text = """
        name = "Example"
        plan = "365"
        outbound = "on"
        auto_forwards = ["a@b.example", "nobody", "a@B.example"]
        [[domains]]
        name = "com"
        [[domains]]
        name = "taken.example"
        [[sources]]
        network = "9.9.9.9"
        [[sources]]
        network = "10.1.2.3"
        [[sources]]
        network = "9.9.9.9/32"
        [[sender_relays]]
        domain = "foreign.example"
        host = "relay.example.net"
        """

    assert problems(text) == [
        "domains[0].name: 'com' is not a mail domain. Enter a full name such as example.com.",
        "domains[1].name: taken.example is another customer's already. Ask the operator if it is yours.",
        "sources[1].network: 10.1.2.3 is a private address. Enter the public address that your mail leaves from.",
        "sources[2].network: 9.9.9.9/32 is listed already at sources[0]. Remove one of the two.",
        "sender_relays[0].domain: foreign.example is not one of your domains. Add it to the domains first.",
        "auto_forwards[1]: 'nobody' is not a mailbox: write it as local-part@domain.",
        "auto_forwards[2]: a@b.example is listed already at auto_forwards[0]. Remove one of the two.",
        "outbound: The plan 365 has no outbound. Choose Gateway or Unified first.",
    ]
    assert not Customer.objects.filter(name="Example").exists()


def test_partner_and_region_are_made_only_when_asked_for() -> None:
    text = 'name = "x"\npartner = "MSP"\nregion = "Europe"'
    customer("Other")

    assert problems(text) == [
        "partner: There is no partner 'MSP'. There are: default. --create makes a new one.",
        "region: There is no region 'Europe'. There are: default. --create makes a new one.",
    ]
    made = apply(text, create=True, smarthost="out.example.com")

    assert (made.partner.name, made.region.name) == ("MSP", "Europe")
    assert Region.objects.get(name="Europe").smarthost == "out.example.com"


def test_plan_without_outbound_comes_with_switching_off() -> None:
    made = apply(TEXT)

    apply('name = "Example Ltd"\nplan = "365"\noutbound = "off"')

    assert not living_document(made).outbound_in_plan


def test_preview_shows_all_and_leaves_nothing() -> None:
    before = newest(), actions()

    applied = preview_text(actor=ACTOR, text=read_text(TEXT))

    assert applied.before == ""
    assert read_text(applied.after).domains == (
        DomainText("claimed.example", False, False),
        DomainText("example.com", True, True),
    )
    assert (newest(), actions()) == before
    assert Customer.objects.count() == 0


def test_deleted_customer_comes_back_from_its_text() -> None:
    text = write_text(text_of(apply(TEXT)))
    services.delete_customer(actor=ACTOR, customer=customer_named("example-ltd"))

    made = apply(text)

    assert write_text(text_of(made)) == text


CLOUDS = """
name = "Cloud"
mail_platform = "microsoft-365"
[microsoft]
tenant_ids = ["1B2C3D4E-0000-4000-8000-1234567890AB"]
names = ["Contoso.onmicrosoft.com"]
relayed_mail = false
high_risk_pool = "deliver"
[google]
signature = "require"
[limits]
rules = []
lock_factor = 3
"""


def test_clouds_and_limits_are_what_the_text_says() -> None:
    made = apply(CLOUDS)

    written = living_document(made)
    assert written.platform is Platform.MICROSOFT_365
    assert written.microsoft == MicrosoftSettings(
        (TENANT,), ("contoso.onmicrosoft.com",), relayed_mail=False, high_risk_pool=PoolAction.DELIVER
    )
    assert written.google.signature is SignatureRule.REQUIRE
    assert written.limits == SenderLimits(limits=(), lock_factor=3.0)
    text = write_text(text_of(made))
    before = newest(), actions()
    assert write_text(text_of(apply(text))) == text
    assert (newest(), actions()) == before


def test_text_of_before_there_were_sections_takes_back_what_they_said() -> None:
    made = apply(CLOUDS)

    apply('name = "Cloud"')

    written = living_document(made)
    assert (written.microsoft, written.google, written.limits) == (
        MicrosoftSettings(),
        GoogleSettings(),
        SenderLimits(),
    )


def test_problems_of_clouds_and_limits_have_their_paths() -> None:
    confirm_tenant(actor=ACTOR, customer=customer("Other"), tenant_id=TENANT)
    rule = 'scope = "mailbox"\ncounted = "recipients"\nmaximum = 1'
    text = f"""
        name = "x"
        [microsoft]
        tenant_ids = ["{TENANT}", "contoso"]
        names = ["a.onmicrosoft.com", "A.onmicrosoft.com", "contoso.com"]
        [[limits.rules]]
        seconds = 60
        {rule}
        [[limits.rules]]
        seconds = 1
        {rule}
        """

    assert [problem.partition(". ")[0] for problem in problems(text)] == [
        "microsoft.tenant_ids[1]: 'contoso' is not a tenant id",
        f"microsoft.tenant_ids[0]: {TENANT} is another customer's already",
        "microsoft.names[1]: a.onmicrosoft.com is listed already at microsoft.names[0]",
        "microsoft.names[2]: 'contoso.com' is not the name of a tenant",
        "limits.rules[1].seconds: 1 is not taken",
    ]


NAMES = st.sampled_from(["a.example", "b.example", "c.example", "xn--bcher-kva.example"])
ADDRESSES = st.sampled_from(["9.9.9.9/32", "9.9.9.0/24", "2a02:898::/48"])
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12)


def in_order(items: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[Any]:
    by_key = st.lists(items, max_size=3, unique_by=lambda item: getattr(item, key))
    return by_key.map(lambda each: tuple(sorted(each, key=lambda item: str(getattr(item, key)))))


def limits_texts() -> st.SearchStrategy[LimitsText]:
    rule = st.builds(
        Limit,
        st.sampled_from(LimitScope),
        st.sampled_from(Counted),
        st.integers(60, 604_800),
        st.integers(1, 10**9),
    )
    rules = st.lists(rule, max_size=3, unique_by=lambda each: (each.scope, each.counted, each.seconds))
    return st.just(LimitsText()) | st.builds(
        LimitsText,
        rules.map(lambda each: tuple(sorted(each))),
        st.sampled_from([(), ("@a.example", "b@a.example")]),
        st.integers(0, 10**6),
        lock_factor=st.just(0.0) | st.floats(1, 1e6),
        invalid_percent=st.integers(0, 100),
    )


@st.composite
def customer_texts(draw: st.DrawFn) -> CustomerText:
    domains = draw(in_order(st.builds(DomainText, NAMES, st.booleans(), st.booleans()), "name"))
    owned = [domain.name for domain in domains]
    relay = st.builds(
        SenderRelayText,
        st.sampled_from(owned or ["none.example"]),
        st.sampled_from(["relay.example.net", "9.9.9.9"]),
        st.integers(1, 65_535),
        st.sampled_from(RelayTls),
    )
    plan = draw(st.sampled_from(Plan))
    return CustomerText(
        name=draw(WORDS.filter(lambda text: text.strip() == text != "")),
        id="example",
        plan=plan,
        mail_platform=draw(st.sampled_from(MailPlatform)),
        outbound=draw(st.sampled_from(Switch)) if plan.has_outbound else Switch.OFF,
        foreign_from=draw(st.sampled_from(ForeignFrom)),
        auto_forwards=draw(
            st.lists(st.sampled_from(["A@a.example", "b@a.example"]), unique=True).map(lambda each: tuple(sorted(each)))
        ),
        microsoft=draw(
            st.builds(
                MicrosoftSettings,
                st.sampled_from([(), (TENANT,), (TENANT[:-1] + "0", TENANT)]),
                st.sampled_from([(), ("a.onmicrosoft.com", "b.onmicrosoft.com")]),
                st.booleans(),
                st.sampled_from(PoolAction),
                st.sampled_from(PoolAction),
                st.booleans(),
            )
        ),
        google=draw(st.builds(GoogleSettings, st.sampled_from(SignatureRule))),
        limits=draw(limits_texts()),
        domains=domains,
        sources=draw(in_order(st.builds(SourceText, ADDRESSES, WORDS), "network")),
        sender_relays=draw(in_order(relay, "domain")) if owned else (),
    )


@given(st.lists(customer_texts(), min_size=1, max_size=3))
@hypothesis_settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_export_is_what_was_applied_whatever_was_before(texts: list[CustomerText]) -> None:
    with transaction.atomic():
        for text in texts:
            apply_text(actor=ACTOR, text=text)
            made = customer_named("example")
            assert text_of(made) == text
            before = newest(), actions()
            apply_text(actor=ACTOR, text=read_text(write_text(text_of(made))))
            assert (newest(), actions()) == before
        transaction.set_rollback(True)


def test_example_of_the_guide_is_a_customer(settings: Any) -> None:
    """Its addresses are those that documentation has to use, and are refused by themselves."""
    (example,) = re.findall(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)[:1]
    assert any("documentation" in problem for problem in problems(example, create=True))

    settings.ALLOW_PRIVATE_ADDRESSES = True
    made = apply(example, create=True)

    table = read_text(example)
    written = text_of(made)
    assert (written.id, len(written.domains), len(written.sources)) == (
        table.id,
        len(table.domains),
        len(table.sources),
    )
    assert {key for key in CustomerText.__struct_fields__ if f"{key} = " in example or f"[{key}]" in example} == set(
        CustomerText.__struct_fields__
    )
