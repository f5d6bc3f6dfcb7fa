"""The pages of the product that Outgate has to meet, step by step as they are written there, in a real browser, with
mail by swaks before, during and after activation."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.support.browser import SMARTHOST, PortalInstallation, context, portal, sign_in
from tests.support.dns_server import DnsServer, Zone
from tests.support.installation import short_directory
from tests.support.sink import Sink, running_sink
from tests.support.spf_zone import INCLUDE, OURS_RECORD

SENDING, FORWARDING, READING = "Kaffee Baum 5", "Kaffee Baum 4", "Kaffee Baum 3"  # each with one proven domain
ASKING = "Blauer Bogen 2"  # with two
SOURCES = {SENDING: "127.0.0.5", FORWARDING: "127.0.0.4"}  # of this customer alone
LIVE_MILLISECONDS = 10_000  # for workers to apply settings, or for a page to come
ANSWER_SECONDS = 1  # for a worker to say something; the other of the two is stopped
TRIES = 20  # until one connection of so many reaches the worker that is not stopped

# What each page has its reader do, in its order.
CONNECTOR = (
    "Mail flow", "Connectors", "Add a connector", "Office 365", "Partner organization", "Turn it on",
    "only when I have a transport rule set up", "Route email through these smart hosts", SMARTHOST,
    "Always use Transport Layer Security", "Issued by a trusted certificate authority", "Validate", "outside",
    "502 5.3.3", "skip it", "Save", "Rules", "Create a new rule", "Inside the organization",
    "Outside the organization", "Redirect the message to", "the following connector", "Except if", "a forward",
    "Enforce", "Save", "switch the rule on",
)  # fmt: skip
STEPS = {
    "Microsoft 365 and Exchange Online": CONNECTOR,
    "Microsoft 365 with Exclaimer": (
        *CONNECTOR, "the list of rules", "Identify messages to send to Exclaimer Cloud", "priority 1",
        "Stop processing more rules", "save", "behind it",
    ),
    "Google Workspace": (
        "Admin console", "Apps", "Google Workspace", "Gmail", "Hosts", "Add Route", "Name it", "Single host",
        SMARTHOST, "Take the tick off Perform MX lookup",
        "Require mail to be transmitted via a secure (TLS) connection", "Require CA signed certificate",
        "Validate certificate hostname", "Test TLS connection", "Save",
        "Gmail", "Routing", "top organisational unit", "Outbound", "Modify message", "Change route", "Normal routing",
        "Require secure transport (TLS)", "save",
    ),
    "Exchange Server": (
        "Exchange Management Shell", "New-SendConnector", SMARTHOST, "disable it", "Exchange admin center",
        "Send connectors", "Custom", "Route mail through smart hosts", SMARTHOST, "Authentication: None",
        "Address space", "Disable the Send connector",
    ),
    "Another mail server, application or device": ("Server", SMARTHOST, "Port", "25", "STARTTLS", "none"),
}  # fmt: skip
EXPECTED = {
    "Microsoft 365 and Exchange Online": "30 to 60 minutes",
    "Google Workspace": "24 hours",
    "Another mail server, application or device": "port 25",
}


@dataclass
class Place:
    """An Outgate of two workers. sink: where relayed mail goes. zone: what DNS says. staff: the browser of
    somebody who has signed in there."""

    site: PortalInstallation
    sink: Sink
    zone: Zone
    staff: BrowserContext


@pytest.fixture(scope="module")
def place(browser: Browser) -> Iterator[Place]:
    zone = Zone({INCLUDE: {"TXT": [OURS_RECORD]}}, ttl=0)
    with short_directory() as directory, running_sink() as sink, DnsServer(zone) as dns:
        settings = {"workers": 2, "delivery": {"nameservers": [f"127.0.0.1:{dns.port}"]}}
        with portal(directory, settings=settings) as site:
            seen = context(browser)
            seen.set_default_timeout(LIVE_MILLISECONDS)
            sign_in(seen.new_page(), site, "staff@example.com")
            yield Place(site, sink, zone, seen)
            seen.close()


@pytest.fixture
def page(place: Place) -> Iterator[Page]:
    """Of the partner's staff, logged in as nobody."""
    page = place.staff.new_page()
    page.goto(place.site.url)
    if page.get_by_role("button", name="Return").count():  # the test before has logged in as somebody
        page.get_by_role("button", name="Return").click()
    yield page
    page.close()


