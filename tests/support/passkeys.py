"""A device for passkeys in a browser."""

from playwright.sync_api import CDPSession, Page


def add_authenticator(page: Page) -> CDPSession:
    """One that is built into the device, and says yes to everything."""
    session: CDPSession = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session
