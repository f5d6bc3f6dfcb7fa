"""TXT records from a domain's own name servers."""

from collections.abc import Mapping, Sequence

import dns.flags
import dns.message
import pytest
from tests.support.dns_server import DnsServer, Zone

from outgate.portal.web import ownership
from outgate.portal.web.ownership import DomainQuestion, NoAnswer, txt_records

SOA = "ns.shop.example. hostmaster.shop.example. 1 60 60 60 60"


class Authority(Zone):
    """Says so, unless `is_silent_on_authority`."""

    is_silent_on_authority = False

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        response = super().answer(query)
        if response is not None and not self.is_silent_on_authority:
            response.flags |= dns.flags.AA
        return response


def zone(records: Mapping[str, Mapping[str, Sequence[str]]]) -> Authority:
    own = {"example": {"SOA": [SOA], "NS": ["ns.shop.example."]}, "ns.shop.example": {"A": ["127.0.0.1"]}}
    return Authority({"shop.example": {}} | own | dict(records))


def ask(name: str, served: Zone, *, allow_private: bool = True) -> frozenset[str]:
    with DnsServer(served) as server:
        resolvers = (f"127.0.0.1:{server.port}",)
        return txt_records(name, DomainQuestion(resolvers, allow_private=allow_private, port=server.port))


def test_records_are_read_with_their_strings_joined() -> None:
    served = zone({"mail.shop.example": {"TXT": ['"outgate-domain-" "verification=abc"', '"v=spf1 -all"']}})

    assert ask("mail.shop.example", served) == {"outgate-domain-verification=abc", "v=spf1 -all"}


def test_long_answers_come_by_tcp() -> None:
    served = zone({"mail.shop.example": {"TXT": [f'"{number}{"x" * 200}"' for number in range(20)]}})

    assert len(ask("mail.shop.example", served)) == 20
    assert served.asked_by_tcp


def test_domain_without_records_has_none() -> None:
    assert ask("shop.example", zone({})) == frozenset()


def test_word_of_another_domain_by_a_cname_does_not_count() -> None:
    served = zone({"mail.shop.example": {"CNAME": ["other.example."]}, "other.example": {"TXT": ['"stolen"']}})

    assert ask("mail.shop.example", served) == frozenset()


def test_server_without_authority_is_not_believed() -> None:
    served = zone({"mail.shop.example": {"TXT": ['"cached"']}})
    served.is_silent_on_authority = True

    with pytest.raises(NoAnswer, match=r"None of the name servers of mail\.shop\.example answered"):
        ask("mail.shop.example", served)


def test_private_name_servers_are_not_asked() -> None:
    served = zone({"mail.shop.example": {"TXT": ['"inside"']}})

    with pytest.raises(NoAnswer, match="None of the name servers"):
        ask("mail.shop.example", served, allow_private=False)
    assert ("mail.shop.example", "TXT") not in served.asked


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "169.254.169.254", "224.0.0.1", "::1", "ff0e::1", "64:ff9b::a00:1", "2002:a00:1::", "4000::1"],
)
def test_addresses_that_are_not_public_are_not_asked(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    kind = "AAAA" if ":" in address else "A"
    served = zone({"ns.shop.example": {kind: [address, "2a02:898::53" if kind == "AAAA" else "9.9.9.9"]}})
    asked: list[str] = []
    monkeypatch.setattr(ownership, "_ask", lambda _name, address, _port: asked.append(address))

    with pytest.raises(NoAnswer, match="None of the name servers"):
        ask("mail.shop.example", served, allow_private=False)
    assert asked == ["2a02:898::53" if kind == "AAAA" else "9.9.9.9"]


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED"])
def test_failing_resolver_is_told_in_words(rcode: str) -> None:
    served = zone({})
    served.rcodes = dict.fromkeys(("mail.shop.example", "shop.example", "example", ""), rcode)

    with pytest.raises(NoAnswer, match="Try again"):
        ask("mail.shop.example", served)
