from ipaddress import ip_network

import pytest

from outgate.spf.record import RECORD_MAX, BadRecord, Name, parse_record, spf_records


def test_records_are_known_by_their_version() -> None:
    texts = [
        b"v=spf1",
        b"V=SPF1 -all",
        b"v=spf10 -all",
        b"v=spf1-all",
        b"v=spf1\t-all",
        b" v=spf1 -all",
        b"token=1",
        b"",
    ]
    assert spf_records(texts) == (b"v=spf1", b"V=SPF1 -all")


def test_terms_are_read_in_their_order() -> None:
    record = parse_record(
        b"v=spf1  A:x.example/24//64 ?mX/0 ip4:1.2.3.4 -ip6:2001:db8::/32 exists:%{i}.x.example  ~ALL "
    )
    assert [each.name for each in record.mechanisms] == [Name.A, Name.MX, Name.IP4, Name.IP6, Name.EXISTS, Name.ALL]
    first, second, third, fourth, _, last = record.mechanisms
    assert (first.text, first.qualifier, first.ipv4_prefix, first.ipv6_prefix) == ("A:x.example/24//64", "+", 24, 64)
    assert (second.qualifier, second.target, second.ipv4_prefix, second.ipv6_prefix) == ("?", None, 0, 128)
    assert (third.network, fourth.network) == (ip_network("1.2.3.4"), ip_network("2001:db8::/32"))
    assert (last.qualifier, record.has_all) == ("~", True)


def test_only_ipv6_prefix() -> None:
    mechanism = parse_record(b"v=spf1 a//48").mechanisms[0]
    assert (mechanism.ipv4_prefix, mechanism.ipv6_prefix, mechanism.target) == (32, 48, None)


def test_modifiers() -> None:
    record = parse_record(b"v=spf1 redirect=a.example exp=b.example moo=%{c}x x.y-z_1= a")
    assert record.redirect == ("a.example",)
    assert record.redirect_text == "redirect=a.example"
    assert not record.has_all


def test_terms_behind_all_are_not_evaluated() -> None:
    record = parse_record(b"v=spf1 a -all mx")
    assert [each.name for each in record.evaluated] == [Name.A, Name.ALL]
    assert len(record.mechanisms) == 3


@pytest.mark.parametrize(
    "terms",
    [
        "-all.", "all/8", "all:x.example", "include", "include:", "include:x", "include:x.example/24", "include/24",
        "a:", "a:x", "a/", "a/33", "a/024", "a//129", "a/24/64", "a:x.example:25", "a:1.2.3.4", "a:x.example/",
        "mx:", "mx/-1", "ptr/24", "ptr:", "exists", "exists:", "exists:%{x}", "ip4", "ip4:", "ip4:1.2.3",
        "ip4:1.2.3.4/33",
        "ip4:1.2.3.4/", "ip4:1.2.3.04", "ip4:1.2.3.4/024", "ip4:::1", "ip6:1.2.3.4", "ip6:::1/129", "ip6:::1%25eth0",
        "ip6:2001:db8::/032", "unknown", "moo:x.example", "=x", "-", "+-all", "-moo=x", "moo=%{y}", "moo=%",
        "redirect=", "redirect=x", "redirect=a.example redirect=a.example", "exp=a.example exp=a.example", "a\tmx", "é",
        "a\x00", "redirect:a.example", "%{d}", "a=b=%{",
    ],
)  # fmt: skip
def test_one_mistake_spoils_the_record(terms: str) -> None:
    with pytest.raises(BadRecord) as caught:
        parse_record(f"v=spf1 a {terms} -all".encode())
    assert str(caught.value).isprintable()


def test_records_without_end_are_not_read() -> None:
    parse_record(b"v=spf1 a" + b" " * (RECORD_MAX - 8))
    with pytest.raises(BadRecord):
        parse_record(b"v=spf1 a" + b" " * (RECORD_MAX - 7))
