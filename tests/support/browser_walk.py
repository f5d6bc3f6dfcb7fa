"""Every page that a person can reach, by who reaches it, and sessions of these people."""

from typing import Any

from playwright.sync_api import Browser
from tests.support.browser import LINK_SECRET, PortalInstallation, context, sign_in
from tests.support.browser_mail import SAMPLES

MAIL = "/customers/nordwind-logistics/mail/"
SINCE = "since=2026-11-01T00%3A00"  # before all sample mail

# By who looks: a name for the picture, and the path. "nobody" is not signed in.
PAGES: dict[str, dict[str, str]] = {
    "nobody": {
        "sign-in": "/account/login/",
        "reasons": "/r/",
        "reason": "/r/sender-not-registered",
        "forgotten": "/account/password/forgotten/",
        "link-gone": "/account/password/link/",
        "link": f"/account/password/link/{LINK_SECRET}/",
        "not-found": "/r/never-was",
        "api-docs": "/api/v1/docs/",
    },
    "operator@example.com": {
        "customers": "/customers/?sort=name",
        "customers-nothing-found": "/customers/?q=zzz",
        "customer-new": "/customers/new/",
        "customer-edit": "/customers/alpha/general/",
        "team": "/team/",
        "user": "/team/2/",
        "audit": "/audit/",
        "keys": "/keys/",
        "security": "/account/security/",
        "sessions": "/account/sessions/",
        "password": "/account/password/",
        "find-message": "/mail/?ref=hello",
        "message-staff": f"/mail/{SAMPLES['refused']}/",
        "login-as-first": "/customers/alpha/outbound/",
        "recovery-codes": "/account/security/recovery-codes/",
        "recovery-codes-new": "/account/security/recovery-codes/generate/",
        "totp-off": "/account/security/totp/deactivate/",
        "still-you-code": "/account/security/reauthenticate/",
        "still-you-password": "/account/reauthenticate/",
        "sign-out": "/account/logout/",
    },
    "staff@example.com": {
        "acting-overview": "/customers/nordwind-logistics/",
        "acting-general": "/customers/nordwind-logistics/general/",
        "acting-outbound": "/customers/nordwind-logistics/outbound/",
        "mail": f"{MAIL}?{SINCE}",
        "mail-filtered": f"{MAIL}?{SINCE}&recipient=receiver&lane=slow",
        "mail-wrong": f"{MAIL}?reason=never-was&since=soon",
        "mail-nothing": f"{MAIL}?subject=zzz",
        "mail-older": f"{MAIL}?{SINCE}&before={SAMPLES['failed']}",
        **{f"message-{name}": f"{MAIL}{reference}/" for name, reference in SAMPLES.items()},
        "held": "/customers/nordwind-logistics/held/",
        "slow-lane-full": "/customers/nordwind-logistics/held/?standing=slow",
        "acting-audit": "/audit/",
    },
    "admin@alpha.example": {
        "overview-empty": "/customers/alpha/",
        "mail-empty": "/customers/alpha/mail/",
        "held-empty": "/customers/alpha/held/",
        "slow-lane": "/customers/alpha/held/?standing=slow",
        "outbound": "/customers/alpha/outbound/",
        "access": "/customers/alpha/access/",
        "policies": "/customers/alpha/policies/",
        "guides": "/customers/alpha/guides/",
        "guide-microsoft": "/customers/alpha/guides/microsoft-365/",
        "guide-exclaimer": "/customers/alpha/guides/microsoft-365-exclaimer/",
        "guide-google": "/customers/alpha/guides/google-workspace/",
        "guide-exchange": "/customers/alpha/guides/exchange/",
        "guide-third-party": "/customers/alpha/guides/third-party/",
        "general": "/customers/alpha/general/",
        "people": "/team/",
        "customer-keys": "/keys/",
        "security-customer": "/account/security/",
        "totp": "/account/security/totp/activate/",
        "passkey": "/account/security/webauthn/add/",
    },
    "viewer@alpha.example": {"outbound-viewer": "/customers/alpha/outbound/"},
    "admin@waiting.example": {
        "overview-waiting": "/customers/tenant-waiting/",
        "tenant-waiting": "/customers/tenant-waiting/outbound/",
    },
    "admin@silent.example": {"tenant-silent": "/customers/tenant-silent/outbound/"},
    "admin@confirmed.example": {"tenant-confirmed": "/customers/tenant-confirmed/outbound/"},
    "viewer@confirmed.example": {"tenant-viewer": "/customers/tenant-confirmed/outbound/"},
    "admin@inbound.example": {
        "no-outbound": "/customers/inbound-only/outbound/",
        "no-outbound-overview": "/customers/inbound-only/",
        "no-outbound-guides": "/customers/inbound-only/guides/",
        "no-outbound-guide": "/customers/inbound-only/guides/microsoft-365/",
        "no-outbound-policies": "/customers/inbound-only/policies/",
    },
    "admin@google.example": {"google-sender": "/customers/google-sender/outbound/"},
}


def prepare(browser: Browser, site: PortalInstallation) -> dict[str, Any]:
    """Sign everybody in. Returns cookies by person."""
    return {who: enter(browser, site, who) for who in PAGES if who != "nobody"}


def enter(browser: Browser, site: PortalInstallation, who: str) -> Any:
    """Sign somebody in, and have there what the pages are to show; the staff logs in as a customer. Returns cookies.
    Some pages ask who it is again when that was ten minutes ago."""
    seen = context(browser)
    page = seen.new_page()
    sign_in(page, site, who)
    if who == "staff@example.com":
        page.goto(f"{site.url}/customers/?q=nordwind")
        page.get_by_role("button", name="Login as Nordwind Logistics", exact=True).click()
        page.wait_for_url("**/customers/nordwind-logistics/")
    if who == "admin@alpha.example":
        page.goto(f"{site.url}/customers/alpha/outbound/")
        page.get_by_label("Domain", exact=True).fill("alpha.example")
        page.get_by_role("button", name="Add domain").click()
        page.get_by_label("Address or network").fill("10.1.2.3/8")
        page.get_by_role("button", name="Add source").click()
    cookies = seen.cookies()
    seen.close()
    return cookies
