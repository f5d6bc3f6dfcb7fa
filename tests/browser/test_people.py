"""Passkeys, codes, links and providers, as a person uses them: a real browser, real letters, a real provider."""

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.support.browser import PASSWORD, PortalInstallation, code_of, portal
from tests.support.dns_server import DnsServer, Zone
from tests.support.installation import short_directory
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider
from tests.support.passkeys import add_authenticator
from tests.support.sink import Sink, running_sink

NEW_PASSWORD = "another-horse-battery"
ZONE = {
    "alpha.example": {"MX": ["10 mx.alpha.example."]},
    "example.com": {"MX": ["10 mx.alpha.example."]},
    "mx.alpha.example": {"A": ["127.0.0.1"]},
}


@dataclass
class Place:
    """sink: where all mail goes."""

    site: PortalInstallation
    sink: Sink
    provider: Provider


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with (
        pytest.MonkeyPatch.context() as patch,
        short_directory() as directory,
        running_sink() as sink,
        DnsServer(Zone(ZONE)) as dns,
        running_provider(directory) as (provider, authority),
    ):
        patch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        secret = directory / "secret"
        secret.write_text(CLIENT_SECRET)
        named = {
            "name": "Example",
            "server": provider.url,
            "client_id": CLIENT_ID,
            "client_secret_file": str(secret),
        }
        settings = {
            "postmaster": "operator@example.com",  # who has a copy of other letters
            "delivery": {"nameservers": [f"127.0.0.1:{dns.port}"], "smtp_port": sink.port},
            "portal": {"openid": [named]},
        }
        with portal(directory / "outgate", customers=1, settings=settings) as site:
            yield Place(site, sink, provider)


@pytest.fixture
def seen(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(ignore_https_errors=True, reduced_motion="reduce")  # the provider's authority is ours
    yield made
    made.close()


def enter(page: Page, site: PortalInstallation, who: str, password: str = PASSWORD) -> None:
    page.goto(f"{site.url}/account/login/")
    page.get_by_label("Email address").fill(who)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def enter_code(page: Page, code: str) -> None:
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/account/login/")


def letter_to(place: Place, who: str, subject: str) -> str:
    """The text of the one letter of that kind; the others stay."""

    def found() -> list[str]:
        return [
            str(letter.get_payload(decode=True), "utf-8")  # type: ignore[arg-type]
            for each in list(place.sink.messages)
            for letter in [email.message_from_bytes(each.content)]
            if letter["To"] == f"<{who}>" and letter["Subject"] == subject
        ]

    place.sink.wait_for_recipients({who})
    texts = found()
    assert len(texts) == 1, texts
    return texts[0]


def link_in(text: str) -> str:
    found = re.search(r"https?://\S+/account/password/link/\S+", text)
    assert found, text
    return found[0]


def test_staff_adds_a_passkey_and_signs_in_with_nothing_else(place: Place, seen: BrowserContext) -> None:
    site, page = place.site, seen.new_page()
    add_authenticator(page)

    enter(page, site, "staff@example.com")
    enter_code(page, code_of(site.factors["staff@example.com"]))
    page.wait_for_url("**/customers/")
    page.goto(f"{site.url}/account/security/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Laptop")
    expect(page.get_by_label("Sign in with it alone")).to_be_checked()
    page.get_by_role("button", name="Add").click()
    page.wait_for_url("**/account/security/")
    expect(page.get_by_text("1 set up.")).to_be_visible()

    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/customers/")  # it is both: something that one has, and that one is

    # As a second factor behind the password, too.
    sign_out(page)
    enter(page, site, "staff@example.com")
    page.get_by_role("button", name="Use a passkey or security key").click()
    page.wait_for_url("**/customers/")
    assert "A passkey was added." in letter_to(place, "staff@example.com", "Your Outgate account was changed")


def test_operator_signs_in_with_a_code_and_later_with_a_recovery_code(place: Place, seen: BrowserContext) -> None:
    site, page = place.site, seen.new_page()
    enter(page, site, "operator@example.com")
    code = code_of(site.factors["operator@example.com"])
    enter_code(page, code)
    page.wait_for_url("**/customers/**")
    page.goto(f"{site.url}/account/security/recovery-codes/")
    codes = re.findall(r"\b\d{8}\b", "\n".join([page.locator("main").inner_text(), *_values(page)]))
    assert len(codes) == 10

    sign_out(page)
    enter(page, site, "operator@example.com")
    enter_code(page, code)
    expect(page.get_by_text(re.compile("This code was used|Incorrect code"))).to_be_visible()
    enter_code(page, codes[0])
    page.wait_for_url("**/customers/**")

    sign_out(page)
    enter(page, site, "operator@example.com")
    enter_code(page, codes[0])
    expect(page.get_by_text("Incorrect code")).to_be_visible()
    enter_code(page, codes[1])
    page.wait_for_url("**/customers/**")


def _values(page: Page) -> list[str]:
    return [each.input_value() for each in page.locator("main textarea").all()]


def test_forgotten_password_comes_back_by_mail(place: Place, seen: BrowserContext) -> None:
    site, page = place.site, seen.new_page()
    page.goto(f"{site.url}/account/login/")
    page.get_by_role("link", name="Forgotten your password?").click()
    page.get_by_label("Email address").fill("viewer@alpha.example")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()

    link = link_in(letter_to(place, "viewer@alpha.example", "A new password for Outgate"))
    assert link.startswith(f"{site.url}/account/password/link/")
    page.goto(link)
    assert link.rsplit("/", 2)[1] not in page.url
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_label("The same again").fill("something-else-entirely")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("alert")).to_contain_text("The two are not the same")
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_label("The same again").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("status")).to_contain_text("Sign in with it")
    enter(page, site, "viewer@alpha.example", NEW_PASSWORD)
    page.wait_for_url("**/customers/alpha/")
    page.goto(link)
    expect(page.get_by_role("heading", name="This link works no more")).to_be_visible()

    assert {line["recipients"] for line in site.installation.log_lines("notice")} == {1}
    secret = link.rsplit("/", 2)[1].encode()
    for file in site.state.rglob("*.log"):
        assert secret not in file.read_bytes(), file


