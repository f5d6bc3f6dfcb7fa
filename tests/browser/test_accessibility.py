"""axe finds nothing on any page, in both colour schemes and as wide as a phone; no page is wider than the phone."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.support.browser import PortalInstallation, context
from tests.support.browser_walk import PAGES, prepare

TABS_MAX = 400  # presses of the key on one page, so that a test ends
# What has the focus, and why it would not be seen: its line, its size, or what lies over its middle.
FOCUS = """() => {
    const own = document.activeElement;
    if (!own || own === document.body) { return null; }
    const box = own.getBoundingClientRect(), looks = getComputedStyle(own);
    const x = box.left + box.width / 2, y = Math.min(Math.max(box.top + box.height / 2, 0), innerHeight - 1);
    const over = document.elementFromPoint(x, y);
    const wrong = [];
    if (looks.outlineStyle === "none" || parseFloat(looks.outlineWidth) < 2) { wrong.push("has no outline"); }
    if (box.width < 2 || box.height < 2) { wrong.push("has no size"); }
    if (!over || !(own.contains(over) || over.contains(own))) { wrong.push("is covered or out of view"); }
    return {name: own.innerText?.trim() || own.ariaLabel || own.name || own.tagName, wrong: wrong.join(", ")};
}"""
AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def storage(browser: Browser, site: PortalInstallation) -> dict[str, Any]:
    return prepare(browser, site)


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
@pytest.mark.parametrize("who", PAGES)
def test_axe_finds_nothing(
    who: str, look: str, browser: Browser, site: PortalInstallation, storage: dict[str, Any]
) -> None:
    seen = context(browser, dark=look == "dark", phone=look == "phone")
    if who in storage:
        seen.add_cookies(storage[who])
    page = seen.new_page()
    found = []
    for name, path in PAGES[who].items():
        page.goto(site.url + path)
        found += [f"{name}: {each}" for each in violations(page)]
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append(f"{name}: is wider than the window")
    seen.close()
    assert not found, "\n".join(found)


@pytest.mark.parametrize("look", ["wide", "phone"])
@pytest.mark.parametrize("who", PAGES)
def test_focus_is_seen_wherever_the_keyboard_goes(
    who: str, look: str, browser: Browser, site: PortalInstallation, storage: dict[str, Any]
) -> None:
    seen = context(browser, phone=look == "phone")
    if who in storage:
        seen.add_cookies(storage[who])
    page = seen.new_page()
    found = []
    for name, path in PAGES[who].items():
        page.goto(site.url + path)
        page.evaluate("document.activeElement.blur()")
        for stop in range(TABS_MAX):
            page.keyboard.press("Tab")
            focus = page.evaluate(FOCUS)
            if focus is None:
                assert stop, f"{name}: the keyboard reaches nothing"
                break
            if focus["wrong"]:
                found.append(f"{name}: {focus['name'][:60]!r} {focus['wrong']}")
    seen.close()
    assert not found, "\n".join(found)


def violations(page: Page) -> list[str]:
    """The policy of the page forbids scripts from elsewhere: the browser's own door is used."""
    page.evaluate(AXE)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in result["violations"]
        for node in each["nodes"]
    ]
