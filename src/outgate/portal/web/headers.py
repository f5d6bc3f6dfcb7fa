"""What browsers are told about what a page may do. Pure."""

from urllib.parse import urlsplit

from outgate.portal.environment import Site


def content_security_policy(site: Site) -> str:
    """Nothing from another host, no script and no style in the page itself.

    Signing in with OpenID Connect posts a form that leads to the provider, so that a form may lead there.
    """
    providers = sorted({f"https://{urlsplit(provider.server).netloc}" for provider in site.openid})
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",  # the library's QR code
            "font-src 'self'",
            "connect-src 'self'",
            " ".join(("form-action 'self'", *providers)),
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )
