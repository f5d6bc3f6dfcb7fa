"""Each shape of `data/header-shapes.json` as a whole message through the real process, and what comes of it.

The file says what Exchange Online and Google were seen to send (source and date stand in it). A message is made of all
its lines, Received and ARC among them; signatures are real. A shape, or a line of one, that nobody has said anything
about here fails.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.e2e.test_tenants import ATTACKER_TENANT, OTHER_TENANT, VICTIM_TENANT, Laboratory, microsoft
from tests.support.dns_server import DnsServer, Zone
from tests.support.installation import Installation, customer, short_directory
from tests.support.signing import key, sign_by_hand
from tests.support.sink import running_sink

SHAPES: Final[dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "data" / "header-shapes.json").read_text()
)
SOURCE: Final = SHAPES.pop("_source")
HOSTED: Final = "exo_hosted_mailbox"
BODY: Final = b"Hello  there \r\n.\r\nwith blanks \t\r\n"
OWN_FIELDS: Final = ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type")


@dataclass(frozen=True)
class Company:
    """Whose message it is. name: of its domain and of its initial domain."""

    name: str
    tenant: str = ""

    @property
    def domain(self) -> str:
        return f"{self.name}.example"

    @property
    def initial(self) -> str:
        return f"{self.name}.onmicrosoft.com"

    def alice(self) -> str:
        return f"alice@{self.domain}"


CAREFUL = Company("careful", VICTIM_TENANT)  # all settings as they come
RELAYING = Company("relaying", OTHER_TENANT)  # lets through what its own servers and mailboxes hand to Exchange
HOLDING = Company("holding", "33333333-3333-4333-8333-333333333333")  # holds what comes from a pool
WORKSPACE = Company("workspace")  # on Google
ATTACKER = Company("attacker", ATTACKER_TENANT)  # nobody's customer


@dataclass(frozen=True)
class Case:
    """One message of a shape. company: whose tenant sends it. outcome: "passes", "held", or the reason it is refused
    for. own: of the message's own fields, by name. more: lines below all others."""

    company: Company
    reverse_path: str
    header_from: str
    outcome: str
    recipient: str = "bob@receiver.example"
    own: tuple[tuple[str, str], ...] = ()
    more: tuple[str, ...] = ()
    signer: str = ""  # d= of the signature, if not the shape's
    body: bytes = BODY


def own_mail(company: Company, outcome: str = "passes", **more: Any) -> Case:
    return Case(company, company.alice(), company.alice(), outcome, **more)


