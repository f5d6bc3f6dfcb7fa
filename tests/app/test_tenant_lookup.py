"""Which tenant a domain is of, asked on loopback, with every fault that the service may have."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from tests.support.provider_server import ProviderServer, answer, running_provider_server

from outgate.app import provider_sources
from outgate.app.provider_sources import BODY_MAX, SourceFailed
from outgate.app.tenant_lookup import tenant_of

TENANT = "1b2c3d4e-0000-4000-8000-1234567890ab"
DOMAIN = "example.com"


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderServer]:
    with running_provider_server(tmp_path_factory.mktemp("openid")) as running:
        yield running


@pytest.fixture
def server(_server: ProviderServer) -> ProviderServer:
    _server.openid = {DOMAIN: {"issuer": f"https://login.example/{TENANT}/v2.0", "token_endpoint": "x"}}
    _server.faults.clear()
    _server.asked.clear()
    return _server


def failure(server: ProviderServer, domain: str = DOMAIN) -> str:
    with pytest.raises(SourceFailed) as raised:
        tenant_of(domain, server.configuration())
    return str(raised.value)


def test_tenant_is_the_issuers(server: ProviderServer) -> None:
    assert tenant_of(DOMAIN, server.configuration()) == TENANT
    assert server.asked == [DOMAIN]


def test_domain_without_a_tenant_has_none(server: ProviderServer) -> None:
    assert "status 400" in failure(server, "nobody.example")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"<html>",
        b"[]",
        {},
        {"issuer": 7},
        {"issuer": "https://login.example/{tenantid}/v2.0"},
        {"issuer": f"https://login.example/{TENANT}/v2.0/more"},
        {"issuer": f"http://login.example/{TENANT}/v2.0"},
        {"issuer": TENANT},
        {"issuer": "https://login.example/" + "a" * 1000},
        {"issuer": f"https://login.example/{TENANT[:-1]}\x1b/v2.0"},
    ],
)
def test_answer_that_is_not_as_documented_names_no_tenant(server: ProviderServer, said: Any) -> None:
    server.openid[DOMAIN] = said

    assert failure(server).isprintable()


def test_nobody_is_followed_to_another_place(server: ProviderServer) -> None:
    server.openid["other.example"] = server.openid[DOMAIN]
    server.faults[DOMAIN] = lambda request: answer(request, b"", 302, Location=f"{server.url}/other.example/v2.0")

    assert "status 302 to " in failure(server)
    assert server.asked == [DOMAIN]


def test_endless_answer_is_cut(server: ProviderServer) -> None:
    server.faults[DOMAIN] = lambda request: answer(request, b" " * (BODY_MAX + 1))

    assert f"longer than {BODY_MAX} octets" in failure(server)


def test_slow_answer_is_cut(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(1)  # of what never comes

    monkeypatch.setattr(provider_sources, "REQUEST_SECONDS", 0.2)
    server.faults[DOMAIN] = wait

    assert "no whole answer within" in failure(server)


def test_server_with_another_name_is_not_believed(tmp_path: Any) -> None:
    with running_provider_server(tmp_path, "other.example") as server:
        server.openid[DOMAIN] = {"issuer": f"https://login.example/{TENANT}/v2.0"}

        assert "CERTIFICATE_VERIFY_FAILED" in failure(server)
        assert server.asked == []


def test_domain_is_one_part_of_the_path(server: ProviderServer) -> None:
    assert "status 400" in failure(server, "../common?x#y")
    assert server.asked == ["..%2Fcommon%3Fx%23y"]
