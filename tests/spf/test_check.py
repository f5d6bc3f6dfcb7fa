"""The examples of RFC 7208 (Appendix A), and each rule of §4 and §5 with a table of DNS."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.spf import Table, TableDns, txt

from outgate.spf.check import LOOKUPS_MAX, QUESTIONS_MAX, VOIDS_MAX, Outcome, Problem, Result, check_host
from outgate.spf.lookup import Answer, Kind, Question, Status, answered

APPENDIX: dict[str, dict[str, list[str]]] = {
    "example.com": {"MX": ["mail-a.example.com", "mail-b.example.com"], "A": ["192.0.2.10", "192.0.2.11"]},
    "amy.example.com": {"A": ["192.0.2.65"]},
    "bob.example.com": {"A": ["192.0.2.66"]},
    "mail-a.example.com": {"A": ["192.0.2.129"]},
    "mail-b.example.com": {"A": ["192.0.2.130"]},
    "example.org": {"MX": ["mail-c.example.org"]},
    "mail-c.example.org": {"A": ["192.0.2.140"]},
    "10.2.0.192.in-addr.arpa": {"PTR": ["example.com"]},
    "65.2.0.192.in-addr.arpa": {"PTR": ["amy.example.com"]},
    "140.2.0.192.in-addr.arpa": {"PTR": ["mail-c.example.org"]},
    "4.0.0.10.in-addr.arpa": {"PTR": ["bob.example.com"]},
}


def check(
    table: Table, address: str, domain: str = "example.com", sender: str = "amy@example.com", helo: str = "h.example"
) -> Outcome:
    return answered(check_host(ip_address(address), domain, sender, helo), TableDns(table))


@pytest.mark.parametrize(
    ("record", "passing", "failing"),
    [
        ("v=spf1 +all", ["192.0.2.1", "10.0.0.4", "2001:db8::1"], []),
        ("v=spf1 a -all", ["192.0.2.10", "192.0.2.11"], ["192.0.2.129"]),
        ("v=spf1 a:example.org -all", [], ["192.0.2.10", "192.0.2.140"]),
        ("v=spf1 mx -all", ["192.0.2.129", "192.0.2.130"], ["192.0.2.10", "192.0.2.140"]),
        ("v=spf1 mx:example.org -all", ["192.0.2.140"], ["192.0.2.129"]),
        ("v=spf1 mx mx:example.org -all", ["192.0.2.129", "192.0.2.130", "192.0.2.140"], ["192.0.2.10"]),
        (
            "v=spf1 mx/30 mx:example.org/30 -all",
            ["192.0.2.128", "192.0.2.131", "192.0.2.140", "192.0.2.143"],
            ["192.0.2.132", "192.0.2.139", "192.0.2.144"],
        ),
        ("v=spf1 ptr -all", ["192.0.2.65", "192.0.2.10"], ["192.0.2.140", "10.0.0.4", "192.0.2.99"]),
        ("v=spf1 ip4:192.0.2.128/28 -all", ["192.0.2.129"], ["192.0.2.65"]),
    ],
)
def test_appendix_a1(record: str, passing: list[str], failing: list[str]) -> None:
    table = {**APPENDIX, "example.com": {**APPENDIX["example.com"], "TXT": [record]}}
    for address in passing:
        assert check(table, address).result is Result.PASS, address
    for address in failing:
        assert check(table, address).result is Result.FAIL, address


def test_appendix_a2_several_domains() -> None:
    table = {
        "example.org": {"TXT": ["v=spf1 include:example.com include:example.net -all"]},
        "la.example.org": {"TXT": ["v=spf1 redirect=example.org"]},
        "example.com": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
        "example.net": {"TXT": ["v=spf1 ip4:192.0.2.2 -all"]},
    }
    for address, expected in (("192.0.2.1", Result.PASS), ("192.0.2.2", Result.PASS), ("192.0.2.3", Result.FAIL)):
        assert check(table, address, "example.org").result is expected
        assert check(table, address, "la.example.org").result is expected
    found = check(table, "192.0.2.2", "la.example.org")
    assert (found.mechanism, found.domain, found.lookups) == ("include:example.net", "example.org", 3)


def test_appendix_a3_senders_in_dns() -> None:
    table = {
        "example.com": {"TXT": ["v=spf1 include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all"]},
        "mobile-users._spf.example.com": {"TXT": ["v=spf1 exists:%{l1r+}.%{d}"]},
        "remote-users._spf.example.com": {"TXT": ["v=spf1 exists:%{ir}.%{l1r+}.%{d}"]},
        "mary.mobile-users._spf.example.com": {"A": ["127.0.0.2"]},
        "15.15.168.192.joel.remote-users._spf.example.com": {"A": ["127.0.0.2"]},
    }
    assert check(table, "10.1.1.1", sender="mary@example.com").result is Result.PASS
    assert check(table, "10.1.1.1", sender="mary+list@example.com").result is Result.PASS
    assert check(table, "192.168.15.15", sender="joel@example.com").result is Result.PASS
    assert check(table, "192.168.15.17", sender="joel@example.com").result is Result.FAIL


# Records of a.example; the sender is x@a.example at 192.0.2.1 (or 2001:db8::1).
AROUND: dict[str, dict[str, list[str]]] = {
    **txt(
        passes="v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all",
        fails="v=spf1 -all",
        soft="v=spf1 ~all",
        neutral="v=spf1 ?all",
        silent="v=spf1",
        wrong="v=spf1 moo",
        other="some text",
    ),
    "two.example": {"TXT": ["v=spf1 -all", "v=spf1 +all", "text"]},
    "down.example": {"TXT": ["FAIL"], "A": ["FAIL"], "MX": ["FAIL"]},
    "host.example": {"A": ["192.0.2.99", "192.0.2.1"], "AAAA": ["2001:db8::ff"]},
    "mail.example": {"MX": ["dead.example", "host.example"]},
    "mail-down.example": {"MX": ["down.example"]},
    "null-mx.example": {"MX": [""]},
    "ten.example": {"MX": [f"h{number}.example" for number in range(9)] + ["host.example"]},
    "eleven.example": {"MX": [f"h{number}.example" for number in range(11)]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["elsewhere.example", "host.example", "sub.host.example"]},
    "sub.host.example": {"A": ["192.0.2.1"]},
    "elsewhere.example": {"A": ["FAIL"]},
}
RULES: list[tuple[str, str, Result, Problem | None]] = [
    # §4.6.2 and §4.7
    ("v=spf1", "192.0.2.1", Result.NEUTRAL, None),
    ("v=spf1 ip4:192.0.2.2", "192.0.2.1", Result.NEUTRAL, None),
    ("v=spf1 ip4:192.0.2.1", "192.0.2.1", Result.PASS, None),
    ("v=spf1 -ip4:192.0.2.1 +all", "192.0.2.1", Result.FAIL, None),
    ("v=spf1 ~ip4:192.0.2.0/24 +all", "192.0.2.1", Result.SOFTFAIL, None),
    ("v=spf1 ?ip4:192.0.2.1 +all", "192.0.2.1", Result.NEUTRAL, None),
    ("v=spf1 ip4:0.0.0.0/0 -all", "192.0.2.1", Result.PASS, None),
    ("v=spf1 ip4:192.0.2.1 -all", "2001:db8::1", Result.FAIL, None),
    ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::1", Result.PASS, None),
    ("v=spf1 ip6:::/0 -all", "192.0.2.1", Result.FAIL, None),
    ("v=spf1 ip4:192.0.2.1 -all", "::ffff:192.0.2.1", Result.PASS, None),
    # §5.1: nothing behind all counts; but a mistake there does (§4.6)
    ("v=spf1 -all a:down.example redirect=passes.example", "192.0.2.1", Result.FAIL, None),
    ("v=spf1 +all moo", "192.0.2.1", Result.PERMERROR, Problem.SYNTAX),
    # §5.2
    ("v=spf1 include:passes.example -all", "192.0.2.1", Result.PASS, None),
    ("v=spf1 ~include:passes.example -all", "192.0.2.1", Result.SOFTFAIL, None),
    ("v=spf1 include:fails.example ip4:192.0.2.1 -all", "192.0.2.1", Result.PASS, None),
    ("v=spf1 include:soft.example -all", "192.0.2.1", Result.FAIL, None),
    ("v=spf1 include:neutral.example include:silent.example ~all", "192.0.2.1", Result.SOFTFAIL, None),
    ("v=spf1 include:down.example +all", "192.0.2.1", Result.TEMPERROR, Problem.DNS),
    ("v=spf1 include:wrong.example +all", "192.0.2.1", Result.PERMERROR, Problem.SYNTAX),
    ("v=spf1 include:two.example +all", "192.0.2.1", Result.PERMERROR, Problem.SEVERAL_RECORDS),
    ("v=spf1 include:other.example +all", "192.0.2.1", Result.PERMERROR, Problem.TARGET),
    ("v=spf1 include:absent.example +all", "192.0.2.1", Result.PERMERROR, Problem.TARGET),
    ("v=spf1 include:..example +all", "192.0.2.1", Result.PERMERROR, Problem.TARGET),
    # §5.3
    ("v=spf1 a:host.example -all", "192.0.2.1", Result.PASS, None),
    ("v=spf1 a:HOST.example. -all", "192.0.2.1", Result.PASS, None),
    ("v=spf1 a:host.example -all", "192.0.2.98", Result.FAIL, None),
    ("v=spf1 a:host.example/24 -all", "192.0.2.98", Result.PASS, None),
    ("v=spf1 a:host.example/24 -all", "2001:db8::1", Result.FAIL, None),
    ("v=spf1 a:host.example//64 -all", "2001:db8::1", Result.PASS, None),
    ("v=spf1 a:host.example/24//120 -all", "2001:db8::1", Result.PASS, None),
    ("v=spf1 a:host.example/0 -all", "198.51.100.1", Result.PASS, None),
    ("v=spf1 a -all", "192.0.2.1", Result.FAIL, None),
    ("v=spf1 a:down.example +all", "192.0.2.1", Result.TEMPERROR, Problem.DNS),
    ("v=spf1 a:a..example a:b..example a:c..example +all", "192.0.2.1", Result.PASS, None),  # §4.8
    # §5.4
    ("v=spf1 mx:mail.example -all", "192.0.2.1", Result.PASS, None),
    ("v=spf1 mx:mail.example//64 -all", "2001:db8::1", Result.PASS, None),
    ("v=spf1 mx:ten.example -all", "192.0.2.1", Result.PASS, None),
    ("v=spf1 mx:eleven.example +all", "192.0.2.1", Result.PERMERROR, Problem.HOSTS),
    ("v=spf1 mx:null-mx.example -all", "192.0.2.1", Result.FAIL, None),
    ("v=spf1 mx:down.example +all", "192.0.2.1", Result.TEMPERROR, Problem.DNS),
    ("v=spf1 mx:mail-down.example +all", "192.0.2.1", Result.TEMPERROR, Problem.DNS),
    # §5.5: failures are passed over
    ("v=spf1 ptr:host.example -all", "192.0.2.1", Result.PASS, None),
    ("v=spf1 ptr:ost.example -all", "192.0.2.1", Result.FAIL, None),
    ("v=spf1 ptr:elsewhere.example -all", "192.0.2.1", Result.FAIL, None),
    ("v=spf1 ptr -all", "192.0.2.9", Result.FAIL, None),
    # §5.7: A records even over IPv6
    ("v=spf1 exists:host.example -all", "2001:db8::1", Result.PASS, None),
    ("v=spf1 exists:absent.example -all", "192.0.2.1", Result.FAIL, None),
    ("v=spf1 exists:down.example +all", "192.0.2.1", Result.TEMPERROR, Problem.DNS),
    ("v=spf1 exists:%{p} -all", "192.0.2.1", Result.PASS, None),  # host.example
    # §6.1
    ("v=spf1 redirect=passes.example", "192.0.2.1", Result.PASS, None),
    ("v=spf1 redirect=soft.example", "192.0.2.1", Result.SOFTFAIL, None),
    ("v=spf1 redirect=silent.example", "192.0.2.1", Result.NEUTRAL, None),
    ("v=spf1 redirect=other.example", "192.0.2.1", Result.PERMERROR, Problem.TARGET),
    ("v=spf1 redirect=absent.example", "192.0.2.1", Result.PERMERROR, Problem.TARGET),
    ("v=spf1 redirect=down.example", "192.0.2.1", Result.TEMPERROR, Problem.DNS),
    ("v=spf1 redirect=passes.example ?all", "192.0.2.1", Result.NEUTRAL, None),
    # §6: unknown modifiers, and explanations, change nothing
    ("v=spf1 moo=1 exp=down.example -all", "192.0.2.1", Result.FAIL, None),
    # §4.6.4
    ("v=spf1 a:v1.example a:v2.example +all", "192.0.2.1", Result.PASS, None),
    ("v=spf1 a:v1.example mx:v2.example exists:v3.example +all", "192.0.2.1", Result.PERMERROR, Problem.VOIDS),
    ("v=spf1 redirect=a.example", "192.0.2.1", Result.PERMERROR, Problem.LOOKUPS),
    ("v=spf1 include:a.example +all", "192.0.2.1", Result.PERMERROR, Problem.LOOKUPS),
]


@pytest.mark.parametrize(("record", "address", "expected", "problem"), RULES)
def test_rules(record: str, address: str, expected: Result, problem: Problem | None) -> None:
    found = check({**AROUND, "a.example": {"TXT": [record]}}, address, "a.example", "x@a.example")
    assert (found.result, found.problem) == (expected, problem)
    assert bool(found.detail) is (problem is not None)


@pytest.mark.parametrize(
    ("texts", "expected", "problem"),
    [
        (["v=spf1 +all"], Result.PASS, None),
        (["V=SpF1 +all"], Result.PASS, None),
        (["text", "v=spf1 +all", "v=spf10 -all"], Result.PASS, None),
        (["v=spf1 +all", "v=spf1 +all"], Result.PERMERROR, Problem.SEVERAL_RECORDS),
        (["text"], Result.NONE, Problem.NO_RECORD),
        ([], Result.NONE, Problem.NO_RECORD),
        (["FAIL"], Result.TEMPERROR, Problem.DNS),
        (["v=spf1 é"], Result.PERMERROR, Problem.SYNTAX),
        (["é", "v=spf1 +all"], Result.PASS, None),
    ],
)
def test_the_record_is_found_among_others(texts: list[str], expected: Result, problem: Problem | None) -> None:
    found = check({"a.example": {"TXT": texts}}, "192.0.2.1", "a.example")
    assert (found.result, found.problem) == (expected, problem)


@pytest.mark.parametrize(
    "domain", ["example", "", ".", "a..example", "x" * 64 + ".example", ".".join(["abcde"] * 50), "é.example"]
)
def test_what_is_no_domain_has_no_result(domain: str) -> None:
    dns = TableDns({})
    found = answered(check_host(ip_address("192.0.2.1"), domain, "x@a.example", "h.example"), dns)
    assert (found.result, found.problem, dns.asked) == (Result.NONE, Problem.NAME, [])


def test_a_domain_that_is_not_in_dns_has_no_result() -> None:
    found = check({}, "192.0.2.1", "a.example")
    assert (found.result, found.problem) == (Result.NONE, Problem.NO_NAME)


def test_ten_lookups_are_allowed_and_eleven_are_not() -> None:
    ten = " ".join(f"a:host.example/{length}" for length in range(32, 22, -1))
    table = {**AROUND, "a.example": {"TXT": [f"v=spf1 {ten} +all"]}}
    found = check(table, "198.51.100.1", "a.example")
    assert (found.result, found.lookups, found.mechanism) == (Result.PASS, LOOKUPS_MAX, "+all")
    table["a.example"] = {"TXT": [f"v=spf1 {ten} mx:mail.example +all"]}
    found = check(table, "198.51.100.1", "a.example")
    assert (found.result, found.problem, found.lookups) == (Result.PERMERROR, Problem.LOOKUPS, LOOKUPS_MAX)
    assert "mx:mail.example" in found.detail


def test_lookups_of_included_records_count() -> None:
    table = {
        "a.example": {"TXT": ["v=spf1 include:b.example a:host.example mx:mail.example include:c.example +all"]},
        **txt(
            b="v=spf1 " + " ".join(["a:host.example/31"] * 4) + " -all", c="v=spf1 " + " ".join(["a:host.example"] * 4)
        ),
        **{name: AROUND[name] for name in ("host.example", "mail.example")},
    }
    assert check(table, "198.51.100.1", "a.example").problem is Problem.LOOKUPS
    assert check(table, "192.0.2.99", "a.example").result is Result.PASS  # it matched sooner


def test_ten_names_of_an_address_are_looked_at() -> None:
    names = [f"n{number}.example" for number in range(12)]
    table = {
        "a.example": {"TXT": ["v=spf1 ptr:n9.example -ptr:n10.example ?all"]},
        "1.2.0.192.in-addr.arpa": {"PTR": names},
        **{name: {"A": ["192.0.2.1"]} for name in names},
    }
    assert check(table, "192.0.2.1", "a.example").result is Result.PASS
    table["a.example"] = {"TXT": ["v=spf1 ptr:n10.example ?all"]}
    assert check(table, "192.0.2.1", "a.example").result is Result.NEUTRAL


@pytest.mark.parametrize(
    ("term", "name"),
    [
        ("exists:%{s}.x.example", "amy@b.example.x.example"),
        ("exists:%{l}.%{o}", "amy.b.example"),
        ("exists:%{h}.%{v}.x.example", "helo.example.in-addr.x.example"),
        ("exists:%{p}.x.example", "unknown.x.example"),
        ("exists:%{ir}.x.example", "1.2.0.192.x.example"),
    ],
)
def test_macros_of_a_check(term: str, name: str) -> None:
    table = {"a.example": {"TXT": [f"v=spf1 {term} -all"]}, name: {"A": ["127.0.0.1"]}}
    assert check(table, "192.0.2.1", "a.example", "amy@b.example", "helo.example").result is Result.PASS


def test_macros_of_an_ipv6_address_and_of_the_included_domain() -> None:
    nibbles = ".".join("20010db8000000000000000000000001")
    table = {
        "a.example": {"TXT": ["v=spf1 include:b.example -all"]},
        "b.example": {"TXT": ["v=spf1 exists:%{i}.%{v}.%{d} -all"]},
        f"{nibbles}.ip6.b.example": {"A": ["127.0.0.1"]},
    }
    assert check(table, "2001:db8::1", "a.example").result is Result.PASS


@pytest.mark.parametrize(
    ("sender", "expected"), [("", "postmaster.helo.example"), ("@b.example", "postmaster.b.example")]
)
def test_who_has_no_local_part_is_postmaster(sender: str, expected: str) -> None:
    table = {"a.example": {"TXT": ["v=spf1 exists:%{l}.%{o} -all"]}, expected: {"A": ["127.0.0.1"]}}
    assert check(table, "192.0.2.1", "a.example", sender, "helo.example").result is Result.PASS


def test_a_validated_name_of_the_domain_is_preferred() -> None:
    table = {
        "a.example": {"TXT": ["v=spf1 exists:%{p}.is -all"]},
        "1.2.0.192.in-addr.arpa": {"PTR": ["z.example", "b.a.example", "a.example"]},
        "z.example": {"A": ["192.0.2.1"]},
        "b.a.example": {"A": ["192.0.2.1"]},
        "b.a.example.is": {"A": ["127.0.0.1"]},
    }
    assert check(table, "192.0.2.1", "a.example").result is Result.PASS  # a.example itself does not lead back


DOMAINS = ["a.example", "b.example", "c.example", "host.example", "%{d}", "%{i}.a.example", "%{p}", "%{l}.x"]
NAMES = st.sampled_from(DOMAINS)
QUALIFIERS = st.sampled_from(["", "-", "~", "?"])
MECHANISMS = st.sampled_from(["include", "exists", "a", "mx", "ptr"])
TERMS = st.one_of(
    st.builds("{}{}:{}".format, QUALIFIERS, MECHANISMS, NAMES),
    st.builds("{}={}".format, st.sampled_from(["redirect", "exp", "moo"]), NAMES),
    st.sampled_from(["a", "mx", "ptr", "-all", "ip4:192.0.2.1", "a/24//64", "moo", ""]),
    st.text(max_size=8),
)
RECORDS = st.lists(TERMS, max_size=14).map(lambda terms: " ".join(["v=spf1", *terms]).encode())
ADDRESSES = st.sampled_from([ip_address("192.0.2.1"), ip_address("2001:db8::1")])
ANSWERS = st.one_of(
    st.builds(Answer, st.sampled_from([Status.NO_DATA, Status.NO_NAME, Status.FAILED])),
    st.builds(
        Answer,
        st.just(Status.FOUND),
        texts=st.lists(RECORDS, max_size=2).map(tuple),
        names=st.lists(st.one_of(NAMES, st.text(max_size=5)), max_size=12).map(tuple),
        addresses=st.lists(ADDRESSES, max_size=2).map(tuple),
    ),
)


@given(st.data(), st.sampled_from(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"]), st.text(max_size=40))
def test_whatever_dns_says_it_ends_within_its_limits(data: st.DataObject, address: str, sender: str) -> None:
    asked: list[Question] = []

    def ask(question: Question) -> Answer:
        asked.append(question)
        return data.draw(ANSWERS)

    found = answered(check_host(ip_address(address), "a.example", sender, sender), ask)
    assert len(asked) <= QUESTIONS_MAX
    assert found.lookups <= LOOKUPS_MAX
    assert found.voids <= VOIDS_MAX + 1
    assert (found.problem is None) is (found.result not in (Result.NONE, Result.TEMPERROR, Result.PERMERROR))
    assert all(question.kind in Kind for question in asked)
