"""Sets a customer up with the keyboard alone, from signing in to the SPF record; where the focus is can be seen at each
step."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.support.browser import PortalInstallation, add_admin, context
from tests.support.spf_zone import INCLUDE

CUSTOMER = "praxis-dr-sommer"  # off, without a source
ADMIN = "admin@sommer.example"
DOMAIN = "keys.sommer.example"
STEPS_MAX = 200  # of the Tab key, on the longest page
LIVE_MILLISECONDS = 10_000  # for workers to apply settings
# What is focused: is it the wanted one, in the window, and marked? A shadow that is always there is no mark.
FOCUS = """
(wanted) => {
    const focused = document.activeElement;
    const style = getComputedStyle(focused);
    const shadow = style.boxShadow;
    let seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    if (!seen && focused !== document.body) {
        focused.blur();
        seen = getComputedStyle(focused).boxShadow !== shadow;
        focused.focus({preventScroll: true});
    }
    const place = focused.getBoundingClientRect();
    return {
        wanted: focused === wanted,
        nothing: focused === document.body,
        seen: seen,
        inside: place.bottom > 0 && place.top < innerHeight && place.width > 0 && place.height > 0,
        name: focused.outerHTML.slice(0, 200),
    };
}
"""
Role = Literal["button", "link", "switch", "textbox"]


@pytest.fixture(scope="module")
def password(site: PortalInstallation) -> str:
    return add_admin(site, ADMIN, CUSTOMER)


@pytest.fixture
def page(browser: Browser, site: PortalInstallation) -> Iterator[Page]:
    seen = context(browser)
    page = seen.new_page()
    page.goto(f"{site.url}/account/login/")
    yield page
    seen.close()


def go_to(page: Page, wanted: Locator) -> None:
    """By the Tab key, from wherever the focus is."""
    expect(wanted).to_be_visible()
    handle: Any = wanted.element_handle()
    for _ in range(STEPS_MAX):
        focus = page.evaluate(FOCUS, handle)
        if not focus["nothing"]:
            assert focus["seen"], f"nothing shows that this has the focus: {focus['name']}"
            assert focus["inside"], f"this has the focus outside of the window: {focus['name']}"
        if focus["wanted"]:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached")


def press(page: Page, role: Role, name: str, key: str = "Enter") -> None:
    go_to(page, page.get_by_role(role, name=name, exact=True).first)
    page.keyboard.press(key)


def write(page: Page, label: str, text: str) -> None:
    go_to(page, page.get_by_label(label, exact=True))
    page.keyboard.type(text)


def test_customer_is_set_up_by_the_keyboard_alone(page: Page, password: str) -> None:
    write(page, "Email address", ADMIN)
    write(page, "Password", password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/customers/{CUSTOMER}/")

    press(page, "link", "Settings")
    press(page, "link", "Outbound Smarthost")
    press(page, "switch", "Send mail through Outgate", "Space")
    go_to(page, page.locator("#status").get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    expect(page.locator("#activation")).to_contain_text("Applied in", timeout=LIVE_MILLISECONDS)

    write(page, "Domain", DOMAIN)
    press(page, "button", "Add domain")
    expect(page.get_by_role("article", name=DOMAIN, exact=True)).to_contain_text("Not proven")
    write(page, "Address or network", "9.9.77.9")
    page.keyboard.press("Enter")
    expect(page.get_by_role("cell", name="9.9.77.9/32", exact=True)).to_be_visible()

    card = page.get_by_role("article", name=f"SPF record of {DOMAIN}")
    go_to(page, card.get_by_role("button", name="Copy the record to publish"))
    expect(card).to_contain_text(f"include:{INCLUDE}")
    expect(card.get_by_text(f"include:{INCLUDE}")).to_be_in_viewport()
