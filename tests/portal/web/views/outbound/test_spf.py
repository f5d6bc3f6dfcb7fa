"""The table of SPF records: what it shows, and asking again."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.utils import timezone
from tests.portal.web.conftest import People, SignedIn
from tests.support.dns_server import DnsServer, Zone
from tests.support.portal import ACTOR
from tests.support.spf_zone import GOOD_RECORD, INCLUDE, ready, zone

from outgate.portal.customers.models import Customer
from outgate.portal.outbound import services as outbound
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.spf import asking
from outgate.portal.spf.models import SpfState
from outgate.portal.spf.services import claim_due, settle
from outgate.portal.web.sections.spf import ASKING_MAX, AWAITED, SHOWN_MAX
from outgate.spf.report import Report, State

pytestmark = pytest.mark.django_db(databases="__all__")
PAGE = "/customers/alpha/outbound/"


@pytest.fixture
def dns(settings: Any) -> Iterator[Zone]:
    """What the portal asks; a test fills it."""
    served = zone()
    with DnsServer(served) as server:
        settings.SITE = msgspec.structs.replace(settings.SITE, nameservers=(f"127.0.0.1:{server.port}",))
        yield served


@pytest.fixture
def domain(people: People) -> SendingDomain:
    ready(people.alpha.region)
    made = outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")
    outbound.vouch_for_domain(actor=ACTOR, domain=made)
    return made


def check(client: Any, domain: SendingDomain, **more: Any) -> Any:
    return client.post(f"{PAGE}domains/{domain.pk}/spf/", **more)


def let_time_pass() -> None:
    SpfState.objects.update(asked_at=timezone.now() - timedelta(minutes=1))


def shown(client: Any) -> str:
    """The section, in one line."""
    page: str = client.get(PAGE).content.decode()
    return " ".join(page.partition('id="spf"')[2].partition("</section>")[0].split())


def test_a_record_with_us_in_it(people: People, domain: SendingDomain, dns: Zone, signed_in: SignedIn) -> None:
    dns.records["alpha.example"] = {"TXT": [GOOD_RECORD]}
    client = signed_in(people.admin)
    assert "Being looked up" in shown(client)
    assert f'data-copy="v=spf1 include:{INCLUDE} ~all"' in shown(client)

    answer = check(client, domain, follow=True)

    assert "alpha.example was asked about: our mail passes." in answer.content.decode()
    section = shown(client)
    assert '<span class="state state-on">Our mail passes</span>' in section
    assert "v=spf1 include:spf.ours.example -all" in section
    assert "1 of 10" in section
    assert section.count('<span class="state state-on">pass</span>') == 2
    assert "192.0.2.25" in section
    assert "Publish at" not in section
    assert "<details >" in section  # nothing to do: it is folded


def test_a_record_without_us_and_the_one_to_publish(
    people: People, domain: SendingDomain, dns: Zone, signed_in: SignedIn
) -> None:
    Customer.objects.filter(pk=people.alpha.pk).update(mail_platform="microsoft-365")
    dns.records["alpha.example"] = {"TXT": ['"v=spf1 ip4:198.51.100.1 -all"', '"token=1"']}
    dns.records["spf.protection.outlook.com"] = {"TXT": ['"v=spf1 ip4:203.0.113.0/24 -all"']}
    client = signed_in(people.admin)
    check(client, domain)

    section = shown(client)
    assert '<span class="state state-bad">Our mail does not pass</span>' in section
    wanted = "v=spf1 ip4:198.51.100.1 include:spf.protection.outlook.com include:spf.ours.example -all"
    assert f'data-copy="{wanted}"' in section
    assert "0 of 10, 2 with the record to publish" in section
    assert "The include of your mail platform was added" in section
    assert '<span class="state state-bad">fail</span>' in section


def test_too_many_lookups_are_listed_by_their_terms(
    people: People, domain: SendingDomain, dns: Zone, signed_in: SignedIn
) -> None:
    many = " ".join(["a:host.example"] * 9)
    dns.records["host.example"] = {"A": ["198.51.100.1"], "AAAA": ["2001:db8::1"]}
    dns.records["crm.example"] = {"TXT": [f'"v=spf1 {many} -all"']}
    dns.records["alpha.example"] = {"TXT": ['"v=spf1 include:crm.example ~all"']}
    client = signed_in(people.admin)
    check(client, domain)

    section = shown(client)
    assert "this record needs 10, and 11 with the record above" in section
    assert '<td class="mono break">include:crm.example</td><td>10</td>' in section


def test_dns_that_does_not_answer_and_the_last_good_answer(
    people: People, domain: SendingDomain, dns: Zone, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "QUESTION_SECONDS", 0.3)
    dns.rcodes["alpha.example"] = "SILENT"
    client = signed_in(people.admin)
    answer = check(client, domain, follow=True).content.decode()
    assert "alpha.example could not be asked about: no name server answered for alpha.example in time." in answer
    section = shown(client)
    assert '<span class="state state-off">Could not be asked</span>' in section
    assert "There is no earlier answer." in section

    let_time_pass()
    dns.rcodes.clear()
    dns.records["alpha.example"] = {"TXT": [GOOD_RECORD]}
    check(client, domain)
    let_time_pass()
    dns.rcodes["alpha.example"] = "SERVFAIL"
    check(client, domain)
    section = shown(client)
    assert '<span class="state state-on">Our mail passes</span>' in section
    assert '<span class="state state-busy">Could not be asked</span>' in section
    assert "the name servers answered SERVFAIL for alpha.example" in section
    assert "the last good answer, of" in section


def test_pressed_again_at_once_it_says_so_and_asks_nobody(
    people: People, domain: SendingDomain, dns: Zone, signed_in: SignedIn
) -> None:
    client = signed_in(people.admin)
    check(client, domain)
    asked = sum(dns.asked.values())
    answer = check(client, domain)
    assert answer.status_code == 422
    assert "alpha.example was asked about just now. Try again in 10 seconds." in answer.content.decode()
    assert sum(dns.asked.values()) == asked


def test_what_strangers_publish_is_shown_as_text(
    people: People, domain: SendingDomain, dns: Zone, signed_in: SignedIn
) -> None:
    dns.records["alpha.example"] = {"TXT": ['"v=spf1 <script>alert(1)</script> -all"']}
    client = signed_in(people.admin)
    check(client, domain)
    section = shown(client)
    assert "&lt;script&gt;alert(1)" in section
    assert "<script>" not in section
    assert "The record is in error" in section


def test_domains_with_subdomains_and_wildcards(
    people: People, domain: SendingDomain, dns: Zone, signed_in: SignedIn
) -> None:
    outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example", include_subdomains=True)
    dns.records["alpha.example"] = {"TXT": [GOOD_RECORD]}
    dns.records["outgate-spf-wildcard.alpha.example"] = {"TXT": ['"v=spf1 -all"']}
    client = signed_in(people.admin)
    check(client, domain)
    section = shown(client)
    assert "each that is used as a sender needs one of its own" in section
    assert '<span class="mono break">v=spf1 -all</span>' in section


def test_region_that_is_not_ready_says_what_the_operator_has_to_set(people: People, signed_in: SignedIn) -> None:
    outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")
    section = shown(signed_in(people.admin))
    assert "The operator has to set the SPF include and the sending addresses of the region default" in section


def test_viewer_sees_and_does_not_ask(people: People, domain: SendingDomain, signed_in: SignedIn) -> None:
    client = signed_in(people.viewer)
    assert "Check " not in shown(client)
    assert check(client, domain).status_code == 403
    assert check(signed_in(people.foreign_admin), domain).status_code == 404
    assert SpfState.objects.get().asked_at is None


def test_new_domain_shows_what_to_publish_at_once_and_the_answer_when_it_comes(
    people: People, domain: SendingDomain, signed_in: SignedIn
) -> None:
    Customer.objects.filter(pk=people.alpha.pk).update(mail_platform="google-workspace")
    client, card = signed_in(people.admin), f"{PAGE}domains/{domain.pk}/spf/card/"
    section = shown(client)
    assert f'hx-get="{card}"' in section
    assert "Check now<span" in section
    assert f'data-copy="v=spf1 include:_spf.google.com include:{INCLUDE} ~all"' in section
    assert f'hx-get="{card}"' in client.get(card).content.decode()

    (claimed,) = claim_due(now=timezone.now(), limit=10)
    asked = client.get(card).content.decode()  # and not answered yet
    assert f'hx-get="{card}"' in asked
    assert "Being looked up" in asked
    assert "Check now<span" in asked
    report = Report(domain.name, State.NO_RECORD, to_publish="v=spf1 ~all")
    settle(claimed=claimed, report=report, now=timezone.now(), spread=0, actor=ACTOR)

    answer = client.get(card).content.decode()
    assert "hx-get" not in answer
    assert "No SPF record" in answer
    assert 'data-copy="v=spf1 ~all"' in answer
    assert "Check again<span" in answer


def test_page_does_not_wait_on_where_nobody_asks(people: People, domain: SendingDomain, signed_in: SignedIn) -> None:
    SpfState.objects.update(wanted_at=timezone.now() - AWAITED)
    section = shown(signed_in(people.admin))
    assert "hx-get" not in section
    assert "Not asked yet" in section
    assert "Check now<span" in section


def test_answer_for_another_platform_is_being_replaced(
    people: People, domain: SendingDomain, dns: Zone, signed_in: SignedIn
) -> None:
    client = signed_in(people.admin)
    check(client, domain)
    client.post(f"{PAGE}platform/", {"mail_platform": "google-workspace"})

    section = shown(client)
    assert "have changed since this answer. DNS is being asked again." in section
    assert "hx-get" in section
    SpfState.objects.update(wanted_at=None)
    assert "have changed since this answer. Check again." in shown(client)


def test_page_promises_nothing_where_the_clerk_does_not_look(
    people: People, domain: SendingDomain, signed_in: SignedIn, settings: Any
) -> None:
    client = signed_in(people.admin)
    assert "We look at least once a day" in shown(client)
    settings.SITE = msgspec.structs.replace(settings.SITE, spf_recheck=False)
    section = shown(client)
    for text in ("hx-get", "once a day", "looked at daily", "Being looked up"):
        assert text not in section
    assert "Check now<span" in section


def test_page_does_not_promise_to_try_again_what_is_not_looked_at_daily(
    people: People, domain: SendingDomain, signed_in: SignedIn
) -> None:
    SpfState.objects.update(trouble="no answer", asked_at=timezone.now(), wanted_at=None)
    client = signed_in(people.admin)
    assert "We try again" not in shown(client)
    Customer.objects.filter(pk=people.alpha.pk).update(outbound="active")
    assert "We try again by ourselves." in shown(client)


def test_only_some_of_many_new_domains_ask_for_news_by_themselves(people: People, signed_in: SignedIn) -> None:
    for number in range(ASKING_MAX + 1):
        outbound.add_domain(actor=ACTOR, customer=people.alpha, name=f"d{number:02}.example")
    section = shown(signed_in(people.admin))
    assert section.count("hx-get") == ASKING_MAX
    assert section.count("Being looked up") == ASKING_MAX + 1


def test_many_domains_are_cut_and_those_with_work_come_first(people: People, signed_in: SignedIn) -> None:
    for number in range(SHOWN_MAX + 2):
        made = SendingDomain.objects.create(customer=people.alpha, name=f"d{number:03}.example", challenge="x")
        state = "good" if number < SHOWN_MAX else ""
        SpfState.objects.create(domain=made, state=state, retry_at=timezone.now())
    section = shown(signed_in(people.admin))
    assert f"d{SHOWN_MAX + 1:03}.example" in section
    assert f"d{SHOWN_MAX - 1:03}.example" not in section
    assert "2 more domains" in section


def test_overview_has_the_step(people: People, domain: SendingDomain, dns: Zone, signed_in: SignedIn) -> None:
    def step() -> bool:
        steps = client.get("/customers/alpha/").context["steps"]
        return any(done for text, done, anchor in steps if anchor == "spf")

    client = signed_in(people.admin)
    assert not step()
    dns.records["alpha.example"] = {"TXT": [GOOD_RECORD]}
    check(client, domain)
    assert step()