def test_admin_invites_somebody_who_then_signs_in(place: Place, seen: BrowserContext) -> None:
    site, page = place.site, seen.new_page()
    enter(page, site, "admin@alpha.example")
    page.wait_for_url("**/customers/alpha/")
    page.get_by_role("link", name="People").click()
    page.get_by_label("Email address").fill("new@alpha.example")
    page.get_by_label("Role").select_option(label="Customer viewer")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name="new@alpha.example was invited")).to_be_visible()

    text = letter_to(place, "new@alpha.example", "Your account at Outgate")
    assert "admin@alpha.example has made an account for you at Outgate, for Alpha." in text
    sign_out(page)
    page.goto(link_in(text))
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_label("The same again").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    enter(page, site, "new@alpha.example", NEW_PASSWORD)
    page.wait_for_url("**/customers/alpha/")


def test_provider_signs_in_whom_we_know_and_nobody_else(place: Place, seen: BrowserContext) -> None:
    site, provider, page = place.site, place.provider, seen.new_page()
    provider.email = "admin@alpha.example"
    page.goto(f"{site.url}/account/login/")
    page.get_by_role("button", name="Sign in with Example").click()
    page.wait_for_url("**/customers/alpha/")
    assert not provider.faults
    sign_out(page)

    provider.email = "stranger@elsewhere.example"
    page.get_by_role("button", name="Sign in with Example").click()
    expect(page.get_by_text("There is no account for stranger@elsewhere.example")).to_be_visible()

    provider.email, provider.is_verified = "admin@alpha.example", False
    page.goto(f"{site.url}/account/login/")
    page.get_by_role("button", name="Sign in with Example").click()
    expect(page.get_by_text("not that it is verified")).to_be_visible()

    provider.is_verified, provider.email = True, "staff@example.com"
    page.goto(f"{site.url}/account/login/")
    page.get_by_role("button", name="Sign in with Example").click()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()

    provider.claims = {"nonce": "another"}
    page.goto(f"{site.url}/account/login/")
    page.get_by_role("button", name="Sign in with Example").click()
    expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
    found = site.installation.wait_for_log("portal-error")
    assert "another nonce" in str(found[-1])
