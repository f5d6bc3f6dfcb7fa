"""What a provider of OpenID Connect says is believed only after these checks: OpenID Connect Core 1.0 §3.1.3.7.

The sign-in library leaves out the signature and the nonce of an id token, takes the issuer that the provider names for
itself, and makes the address to come back to of the request's host.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Client, OAuth2Error
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

# Those with a key of the provider's own, so that nobody signs with a secret that others know too: RFC 8725 §3.1.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
LEEWAY_SECONDS: Final = 60  # by which the provider's clock may be off
ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
PKCE: Final = ("code_challenge", "code_challenge_method")

log = logging.getLogger("outgate.openid")


class Refused(OAuth2Error):  # type: ignore[misc]
    """The text says why, for the log; it holds nothing that the provider said."""


def nonce_of(state: str) -> str:
    """The nonce that belongs to a state, which is random, of one session, and counts once: §15.5.2."""
    return hashlib.sha256(b"outgate nonce " + state.encode()).hexdigest()


def checked_configuration(found: Any, server: str) -> dict[str, Any]:
    """What a provider publishes about itself, if it is the one that we asked (OpenID Connect Discovery 1.0 §4.3).

    Raises: Refused.
    """
    if not isinstance(found, dict) or str(found.get("issuer", "")).rstrip("/") != server.rstrip("/"):
        raise Refused("the issuer that the provider names is not the server of the settings")
    for name in ENDPOINTS:
        if not str(found.get(name, "")).startswith("https://"):
            raise Refused(f"the provider's {name} is no https address")
    return found


def checked_claims(token: str, keys: Any, *, issuer: str, audience: str, nonce: str) -> dict[str, Any]:
    """The claims of an id token. keys: the provider's, as it publishes them (RFC 7517). Raises: Refused."""
    try:
        key = _key(token, keys)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name] if key.algorithm_name in ALGORITHMS else [],
            issuer=issuer,
            audience=audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
        )
    except (jwt.PyJWTError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise Refused(f"the id token is not good: {type(error).__name__}") from error
    if claims["nonce"] != nonce:
        raise Refused("the id token has another nonce: it is of another sign-in")
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != audience:
        raise Refused("the id token is for several, and not given to us")
    return claims


def _key(token: str, keys: Any) -> jwt.PyJWK:
    header = jwt.get_unverified_header(token)
    fitting = [
        each
        for each in keys["keys"]
        if each.get("use", "sig") == "sig" and ("kid" not in header or each.get("kid") == header["kid"])
    ]
    if len(fitting) != 1:
        raise Refused("the id token is signed with a key that the provider does not publish")
    # The algorithm is the key's where that names one, and the header's must be the same: `decode` looks.
    return jwt.PyJWK(fitting[0], algorithm=None if "alg" in fitting[0] else header.get("alg"))


def merged_claims(claims: Mapping[str, Any], userinfo: Any) -> dict[str, Any]:
    """The id token's claims and, where it has no address, what the userinfo endpoint says of the same person: §5.3.2.

    The address is verified if the provider says so, not if it says something that a program takes for true.
    Raises: Refused.
    """
    if not isinstance(userinfo, dict) or userinfo.get("sub") != claims["sub"]:
        raise Refused("the provider tells of another person than the one that signed in")
    source = claims if "email" in claims else userinfo
    verified = source.get("email_verified") in (True, "true")
    return {**userinfo, **claims, "email": source.get("email"), "email_verified": verified}


class Client(OAuth2Client):  # type: ignore[misc]
    """Sends people to the provider with what we want to say alone: the library adds what stands in the request."""

    def get_redirect_url(self, authorization_url: str, scope: Sequence[str], extra_params: Mapping[str, str]) -> str:  # noqa: ARG002
        assert self.state
        params = {name: extra_params[name] for name in PKCE} | {"nonce": nonce_of(self.state)}
        return str(super().get_redirect_url(authorization_url, ("openid", "profile", "email"), params))


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """One sign-in with one provider. Every fault is a `Refused`."""

    client_class = Client

    def get_provider(self) -> Any:
        provider = super().get_provider()
        provider.oauth2_adapter_class = Adapter  # the way there is checked too
        return provider

    @property
    def openid_config(self) -> dict[str, Any]:
        if not hasattr(self, "_openid_config"):
            provider = self.get_provider()
            self._openid_config = checked_configuration(_fetch(provider.server_url), self._server)
        return self._openid_config

    @property
    def _server(self) -> str:
        return str(self.get_provider().app.settings["server_url"])

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:  # noqa: ARG002
        return settings.SITE.url + reverse("openid_connect_callback", args=[self.provider_id])

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> Any:
        """Raises: Refused."""
        id_token = kwargs["response"].get("id_token")
        if not isinstance(id_token, str):
            raise Refused("the provider gave no id token")
        claims = checked_claims(
            id_token,
            _fetch(self.openid_config["jwks_uri"]),
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
            nonce=nonce_of(request.GET.get("state", "")),
        )
        said = _fetch(self.openid_config["userinfo_endpoint"], token.token)
        data = merged_claims(claims, said)
        return self.get_provider().sociallogin_from_response(request, {"id_token": data, "userinfo": data})


def _fetch(url: str, bearer: str = "") -> Any:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    try:
        with get_adapter().get_requests_session() as session:
            answer = session.get(url, headers=headers, allow_redirects=False)
            if answer.status_code != requests.codes.ok:
                raise Refused(f"{url} answered {answer.status_code}")
            return answer.json()
    except requests.RequestException as error:
        raise Refused(f"{url} did not answer: {type(error).__name__}") from error