NDR_BODY: Final = b"".join(
    line + b"\r\n"
    for line in (
        b"--ndr",
        b"Content-Type: text/html",
        b"",
        b"<p>Your message could not be delivered.</p>",
        b"--ndr",
        b"Content-Type: message/delivery-status",
        b"",
        b"Reporting-MTA: dns;LV8PR02MB10287.namprd02.prod.outlook.com",
        b"",
        b"Final-recipient: rfc822;alice@careful.example",
        b"Action: failed",
        b"Status: 5.7.1",
        b"Diagnostic-Code: smtp;550 5.7.1 no",
        b"--ndr",
        b"Content-Type: message/rfc822",
        b"",
        b"Subject: Hello",
        b"",
        b"Hello",
        b"--ndr--",
    )
)
NDR_OWN: Final = (
    ("Subject", "Undeliverable: Hello"),
    ("Content-Type", 'multipart/report; report-type=delivery-status; boundary="ndr"'),
)
NDR_FROM = "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e"
CASES: Final[dict[str, dict[str, Case]]] = {
    HOSTED: {
        "ordinary": own_mail(CAREFUL),
        "calendar": own_mail(
            CAREFUL,
            own=(("Content-Type", 'text/calendar; charset="utf-8"; method=REQUEST'),),
            more=("Content-Class: urn:content-classes:calendarmessage",),
        ),
        "out-of-office": Case(
            CAREFUL,
            "",
            CAREFUL.alice(),
            "passes",
            own=(("Subject", "Automatic reply: Hello"),),
            more=("Auto-Submitted: auto-generated", "X-Auto-Response-Suppress: All"),
        ),
        "of-another-tenant": Case(ATTACKER, CAREFUL.alice(), CAREFUL.alice(), "tenant-mismatch"),
        "out-of-office-of-another-tenant": Case(ATTACKER, "", CAREFUL.alice(), "tenant-mismatch"),
        "from-of-another-customer": Case(CAREFUL, CAREFUL.alice(), RELAYING.alice(), "from-mismatch"),
    },
    "exo_relayed_from_on_prem_high_risk_pool": {
        "as-it-comes": own_mail(CAREFUL, "pool-high-risk"),
        "held": own_mail(HOLDING, "held"),
        "let-through": own_mail(RELAYING),
    },
    "exo_relay_pool_foreign_from": {
        "auto-forward": Case(
            RELAYING, "carol@foreign.example", "carol@foreign.example", "passes", "archive@archive.example"
        ),
        "auto-forward-to-a-place-that-is-not-on-the-list": Case(
            RELAYING, "carol@foreign.example", "carol@foreign.example", "sender-not-registered"
        ),
        "auto-forward-of-another-tenant": Case(
            ATTACKER, "carol@foreign.example", "carol@foreign.example", "tenant-mismatch", "archive@archive.example"
        ),
        "as-it-comes": own_mail(CAREFUL, "pool-relay"),
    },
    "exo_abuse_through_attackers_own_tenant": {
        "victims-reverse-path-and-from": Case(
            ATTACKER, CAREFUL.alice(), CAREFUL.alice(), "tenant-mismatch", signer=ATTACKER.initial
        ),
        "signed-by-the-attackers-domain": Case(ATTACKER, CAREFUL.alice(), CAREFUL.alice(), "tenant-mismatch"),
        "where-relayed-mail-is-let-through": Case(
            ATTACKER, RELAYING.alice(), RELAYING.alice(), "tenant-mismatch", signer=ATTACKER.initial
        ),
        "attackers-own": own_mail(ATTACKER, "sender-not-registered"),
        "null-reverse-path": Case(ATTACKER, "", CAREFUL.alice(), "tenant-mismatch", signer=ATTACKER.initial),
    },
    "exo_srs": {
        "relayed": Case(
            CAREFUL, f"bounces+SRS=DmMzc=V3@{CAREFUL.initial}", CAREFUL.alice(), "passes", signer=CAREFUL.initial
        ),
        "auto-forwarded": Case(
            CAREFUL,
            f"alice+SRS=DmMzc=V3=foreign.example=carol@{CAREFUL.domain}",
            "carol@foreign.example",
            "from-mismatch",
            signer=CAREFUL.initial,
        ),
        "auto-forwarded-where-forwards-are-let-through": Case(
            RELAYING,
            f"alice+SRS=DmMzc=V3=foreign.example=carol@{RELAYING.domain}",
            "carol@foreign.example",
            "passes",
            "archive@archive.example",
            signer=RELAYING.initial,
        ),
        "of-another-tenant": Case(
            ATTACKER, f"bounces+SRS=DmMzc=V3@{CAREFUL.initial}", CAREFUL.alice(), "tenant-mismatch"
        ),
    },
    "exo_journal_report": {
        "report": Case(CAREFUL, "", f"MicrosoftExchange@{CAREFUL.initial}", "passes"),
        "of-another-tenant": Case(ATTACKER, "", f"MicrosoftExchange@{CAREFUL.initial}", "tenant-mismatch"),
    },
    "exo_ndr": {
        "report": Case(CAREFUL, "", f"{NDR_FROM}@{CAREFUL.domain}", "passes", own=NDR_OWN, body=NDR_BODY),
        "from-the-postmaster": Case(CAREFUL, "", f"postmaster@{CAREFUL.domain}", "passes", own=NDR_OWN, body=NDR_BODY),
        "of-another-tenant": Case(
            ATTACKER, "", f"{NDR_FROM}@{CAREFUL.domain}", "tenant-mismatch", own=NDR_OWN, body=NDR_BODY
        ),
    },
    "exo_connector_validation": {
        "initial-domain": Case(
            CAREFUL,
            f"O365ConnectorValidation@{CAREFUL.initial}",
            f"O365ConnectorValidation@{CAREFUL.initial}",
            "passes",
            signer=CAREFUL.initial,
        ),
        "default-domain": Case(
            CAREFUL,
            f"O365ConnectorValidation@{CAREFUL.domain}",
            f"O365ConnectorValidation@{CAREFUL.domain}",
            "passes",
        ),
        "of-another-tenant": Case(
            ATTACKER,
            f"O365ConnectorValidation@{CAREFUL.initial}",
            f"O365ConnectorValidation@{CAREFUL.initial}",
            "tenant-mismatch",
            signer=ATTACKER.initial,
        ),
    },
    "google_workspace": {
        "ordinary": own_mail(WORKSPACE),
        "without-a-key-of-its-own": own_mail(WORKSPACE, signer="workspace-example.20251104.gappssmtp.com"),
        "null-reverse-path": Case(WORKSPACE, "", WORKSPACE.alice(), "passes"),
        "of-another-account": own_mail(WORKSPACE, "tenant-mismatch", signer="attacker-example.20251104.gappssmtp.com"),
        "of-a-microsoft-customer": Case(WORKSPACE, CAREFUL.alice(), CAREFUL.alice(), "sender-not-registered"),
    },
}
ALL_CASES: Final = [(shape, name) for shape, cases in CASES.items() for name in cases]


