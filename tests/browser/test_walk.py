"""The way of somebody who has never seen the portal, in a real browser."""

import re

from playwright.sync_api import Browser, expect
from tests.support.browser import PortalInstallation, context, sign_in


def test_partner_switches_outbound_on_for_a_customer(browser: Browser, site: PortalInstallation) -> None:
    seen = context(browser)
    page = seen.new_page()
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))

    sign_in(page, site, "staff@example.com")
    page.get_by_label("Search by name, id or domain").press_sequentially("kaffee baum 5")
    expect(page.get_by_text("1 to 1 of 1")).to_be_visible()
    page.get_by_role("button", name="Login as Kaffee Baum 5").click()
    banner = page.get_by_role("region", name="Logged in as a customer")
    expect(banner).to_contain_text("Kaffee Baum 5")
    page.get_by_role("link", name="Settings").click()

    # A mistake first: it stands beside the field, which keeps what was typed.
    page.get_by_label("Address or network").fill("300.1.2.3")
    page.get_by_role("button", name="Add source").click()
    field = page.get_by_label("Address or network")
    expect(field).to_have_value("300.1.2.3")
    expect(field).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("is not an IP address or network")
    field.fill("9.9.9.77")
    page.get_by_role("button", name="Add source").click()
    expect(page.get_by_role("cell", name="9.9.9.77/32", exact=True)).to_be_visible()

    # On, and the workers' acknowledgement comes without a reload.
    switch = page.get_by_role("switch", name="Send mail through Outgate")
    if switch.is_checked():
        switch.uncheck()
        page.get_by_role("button", name="Save", exact=True).first.click()
        expect(page.locator("#activation")).to_contain_text("Off")
    page.get_by_role("switch", name="Send mail through Outgate").check()
    page.get_by_role("button", name="Save", exact=True).first.click()
    status = page.locator("#activation")
    expect(status).to_contain_text("Mail from your domains is accepted.", timeout=10_000)
    expect(status).to_contain_text("Applied by worker 1 of 1")
    expect(banner).to_be_visible()

    page.get_by_role("button", name="Return").click()
    expect(page.get_by_role("heading", name="Customers")).to_be_visible()
    expect(banner).to_have_count(0)
    page.get_by_role("link", name="Audit log").click()
    row = page.get_by_role("row").filter(has_text="outbound.on").first
    expect(row).to_contain_text("staff@example.com")
    expect(row).to_contain_text(re.compile("as kaffee-baum-5"))
    assert hosts == {site.url.removeprefix("http://")}
    seen.close()


def test_keyboard_alone_reaches_the_content(browser: Browser, site: PortalInstallation) -> None:
    seen = context(browser)
    page = seen.new_page()
    page.goto(f"{site.url}/account/login/")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    seen.close()


def test_colours_follow_the_system_until_somebody_chooses(browser: Browser, site: PortalInstallation) -> None:
    seen = context(browser, dark=True)
    page = seen.new_page()
    page.goto(f"{site.url}/account/login/")
    root = page.locator("html")
    expect(root).to_have_attribute("data-bs-theme", "dark")
    page.get_by_role("button", name="Switch between dark and light").click()
    expect(root).to_have_attribute("data-bs-theme", "light")
    page.reload()
    expect(root).to_have_attribute("data-bs-theme", "light")
    seen.close()
