"""The drawings of the guides, as they are seen: one of the two, with letters that can be read, each within its box."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.browser import PortalInstallation, sign_in

from outgate.portal.guides.kinds import GUIDES

TOLD = re.compile(r"to Outgate \(eu\.smarthost\.example\), and on to its recipients")
LETTER_MIN = 12  # pixels on the screen, for 12 of the style sheet
SEEN = """() => Array.from(document.querySelectorAll("svg.flow"), svg => {
    const inside = (small, large) => small.left >= large.left && small.right <= large.right
        && small.top >= large.top && small.bottom <= large.bottom;
    const boxes = Array.from(svg.querySelectorAll("rect"), each => each.getBoundingClientRect());
    return {
        isShown: svg.checkVisibility(),
        host: svg.textContent.includes("eu.smarthost.example"),
        letters: Math.min(...Array.from(svg.querySelectorAll("text"),
            each => parseFloat(getComputedStyle(each).fontSize) * (each.getScreenCTM()?.a ?? 0))),
        outside: Array.from(svg.querySelectorAll("text")).filter(each => {
            const own = each.getBoundingClientRect();
            return each.classList.contains("flow-label")
                ? !inside(own, svg.getBoundingClientRect()) || boxes.some(box => own.left < box.right
                    && own.right > box.left && own.top < box.bottom && own.bottom > box.top)
                : !boxes.some(box => inside(own, box));
        }).map(each => each.textContent),
    };
}).filter(each => each.isShown)"""


@pytest.fixture(scope="module")
def cookies(browser: Browser, site: PortalInstallation) -> Any:
    seen = browser.new_context()
    sign_in(seen.new_page(), site, "viewer@alpha.example")
    found = seen.cookies()
    seen.close()
    return found


@pytest.fixture(params=[320, 390, 800, 801, 1280])
def page(request: pytest.FixtureRequest, browser: Browser, cookies: Any) -> Iterator[Page]:
    seen = browser.new_context(viewport={"width": request.param, "height": 800})
    seen.add_cookies(cookies)
    yield seen.new_page()
    seen.close()


def test_way_of_mail_can_be_read(page: Page, site: PortalInstallation) -> None:
    for guide in GUIDES:
        page.goto(f"{site.url}/customers/alpha/guides/{guide.kind}/")
        [shown] = page.evaluate(SEEN)
        assert shown["outside"] == [], guide.kind
        assert shown["letters"] >= LETTER_MIN, guide.kind
        assert shown["host"], guide.kind
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), guide.kind
        picture = page.get_by_role("img", name="The way of mail")
        expect(picture).to_have_count(1)  # the other is hidden from screen readers too
        expect(picture).to_have_accessible_description(TOLD)


def test_open_tab_is_in_view(page: Page, site: PortalInstallation) -> None:
    page.goto(f"{site.url}/customers/alpha/policies/")
    for row in (".tabs", ".topnav"):
        expect(page.locator(f"{row} [aria-current]")).to_be_in_viewport(ratio=0.99)