# A message out of a shape

NAMED: Final = re.compile(r"([A-Za-z0-9-]+):(?: |$)")
REMARK: Final = re.compile(r" {3}\(.*\)$")
DATE: Final = "Wed, 25 Nov 2026 12:00:00 +0000"
GUID: Final = "5c1a9c0e-52c0-4b8f-9d9e-08dd70d1a1f7"
BLOB: Final = "AbC+/019" * 200  # 1 to 4 KB in one line, as it comes
ON_PREM: Final = "192.0.2.25"
# What stands in a shape for what differs from message to message; the longest first.
PLACES: Final = {
    "<rcpt domain>": "receiver.example",
    "<on-prem ip>": ON_PREM,
    "<on-prem helo>": "mx.customer.example",
    "<on-prem>": "mx.customer.example",
    "<BN1PEPF...>": "BN1PEPF0000468A",
    "<backend host>": "LV8PR02MB10287.namprd02.prod.outlook.com",
    "<guid = CrossTenant-Network-Message-Id>": GUID,
    "<guid>": GUID,
    "<date -0800 (PST)>": "Wed, 25 Nov 2026 04:00:00 -0800 (PST)",
    "<date>": DATE,
    "<host>": "BN9PR03CA0001.namprd03.prod.outlook.com",
    "<ipv6>": "2603:10b6:408:fb::6",
    "<v6 transition address>": "2002:a05:6808:1489:b0:3f9:1",
    "<rcpt@domain>": "<bob@receiver.example>",
    "<blob>": BLOB,
    "<base64, encrypted>": "QUJDREVGR0g=",
    "<base64>": "QUJDREVGR0g=",
    "<id>": "5614622812f47-3fa6cd2",
    "<n>|<n>|...": "13230040|366016|1800799024",
    "<n>": "13230040",
    "fe80::...%4": "fe80::1%4",
    "fe80::...": "fe80::1",
    "10.x": "10.167.243.135",
    "bh=...; b=...": "bh=QUJDREVGR0g=; b=QUJDREVGR0g=",
    "bh=..; b=..": "bh=QUJDREVGR0g=; b=QUJDREVGR0g=",
    "t=..; x=..": "t=1764072000; x=1764676800",
}


@dataclass(frozen=True)
class Prose:
    """What an entry says that is no header line of itself. own: the message's own fields stand here."""

    lines: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    own: bool = False


