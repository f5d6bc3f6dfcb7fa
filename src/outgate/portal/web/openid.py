"""The providers of OpenID Connect, as the sign-in library wants them named. Pure."""

from typing import Any

from outgate.portal.environment import Site


def openid_settings(site: Site) -> dict[str, Any]:
    """A provider's word on an address signs in whoever has that address here; so it counts only where the provider
    calls it verified, or where the operator trusts the provider with all of them."""
    return {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": f"openid-{number}",
                "name": provider.name,
                "client_id": provider.client_id,
                "secret": provider.client_secret,
                "settings": {
                    "server_url": provider.server,
                    "email_authentication": True,
                    "verified_email": provider.trust_addresses,
                },
            }
            for number, provider in enumerate(site.openid, 1)
        ],
    }
