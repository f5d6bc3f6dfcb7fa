"""A list of domains is pasted, and what DNS says of them appears by itself."""

import re

from playwright.sync_api import Browser, expect
from tests.support.browser import context, portal, sign_in
from tests.support.dns_server import DnsServer, Zone
from tests.support.installation import short_directory

ZONE = {
    "pasted.example": {"TXT": ['"v=spf1 mx -all"']},
    "spf.ours.example": {"TXT": ['"v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"']},
}


def test_pasted_domains_are_looked_up_without_a_click(browser: Browser) -> None:
    with short_directory() as directory, DnsServer(Zone(ZONE)) as names:
        settings = {"delivery": {"nameservers": [f"127.0.0.1:{names.port}"]}, "spf": {"recheck": True}}
        with portal(directory, customers=1, settings=settings) as site:
            seen = context(browser)
            seen.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
            page = seen.new_page()
            sign_in(page, site, "admin@alpha.example")
            page.goto(f"{site.url}/customers/alpha/outbound/")
            page.evaluate("navigator.clipboard.writeText('pasted.example\\nother.example\\n')")
            page.locator("#domain-name").focus()
            page.keyboard.press("Control+V")
            page.get_by_role("button", name="Add domain").click()
            expect(page.get_by_text("2 domains added.")).to_be_visible()

            card = page.get_by_role("article", name="SPF record of pasted.example")
            expect(card).to_contain_text("v=spf1 mx include:spf.ours.example -all", timeout=30_000)
            expect(card.get_by_role("button", name=re.compile("^Check again"))).to_be_visible()
            seen.close()
