"""axe finds nothing on any page, in both colour schemes and as wide as a phone; no page is wider than the phone."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.support.browser import PortalInstallation, context
from tests.support.browser_walk import PAGES, prepare

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


def violations(page: Page) -> list[str]:
    """The policy of the page forbids scripts from elsewhere: the browser's own door is used."""
    page.evaluate(AXE)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in result["violations"]
        for node in each["nodes"]
    ]
