"""Which tenant a domain is of, asked on loopback, with what may go wrong."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from tests.support.provider_server import ProviderServer, answer, running_provider_server

from outgate.portal.web import tenant_lookup
from outgate.portal.web.tenant_lookup import ANSWER_MAX, NotFoundOut, tenant_of

TENANT = "1b2c3d4e-0000-4000-8000-1234567890ab"
DOMAIN = "example.com"


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderServer]:
    with running_provider_server(tmp_path_factory.mktemp("openid")) as running:
        yield running


@pytest.fixture
def server(_server: ProviderServer) -> ProviderServer:
    _server.openid = {DOMAIN: {"issuer": f"https://login.example/{TENANT.upper()}/v2.0", "token_endpoint": "x"}}
    _server.faults.clear()
    return _server


def failure(server: ProviderServer, domain: str = DOMAIN) -> str:
    with pytest.raises(NotFoundOut) as raised:
        tenant_of(domain, server.url, str(server.ca_file))
    return raised.value.public_message


def test_tenant_is_the_issuers(server: ProviderServer) -> None:
    assert tenant_of(DOMAIN, server.url, str(server.ca_file)) == TENANT


def test_domain_without_a_tenant(server: ProviderServer) -> None:
    assert "knows no tenant with the domain nobody.example" in failure(server, "nobody.example")


@pytest.mark.parametrize("said", [b"", b"<html>", [], {}, {"issuer": 7}, {"issuer": TENANT}])
def test_other_answers_name_no_tenant(server: ProviderServer, said: Any) -> None:
    server.openid[DOMAIN] = said
    assert "names no tenant" in failure(server)


def test_nobody_is_followed_to_another_place(server: ProviderServer) -> None:
    server.faults[DOMAIN] = lambda request: answer(request, b"", 302, Location=f"{server.url}/other.example")
    assert "names no tenant" in failure(server)


def test_endless_answer_is_cut(server: ProviderServer) -> None:
    server.faults[DOMAIN] = lambda request: answer(request, b" " * (ANSWER_MAX * 2))
    assert "names no tenant" in failure(server)


def test_slow_answer_is_cut(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(1)  # of what never comes

    monkeypatch.setattr(tenant_lookup, "SECONDS", 0.2)
    server.faults[DOMAIN] = wait
    assert "did not answer" in failure(server)


def test_all_of_it_has_an_end_and_only_so_many_ask_at_once(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, has_ended = threading.Event(), threading.Event()
    places = threading.Semaphore(1)

    class Places:
        acquire = staticmethod(places.acquire)

        @staticmethod
        def release() -> None:
            places.release()
            has_ended.set()

    monkeypatch.setattr(tenant_lookup, "_places", Places)
    monkeypatch.setattr(tenant_lookup, "WHOLE_SECONDS", 0.1)

    def wait(_: BaseHTTPRequestHandler) -> None:
        may_end.wait(10)  # longer than the page waits

    server.faults[DOMAIN] = wait
    assert "did not answer" in failure(server)
    assert "Others are looking up" in failure(server)
    may_end.set()
    assert has_ended.wait(10)
    server.faults.clear()
    monkeypatch.setattr(tenant_lookup, "WHOLE_SECONDS", 10.0)
    assert tenant_of(DOMAIN, server.url, str(server.ca_file)) == TENANT


def test_server_with_another_name_is_not_believed(tmp_path: Any) -> None:
    with running_provider_server(tmp_path, "other.example") as server:
        server.openid[DOMAIN] = {"issuer": f"https://login.example/{TENANT}/v2.0"}
        assert "did not answer" in failure(server)


def test_domain_is_one_part_of_the_path(server: ProviderServer) -> None:
    assert "knows no tenant" in failure(server, "../common?x#y")