def swaks(place: Place, customer: str, sender: str, recipient: str = "bob@receiver.example", subject: str = "x") -> str:
    """The dialogue of one message, with a worker that answers: a connection may reach one that is stopped."""
    for _ in range(TRIES):
        done = subprocess.run(
            [
                "swaks", "--server", "127.0.0.1", "--port", str(place.site.installation.smtp_port), "--from", sender,
                "--to", recipient, "--header", f"Subject: {subject}", "--header", f"From: {sender}", "--tls-optional",
                "--local-interface", SOURCES[customer], "--timeout", str(ANSWER_SECONDS),
            ],
            capture_output=True,
            text=True,
        )  # fmt: skip
        told = done.stdout + done.stderr
        if "<-  220" in told:
            return told
    raise AssertionError(told)


@contextmanager
def stopped(place: Place, worker: str) -> Iterator[None]:
    pid = place.site.installation.process_ids(worker)[-1]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def act_as(page: Page, customer: str) -> str:
    """Customers, Login as, Settings > Outbound Smarthost; the customer's first domain."""
    page.get_by_role("link", name="Customers").click()
    page.get_by_label("Search by name, id or domain").press_sequentially(customer.lower())
    expect(page.get_by_text("1 to 1 of 1")).to_be_visible()
    page.get_by_role("button", name=f"Login as {customer}").click()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Outbound Smarthost", exact=True).first.click()
    domain = page.locator("#domains .item-name")
    return domain.first.inner_text() if domain.count() else ""


def slug(customer: str) -> str:
    return customer.lower().replace(" ", "-")


def switch(page: Page, *, on: bool) -> None:
    page.get_by_role("switch", name="Send mail through Outgate").set_checked(on)
    page.locator("#status").get_by_role("button", name="Save").click()


def add_source(page: Page, address: str) -> None:
    page.get_by_label("Address or network").fill(address)
    page.get_by_role("button", name="Add source").click()
    expect(page.get_by_role("cell", name=f"{address}/32", exact=True)).to_be_visible()


def add_relay(page: Page, domain: str, sink: Sink) -> None:
    page.get_by_label("Sending domain").fill(domain)
    page.get_by_label("Host", exact=True).fill("127.0.0.1")
    page.get_by_label("Port", exact=True).fill(str(sink.port))
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("The relay takes connections")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Set relay").click()
    expect(page.get_by_role("cell", name=f"127.0.0.1:{sink.port}")).to_be_visible()


def test_outbound_smarthost_and_a_third_party_tool(page: Page, place: Place) -> None:
    domain = act_as(page, SENDING)
    sender = f"shop@{domain}"
    activation = page.locator("#activation")

    switch(page, on=False)
    expect(activation).to_contain_text("Mail from your domains is refused", timeout=LIVE_MILLISECONDS)
    add_source(page, SOURCES[SENDING])
    add_relay(page, domain, place.sink)
    expect(activation).to_contain_text("Applied by worker 2 of 2", timeout=LIVE_MILLISECONDS)
    assert "550 5.7.1 outbound-off" in swaks(place, SENDING, sender)  # before: a clear text

    # During: one worker cannot hear of it, so that nobody accepts, and who has heard of it asks to come again.
    with stopped(place, "worker-2"):
        switch(page, on=True)
        expect(activation).to_contain_text("Applied by worker", timeout=LIVE_MILLISECONDS)
        expect(activation).to_contain_text("Waiting for worker")
        assert "451 4.7.1 activating" in swaks(place, SENDING, sender)
        expect(activation).to_contain_text("none is refused")
    expect(activation).to_contain_text("Mail from your domains is accepted.", timeout=LIVE_MILLISECONDS)

    # The guide for a third-party tool, and its proof.
    page.get_by_role("link", name="All guides").click()
    page.get_by_role("link", name="Another mail server, application or device").click()
    expect(page.get_by_text("Waiting for")).to_be_visible()
    assert "250 2.0.0" in swaks(place, SENDING, sender, subject="first")  # after: accepted
    proof = page.locator("#proof")
    expect(proof).to_contain_text("The set-up works", timeout=15_000)
    expect(proof).to_contain_text(sender)
    expect(proof).to_contain_text(SOURCES[SENDING])
    assert place.sink.wait_for(1)
    page.reload()
    expect(page.get_by_text("Seen to work on")).to_be_visible()


