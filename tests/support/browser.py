"""Debian's Chromium, driven by Playwright, and a portal for it that has people and customers."""

import base64
import hmac
import os
import re
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.support.installation import Installation, free_port

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60.0
PASSWORD = "correct-horse-battery"
SMARTHOST = "eu.smarthost.example"
HOSTILE_ADMIN = "admin@hostile.example"
LINK_SECRET = "of-the-link-that-the-sample-viewer-was-sent"
ROOT = Path(__file__).parents[2]


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class PortalInstallation:
    """A whole Outgate with its portal. factors: the secrets of the staff's authenticator apps."""

    installation: Installation
    url: str
    factors: dict[str, str]

    @property
    def state(self) -> Path:
        return self.installation.state


@contextmanager
def portal(
    directory: Path, *, customers: int = 40, settings: Mapping[str, Any] | None = None
) -> Iterator[PortalInstallation]:
    """Customers `alpha` (with admin and viewer) and a number of others, an operator, partner staff. settings: more of
    them, by section."""
    port = free_port()
    url = f"http://localhost:{port}"
    more = dict(settings or {})
    own = {"address": "127.0.0.1", "port": port, "public_url": url, "threads": 4, **more.pop("portal", {})}
    installation = Installation(directory, settings={**more, "portal": own})
    installation.start()
    try:
        _wait_until_alive(f"http://127.0.0.1:{port}/alive")
        factors = _fill(installation, customers)
        yield PortalInstallation(installation, url, factors)
    finally:
        installation.stop()


def _wait_until_alive(url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                if response.status == 200:
                    return
        except OSError:
            assert time.monotonic() < end, "the portal did not start"
        time.sleep(0.1)  # polling another process, which offers nothing to wait on


def _fill(installation: Installation, customers: int) -> dict[str, str]:
    return run_beside(installation, "tests.support.browser_people", str(customers))


def run_beside(installation: Installation, *program: str) -> dict[str, str]:
    """Run a module in the portal's environment; the pairs that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", *program],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "outgate.portal.web.settings",
            "OUTGATE_STATE": str(installation.state),
            "OUTGATE_DATABASE": "",
            "OUTGATE_ALLOW_PRIVATE": "1",
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def code_of(secret: str, *, steps_ahead: int = 0) -> str:
    """What an authenticator app shows; RFC 6238, RFC 4226 §5.3."""
    counter = int(time.time() // 30) + steps_ahead
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", counter), "sha1")
    offset = digest[-1] & 15
    value = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFF_FFFF
    return f"{value % 1_000_000:06}"


def sign_in(page: Page, site: PortalInstallation, email: str) -> None:
    """All steps, as a person does them."""
    page.goto(f"{site.url}/account/login/")
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    if email in site.factors:
        page.get_by_label("Code").fill(code_of(site.factors[email]))
        page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(lambda url: "/account/" not in url)


@contextmanager
def signed_in(browser: Browser, site: PortalInstallation, email: str, password: str) -> Iterator[Page]:
    """A page of somebody without a second factor."""
    seen = context(browser)
    page = seen.new_page()
    page.goto(f"{site.url}/account/login/")
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(lambda url: "/account/" not in url)
    yield page
    seen.close()


def add_admin(site: PortalInstallation, email: str, customer: str) -> str:
    """An administrator of the customer; returns the password."""
    arguments = ["user", "add", email, "--role", "customer-admin", "--customer", customer, "--generate-password"]
    found = re.search(r"Password: (\S+)", site.installation.command(*arguments))
    assert found
    return found[1]


def context(browser: Browser, *, dark: bool = False, phone: bool = False) -> BrowserContext:
    viewport = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
    return browser.new_context(
        color_scheme="dark" if dark else "light",
        viewport=viewport,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
