"""Asking Microsoft's service and Google's record, on loopback, with every fault that a source may have."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from tests.support.dns_server import DnsServer, Zone
from tests.support.provider_server import (
    MICROSOFT,
    VERSION,
    Fault,
    ProviderServer,
    answer,
    records,
    running_provider_server,
)

from outgate.app import provider_sources
from outgate.app.configuration import Configuration, Providers
from outgate.app.provider_sources import (
    BODY_MAX,
    ERROR_MAX,
    SPF_QUESTIONS_MAX,
    Answer,
    Asker,
    SourceFailed,
    ask_source,
    has_port,
)
from outgate.contract.policy import Provider

ASKER = Asker("6ac2f0f1-0000-4000-8000-000000000001", "2022072800")
HOUR = 3_600.0


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderServer]:
    with running_provider_server(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def server(_server: ProviderServer) -> ProviderServer:
    """As documented, and asked nothing yet."""
    _server.version, _server.endpoints = VERSION, records(*MICROSOFT)
    _server.faults.clear()
    _server.asked.clear()
    _server.request_ids.clear()
    return _server


def microsoft(server: ProviderServer, version: str = "2022072800") -> Answer:
    return ask_source(Provider.MICROSOFT, server.configuration(), Asker(ASKER.client_request_id, version))


def failure(server: ProviderServer, **faults: Fault) -> SourceFailed:
    server.faults = dict(faults)
    with pytest.raises(SourceFailed) as raised:
        microsoft(server)
    return raised.value


# Microsoft


def test_new_version_brings_the_networks_for_port_25_of_exchange(server: ProviderServer) -> None:
    assert microsoft(server) == Answer(VERSION, MICROSOFT)
    assert server.asked == ["version", "endpoints"]
    assert server.request_ids == {ASKER.client_request_id}


def test_list_is_not_asked_for_while_the_version_is_the_same(server: ProviderServer) -> None:
    assert microsoft(server, VERSION) == Answer(VERSION, None)
    assert server.asked == ["version"]


def test_list_is_asked_for_when_there_is_none(server: ProviderServer) -> None:
    assert microsoft(server, "").networks == MICROSOFT


def test_absent_and_unknown_fields_are_normal(server: ProviderServer) -> None:
    server.endpoints = [
        {},
        {"serviceArea": "Exchange"},
        {"id": 10, "serviceArea": "Exchange", "tcpPorts": "25"},
        {"id": 10, "serviceArea": "Exchange", "tcpPorts": "443, 20-30", "ips": ["40.92.0.0/15"], "new": {"a": [1]}},
        {"id": 10, "serviceArea": "Exchange", "tcpPorts": "25,587", "ips": ["40.92.0.0/15", "104.47.0.0/17"]},
        {"id": 10, "serviceArea": "Exchange", "udpPorts": "25", "ips": ["52.100.0.0/14"]},
    ]
    assert microsoft(server).networks == ("40.92.0.0/15", "104.47.0.0/17")


def test_other_sets_of_exchange_are_not_its_mail_servers_though_they_have_port_25(server: ProviderServer) -> None:
    other = {"serviceArea": "Exchange", "tcpPorts": "25", "ips": ["20.0.0.0/16"]}
    server.endpoints = [*records(*MICROSOFT), {"id": 11, **other}, other]
    assert microsoft(server).networks == MICROSOFT


@pytest.mark.parametrize(
    "change", [{"id": 11}, {"serviceArea": "Common"}, {"tcpPorts": "587"}], ids=["id", "service area", "port"]
)
def test_list_without_the_set_of_its_mail_servers_is_a_failure(server: ProviderServer, change: dict[str, Any]) -> None:
    server.endpoints = [
        {**record, **change} if record.get("id") == 10 else record for record in records("40.92.0.0/15")
    ]
    with pytest.raises(SourceFailed, match="no endpoint set 10") as raised:
        microsoft(server)
    assert raised.value.retry_seconds == HOUR


def test_service_that_lists_no_network_is_told_as_it_is(server: ProviderServer) -> None:
    server.endpoints = records()
    assert microsoft(server) == Answer(VERSION, ())


@pytest.mark.parametrize(
    ("ports", "has"),
    [
        ("25", True),
        ("80,443", False),
        ("80, 25", True),
        ("20-30", True),
        ("26-30", False),
        ("25-25", True),
        ("", False),
        ("-", False),
        ("-25", False),
        ("25-", False),
        ("a-b,x", False),
        ("30-20", False),
        ("٢٥", False),
        ("0000000000000025", False),
    ],
)
def test_ports_are_numbers_and_ranges(ports: str, has: bool) -> None:
    assert has_port(ports, 25) is has


def test_too_many_questions_are_answered_by_an_hours_rest(server: ProviderServer) -> None:
    failed = failure(server, endpoints=lambda request: answer(request, "slow down", 429))
    assert "429" in str(failed)
    assert failed.retry_seconds == HOUR
    assert failure(server, version=lambda request: answer(request, "slow down", 429)).retry_seconds == HOUR


def test_version_that_failed_may_be_asked_for_soon_and_the_list_not_before_the_next_version(
    server: ProviderServer,
) -> None:
    failed = failure(server, version=lambda request: answer(request, "", 500))
    assert "status 500" in str(failed)
    assert failed.retry_seconds == 0
    assert failure(server, endpoints=lambda request: answer(request, "", 500)).retry_seconds == HOUR


def redirect(request: BaseHTTPRequestHandler) -> None:
    answer(request, "", 302, Location="https://evil.example/\x1b[31m")


def truncated(request: BaseHTTPRequestHandler) -> None:
    octets = json.dumps(records(*MICROSOFT)).encode()
    request.send_response(200)
    request.send_header("Content-Length", str(len(octets)))
    request.end_headers()
    request.wfile.write(octets[:100])


def giant(request: BaseHTTPRequestHandler) -> None:
    answer(request, b"[" + b" " * BODY_MAX + b"]")


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b" " * 65_536)


def chunked_without_end(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"2\r\n[]\r\n")


def no_http(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"220 mx.example ESMTP\r\n")


def long_header(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")


def replies_with(value: Any) -> Fault:
    return lambda request: answer(request, value)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (redirect, r"status 302 to https://evil\.example/\?\[31m"),
        (truncated, "breaks off after 100 of|IncompleteRead"),
        (giant, "longer than"),
        (endless, "longer than"),
        (chunked_without_end, "IncompleteRead"),
        (no_http, "BadStatusLine"),
        (long_header, "LineTooLong"),
        (lambda request: None, "RemoteDisconnected|EOF|reset"),
        (replies_with(b""), "not as documented"),
        (replies_with(b"[{"), "not as documented"),
        (replies_with(b'"\xff"'), "not as documented"),
        (replies_with(b"[" * 100_000), "not as documented"),
        (replies_with({"latest": "1"}), "not as documented"),
        (replies_with([{"serviceArea": "Exchange", "tcpPorts": 25}]), "not as documented"),
        (replies_with([{"serviceArea": "Exchange", "tcpPorts": "25", "ips": "40.92.0.0/15"}]), "not as documented"),
    ],
)
def test_faulty_list_is_a_failure_with_its_reason(server: ProviderServer, fault: Fault, problem: str) -> None:
    failed = failure(server, endpoints=fault)
    with pytest.raises(SourceFailed, match=problem):
        raise failed
    assert str(failed).isprintable()
    assert len(str(failed)) <= ERROR_MAX


@pytest.mark.parametrize(
    "value", [{"latest": 2026112300}, {"latest": "new"}, {"latest": "1" * 30}, {}, [], b"<html>", b"2026112300"]
)
def test_faulty_version_is_a_failure(server: ProviderServer, value: Any) -> None:
    assert "not as documented" in str(failure(server, version=replies_with(value)))
    assert server.asked == ["version"]


def test_service_that_drips_is_cut_off(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each octet comes in time, and the answer never."""

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            request.wfile.write(b"X-Slow: x\r\n")
            time.sleep(0.05)  # the peer's pace is what is tried here

    monkeypatch.setattr(provider_sources, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr("http.client._MAXHEADERS", 1_000_000)
    assert "no whole answer within" in str(failure(server, version=drip))


def test_silent_service_is_given_up(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_sources, "SILENCE_SECONDS", 0.2)
    ended = []

    def silent(request: BaseHTTPRequestHandler) -> None:
        ended.append(request.rfile.read(1))  # until the client hangs up

    assert "TimeoutError" in str(failure(server, version=silent))


def test_service_that_is_away_is_a_failure() -> None:
    configuration = Configuration(providers=Providers(microsoft_url="https://127.0.0.1:1"))
    with pytest.raises(SourceFailed, match="refused"):
        ask_source(Provider.MICROSOFT, configuration, ASKER)


def test_certificate_of_another_authority_is_refused(server: ProviderServer, tmp_path: Path) -> None:
    with running_provider_server(tmp_path) as other:
        wrong = Configuration(providers=Providers(microsoft_url=server.url, ca_file=str(other.ca_file)))
        with pytest.raises(SourceFailed, match="CERTIFICATE_VERIFY_FAILED"):
            ask_source(Provider.MICROSOFT, wrong, ASKER)
    with pytest.raises(SourceFailed, match="CERTIFICATE_VERIFY_FAILED"):
        ask_source(Provider.MICROSOFT, Configuration(providers=Providers(microsoft_url=server.url)), ASKER)
    assert server.asked == []


def test_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    with running_provider_server(tmp_path, "endpoints.example") as other:
        with pytest.raises(SourceFailed, match=r"CERTIFICATE_VERIFY_FAILED.*localhost"):
            microsoft(other)
        assert other.asked == []


def test_authorities_that_cannot_be_read_are_named(server: ProviderServer, tmp_path: Path) -> None:
    providers = Providers(microsoft_url=server.url, ca_file=str(tmp_path / "absent.pem"))
    with pytest.raises(SourceFailed, match=r"providers\.ca_file"):
        ask_source(Provider.MICROSOFT, Configuration(providers=providers), ASKER)


def test_bug_of_ours_is_a_failure_of_the_source_for_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> Answer:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(provider_sources, "ask_google", broken)
    with pytest.raises(SourceFailed, match="ZeroDivisionError: oh"):
        ask_source(Provider.GOOGLE, Configuration(), ASKER)


# Google


def google(records: dict[str, list[str]], **zone: Any) -> Answer:
    """records: name to TXT records."""
    with DnsServer(Zone({name: {"TXT": texts} for name, texts in records.items()}, **zone)) as server:
        providers = Providers(nameservers=(f"127.0.0.1:{server.port}",))
        return ask_source(Provider.GOOGLE, Configuration(providers=providers), ASKER)


def test_spf_record_lists_googles_networks() -> None:
    text = '"v=spf1 ip4:74.125.0.0/16 ip4:209.85.1" "28.0/17 ip6:2001:4860:4864::/56 ~all"'
    assert google({"_spf.google.com": ['"google-site-verification=x"', text]}) == Answer(
        "", ("74.125.0.0/16", "209.85.128.0/17", "2001:4860:4864::/56")
    )


def test_long_record_comes_by_tcp() -> None:
    texts = [f'"v=spf1 {" ".join(f"ip4:74.125.{i}.0/24" for i in range(10))}"']
    more = [f'"{"x" * 250}"' for _ in range(3)]
    assert len(google({"_spf.google.com": texts + more}).networks or ()) == 10


def test_includes_are_followed() -> None:
    answer = google(
        {
            "_spf.google.com": ['"v=spf1 include:_netblocks.google.com include:_netblocks2.google.com ~all"'],
            "_netblocks.google.com": ['"v=spf1 ip4:74.125.0.0/16 ~all"'],
            "_netblocks2.google.com": ['"v=spf1 ip4:209.85.128.0/17 ip4:74.125.0.0/16 ~all"'],
        }
    )
    assert answer.networks == ("74.125.0.0/16", "209.85.128.0/17")


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ({}, "does not exist"),
        ({"_spf.google.com": ['"other"']}, "0 SPF records"),
        ({"_spf.google.com": ['"v=spf1 include:gone.google.com"']}, "gone.google.com TXT"),
        ({"_spf.google.com": ['"v=spf1 include:a..b"']}, "a..b TXT"),
        ({"_spf.google.com": ['"v=spf1 include:_spf.google.com"']}, "deep"),
        (
            {"_spf.google.com": [f'"v=spf1 {" ".join(["include:a.google.com"] * SPF_QUESTIONS_MAX)}"'],
             "a.google.com": ['"v=spf1 ip4:74.125.0.0/16"']},
            "more than 10 questions",
        ),
    ],
)  # fmt: skip
def test_record_that_is_not_whole_is_a_failure(records: dict[str, list[str]], problem: str) -> None:
    with pytest.raises(SourceFailed, match=problem):
        google(records)


def test_name_server_in_trouble_is_a_failure() -> None:
    with pytest.raises(SourceFailed, match="SERVFAIL"):
        google({"_spf.google.com": ['"v=spf1 ip4:74.125.0.0/16"']}, rcodes={"_spf.google.com": "SERVFAIL"})
