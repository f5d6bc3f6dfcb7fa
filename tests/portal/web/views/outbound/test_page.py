"""Settings > Outbound Smarthost."""

from typing import Any

import pytest
from django.utils import timezone
from tests.portal.web.conftest import People, SignedIn
from tests.support import portal
from tests.support.portal import ACTOR, beat, newest

from outgate.portal.outbound import services as outbound
from outgate.portal.outbound.activation import finish_activations
from outgate.portal.web import ownership
from outgate.portal.web.views.outbound import domains as views

pytestmark = pytest.mark.django_db(databases="__all__")
PAGE = "/customers/alpha/outbound/"


@pytest.fixture
def alpha(people: People, signed_in: SignedIn) -> Any:
    return signed_in(people.admin)


def test_activation_is_shown_as_it_comes(alpha: Any, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal, "NOW", timezone.now())
    for worker in ("n/1", "n/2"):
        beat(worker, newest())
    page = alpha.post(f"{PAGE}switch/", {"outbound": "on"}, follow=True).content.decode()
    assert "Activating" in page
    assert "Waiting for worker 1 of 2" in page
    assert 'hx-get="/customers/alpha/outbound/activation/"' in page
    beat("n/1", newest())
    part = alpha.get(f"{PAGE}activation/").content.decode()
    assert "Applied by worker 1 of 2" in part
    assert "Waiting for worker 2 of 2" in part
    beat("n/2", newest())
    finish_activations(now=timezone.now())
    for worker in ("n/1", "n/2"):
        beat(worker, newest())
    part = alpha.get(f"{PAGE}activation/").content.decode()
    assert "Active" in part
    assert "hx-get" not in part  # nothing is to come: nobody asks again


def activation(client: Any) -> str:
    """The first sentence of the status, and what is to do, when all workers have the newest settings."""
    beat("n/1", newest())
    finish_activations(now=timezone.now())
    beat("n/1", newest())
    return " ".join(client.get(f"{PAGE}activation/").content.decode().partition("<ol")[0].split())


def test_active_does_not_say_that_mail_passes_before_it_does(
    alpha: Any, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portal, "NOW", timezone.now())
    customer = people.alpha
    outbound.switch_outbound(actor=ACTOR, customer=customer, on=True)
    assert "it is refused (550) until a domain is proven" in activation(alpha)
    both = '<a href="#domains">Add a domain</a>, <a href="#sources">Add an outbound source</a>.'
    assert f"Still to do: {both}" in activation(alpha)
    outbound.add_domain(actor=ACTOR, customer=customer, name="alpha.example")
    assert '<a href="#domains">Prove a domain</a>' in activation(alpha)
    outbound.vouch_for_domain(actor=ACTOR, domain=customer.domains.get())
    assert "until the address that it comes from is one of your sources" in activation(alpha)

    people.alpha.refresh_from_db()
    alpha.post(f"{PAGE}platform/", {"mail_platform": "microsoft-365"})
    assert "waits (451) until your tenant is confirmed" in activation(alpha)
    assert 'Still to do: <a href="#tenant">Confirm your tenant</a>.' in activation(alpha)

    alpha.post(f"{PAGE}platform/", {"mail_platform": "google-workspace"})
    assert "Mail from your domains is accepted." in activation(alpha)
    assert "Still to do" not in activation(alpha)
    outbound.add_domain(actor=ACTOR, customer=customer, name="more.example")
    assert "Mail from your proven domains is accepted; 1 more is not proven yet." in activation(alpha)


def test_what_is_missing_is_said_while_activating_and_not_while_off(alpha: Any, people: People) -> None:
    assert "Still to do" not in alpha.get(PAGE).content.decode()
    outbound.switch_outbound(actor=ACTOR, customer=people.alpha, on=True)
    page = alpha.get(PAGE).content.decode()
    assert "Still to do" in page
    assert "none is refused" not in page