PROSE: Final = {
    "From / To / Subject / Date / Message-ID / Content-*": Prose(own=True),
    "MIME-Version / From / Date / Message-ID": Prose(own=True),
    "<customer's own rule header": Prose(("x-proofpoint-crosstenant: true",)),
    "X-MS-Exchange-AntiSpam-ExternalHop-MessageData-ChunkCount": Prose(
        (
            "X-MS-Exchange-AntiSpam-ExternalHop-MessageData-ChunkCount: 1",
            "X-MS-Exchange-AntiSpam-ExternalHop-MessageData-0: <blob>",
        )
    ),
    "DKIM-Signature still present with d=": Prose(),
    "DKIM-Signature valid with d=<attacker's accepted domain>": Prose(),
    "X-MS-Exchange-Authentication-Results: and Received-SPF:": Prose(
        (
            "X-MS-Exchange-Authentication-Results: spf=pass (sender IP is <on-prem ip>) smtp.mailfrom=customer.example",
            "Received-SPF: Pass (protection.outlook.com: domain of customer.example designates <on-prem ip>)",
        )
    ),
    "no MailboxType, no UserPrincipalName": Prose(
        drops=("X-MS-Exchange-CrossTenant-MailboxType", "X-MS-Exchange-CrossTenant-UserPrincipalName")
    ),
    "envelope sender NOT rewritten": Prose(),  # said by the case
    "From: is a foreign domain": Prose(),  # the same
    "AAR: spf=none|fail": Prose(
        ("ARC-Authentication-Results: i=1; mx.microsoft.com 1; spf=none; dmarc=fail action=none; dkim=none; arc=none",)
    ),
    "AAR: spf=fail": Prose(
        ("ARC-Authentication-Results: i=1; mx.microsoft.com 1; spf=fail; dmarc=none action=none; dkim=none; arc=none",)
    ),
    "SFP:1022": Prose(
        ("X-Forefront-Antispam-Report: CIP:<on-prem ip>;CTRY:;LANG:en;SCL:1;SFV:NSPM;CAT:NONE;DIR:OUT;SFP:1022;",)
    ),
    "SCL:5;...;SFV:SPM": Prose(
        ("X-Forefront-Antispam-Report: CIP:<on-prem ip>;CTRY:;SCL:5;SRV:;SFV:SPM;CAT:OSPM;SFS:(<n>);DIR:OUT;SFP:1501;",)
    ),
    "AuthAs: Anonymous; FromEntityHeader: HybridOnPrem": Prose(
        (
            "X-MS-Exchange-CrossTenant-AuthAs: Anonymous",
            "X-MS-Exchange-CrossTenant-FromEntityHeader: HybridOnPrem",
        )
    ),
    "spam host -> attacker tenant's inbound connector": Prose(
        ("Received: from spam.example (<on-prem ip>) by <BN1PEPF...>.mail.protection.outlook.com (10.x); <date>",)
    ),
    "this is the EchoSpoofing shape": Prose(),  # said by the cases
    "X-MS-Exchange-CrossTenant-Network-Message-Id, -FromEntityHeader": Prose(
        (
            "X-MS-Exchange-CrossTenant-Network-Message-Id: <guid>",
            "X-MS-Exchange-CrossTenant-FromEntityHeader: Hosted",
            "X-MS-Exchange-Transport-CrossTenantHeadersStamped: SA6PR02MB10357",
        ),
    ),
    "In-Reply-To and References": Prose(("In-Reply-To: <1@customer.example>", "References: <1@customer.example>")),
    "X-Gm-Gg / X-Gm-Features": Prose(("X-Gm-Gg: <base64>", "X-Gm-Features: <base64>")),
    "X-MS-Exchange-Message-Is-Ndr:": Prose(("X-MS-Exchange-Message-Is-Ndr:",)),
}
WITH_NO_TENANT: Final = {
    "exo_journal_report": (
        "X-MS-Exchange-CrossTenant-Id",
        "X-MS-Exchange-CrossTenant-AuthAs",
        "X-MS-Exchange-CrossTenant-AuthSource",
        "DKIM-Signature",
    )
}


