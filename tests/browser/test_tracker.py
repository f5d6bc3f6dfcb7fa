"""The Email tracker in a real browser, beside a real relay: mail comes while somebody looks."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.browser import PortalInstallation, add_admin, signed_in
from tests.support.client import RawClient
from tests.support.installation import customer
from tests.support.sink import Sink, running_sink

ADMIN = "admin@tracked.example"
LIVE_MILLISECONDS = 20_000  # for a message to be recorded and asked for


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """A next hop that takes all but mail for `nobody`, which it wants to see later."""

    def script(verb: str, line: str) -> str | None:
        return "450 4.2.1 come again, nobody is at home" if verb == "RCPT" and "nobody@" in line else None

    with running_sink(script=script) as running:
        yield running


@pytest.fixture(scope="module")
def password(site: PortalInstallation, sink: Sink) -> str:
    """Of the administrator of a customer that may send."""
    site.installation.apply(customer("Tracked", ["tracked.example"], relay=("127.0.0.1", sink.port)))
    return add_admin(site, ADMIN, "tracked")


@pytest.fixture
def page(browser: Browser, site: PortalInstallation, password: str) -> Iterator[Page]:
    with signed_in(browser, site, ADMIN, password) as made:
        yield made


def send(site: PortalInstallation, recipient: str, subject: str, *, sender: str = "alice@tracked.example") -> None:
    with RawClient(site.installation.smtp_port) as client:
        client.ehlo()
        assert client.say(f"MAIL FROM:<{sender}>")[0] == 250
        if client.say(f"RCPT TO:<{recipient}>")[0] != 250:
            return
        header = (
            f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@tracked.example>\r\n"
        )
        assert client.data(f"{header}\r\nHello\r\n".encode())[0] == 250


def test_message_appears_in_the_open_list_and_tells_its_story(page: Page, site: PortalInstallation) -> None:
    page.get_by_role("link", name="Email tracker").first.click()
    expect(page.get_by_text("No mail came yet")).to_be_visible()
    page.evaluate("window.isTheSamePage = true")

    # The first one of all comes by itself, and its status follows.
    send(site, "bob@receiver.example", "first")
    row = page.get_by_role("row").filter(has_text="first")
    expect(row).to_contain_text("bob@receiver.example", timeout=LIVE_MILLISECONDS)
    expect(row).to_contain_text("Relayed", timeout=LIVE_MILLISECONDS)

    # Later ones are announced, and come when they are asked for, by the keyboard alone.
    send(site, "nobody@receiver.example", "second")
    button = page.get_by_role("link", name="Show 1 new message", exact=True)
    expect(button).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(page.get_by_role("row").filter(has_text="second")).to_have_count(0)
    button.focus()
    page.keyboard.press("Enter")
    second = page.get_by_role("row").filter(has_text="second")
    expect(second).to_contain_text("Deferred", timeout=LIVE_MILLISECONDS)
    expect(button).to_have_count(0)
    assert page.evaluate("window.isTheSamePage === true")

    page.get_by_label("Recipient").fill("bob@")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("row").filter(has_text="first")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="second")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"\?recipient=bob%40$"))
    page.get_by_role("link", name="first", exact=True).click()
    expect(page.get_by_role("heading", name="first")).to_be_visible()
    recipients = page.get_by_role("region", name="Recipients")
    expect(recipients).to_contain_text("250")
    expect(recipients).to_contain_text("127.0.0.1")
    expect(page.get_by_text("Accepted as mail of your own domain").first).to_be_visible()


def test_page_of_a_waiting_message_follows_it(page: Page, site: PortalInstallation) -> None:
    send(site, "nobody@receiver.example", "waiting")
    page.goto(f"{site.url}/customers/tracked/mail/?subject=waiting")
    page.get_by_role("link", name="waiting", exact=True).click(timeout=LIVE_MILLISECONDS)
    recipients = page.get_by_role("region", name="Recipients")
    expect(recipients).to_contain_text("come again, nobody is at home", timeout=LIVE_MILLISECONDS)
    expect(page.get_by_text("the next attempt is at")).to_be_visible()
    reference = page.url.rstrip("/").rpartition("/")[2]

    site.installation.command("queue", "delete", reference)
    expect(page.get_by_text("Decided without an attempt")).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(page.locator("#story")).not_to_have_attribute("hx-trigger", "every 3s")


def test_refused_mail_is_there_and_the_list_can_be_taken_away(page: Page, site: PortalInstallation) -> None:
    send(site, "bob@receiver.example", "never", sender="mallory@elsewhere.example")
    page.goto(f"{site.url}/customers/tracked/mail/?status=refused")
    row = page.get_by_role("row").filter(has_text="mallory@elsewhere.example")
    expect(row).to_contain_text("sender-not-registered", timeout=LIVE_MILLISECONDS)

    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    assert "mallory@elsewhere.example" in download.value.path().read_text()
