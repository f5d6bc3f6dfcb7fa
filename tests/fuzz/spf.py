"""Target: a whole zone of SPF records that somebody hostile has written."""

from ipaddress import ip_address

from tests.fuzz.engine import target

from outgate.spf.check import LOOKUPS_MAX, QUESTIONS_MAX, VOIDS_MAX, Result, check_host
from outgate.spf.lookup import Answer, Kind, Question, Status, answered, canonical, is_name
from outgate.spf.report import Ours, report_on
from outgate.spf.survey import COUNTED_MAX

OURS = Ours("spf.ours.example", ("192.0.2.1", "2001:db8::1"), "microsoft-365")
SEED_ONE = b"""a.example TXT v=spf1 mx a:b.example/24//64 include:c.example ~all
a.example MX b.example
b.example A 192.0.2.9
c.example TXT v=spf1 exists:%{ir}.%{l1r-}.%{d2} redirect=a.example"""
SEED_TWO = b"""a.example TXT v=spf1 ptr:%{p} ip4:192.0.2.0/28 ip6:2001:db8::/32 exp=%{S}.example moo=%{c} -all
1.2.0.192.in-addr.arpa PTR b.example
b.example A 192.0.2.1"""
SEED_THREE = b"""a.example TXT v=spf1 +all
a.example TXT v=spf1 include:spf.ours.example redirect=b.example
spf.ours.example TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"""


class Zone:
    """Lines of "name type value"; every other name is not there. Counts questions."""

    def __init__(self, octets: bytes) -> None:
        self.asked = 0
        self._answers: dict[Question, list[bytes]] = {}
        for line in octets.split(b"\n"):
            name, _, rest = line.partition(b" ")
            kind, _, value = rest.partition(b" ")
            try:
                question = Question(name.decode("ascii"), Kind(kind.decode("ascii")))
            except ValueError:
                continue
            self._answers.setdefault(question, []).append(value)

    def __call__(self, question: Question) -> Answer:
        self.asked += 1
        assert is_name(question.name), question
        assert question.name == question.name.lower()
        values = self._answers.get(question)
        if not values:
            return Answer(Status.NO_NAME)
        if question.kind is Kind.TXT:
            return Answer(Status.FOUND, texts=tuple(values))
        texts = [value.decode("ascii", "replace") for value in values]
        if question.kind in (Kind.MX, Kind.PTR):
            return Answer(Status.FOUND, names=tuple(map(canonical, texts)))
        try:
            return Answer(Status.FOUND, addresses=tuple(ip_address(text) for text in texts))
        except ValueError:
            return Answer(Status.FAILED, trouble="no address")


@target(
    "spf",
    seeds=[SEED_ONE, SEED_TWO, SEED_THREE],
    tokens=[
        b"\na.example TXT v=spf1 ",
        *b"include:a.example |redirect=a.example |a.example|%{|}|%{d2r.}|exists:%{i}.a.example |a |mx |ptr ".split(
            b"|"
        ),
        *b"-all |/0|//0|ip4:|ip6:|?|~|\n".split(b"|"),
    ],
)
def zone(octets: bytes) -> None:
    """Nothing raises; every question is one that DNS can be asked; all ends within the limits of RFC 7208 §4.6.4; and
    what is said to be good does pass, as does what is proposed and said to be good."""
    for address in OURS.addresses:
        dns = Zone(octets)
        found = answered(check_host(ip_address(address), "a.example", "amy@a.example", "h.example"), dns)
        assert dns.asked <= QUESTIONS_MAX
        assert found.lookups <= LOOKUPS_MAX
        assert found.voids <= VOIDS_MAX + 1
    dns = Zone(octets)
    report = answered(report_on("a.example", OURS), dns)
    assert dns.asked <= 2 * 3 * QUESTIONS_MAX + 4 * COUNTED_MAX + 2
    assert not report.is_proposal_good or report.to_publish
    if report.to_publish:
        after = b"\n".join(line for line in octets.split(b"\n") if not line.startswith(b"a.example TXT "))
        after += b"\na.example TXT " + report.to_publish.encode()
        again = answered(report_on("a.example", OURS), Zone(after))
        assert report.is_proposal_good is (
            again.results != () and {each.result for each in again.results} == {Result.PASS}
        )
        assert again.to_publish == "", (report.to_publish, again.to_publish)


TARGETS = [zone]