def entries_of(shape: dict[str, Any]) -> list[str]:
    found: list[str] = shape.get("headers", shape.get("differs", []))
    return found


def read_entry(entry: str) -> Prose:
    """An entry of the file, as lines."""
    for beginning, prose in PROSE.items():
        if entry.startswith(beginning):
            return prose
    line = REMARK.sub("", entry)
    assert NAMED.match(line), f"nobody has said what this is: {entry}"
    name = line.partition(":")[0]
    return Prose(own=True) if name in OWN_FIELDS else Prose((line,))


def lines_of(shape_name: str) -> list[str]:
    """The header of a shape, in the file's order; what only differs from a hosted mailbox's, in place of that."""
    shape = SHAPES[shape_name]
    if shape_name in (HOSTED, "google_workspace"):
        read = [read_entry(entry) for entry in entries_of(shape)]
        return [line for prose in read for line in ((OWN,) if prose.own else prose.lines)]
    lines = lines_of(HOSTED)
    above: list[str] = []
    for entry in entries_of(shape):
        prose = read_entry(entry)
        dropped = {name.lower() for name in prose.drops}
        lines = [line for line in lines if line.partition(":")[0].lower() not in dropped]
        for line in prose.lines:
            name = line.partition(":")[0].lower()
            places = [place for place, one in enumerate(lines) if one.partition(":")[0].lower() == name]
            if places and name != "received":
                lines[places[0]] = line
            elif name == "received":
                above.append(line)
            else:
                lines.append(line)
    last = max(place for place, line in enumerate(lines) if line.startswith("Received:"))
    return [*lines[: last + 1], *above, *lines[last + 1 :]]


OWN: Final = "(own fields)"


def content_of(shape_name: str, case: Case) -> bytes:
    own = {
        "From": f"Alice <{case.header_from}>",
        "To": "bob@receiver.example",
        "Subject": str(SHAPES[shape_name].get("subject", "Hello")),
        "Date": DATE,
        "Message-ID": f"<{GUID}@LV8PR02MB10287.namprd02.prod.outlook.com>",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain",
        **dict(case.own),
    }
    own_lines = [f"{name}: {value}" for name, value in own.items()]
    drops = {name.lower() for name in WITH_NO_TENANT.get(shape_name, ())}
    made: list[bytes] = []
    for line in lines_of(shape_name):
        if line == OWN:
            made += [one.encode() for one in own_lines]
        elif line.partition(":")[0].lower() in drops:
            continue
        elif line.startswith("DKIM-Signature:"):
            made.append(signature_of(filled(line, case.company), own_lines, case))
        else:
            made.append(filled(line, case.company).encode())
    made += [line.encode() for line in case.more]
    return b"".join(line + b"\r\n" for line in made) + b"\r\n" + case.body


def filled(line: str, company: Company) -> str:
    for place, value in PLACES.items():
        line = line.replace(place, value)
    for place, value in {
        "<tenant-guid>": company.tenant,
        "<relaying tenant>": company.tenant,
        "<tenant default domain>": company.domain,
        "<initial>": company.name,
        "customer.example": company.domain,
    }.items():
        line = line.replace(place, value)
    return line


def signature_of(line: str, own_lines: list[str], case: Case) -> bytes:
    """A signature that verifies, where the shape has one: of the same domain, under the same selector."""
    domain = case.signer or re.search(r"d=([^; ]+)", line)[1]  # type: ignore[index]
    selector = re.search(r"s=([^; ]+)", line)[1]  # type: ignore[index]
    fields = [one.encode() for one in own_lines]
    names = [b"from", b"to", b"subject", b"date", b"message-id"]
    if "cc:to:subject" in line:
        names += names  # Google signs each twice, so that none can be added
    return sign_by_hand(
        fields, case.body, names=names, domain=domain.encode(), selector=selector.encode()
    ).removesuffix(b"\r\n")


# The installation


