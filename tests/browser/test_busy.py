"""A button whose form is at work says so, and its form takes no second submit meanwhile.

What is waited for comes when the test lets it: from a server that accepts and says nothing, or a route that is held.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, Request, Route, expect
from tests.support.browser import PortalInstallation, context, sign_in
from tests.support.browser_watch import Watch

PAGE = "/customers/alpha/outbound/"
ACCEPT_SECONDS = 20.0  # for the worker to connect


@contextmanager
def silence() -> Iterator[socket.socket]:
    """A server that takes connections, from its backlog, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(ACCEPT_SECONDS)
        yield server


LOOK = """document => ({
    busy: Array.from(document.querySelectorAll("[aria-busy=true]"), each => each.innerText.trim()),
    waiting: Array.from(document.querySelectorAll("[aria-disabled=true]"), each => each.innerText.trim()),
    focus: document.activeElement.innerText.trim(),
    said: document.querySelector("body > [aria-live]").textContent,
})"""
FORM = "document.querySelector('#relays form.add')"


@dataclass
class Visit:
    """A page, and the one that opened it: a browser tells its driver nothing of a page that is about to be left, but
    lets the opener look."""

    page: Page
    opener: Page

    def asks(self, expression: str) -> Any:
        return self.opener.evaluate(f"(document => {expression})(window.opened.document)")

    def look(self) -> dict[str, Any]:
        found: dict[str, Any] = self.asks(f"({LOOK})(document)")
        return found

    def double_click(self, button: Locator) -> None:
        """As a hurried hand does; the locator's own waits for the next page."""
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box is not None
        self.page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def press(self, selector: str, label: str) -> None:
        """The first of these buttons whose text begins so."""
        buttons = f"Array.from(document.querySelectorAll({selector!r}))"
        self.asks(f"{buttons}.find(each => each.innerText.trim().startsWith({label!r})).click()")


@contextmanager
def visiting(browser: Browser, site: PortalInstallation, email: str, path: str) -> Iterator[Visit]:
    seen = context(browser)
    opener = seen.new_page()
    sign_in(opener, site, email)
    with opener.expect_popup() as popup:
        opener.evaluate("address => { window.opened = window.open(address); }", site.url + path)
    page = popup.value
    page.wait_for_load_state()
    yield Visit(page, opener)
    seen.close()


@pytest.fixture
def visit(browser: Browser, site: PortalInstallation) -> Iterator[Visit]:
    with visiting(browser, site, "admin@alpha.example", PAGE) as visit:
        yield visit


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


def posts(page: Page) -> list[Request]:
    seen: list[Request] = []
    page.on("request", lambda request: seen.append(request) if request.method == "POST" else None)
    return seen


def fill_relay(page: Page, port: int) -> None:
    part = page.locator("#relays")
    part.get_by_label("Sending domain").fill("alpha.example")
    part.get_by_label("Host").fill("127.0.0.1")
    part.get_by_label("Port").fill(str(port))


def test_test_of_a_relay_shows_that_it_is_under_way_and_is_made_once(visit: Visit, page: Page) -> None:
    sent = posts(page)
    form = page.locator("#relays form.add")
    with silence() as server:
        fill_relay(page, server.getsockname()[1])
        assert visit.look()["said"] == ""
        visit.double_click(form.get_by_role("button", name="Test connection"))
        connection, _ = server.accept()
        with connection:
            assert visit.look() == {
                "busy": ["Testing…"],
                "waiting": ["Set relay", "Testing…"],
                "focus": "Testing…",
                "said": "Testing…",
            }
            visit.press("#relays form.add button", "Testing…")
            visit.press("#relays form.add button", "Set relay")
            visit.asks(f"{FORM}.requestSubmit()")  # as Enter in a field does
            assert visit.look()["busy"] == ["Testing…"]
    expect(page.locator("#relays").get_by_role("status")).to_contain_text("Does not work")
    expect(form.get_by_role("button", name="Test connection")).to_be_visible()
    assert [request.url.rpartition("/customers")[2] for request in sent] == ["/alpha/outbound/relays/test/"]


