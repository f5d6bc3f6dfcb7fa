"""The pages of the product that Outgate has to meet, step by step as they are written there, in a real browser, with
mail by swaks before, during and after activation."""

import re
import subprocess
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect
from tests.support.browser import PortalInstallation, context, portal, sign_in
from tests.support.sink import Sink, running_sink

CUSTOMER = "kaffee-baum-5"


def swaks(site: PortalInstallation, sender: str, recipient: str = "bob@receiver.example", subject: str = "x") -> str:
    """The dialogue of one message."""
    done = subprocess.run(
        [
            "swaks", "--server", "127.0.0.1", "--port", str(site.installation.smtp_port), "--from", sender,
            "--to", recipient, "--header", f"Subject: {subject}", "--header", f"From: {sender}", "--tls-optional",
        ],
        capture_output=True,
        text=True,
    )  # fmt: skip
    return done.stdout + done.stderr


def act_as_customer(page: Page, site: PortalInstallation) -> str:
    """Customers, Login as, Settings > Outbound Smarthost; the customer's first domain."""
    sign_in(page, site, "staff@example.com")
    page.get_by_role("link", name="Customers").click()
    page.get_by_label("Search by name, id or domain").press_sequentially("kaffee baum 5")
    expect(page.get_by_text("1 to 1 of 1")).to_be_visible()
    page.get_by_role("button", name="Login as Kaffee Baum 5").click()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Outbound Smarthost", exact=True).first.click()
    return page.locator("#domains .item-name").first.inner_text()


def switch(page: Page, *, on: bool) -> None:
    control = page.get_by_role("switch", name="Send mail through Outgate")
    control.set_checked(on)
    page.locator("#status").get_by_role("button", name="Save").click()


def test_outbound_smarthost_and_a_third_party_tool(browser: Browser) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="outgate-") as directory,
        running_sink() as sink,
        portal(Path(directory)) as site,
    ):
        seen = context(browser)
        page = seen.new_page()
        domain = act_as_customer(page, site)
        sender = f"shop@{domain}"

        switch(page, on=False)
        expect(page.locator("#activation")).to_contain_text("Mail from your domains is refused", timeout=10_000)
        add_source(page)
        add_relay(page, domain, sink)
        assert re.search(r"550 5\.7\.1 outbound-off", swaks(site, sender))  # before: a clear text

        switch(page, on=True)
        during = swaks(site, sender)  # during: told to come again, or taken; never refused
        assert re.search(r"451 4\.7\.1 activating|250 2\.0\.0", during), during
        expect(page.locator("#activation")).to_contain_text("Mail from your domains is accepted.", timeout=10_000)

        # The guide for a third-party tool, and its proof.
        page.get_by_role("link", name="All guides").click()
        page.get_by_role("link", name="Another mail server, application or device").click()
        expect(page.get_by_text("Waiting for")).to_be_visible()
        assert "250 2.0.0" in swaks(site, sender, subject="first")  # after: accepted
        proof = page.locator("#proof")
        expect(proof).to_contain_text("The set-up works", timeout=15_000)
        expect(proof).to_contain_text(sender)
        expect(proof).to_contain_text("127.0.0.1")
        assert sink.wait_for(1)
        page.reload()
        expect(page.get_by_text("Seen to work on")).to_be_visible()
        seen.close()


def add_source(page: Page) -> None:
    if page.get_by_role("cell", name="127.0.0.1/32", exact=True).count():
        return
    page.get_by_label("Address or network").fill("127.0.0.1")
    page.get_by_role("button", name="Add source").click()
    expect(page.get_by_role("cell", name="127.0.0.1/32", exact=True)).to_be_visible()


def add_relay(page: Page, domain: str, sink: Sink) -> None:
    page.get_by_label("Sending domain").fill(domain)
    page.get_by_label("Host", exact=True).fill("127.0.0.1")
    page.get_by_label("Port", exact=True).fill(str(sink.port))
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("The relay takes connections")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Set relay").click()
    expect(page.get_by_role("cell", name=f"127.0.0.1:{sink.port}")).to_be_visible()


def test_auto_forward_lets_a_foreign_sender_through_to_the_destination_only(browser: Browser) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="outgate-") as directory,
        running_sink(),
        portal(Path(directory)) as site,
    ):
        seen = context(browser)
        page = seen.new_page()
        act_as_customer(page, site)
        add_source(page)
        switch(page, on=True)
        expect(page.locator("#activation")).to_contain_text("Mail from your domains is accepted.", timeout=10_000)
        foreign = "writer@elsewhere.example"
        assert "sender-not-registered" in swaks(site, foreign, "archive@vault.example")
        page.get_by_label("Destination address").fill("archive@vault.example")
        page.get_by_role("button", name="Add destination").click()
        expect(page.get_by_role("cell", name="archive@vault.example", exact=True)).to_be_visible()
        expect(page.locator("#activation")).to_contain_text("Applied by worker 1 of 1", timeout=10_000)
        assert "250 2.0.0" in swaks(site, foreign, "archive@vault.example")
        assert "sender-not-registered" in swaks(site, foreign, "other@vault.example")
        seen.close()


def test_microsoft_365_guide_by_hand_and_by_script(browser: Browser) -> None:
    with tempfile.TemporaryDirectory(prefix="outgate-") as directory, portal(Path(directory)) as site:
        seen = context(browser)
        page = seen.new_page()
        act_as_customer(page, site)
        page.get_by_label("Where your mail comes from").select_option(label="Microsoft 365")
        page.locator("#platform").get_by_role("button", name="Save").click()
        expect(page.locator("#platform")).to_contain_text("there is nothing to type in")
        expect(page.locator("#tenant")).to_contain_text("waits (451) until a tenant is confirmed")
        page.get_by_role("link", name="Microsoft 365 and Exchange Online").click()
        steps = page.locator(".guide-text").first
        for words in (
            "Partner organization",
            "Inside the organization",
            "Outside the organization",
            "Except if",
            "502 5.3.3",
        ):
            expect(steps).to_contain_text(words)
        page.get_by_role("link", name="Set-up guides").first.click()
        page.get_by_role("link", name="Microsoft 365 with Exclaimer").click()
        expect(page.get_by_text("Stop processing more rules")).to_be_visible()
        page.go_back()
        page.get_by_role("link", name="Google Workspace").click()
        expect(page.get_by_text("Perform MX lookup")).to_be_visible()
        seen.close()


def test_plan_without_outbound_says_why(browser: Browser) -> None:
    with tempfile.TemporaryDirectory(prefix="outgate-") as directory, portal(Path(directory)) as site:
        site.installation.command("customer", "export", CUSTOMER)
        text = site.installation.command("customer", "export", CUSTOMER)
        changed = re.sub(r'plan = "\w+"', 'plan = "365"', re.sub(r'outbound = "on"', 'outbound = "off"', text))
        path = Path(directory, "changed.toml")
        path.write_text(changed)
        site.installation.command("customer", "apply", str(path), "--yes")
        seen = context(browser)
        page = seen.new_page()
        sign_in(page, site, "staff@example.com")
        page.get_by_label("Search by name, id or domain").press_sequentially("kaffee baum 5")
        expect(page.get_by_text("1 to 1 of 1")).to_be_visible()
        page.get_by_role("button", name="Login as Kaffee Baum 5").click()
        page.goto(f"{site.url}/customers/{CUSTOMER}/outbound/")
        expect(page.get_by_text("has no outbound")).to_be_visible()
        expect(page.get_by_role("switch")).to_have_count(0)
        seen.close()