def test_without_a_worker_the_page_says_so(alpha: Any) -> None:
    assert "No worker is running" in alpha.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("path", "form", "field", "text"),
    [
        ("sources/", {"network": "10.1.2.3"}, "source-network", "10.1.2.3 is a private address. Enter the public"),
        ("sources/", {"network": "9.0.0.0/8"}, "source-network", "too wide"),
        ("domains/", {"name": "not/a/domain"}, "domain-name", "Enter a name such as example.com"),
        ("domains/", {"name": ""}, "domain-name", "This is empty. Enter a name such as example.com."),
        ("sources/", {"network": ""}, "source-network", "This is empty. Enter one such as"),
        ("relays/", {"domain": "", "host": "", "port": "25", "tls": "required"}, "relay-domain", "This is empty."),
        ("relays/test/", {"domain": "", "host": "", "port": "25", "tls": "required"}, "relay-host", "This is empty."),
        ("domains/", {"name": "alpha.onmicrosoft.com"}, "domain-name", "enter it under Tenant lock, as First name of"),
        ("relays/", {"domain": "x.example", "host": "relay.example.com", "port": "25", "tls": "required"},
         "relay-domain", "is not one of your domains"),
        ("relays/", {"domain": "x.example", "host": "h", "port": "x", "tls": "required"}, "relay-port", "not a number"),
        ("relays/", {"domain": "x.example", "host": "h", "port": "1", "tls": "never"}, "relay-tls", "Choose one"),
        ("forwards/", {"address": "nobody"}, "forward-address", "nobody"),
    ],
)  # fmt: skip
def test_mistake_stands_beside_its_field_with_what_was_typed(
    alpha: Any, path: str, form: dict[str, str], field: str, text: str
) -> None:
    answer = alpha.post(PAGE + path, form)

    page = answer.content.decode()
    assert answer.status_code == 422
    error = page.partition(f'id="{field}-error"')[2].partition("</div>")[0]
    assert text in error
    assert f'aria-describedby="{field}-error' in page or f"{field}-error" in page.partition("aria-describedby")[2]
    for name, value in form.items():
        assert name == "tls" or f'value="{value}"' in page


def test_all_parts_are_added_shown_and_removed(alpha: Any, people: People) -> None:
    customer = people.alpha
    for path, form in (
        ("domains/", {"name": "Alpha.Example", "include_subdomains": "on"}),
        ("sources/", {"network": "9.9.9.9", "label": "office"}),
        ("relays/", {"domain": "mail.alpha.example", "host": "relay.example.com", "port": "2525", "tls": "verified"}),
        ("forwards/", {"address": "archive@archive.example.com"}),
    ):
        assert alpha.post(PAGE + path, form).status_code == 302, path
    page = alpha.get(PAGE).content.decode()
    for text in ("alpha.example", customer.domains.get().challenge, "9.9.9.9/32", "office", "relay.example.com:2525"):
        assert text in page
    for kind, rows in (
        ("relays", customer.sender_relays),
        ("domains", customer.domains),
        ("sources", customer.sources),
        ("forwards", customer.auto_forwards),
    ):
        assert alpha.post(f"{PAGE}{kind}/{rows.get().pk}/remove/").status_code == 302
        assert not rows.exists()


def test_domain_takes_its_sender_relay_along_and_says_so(alpha: Any, people: People) -> None:
    outbound.add_domain(actor=ACTOR, customer=people.alpha, name="other.example")
    domain = outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example", include_subdomains=True)
    outbound.set_sender_relay(actor=ACTOR, customer=people.alpha, domain="m.alpha.example", host="relay.example.com")
    page = alpha.get(PAGE).content.decode()
    assert "Remove alpha.example? Mail from it is refused then, and its sender relay is removed too." in page
    assert "Remove other.example? Mail from it is refused then." in page

    page = alpha.post(f"{PAGE}domains/{domain.pk}/remove/", follow=True).content.decode()

    assert "alpha.example was removed. So was the sender relay of m.alpha.example" in page
    assert not people.alpha.sender_relays.exists()


def said(client: Any, path: str, form: dict[str, str]) -> str:
    """What the page says has been done."""
    answer = client.post(PAGE + path, form, follow=True)
    return " ".join(str(each) for each in answer.context["messages"])


def test_what_was_there_already_stays_and_is_called_so(alpha: Any, people: People) -> None:
    source = {"network": "9.9.9.9", "label": "Office"}
    assert "9.9.9.9/32 was added." in said(alpha, "sources/", source)
    assert "9.9.9.9/32 was there already, and stays as it is." in said(alpha, "sources/", {"network": "9.9.9.9"})
    assert people.alpha.sources.get().label == "Office"
    assert "9.9.9.9/32 was there already. Its label is Home now." in said(alpha, "sources/", source | {"label": "Home"})

    domain = {"name": "alpha.example"}
    assert "alpha.example was added." in said(alpha, "domains/", domain | {"include_subdomains": "on"})
    assert "was there already. It is listed with all its subdomains." in said(alpha, "domains/", domain)
    assert people.alpha.domains.get().include_subdomains
    forward = {"address": "a@archive.example.com"}
    assert "a@archive.example.com was added." in said(alpha, "forwards/", forward)
    assert "a@archive.example.com was there already." in said(alpha, "forwards/", forward)


def test_pasted_lists_are_added_whole_or_not_at_all(alpha: Any, people: People) -> None:
    domains, sources = people.alpha.domains, people.alpha.sources
    answer = alpha.post(f"{PAGE}domains/", {"name": "a.example b.example, not_a_domain"})
    assert answer.status_code == 422
    assert "&#x27;not_a_domain&#x27; is not a mail domain" in answer.content.decode()
    assert not domains.exists()
    assert "1 domain added" not in said(alpha, "domains/", {"name": "a.example"})
    assert said(alpha, "domains/", {"name": "a.example b.example,c.example B.Example"}) == (
        "2 domains added; 1 more there already."
    )
    assert said(alpha, "sources/", {"network": "9.9.9.9 9.9.9.10", "label": "Wien"}) == "2 sources added."
    assert list(sources.values_list("label", flat=True)) == ["Wien", "Wien"]
    assert alpha.post(f"{PAGE}sources/", {"network": "9.9.9.11 10.1.2.3"}).status_code == 422
    assert sources.count() == 2


