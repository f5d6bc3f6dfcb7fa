"""A customer of Microsoft 365 goes from waiting to confirmed in a browser, with mail from Microsoft's addresses."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.e2e.test_tenants import ATTACKER_TENANT, VICTIM_TENANT, Laboratory, Mail, zone
from tests.support.browser import PortalInstallation, context, portal, sign_in
from tests.support.dns_server import DnsServer
from tests.support.installation import free_port, short_directory
from tests.support.provider_server import ProviderServer, running_provider_server
from tests.support.sink import running_sink

PAGE = "/customers/tenant-silent/outbound/"
DOMAIN = "tenant-silent.example"
NAME = "victim.onmicrosoft.com"  # the zone has a key for it
MAIL = Mail(
    reverse_path=f"alice@{DOMAIN}", header_from=f"Alice <alice@{DOMAIN}>", org=DOMAIN, signers=(NAME,), sfp="1102"
)
EVIL = Mail(
    reverse_path=f"alice@{DOMAIN}",
    header_from=f"Alice <alice@{DOMAIN}>",
    tenant=ATTACKER_TENANT,
    org="attacker.example",
    signers=("attacker.onmicrosoft.com",),
)


@dataclass
class Site:
    portal: PortalInstallation
    mail: Laboratory
    microsoft: ProviderServer


@pytest.fixture(scope="module")
def microsoft_site() -> Iterator[Site]:
    port = free_port()
    with (
        short_directory() as directory,
        DnsServer(zone()) as names,
        running_sink() as sink,
        running_provider_server(directory) as microsoft,
    ):
        settings = {
            "listeners": [{"address": "127.0.0.1", "port": port, "proxies": ["127.0.0.0/8"]}],
            "delivery": {"nameservers": [f"127.0.0.1:{names.port}"], "smtp_port": sink.port},
            "providers": {"refresh": False, "openid_url": microsoft.url, "ca_file": str(microsoft.ca_file)},
        }
        with portal(Path(directory, "outgate"), customers=1, settings=settings) as site:
            site.installation.smtp_port = port
            yield Site(site, Laboratory(site.installation, sink), microsoft)


@pytest.fixture
def page(browser: Browser, microsoft_site: Site) -> Iterator[Page]:
    seen = context(browser)
    page = seen.new_page()
    sign_in(page, microsoft_site.portal, "admin@silent.example")
    page.goto(microsoft_site.portal.url + PAGE)
    yield page
    seen.close()


def test_from_waiting_to_confirmed(page: Page, microsoft_site: Site) -> None:
    mail, lock = microsoft_site.mail, page.locator("#tenant")
    page.get_by_role("switch", name="Send mail through Outgate").check()
    page.locator("#status").get_by_role("button", name="Save").click()
    status = page.locator("#activation")
    expect(status).to_contain_text("Active ", timeout=10_000)
    expect(status).to_contain_text("waits (451) until your tenant is confirmed. ")
    expect(status.get_by_role("link", name="Confirm your tenant")).to_be_visible()
    expect(lock).to_contain_text("Mail from Microsoft 365 waits (451) until a tenant is confirmed.")
    expect(lock).to_contain_text("No mail of yours came from Microsoft 365")

    # What comes appears by itself. Another's mail in the customer's name is shown, and not proposed.
    assert mail.send(EVIL).startswith("451 4.7.1 tenant-unconfirmed")
    assert mail.send(MAIL).startswith("451 4.7.1 tenant-unconfirmed")
    expect(lock.get_by_role("cell", name=ATTACKER_TENANT)).to_be_visible(timeout=20_000)
    page.reload()
    expect(lock.get_by_role("article", name=f"Proposed tenant {VICTIM_TENANT}")).to_contain_text(NAME)
    expect(lock.get_by_role("listitem").filter(has_text=ATTACKER_TENANT)).to_contain_text("No message of it names")
    expect(lock.get_by_role("button", name="Confirm this tenant")).to_have_count(1)

    lock.get_by_role("button", name="Confirm this tenant").click()
    expect(page.get_by_text(f"The tenant {VICTIM_TENANT} is confirmed")).to_be_visible()
    expect(lock).not_to_contain_text("until a tenant is confirmed.")
    expect(lock.get_by_role("article", name=f"Tenant {VICTIM_TENANT}")).to_contain_text("by admin@silent.example")
    expect(lock.get_by_role("button", name=f"Remove {NAME}")).to_be_visible()
    expect(page.locator("#activation")).to_contain_text("Applied by worker 1 of 1", timeout=10_000)
    mail.installation.wait_until_current()

    mail.passes(MAIL)
    mail.is_refused(EVIL, "tenant-mismatch")

    # The overview's step is done.
    page.goto(f"{microsoft_site.portal.url}/customers/tenant-silent/")
    expect(page.get_by_role("listitem").filter(has_text="Tenant confirmed")).to_have_class(re.compile("done"))

    # Taken back, after a question that says what happens: its mail waits again.
    page.goto(microsoft_site.portal.url + PAGE)
    asked: list[str] = []

    def answer(dialog: object) -> None:
        asked.append(dialog.message)  # type: ignore[attr-defined]
        dialog.accept()  # type: ignore[attr-defined]

    page.on("dialog", answer)
    lock.get_by_role("button", name=f"Remove tenant {VICTIM_TENANT}").click()
    expect(lock).to_contain_text("Mail from Microsoft 365 waits (451) until a tenant is confirmed.")
    assert "It is the only one: all mail from Microsoft 365 waits (451)" in asked[0]
    mail.installation.wait_until_current()
    assert mail.send(MAIL).startswith("451 4.7.1 tenant-unconfirmed")


def test_look_up_fills_the_field_in_and_another_customers_tenant_is_refused(page: Page, microsoft_site: Site) -> None:
    lock, field = page.locator("#tenant"), page.get_by_label("Tenant id")
    lock.get_by_role("button", name="Look up").click()
    expect(page.get_by_role("alert").filter(has_text=f"knows no tenant with the domain {DOMAIN}")).to_be_visible()

    held = "00000000-0000-4000-8000-0000000000a0"  # of another customer
    microsoft_site.microsoft.openid[DOMAIN] = {"issuer": f"https://login.example/{held}/v2.0"}
    lock.get_by_role("button", name="Look up").click()
    expect(field).to_have_value(held)
    expect(lock.get_by_role("status")).to_contain_text("Nothing is changed yet")
    lock.get_by_role("button", name="Confirm tenant", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="is another customer's already")).to_be_visible()
    expect(field).to_be_focused()
    assert "tenant-confirmed" not in page.content()
    (alarm,) = microsoft_site.portal.installation.wait_for_log("tenant.contested")
    assert (alarm["actor"], alarm["object"], alarm["holder"]) == (
        "admin@silent.example",
        f"tenant-silent/{held}",
        "tenant-confirmed",
    )
