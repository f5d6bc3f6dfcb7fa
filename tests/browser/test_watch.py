"""The watch over all browser tests sees what it is there for."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from tests.support.browser import PortalInstallation, context
from tests.support.browser_watch import Watch

INSERT = "document.body.insertAdjacentHTML('beforeend', "


@pytest.fixture
def page(browser: Browser, site: PortalInstallation) -> Iterator[Page]:
    seen = context(browser)
    page = seen.new_page()
    page.goto(f"{site.url}/r/")
    yield page
    seen.close()


@pytest.mark.parametrize(
    ("doing", "told", "complaint"),
    [
        ("console.error('something is wrong')", "something is wrong", "something is wrong"),
        (f"{INSERT}'<img src=x onerror=console.log(1)>')", "violates script-src", "violates script-src"),
        (f"{INSERT}'<p style=\"color: red\">x</p>')", "violates style-src", "violates style-src"),
        (f"{INSERT}'<img src=/static/never-was.png>')", "Failed to load", "404 "),
    ],
)
def test_what_is_wrong_with_a_page_is_a_complaint(
    doing: str, told: str, complaint: str, page: Page, watch: Watch
) -> None:
    with page.expect_console_message(lambda message: told in message.text):
        page.evaluate(doing)
    page.context.close()
    assert any(complaint in each for each in watch.complaints), watch.complaints
    watch.complaints.clear()


def test_error_that_nobody_catches_is_a_complaint(page: Page, watch: Watch) -> None:
    with page.expect_event("pageerror"):
        page.evaluate("setTimeout(() => { throw new Error('never caught') })")
    page.context.close()
    assert any("never caught" in each for each in watch.complaints), watch.complaints
    watch.complaints.clear()


def test_page_that_says_that_there_is_nothing_is_none(page: Page, site: PortalInstallation, watch: Watch) -> None:
    page.goto(f"{site.url}/r/never-was")
    assert watch.complaints == []