def test_switch_that_stays_as_it_was_says_so(alpha: Any) -> None:
    assert said(alpha, "switch/", {}) == "Outbound is off, as it was."
    assert said(alpha, "switch/", {"outbound": "on"}) == "Outbound was switched on."
    assert said(alpha, "switch/", {"outbound": "on"}) == "Outbound is on, as it was."


def test_subdomains_are_left_out_and_taken_in(alpha: Any, people: People) -> None:
    domain = outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example", include_subdomains=True)
    outbound.set_sender_relay(actor=ACTOR, customer=people.alpha, domain="m.alpha.example", host="relay.example.com")
    path = f"domains/{domain.pk}/subdomains/"

    assert said(alpha, path, {}) == (
        "alpha.example is listed without its subdomains now. 1 sender relay of these went with them."
    )
    assert not people.alpha.domains.get().include_subdomains
    assert "alpha.example is listed with all its subdomains" in said(alpha, path, {"include_subdomains": "on"})
    assert people.alpha.domains.get().include_subdomains


def test_onmicrosoft_name_is_asked_for_under_tenant_lock_alone(alpha: Any, people: People) -> None:
    hint = '<span class="mono">onmicrosoft.com</span> name of your tenant is entered under <a href="#tenant">'
    assert hint not in alpha.get(PAGE).content.decode()
    alpha.post(f"{PAGE}platform/", {"mail_platform": "microsoft-365"})
    assert hint in alpha.get(PAGE).content.decode()


def test_plan_without_outbound_says_why_and_shows_no_dead_switch(alpha: Any, people: People) -> None:
    people.alpha.plan = "365"
    people.alpha.save()

    page = alpha.get(PAGE).content.decode()
    assert "The plan 365 has no outbound" in page
    assert 'role="switch"' not in page
    assert "has no outbound" in alpha.get("/customers/alpha/").content.decode()


def test_published_challenge_proves_the_domain(alpha: Any, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")
    asked = []

    def records(name: str, _question: object) -> frozenset[str]:
        asked.append(name)
        return frozenset({"v=spf1 -all", domain.challenge} if len(asked) > 1 else {"v=spf1 -all"})

    monkeypatch.setattr(views, "txt_records", records)
    answer = alpha.post(f"{PAGE}domains/{domain.pk}/verify/", {"domain": str(domain.pk)})
    assert answer.status_code == 422
    assert "has no TXT record" in answer.content.decode()
    assert alpha.post(f"{PAGE}domains/{domain.pk}/verify/").status_code == 302
    domain.refresh_from_db()
    assert domain.proof == "dns"


def test_silent_name_servers_are_named(alpha: Any, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")

    def silent(_name: str, _question: object) -> frozenset[str]:
        raise ownership.NoAnswer("None of the name servers answered.")

    monkeypatch.setattr(views, "txt_records", silent)
    page = alpha.post(f"{PAGE}domains/{domain.pk}/verify/", {"domain": str(domain.pk)}).content.decode()
    assert "None of the name servers answered." in page


def test_operator_alone_vouches(people: People, signed_in: SignedIn) -> None:
    domain = outbound.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")
    path = f"{PAGE}domains/{domain.pk}/vouch/"

    for user in (people.admin, people.staff):
        client = signed_in(user)
        if user is people.staff:
            client.post("/customers/alpha/login-as/")
        assert client.post(path).status_code == 404
    client = signed_in(people.operator)
    client.post("/customers/alpha/login-as/")
    assert client.post(path).status_code == 302
    domain.refresh_from_db()
    assert domain.proof == "operator"


def test_platform_is_saved(alpha: Any, people: People) -> None:
    assert alpha.post(f"{PAGE}platform/", {"mail_platform": "microsoft-365"}).status_code == 302
    assert alpha.post(f"{PAGE}platform/", {"mail_platform": "fax"}).status_code == 422
    people.alpha.refresh_from_db()
    assert people.alpha.mail_platform == "microsoft-365"


def test_script_in_a_text_is_shown_as_text(alpha: Any) -> None:
    alpha.post(f"{PAGE}sources/", {"network": "9.9.9.9", "label": "<script>alert(1)</script>"})
    answer = alpha.post(f"{PAGE}sources/", {"network": "<img src=x onerror=alert(1)>", "label": '"><script>'})

    for page in (answer.content.decode(), alpha.get(PAGE).content.decode(), alpha.get("/audit/").content.decode()):
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert '"><script>' not in page
