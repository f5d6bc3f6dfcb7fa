"""What DNS servers say, as answers."""

from ipaddress import ip_address

import dns.resolver
import pytest
from tests.support.dns_server import DnsServer, Zone

from outgate.portal.spf import asking
from outgate.portal.spf.asking import ask
from outgate.spf.lookup import Answer, Asking, Kind, Question, Status


def one(name: str, kind: Kind = Kind.TXT) -> Asking[Answer]:
    return (yield Question(name, kind))


def answer_of(zone: Zone, name: str, kind: Kind = Kind.TXT) -> Answer:
    with DnsServer(zone) as server:
        return ask(one(name, kind), [f"127.0.0.1:{server.port}"])


ZONE = {
    "a.example": {
        "TXT": ['"v=spf1 " "-all"', '"\\195\\169"'],
        "A": ["192.0.2.1"],
        "AAAA": ["2001:db8::1"],
        "MX": ["10 Mail.a.example.", "20 ."],
        "PTR": ["Host.a.example."],
    },
    "www.example": {"CNAME": ["a.example."]},
    "x\\y.example": {"A": ["192.0.2.7"]},
}


def test_each_type_is_read() -> None:
    zone = Zone(ZONE)
    assert set(answer_of(zone, "a.example").texts) == {b"v=spf1 -all", "é".encode()}
    assert answer_of(zone, "a.example", Kind.A).addresses == (ip_address("192.0.2.1"),)
    assert answer_of(zone, "a.example", Kind.AAAA).addresses == (ip_address("2001:db8::1"),)
    assert set(answer_of(zone, "a.example", Kind.MX).names) == {"mail.a.example", ""}
    assert answer_of(zone, "a.example", Kind.PTR).names == ("host.a.example",)
    assert answer_of(zone, "www.example", Kind.A).addresses == (ip_address("192.0.2.1"),)


def test_long_answers_come_by_tcp() -> None:
    zone = Zone({"a.example": {"TXT": [f'"{"x" * 250}" "{"y" * 250}" "{"z" * 250}"']}})
    assert len(answer_of(zone, "a.example").texts[0]) == 750
    assert zone.asked_by_tcp


def test_what_is_not_there() -> None:
    zone = Zone(ZONE)
    assert answer_of(zone, "b.example").status is Status.NO_NAME
    assert answer_of(zone, "www.example", Kind.TXT).status is Status.FOUND
    assert answer_of(Zone({"c.example": {"A": ["192.0.2.1"]}}), "c.example").status is Status.NO_DATA


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED"])
def test_servers_that_fail(rcode: str) -> None:
    found = answer_of(Zone(ZONE, rcodes={"a.example": rcode}), "a.example")
    assert (found.status, found.trouble) == (Status.FAILED, f"the name servers answered {rcode} for a.example")


def test_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "QUESTION_SECONDS", 0.2)
    found = answer_of(Zone(ZONE, rcodes={"a.example": "SILENT"}), "a.example")
    assert (found.status, found.trouble) == (Status.FAILED, "no name server answered for a.example in time")


def test_the_budget_is_for_all_questions() -> None:
    zone = Zone(ZONE)
    with DnsServer(zone) as server:
        found = ask(one("a.example"), [f"127.0.0.1:{server.port}"], budget_seconds=0)
    assert found.status is Status.FAILED
    assert "took too long" in found.trouble
    assert not zone.asked


def test_a_name_means_itself() -> None:
    """A record may name anything; a backslash in it is asked as one."""
    zone = Zone(ZONE)
    assert answer_of(zone, "x\\046y.example", Kind.A).status is Status.NO_NAME
    assert [name for name, _ in zone.asked] == ["x\\\\046y.example"]


def test_a_machine_without_name_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "Resolver", none)
    assert ask(one("a.example"), []).trouble == "this machine knows no name server"
