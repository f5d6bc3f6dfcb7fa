"""axe finds nothing on any page or in any state of one, in both colour schemes, wide or as wide as a phone; no page is
wider than the phone."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from tests.support.browser import LINK_SECRET, PASSWORD, PortalInstallation, add_admin, context, sign_in, signed_in
from tests.support.browser_walk import PAGES, enter
from tests.support.client import RawClient
from tests.support.installation import customer
from tests.support.passkeys import add_authenticator
from tests.support.sink import running_sink

# What can have the focus and would not be seen then: by its line, its size, or what lies over its middle. Each is given
# the focus as the keyboard gives it; the way from one to the next is in test_keyboard.py.
UNSEEN_FOCUS = """() => {
    const found = [];
    for (const own of document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")) {
        if (own.tabIndex < 0 || own.disabled || !own.checkVisibility()) { continue; }
        own.focus({focusVisible: true});
        if (document.activeElement !== own) { continue; }
        const box = own.getBoundingClientRect(), looks = getComputedStyle(own);
        const x = box.left + box.width / 2, y = Math.min(Math.max(box.top + box.height / 2, 0), innerHeight - 1);
        const over = document.elementFromPoint(x, y);
        const wrong = [];
        if (looks.outlineStyle === "none" || parseFloat(looks.outlineWidth) < 2) { wrong.push("has no outline"); }
        if (box.width < 2 || box.height < 2) { wrong.push("has no size"); }
        if (!over || !(own.contains(over) || over.contains(own))) { wrong.push("is covered or out of view"); }
        const name = own.innerText?.trim() || own.ariaLabel || own.name || own.tagName;
        if (wrong.length) { found.push(`the focus on '${name.slice(0, 60)}' ${wrong.join(", ")}`); }
    }
    document.activeElement.blur();
    scrollTo(0, 0);
    return found;
}"""
AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text("utf-8")
WIDTHS: dict[str, ViewportSize] = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
LOOKS = (("light", "wide"), ("dark", "phone"))  # each colour scheme and each width once: four would take too long
LEADS_ON = {f"/account/password/link/{LINK_SECRET}/": "/account/password/link/"}  # the secret leaves the address
SOURCE = "127.0.0.8"  # of this file's customer alone: what a source of two sends wrongly is nobody's
LIVE_MILLISECONDS = 20_000  # for a message to be recorded, or a relay to be tried


@pytest.fixture(scope="module")
def cookies_of(browser: Browser, site: PortalInstallation) -> Callable[[str], Any]:
    """Of somebody, who signs in when they are first asked for."""
    return cache(partial(enter, browser, site))


@pytest.mark.parametrize("who", PAGES)
def test_axe_finds_nothing(
    who: str, browser: Browser, site: PortalInstallation, cookies_of: Callable[[str], Any]
) -> None:
    page = page_of(browser, [] if who == "nobody" else cookies_of(who))
    found = []
    for name, path in PAGES[who].items():
        page.goto(site.url + path)
        shown, wanted = urlsplit(page.url), urlsplit(LEADS_ON.get(path, path))
        assert shown.path == wanted.path, f"{name}: another page is shown"
        found += faults(page, name)
    page.context.close()
    assert not found, "\n".join(found)


def page_of(browser: Browser, cookies: Any) -> Page:
    seen = context(browser)
    seen.add_cookies(cookies)
    return seen.new_page()


def faults(page: Page, name: str) -> list[str]:
    """What is wrong with the page as it stands, in every look."""
    page.evaluate(AXE)  # the policy of the page forbids scripts from elsewhere: the browser's own door is used
    found = []
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size(WIDTHS[width])
        expect(page.locator("html")).to_have_attribute("data-bs-theme", scheme)
        found += [f"{name}, {width}, {scheme}: {each}" for each in violations(page)]
        found += [f"{name}, {width}: {each}" for each in page.evaluate(UNSEEN_FOCUS)]
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append(f"{name}, {width}: is wider than the window")
    return found


def violations(page: Page) -> list[str]:
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in result["violations"]
        for node in each["nodes"]
    ]


def assert_clean(page: Page, name: str) -> None:
    found = faults(page, name)
    assert not found, "\n".join(found)


def test_second_step_of_signing_in(browser: Browser, site: PortalInstallation) -> None:
    page = page_of(browser, [])
    page.goto(f"{site.url}/account/login/")
    page.get_by_label("Email address").fill("staff@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    assert_clean(page, "second step")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("Incorrect code")).to_be_visible()
    assert_clean(page, "wrong code")
    page.context.close()


def test_passkeys_are_listed_renamed_and_removed(browser: Browser, site: PortalInstallation) -> None:
    page = page_of(browser, [])
    sign_in(page, site, "admin@google.example")
    add_authenticator(page)
    page.goto(f"{site.url}/account/security/webauthn/add/")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="Recovery Codes")).to_be_visible()
    for path in ("reauthenticate/", ""):
        page.goto(f"{site.url}/account/security/webauthn/{path}")
        assert_clean(page, f"passkeys {path}")
    for work in ("Rename", "Remove"):
        page.goto(f"{site.url}/account/security/webauthn/")
        page.get_by_role("link", name=f"{work} Laptop").click()
        assert_clean(page, f"passkey: {work}")
    page.get_by_role("button", name="Remove").click()
    page.context.close()


def test_somebody_new_is_told_of_once(
    browser: Browser, site: PortalInstallation, cookies_of: Callable[[str], Any]
) -> None:
    page = page_of(browser, cookies_of("operator@example.com"))
    page.goto(f"{site.url}/customers/new/")
    page.get_by_label("Name", exact=True).fill("Made By Axe")
    page.get_by_label("Email address").fill("first@made.example")
    page.get_by_label("How they get in").select_option(index=1)
    page.get_by_role("button", name="Create customer").click()
    expect(page.get_by_role("heading", name="Made By Axe is there")).to_be_visible()
    expect(page.get_by_text("The password is shown only now")).to_be_visible()
    assert_clean(page, "customer made")
    page.goto(f"{site.url}/team/")
    page.get_by_label("Email address").fill("second@made.example")
    page.get_by_label("Partner", exact=False).first.select_option(label="Example Partner")
    page.get_by_label("How they get in").select_option(index=1)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("The password is shown only now")).to_be_visible()
    assert_clean(page, "user made")
    page.context.close()


@pytest.fixture(scope="module")
def password(site: PortalInstallation) -> Iterator[str]:
    """Of the administrator of a customer that may send, and whose policy holds some words."""
    with running_sink() as sink:
        made = customer(
            "Proving",
            ["proving.example"],
            relay=("127.0.0.1", sink.port),
            sources=[f"{SOURCE}/32"],
            scanning={"is_on": True, "words": ["Project Falcon"], "data": [{"name": "words"}]},
        )
        site.installation.apply(made)
        yield add_admin(site, "admin@proving.example", "proving")


def test_what_mail_and_trials_show(browser: Browser, site: PortalInstallation, password: str) -> None:
    of_customer = f"{site.url}/customers/proving"
    with signed_in(browser, site, "admin@proving.example", password) as page:
        page.goto(f"{of_customer}/outbound/")
        page.get_by_role("button", name="Test the relay of proving.example").click()
        page.get_by_text("The dialogue").click(timeout=LIVE_MILLISECONDS)
        expect(page.locator(".dialogue")).to_be_visible()
        assert_clean(page, "relay test")

        page.goto(f"{of_customer}/guides/third-party/")
        expect(page.get_by_text("Waiting for")).to_be_visible()
        with RawClient(site.installation.smtp_port, source=SOURCE) as client:
            client.ehlo()
            client.envelope("alice@proving.example", "bob@receiver.example")
            assert client.data(b"Subject: plans\r\nFrom: alice@proving.example\r\n\r\nProject Falcon.\r\n")[0] == 250
        expect(page.get_by_text("It arrived")).to_be_visible(timeout=LIVE_MILLISECONDS)
        assert_clean(page, "proof")

        page.goto(f"{of_customer}/policies/")
        page.get_by_label("What becomes of it: Own words and patterns").select_option("reject")
        page.get_by_role("button", name="Try on past mail", exact=True).click()
        expect(page.get_by_text("1 of 1 message would have fared otherwise")).to_be_visible()
        assert_clean(page, "replay")