def hold(page: Page, path: str) -> list[Route]:
    """What is posted to this path, held until the test answers it."""
    held: list[Route] = []
    page.route(path, lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    return held


def wait_for(page: Page, held: list[Route], count: int = 1) -> Route:
    """The last of so many. A button says that it is busy before the driver has heard of the request."""
    end = time.monotonic() + ACCEPT_SECONDS
    while len(held) < count:
        assert time.monotonic() < end, "nothing was sent"
        page.wait_for_timeout(10)  # the driver hands over what it has heard only while it is asked
    return held[count - 1]


@pytest.mark.parametrize(
    ("part", "name", "label"),
    [
        ("#domains", "Verify", "Verifying…"),
        ("#spf", "Check", "Checking…"),  # "now" until there is an answer, then "again"
        ("#tenant", "Look up", "Looking up…"),
    ],
)
def test_what_asks_others_is_busy(browser: Browser, site: PortalInstallation, part: str, name: str, label: str) -> None:
    with visiting(browser, site, "admin@waiting.example", "/customers/tenant-waiting/outbound/") as visit:
        page = visit.page
        if not page.locator("#domains").get_by_role("button", name="Verify").count():
            page.locator("#domains").get_by_label("Domain", exact=True).fill("busy.example")
            page.get_by_role("button", name="Add domain").click()
        sent = posts(page)
        held = hold(page, "**/tenant-waiting/outbound/*/**")
        visit.double_click(page.locator(part).get_by_role("button", name=name).first)
        route = wait_for(page, held)
        seen = visit.look()
        assert (seen["busy"], seen["said"]) == ([label], label)
        visit.press(f"{part} button", label)
        route.fulfill(content_type="text/html", body="<h1>Done</h1>")
        expect(page.get_by_role("heading", name="Done")).to_be_visible()
        assert len(sent) == 1


@pytest.mark.parametrize(
    "undo",
    [
        "window.opened.stop()",  # as the browser's own button does
        # As from the browser's cache of pages, which the driver has switched off.
        "window.opened.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))",
    ],
    ids=["stopped", "back"],
)
def test_button_is_as_before_when_its_page_stays(visit: Visit, page: Page, undo: str) -> None:
    held = hold(page, "**/relays/test/")
    before = visit.asks(f"{FORM}.innerHTML")
    visit.double_click(page.locator("#relays").get_by_role("button", name="Test connection"))
    wait_for(page, held)
    assert visit.look()["busy"] == ["Testing…"]
    visit.opener.evaluate(undo)
    assert visit.look() == {"busy": [], "waiting": [], "said": "", "focus": "Test connection"}
    assert visit.asks(f"{FORM}.innerHTML").replace(' style=""', "") == before


def test_another_form_takes_the_place_of_the_one_that_is_waited_for(visit: Visit, page: Page) -> None:
    """A browser goes to one page only. What the first form waited for does not come, and the second is the busy one."""
    held = hold(page, "**/relays/**")
    later = hold(page, "**/switch/")
    page.evaluate("document.querySelector('#status form button').dataset.busy = 'Saving…'")
    visit.double_click(page.locator("#relays").get_by_role("button", name="Test connection"))
    wait_for(page, held)
    visit.press("#status form button", "Save")
    route = wait_for(page, later)
    assert visit.look()["busy"] == ["Saving…"]
    route.fulfill(content_type="text/html", body="<h1>Done</h1>")
    expect(page.get_by_role("heading", name="Done")).to_be_visible()


HTMX_FORM = """address => {
    const form = document.createElement("form");
    form.id = "of-htmx";
    form.setAttribute("hx-post", address);
    form.setAttribute("hx-swap", "none");
    form.innerHTML = '<input name="text" value="one" aria-label="Text">'
        + '<button type="submit" name="do" value="try" data-busy="Trying…">Try</button>'
        + '<button type="submit" name="do" value="sure" data-busy="Trying…" data-confirm="Sure?">Try surely</button>';
    document.querySelector("main").prepend(form);
    htmx.process(form);
}"""


@pytest.mark.parametrize("outcome", ["answer", "refusal", "failure"])
def test_form_of_htmx_is_busy_until_the_answer(
    visit: Visit, site: PortalInstallation, watch: Watch, outcome: str
) -> None:
    page = visit.page
    held = hold(page, "**/slow-answer")
    sent = posts(page)
    page.evaluate(HTMX_FORM, f"{site.url}/slow-answer")
    form = page.locator("#of-htmx")
    form.get_by_role("button", name="Try", exact=True).dblclick()
    expect(form.get_by_role("button", name="Trying…")).to_have_attribute("aria-busy", "true")
    form.get_by_label("Text").press("Enter")
    route = wait_for(page, held)
    assert parse_qs(route.request.post_data or "") == {"text": ["one"], "do": ["try"]}
    if outcome == "failure":
        route.abort()
    else:
        route.fulfill(status=200 if outcome == "answer" else 500, body="")
    expect(form.get_by_role("button", name="Try", exact=True)).not_to_have_attribute("aria-busy", "true")
    assert visit.look()["said"] == ""
    assert len(sent) == 1

    form.get_by_role("button", name="Try", exact=True).click()  # and once more, since it may be
    expect(form.get_by_role("button", name="Trying…")).to_be_visible()
    wait_for(page, held, 2)
    assert len(sent) == 2
    if outcome != "answer":
        watch.complaints.clear()  # of the browser, about just that


def test_who_does_not_confirm_sends_nothing_by_htmx_either(page: Page, site: PortalInstallation) -> None:
    sent = posts(page)
    held = hold(page, "**/slow-answer")
    page.evaluate(HTMX_FORM, f"{site.url}/slow-answer")
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    form = page.locator("#of-htmx")
    form.get_by_role("button", name="Try surely").click()
    assert asked == ["Sure?"]
    expect(form.get_by_role("button", name="Try surely")).not_to_have_attribute("aria-busy", "true")
    form.get_by_role("button", name="Try", exact=True).click()  # what went before would be the first
    expect(form.get_by_role("button", name="Trying…")).to_be_visible()
    wait_for(page, held)
    assert [parse_qs(request.post_data or "")["do"] for request in sent] == [["try"]]


def test_pressed_buttons_name_is_sent(visit: Visit, page: Page, site: PortalInstallation) -> None:
    page.goto(f"{site.url}/customers/alpha/policies/")
    held = hold(page, "**/alpha/policies/")
    visit.double_click(page.get_by_role("button", name="Try on past mail", exact=True).first)
    posted = parse_qs(wait_for(page, held).request.post_data or "")
    assert visit.look()["busy"] == ["Trying…"]
    assert posted["do"] == ["try"]
    held[0].abort()


def test_form_works_without_scripts(browser: Browser, site: PortalInstallation) -> None:
    """Of another customer, since each may test only every few seconds."""
    plain = browser.new_context(java_script_enabled=False)
    page = plain.new_page()
    sign_in(page, site, "admin@silent.example")
    page.goto(f"{site.url}/customers/tenant-silent/outbound/")
    with silence() as server:
        fill_relay(page, server.getsockname()[1])
        page.locator("#relays").get_by_role("button", name="Test connection").click(no_wait_after=True)
        connection, _ = server.accept()
        connection.close()
    expect(page.locator("#relays").get_by_role("status")).to_contain_text("Does not work")
    plain.close()
