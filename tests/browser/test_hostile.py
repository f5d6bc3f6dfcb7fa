"""Whatever people and messages name is text on every page that shows it: none of it runs, none of it becomes a part of
the page, and the console stays silent."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page
from tests.support.browser import HOSTILE_ADMIN, PASSWORD, PortalInstallation, run_beside, sign_in
from tests.support.hostile_text import evil

OWN = "/customers/hostile"

# What each page shows of the hostile text, by its marks: a page that shows nothing of it would prove nothing.
ADMINS: dict[str, tuple[str, ...]] = {
    f"{OWN}/": ("customer",),
    f"{OWN}/general/": ("customer", "region"),
    f"{OWN}/outbound/": ("label", "login", "spf", "org", "signer"),
    f"{OWN}/policies/": ("word", "rule", "template", "partner"),
    f"{OWN}/guides/": ("customer",),
    f"{OWN}/guides/microsoft-365/": ("customer",),
    f"{OWN}/access/": ("customer", "partner"),
    f"{OWN}/held/": ("subject", "sender"),
    f"{OWN}/mail/?since=2026-01-01T00%3A00": ("subject", "sender", "recipient"),
    "/team/": ("person", "customer"),
    "/keys/": ("key",),
    "/audit/": ("key",),
    "/account/sessions/": ("browser",),
}
MESSAGES: dict[str, tuple[str, ...]] = {
    "held": ("subject", "sender", "from", "hello", "recipient", "attachment", "detail", "signer"),
    "deferred": ("sender", "recipient", "hop", "reply", "cipher"),
    "refused": ("sender", "recipient", "hello", "refusal"),
}
OPERATORS: dict[str, tuple[str, ...]] = {
    "/customers/?q=hostile": ("customer",),
    "/customers/new/": ("partner", "region"),
    f"{OWN}/general/": ("customer", "partner", "region"),
    f"{OWN}/outbound/": ("customer",),  # log in as it first
    "/team/": ("partner",),
    "/audit/": ("customer", "partner"),
}
# Elements that no template of ours has: they could only come from the text.
FOREIGN = "img[src=x], [onerror], main script:not([type]):not([src])"
SHOWN = """
() => [document.title, document.body.innerText,
       ...Array.from(document.querySelectorAll("input, textarea, option"), (each) => each.value + each.textContent),
       ...Array.from(document.querySelectorAll("[aria-label]"), (each) => each.ariaLabel)].join("\\n")
"""


@pytest.fixture(scope="module")
def references(site: PortalInstallation) -> dict[str, str]:
    """Of the hostile messages."""
    return run_beside(site.installation, "tests.support.browser_hostile")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """In a browser that says of itself what no browser does. A dialog is what a script that runs would open."""
    seen = browser.new_context(user_agent=evil("browser"), reduced_motion="reduce")
    opened: list[str] = []

    def note(dialog: Dialog) -> None:
        opened.append(dialog.message)
        dialog.dismiss()

    seen.on("dialog", note)
    yield seen.new_page()
    seen.close()
    assert opened == []


def look(page: Page, site: PortalInstallation, path: str, marks: tuple[str, ...]) -> list[str]:
    """What is wrong with the page."""
    page.goto(site.url + path)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    text: str = page.evaluate(SHOWN)
    wrong = [f"{path} does not show {mark}" for mark in marks if evil(mark) not in text]
    if count := page.locator(FOREIGN).count():
        wrong.append(f"{path} has {count} foreign elements")
    return wrong


def walk(page: Page, site: PortalInstallation, pages: dict[str, tuple[str, ...]]) -> None:
    wrong = [each for path, marks in pages.items() for each in look(page, site, path, marks)]
    assert not wrong, "\n".join(wrong)


def test_customers_people_see_text(page: Page, site: PortalInstallation, references: dict[str, str]) -> None:
    page.goto(f"{site.url}/account/login/")
    page.get_by_label("Email address").fill(HOSTILE_ADMIN)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"**{OWN}/")
    walk(page, site, ADMINS)
    walk(page, site, {f"{OWN}/mail/{references[name]}/": marks for name, marks in MESSAGES.items()})
    page.goto(f"{site.url}{OWN}/mail/?since=2026-01-01T00%3A00")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    assert_no_formula(Path(download.value.path()))


def assert_no_formula(path: Path) -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["subject"] for row in rows} >= {f"'{evil('subject')}"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


def test_staff_sees_text(page: Page, site: PortalInstallation, references: dict[str, str]) -> None:
    sign_in(page, site, "operator@example.com")
    walk(page, site, OPERATORS)
    walk(page, site, {f"/mail/{references['held']}/": ()})
    page.goto(f"{site.url}/customers/?q=hostile")
    page.get_by_role("button", name="Login as").click()
    page.wait_for_url(f"**{OWN}/")
    walk(page, site, {f"{OWN}/": ("customer",), f"{OWN}/policies/": ("template", "rule"), "/audit/": ("key",)})
