"""A provider of OpenID Connect on loopback, over TLS: discovery, keys, an authorization that approves at once, tokens
for a code that comes back with its PKCE verifier (RFC 7636), userinfo. Says what it is told to say."""

import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "our-id", "our-secret"
KEY_ID = "key-1"


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


@dataclass
class Provider:
    """email, is_verified: what it says of everybody. claims: what takes precedence in the id token; None leaves one
    out. userinfo: the same there. issuer: as it names itself, if not as it is. signs_with: another key than it
    publishes. algorithm: of the signature. is_down: answers 500 to all. refuses: the person says no.
    """

    url: str = ""
    email: str = ""
    is_verified: bool | str | None = True
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    issuer: str = ""
    signs_with: Any = None
    algorithm: str = "RS256"
    is_down: bool = False
    refuses: bool = False
    key: rsa.RSAPrivateKey = field(default_factory=_rsa)
    asked: list[dict[str, str]] = field(default_factory=list)  # parameters of the authorization requests
    faults: list[str] = field(default_factory=list)  # what it found wrong with us
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer or self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def keys(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the person is sent back to."""
        self.asked.append(query)
        for name, wanted in (("client_id", CLIENT_ID), ("response_type", "code"), ("code_challenge_method", "S256")):
            self.check(query.get(name) == wanted, f"authorize: {name}")
        self.check("openid" in query.get("scope", "").split(), "authorize: scope")
        if self.refuses:
            return f"{query['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
        code = secrets.token_urlsafe()
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        begun = self._codes.pop(form.get("code", ""), None)
        if begun is None:
            return None
        basic = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        self.check(authorization == basic, "token: secret")
        self.check(form.get("redirect_uri") == begun["redirect_uri"], "token: redirect_uri")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        self.check(challenge == begun["code_challenge"], "token: code_verifier")
        access = secrets.token_urlsafe()
        self._tokens.add(access)
        return {"access_token": access, "token_type": "Bearer", "expires_in": 60, "id_token": self.id_token(begun)}

    def id_token(self, begun: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer or self.url,
            "sub": "person-1",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": begun.get("nonce"),
            **self.person(),
            **self.claims,
        }
        key = self.signs_with or self.key
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, key, algorithm=self.algorithm, headers={"kid": KEY_ID})

    def person(self) -> dict[str, Any]:
        return {"email": self.email, **({} if self.is_verified is None else {"email_verified": self.is_verified})}

    def said_of_person(self, authorization: str) -> dict[str, Any] | None:
        if authorization.removeprefix("Bearer ") not in self._tokens:
            return None
        return {"sub": "person-1", **self.person(), **self.userinfo}

    def check(self, is_so: bool, what: str) -> None:
        if not is_so:
            self.faults.append(what)


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if self.provider.is_down:
            self._json(None, 500)
        elif parts.path == "/.well-known/openid-configuration":
            self._json(self.provider.discovery())
        elif parts.path == "/keys":
            self._json(self.provider.keys())
        elif parts.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.provider.authorize(query))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif parts.path == "/userinfo":
            said = self.provider.said_of_person(self.headers.get("Authorization", ""))
            self._json(said, 200 if said else 401)
        else:
            self._json(None, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        form = {name: values[-1] for name, values in parse_qs(body).items()}
        answer = self.provider.token(form, self.headers.get("Authorization", ""))
        self._json(answer, 200 if answer else 400)

    def _json(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def running_provider(directory: Path) -> Iterator[tuple[Provider, Path]]:
    """And the file of the authority to trust."""
    authority = trustme.CA()
    file = directory / "provider-authority.pem"
    authority.cert_pem.write_to_path(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    provider = Provider()
    handler = type("Handler", (_Handler,), {"provider": provider})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    provider.url = f"https://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, name="provider", daemon=True)
    thread.start()
    try:
        yield provider, file
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