def zone() -> Zone:
    record = key("rsa-sha256").record.decode()
    quoted = " ".join(f'"{record[start : start + 250]}"' for start in range(0, len(record), 250))
    records: dict[str, dict[str, list[str]]] = {}
    for shape, cases in CASES.items():
        for case in cases.values():
            for domain, selector in re.findall(rb"d=([^; ]+);\s*s=([^; ]+);", content_of(shape, case)):
                records[f"{selector.decode()}._domainkey.{domain.decode()}"] = {"TXT": [quoted]}
        address, name = client_of(shape)
        records[".".join(reversed(address.split("."))) + ".in-addr.arpa"] = {"PTR": [f"{name}."]}
        records[name] = {"A": [address]}
    for domain in ("receiver.example", "archive.example"):
        records[domain] = {"MX": [f"10 mx.{domain}."]}
        records[f"mx.{domain}"] = {"A": ["127.0.0.1"]}
    return Zone(records)


def client_of(shape_name: str) -> tuple[str, str]:
    """Address and name of the server that sends the shape."""
    client = SHAPES[shape_name].get("client", SHAPES[HOSTED]["client"])
    return client.get("ip", "209.85.167.176"), client["ptr"]


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with short_directory() as directory, DnsServer(zone()) as names, running_sink() as sink:
        installation = Installation(directory / "outgate")
        installation.settings = {
            "listeners": [{"address": "127.0.0.1", "port": installation.smtp_port, "proxies": ["127.0.0.0/8"]}],
            "delivery": {"nameservers": [f"127.0.0.1:{names.port}"], "smtp_port": sink.port},
        }
        installation.start()
        try:
            relaying = microsoft(
                "Relaying", RELAYING.domain, RELAYING.tenant, high_risk_pool="deliver", relay_pool_forwards=True
            )
            relaying["auto_forwards"] = ["archive@archive.example"]
            installation.apply(
                microsoft("Careful", CAREFUL.domain, CAREFUL.tenant),
                relaying,
                microsoft("Holding", HOLDING.domain, HOLDING.tenant, high_risk_pool="hold", relay_pool="hold"),
                customer("Workspace", [WORKSPACE.domain], sources=(), mail_platform="google-workspace"),
            )
            installation.wait_until_current()
            yield Laboratory(installation, sink)
        finally:
            installation.stop()


def send(laboratory: Laboratory, shape_name: str, case: Case) -> str:
    """The reply that ended it."""
    address, name = client_of(shape_name)
    with laboratory.connection(address) as client:
        helo = SHAPES[shape_name].get("client", {}).get("helo", "same as PTR").replace("same as PTR", name)
        assert client.say(f"EHLO {helo}")[0] == 250
        code, text = client.say(f"MAIL FROM:<{case.reverse_path}>")
        if code == 250:
            code, text = client.say(f"RCPT TO:<{case.recipient}>")
        return client.data(content_of(shape_name, case))[1] if code == 250 else text


def test_something_is_expected_of_every_shape() -> None:
    assert SHAPES.keys() == CASES.keys()
    assert all(CASES.values())
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", SOURCE["retrieved"])


@pytest.mark.parametrize(("shape", "name"), ALL_CASES)
def test_every_shape_comes_out_as_it_must(laboratory: Laboratory, shape: str, name: str) -> None:
    case = CASES[shape][name]
    reply = send(laboratory, shape, case)
    if case.outcome not in ("passes", "held"):
        assert reply.startswith(f"550 5.7.1 {case.outcome}: "), reply
        assert len(laboratory.sink.messages) == laboratory.sent
        return
    assert reply.startswith("250 2.0.0"), reply
    if case.outcome == "held":
        (shown,) = json.loads(laboratory.installation.command("queue", "list", "--held", "--json"))["messages"]
        laboratory.installation.command("queue", "release", shown["queue_id"])
    laboratory.sent += 1
    arrived = laboratory.sink.wait_for(laboratory.sent)[-1]
    assert len(laboratory.sink.messages) == laboratory.sent
    assert arrived.body_behind_trace == content_of(shape, case)
    assert arrived.mail.startswith(f"MAIL FROM:<{case.reverse_path}>")
    assert arrived.recipients == [f"RCPT TO:<{case.recipient}>"]