def test_auto_forward_lets_a_foreign_sender_through_to_the_destination_only(page: Page, place: Place) -> None:
    act_as(page, FORWARDING)
    add_source(page, SOURCES[FORWARDING])
    switch(page, on=True)
    activation = page.locator("#activation")
    expect(activation).to_contain_text("Mail from your domains is accepted.", timeout=LIVE_MILLISECONDS)
    foreign = "writer@elsewhere.example"
    assert "sender-not-registered" in swaks(place, FORWARDING, foreign, "archive@vault.example")
    page.get_by_label("Destination address").fill("archive@vault.example")
    page.get_by_role("button", name="Add destination").click()
    expect(page.get_by_role("cell", name="archive@vault.example", exact=True)).to_be_visible()
    expect(activation).to_contain_text("Applied by worker 2 of 2", timeout=LIVE_MILLISECONDS)
    assert "250 2.0.0" in swaks(place, FORWARDING, foreign, "archive@vault.example")
    assert "sender-not-registered" in swaks(place, FORWARDING, foreign, "other@vault.example")


def test_spf_record_to_publish_is_shown_and_found_once_it_is(page: Page, place: Place) -> None:
    wanted = f"v=spf1 mx include:{INCLUDE} -all"
    act_as(page, ASKING)
    for name, record in (("d0", "v=spf1 mx -all"), ("d1", wanted)):
        domain = f"{name}.{slug(ASKING)}.example"
        place.zone.records[domain] = {"TXT": [f'"{record}"'], "MX": ["10 mx.example."]}
        card = page.get_by_role("article", name=f"SPF record of {domain}")
        expect(card).to_contain_text(f"include:{INCLUDE}")  # before anybody asked: what the record needs
        card.get_by_role("button", name="Check").click()  # "now", or "again" if an answer has come meanwhile
        if record == wanted:
            expect(card).to_contain_text("Our mail passes")
        else:
            expect(card.locator(".spf-publish")).to_contain_text(wanted)


@pytest.mark.parametrize("title", STEPS)
def test_guide_has_every_step_in_its_order(title: str, page: Page) -> None:
    act_as(page, READING)
    page.get_by_role("link", name="All guides").click()
    page.get_by_role("link", name=title).click()
    text = " ".join(page.locator(".guide-text").first.inner_text().split())
    place = text.index("By hand") if title.startswith("Microsoft") else 0
    for words in STEPS[title]:
        found = text.find(words, place)
        assert found >= 0, f"{words!r} does not come behind {text[max(place - 200, 0) : place]!r}"
        place = found + len(words)
    expect(page.locator("main")).to_contain_text(EXPECTED.get(title, ""))
    expect(page.get_by_role("region", name="SPF")).to_contain_text(f"include:{INCLUDE}")
    expect(page.get_by_text("Waiting for")).to_be_visible()


def test_microsoft_365_needs_no_source_and_has_a_script(page: Page) -> None:
    domain = act_as(page, READING)
    page.get_by_label("Where your mail comes from").select_option(label="Microsoft 365")
    page.locator("#platform").get_by_role("button", name="Save").click()
    expect(page.locator("#platform")).to_contain_text("there is nothing to type in")
    expect(page.locator("#tenant")).to_contain_text("waits (451) until a tenant is confirmed")
    page.locator("#guides").get_by_role("link", name="Microsoft 365 and Exchange Online").click()
    for name, words in (
        ("set-up", ("New-OutboundConnector", "New-TransportRule", "WhatIf", SMARTHOST, f"'{domain}'")),
        ("undo", ("Remove-TransportRule", "Remove-OutboundConnector", "WhatIf")),
    ):
        with page.expect_download() as download:
            page.get_by_role("link", name=f"Download the {name} script").click()
        assert download.value.suggested_filename == f"outgate-{name}.ps1"
        script = Path(download.value.path()).read_bytes()
        assert script.startswith(b"\xef\xbb\xbf")
        for word in words:
            assert word.encode() in script, (name, word)


def test_plan_without_outbound_says_why(page: Page) -> None:
    act_as(page, "Inbound Only")
    expect(page.get_by_text("has no outbound")).to_be_visible()
    expect(page.get_by_role("switch")).to_have_count(0)
