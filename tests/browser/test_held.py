"""Held mail in a real browser, beside a real relay: it is held by a policy, seen, released and delivered as it came."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.browser import PortalInstallation, add_admin, signed_in
from tests.support.client import RawClient
from tests.support.installation import customer
from tests.support.sink import Sink, running_sink

ADMIN = "admin@holding.example"
SOURCE = "127.0.0.9"  # of this customer alone: what a source of two sends wrongly is nobody's
LIVE_MILLISECONDS = 20_000  # for a message to be recorded, or an order to be carried out and asked for
SCANNING = {"is_on": True, "words": ["Project Falcon"], "data": [{"name": "words"}]}


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with running_sink() as running:
        yield running


@pytest.fixture(scope="module")
def password(site: PortalInstallation, sink: Sink) -> str:
    """Of the administrator of a customer whose policy holds some words."""
    relay = ("127.0.0.1", sink.port)
    made = customer("Holding", ["holding.example"], relay=relay, sources=[f"{SOURCE}/32"], scanning=SCANNING)
    site.installation.apply(made)
    return add_admin(site, ADMIN, "holding")


@pytest.fixture
def page(browser: Browser, site: PortalInstallation, password: str) -> Iterator[Page]:
    with signed_in(browser, site, ADMIN, password) as made:
        yield made


def hold(site: PortalInstallation, subject: str) -> bytes:
    content = (
        f"From: alice@holding.example\r\nTo: bob@receiver.example\r\nSubject: {subject}\r\n"
        "\r\nAll about Project Falcon.\r\n"
    ).encode()
    with RawClient(site.installation.smtp_port, source=SOURCE) as client:
        client.ehlo()
        client.envelope("alice@holding.example", "bob@receiver.example")
        assert client.data(content)[0] == 250
    return content


def open_list(page: Page, site: PortalInstallation, subject: str) -> None:
    """Mail is recorded a moment after it came."""
    page.goto(f"{site.url}/customers/holding/")
    page.get_by_role("link", name="Held mail").click()
    row = page.get_by_role("row", name=subject)
    end = time.monotonic() + LIVE_MILLISECONDS / 1000
    while not row.is_visible():
        assert time.monotonic() < end
        page.reload()


def test_held_message_is_released_and_leaves_as_it_came(page: Page, site: PortalInstallation, sink: Sink) -> None:
    content = hold(site, "plans")
    open_list(page, site, "plans")
    page.get_by_label("Choose plans").check()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Release chosen").click()
    expect(page.get_by_text("1 message is to be released.")).to_be_visible()
    expect(page.get_by_text("1 message does not wait any more.")).to_be_visible(timeout=LIVE_MILLISECONDS)
    page.get_by_role("link", name="Show what still waits").click()
    expect(page.get_by_text("No mail is held")).to_be_visible()
    assert sink.wait_for(1)[-1].body_behind_trace == content


def test_ticks_and_focus_stay_while_an_order_is_carried_out(page: Page, site: PortalInstallation) -> None:
    for subject in ("first-plan", "second-plan"):
        hold(site, subject)
        open_list(page, site, subject)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_label("Choose first-plan").check()
    page.get_by_role("button", name="Release chosen").click()
    other = page.get_by_label("Choose second-plan")
    other.check()
    other.focus()
    expect(page.get_by_role("row", name="first-plan").get_by_text("Relayed")).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(other).to_be_checked()
    expect(other).to_be_focused()
    page.get_by_role("button", name="Delete chosen").click()
    expect(page.get_by_role("row", name="second-plan").get_by_text("Deleted")).to_be_visible(timeout=LIVE_MILLISECONDS)


def test_message_is_deleted_from_its_page(page: Page, site: PortalInstallation, sink: Sink) -> None:
    before = len(sink.messages)
    hold(site, "other-plans")
    open_list(page, site, "other-plans")
    page.get_by_role("link", name="other-plans").click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Deletion ordered by admin@holding.example")).to_be_visible()
    expect(page.locator("#story .standing").get_by_text(f"Deleted by {ADMIN}")).to_be_visible(timeout=LIVE_MILLISECONDS)
    assert len(sink.messages) == before
