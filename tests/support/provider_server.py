"""Microsoft's web service of addresses on loopback: over TLS, as documented or as faulty as a test wants it."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import trustme

from outgate.app.configuration import Configuration, Providers

MICROSOFT = (
    "40.92.0.0/15",
    "40.107.0.0/16",
    "52.100.0.0/14",
    "104.47.0.0/17",
    "2a01:111:f400::/48",
    "2a01:111:f403::/48",
)
VERSION = "2026112300"

Fault = Callable[[BaseHTTPRequestHandler], None]


def records(*networks: str) -> list[dict[str, Any]]:
    """The service's answer: those that concern us, and others. Fields without a value are absent, as documented."""
    common = {"serviceAreaDisplayName": "Exchange Online", "expressRoute": True, "category": "Allow", "required": True}
    mail: dict[str, Any] = {"id": 10, "serviceArea": "Exchange", "urls": ["*.mail.protection.outlook.com"], **common}
    return [
        {"id": 1, "serviceArea": "Exchange", "ips": ["13.107.6.152/31"], "tcpPorts": "80,443", **common},
        {"id": 2, "serviceArea": "Exchange", "ips": ["23.103.160.0/20"], "tcpPorts": "587", **common},
        {"id": 8, "serviceArea": "Exchange", "urls": ["*.outlook.com"], "tcpPorts": "80,443"},
        {**mail, "tcpPorts": "25", **({"ips": list(networks)} if networks else {})},
        {"id": 56, "serviceArea": "Common", "ips": ["20.190.128.0/18"], "tcpPorts": "20-30,80", "notes": "not mail"},
        {"id": 31, "serviceArea": "SharePoint", "ips": ["13.107.136.0/22"], "tcpPorts": "25"},
    ]


@dataclass
class ProviderServer:
    """port: of 127.0.0.1. ca_file: who signed its certificate. version, endpoints: what it answers.

    openid: what it answers of a domain's tenant, by domain; of others nothing. faults: by "version", "endpoints" or the
    domain, what it does in the place of answering. asked: the same names, in order; request_ids: what the client called
    itself.
    """

    port: int
    ca_file: Path
    version: str = VERSION
    endpoints: Any = field(default_factory=lambda: records(*MICROSOFT))
    openid: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    request_ids: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def configuration(self, nameservers: Sequence[str] = ("127.0.0.1:1",), **more: Any) -> Configuration:
        """Settings that ask this server, and no DNS but the one given."""
        return Configuration(
            providers=Providers(
                microsoft_url=self.url,
                ca_file=str(self.ca_file),
                nameservers=tuple(nameservers),
                openid_url=self.url,
            ),
            **more,
        )

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        query = dict(parse_qsl(parts.query))
        kind = parts.path.split("/")[1]
        self.asked.append(kind)
        if "ClientRequestId" in query:
            self.request_ids.add(query["ClientRequestId"])
        if kind in self.faults:
            self.faults[kind](request)
        elif parts.path.endswith("/v2.0/.well-known/openid-configuration"):
            if kind in self.openid:
                answer(request, self.openid[kind])
            else:
                answer(request, {"error": "invalid_tenant"}, 400)
        elif parts.path == "/version/Worldwide":
            answer(request, {"instance": "Worldwide", "latest": self.version})
        elif parts.path == "/endpoints/Worldwide" and query["ServiceAreas"] == "Exchange":
            answer(request, self.endpoints)
        else:
            answer(request, "no such thing", 404)


def answer(request: BaseHTTPRequestHandler, value: Any, status: int = 200, **headers: str) -> None:
    """value: octets as they are, anything else as JSON."""
    octets = value if isinstance(value, bytes) else json.dumps(value).encode()
    request.send_response(status)
    for name, text in {"Content-Type": "application/json", "Content-Length": str(len(octets)), **headers}.items():
        request.send_header(name, text)
    request.end_headers()
    request.wfile.write(octets)


@contextmanager
def running_provider_server(directory: Path, name: str = "localhost") -> Iterator[ProviderServer]:
    """name: in its certificate."""
    authority = trustme.CA()
    ca_file = directory / "provider-ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def do_GET(self) -> None:
            with suppress(OSError):  # a client that has had enough
                server.handle(self)
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            pass

    class Server(ThreadingHTTPServer):
        def finish_request(self, request: Any, client_address: Any) -> None:
            with context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Handshakes that fail are part of the test."""

    with Server(("127.0.0.1", 0), Handler) as http:
        server = ProviderServer(http.server_address[1], ca_file)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
