"""Customers of Microsoft 365 and Google Workspace, and mail as it comes from there, as pure data.

The header shapes are those of real messages (public mailing-list archives, 2019 to 2026), with placeholders.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.policy import customer, forward_path, item, reverse_path

from outgate.contract.policy import (
    CustomerDocument,
    GoogleSettings,
    MicrosoftSettings,
    Outbound,
    Platform,
    PolicyItem,
    Provider,
    ProviderDocument,
    SignatureRule,
)
from outgate.mail.evidence import DkimVerdict, SignatureResult
from outgate.policy.admission import Settled, decide_recipient, settle, stand_sender
from outgate.policy.decision import Decision, Verdict
from outgate.policy.evidence import read_evidence
from outgate.policy.header import read_header
from outgate.policy.proof import Proof
from outgate.policy.snapshot import Snapshot

# Addresses
NORMAL: Final = "40.107.1.2"
HIGH_RISK: Final = "52.102.136.54"
RELAY: Final = "52.103.193.16"
CONSUMER: Final = "40.92.1.1"
GOOGLE: Final = "209.85.167.176"
OWN: Final = "198.51.100.7"  # declared by `declared`
STRANGER: Final = "192.0.2.1"

VICTIM_ID: Final = "11111111-1111-1111-1111-111111111111"
MALLORY_ID: Final = "66666666-6666-6666-6666-666666666666"  # a customer too
EVIL_ID: Final = "99999999-9999-9999-9999-999999999999"  # no customer
STRICT_ID: Final = "22222222-2222-2222-2222-222222222222"

ARCHIVE: Final = "archive@keep.example"  # victim forwards there
RECEIVER: Final = "bob@receiver.example"

PROVIDERS: Final = (
    PolicyItem(
        "provider:microsoft",
        1,
        ProviderDocument(Provider.MICROSOFT, ("40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17")),
    ),
    PolicyItem("provider:google", 1, ProviderDocument(Provider.GOOGLE, ("209.85.128.0/17",))),
)


def microsoft(customer_id: str, *domains: str, **settings: Any) -> CustomerDocument:
    """settings: of `MicrosoftSettings`; outbound, auto_forwards, foreign_from and sources are the customer's."""
    own = {key: settings.pop(key) for key in _OWN_FIELDS & settings.keys()}
    return customer(
        customer_id, *domains, platform=Platform.MICROSOFT_365, microsoft=MicrosoftSettings(**settings), **own
    )


def google(customer_id: str, *domains: str, **fields: Any) -> CustomerDocument:
    return customer(customer_id, *domains, platform=Platform.GOOGLE_WORKSPACE, **fields)


_OWN_FIELDS: Final = {"outbound", "auto_forwards", "foreign_from", "sources"}

CUSTOMERS: Final = (
    microsoft(
        "victim",
        "victim.example",
        "*.wide.example",
        tenant_ids=(VICTIM_ID,),
        names=("victim.onmicrosoft.com",),
        auto_forwards=(ARCHIVE,),
    ),
    microsoft("mallory", "mallory.example", tenant_ids=(MALLORY_ID,), names=("mallory.onmicrosoft.com",)),
    microsoft("strict", "strict.example", tenant_ids=(STRICT_ID,), relayed_mail=False),
    microsoft("learner", "learner.example", names=("learner.onmicrosoft.com",)),
    microsoft("soon", "soon.example", outbound=Outbound.ACTIVATING, tenant_ids=("id-soon",)),
    microsoft("off", "off.example", outbound=Outbound.OFF, tenant_ids=("id-off",)),
    google("googler", "googler.example", "a.co.uk", auto_forwards=("g@keep.example",)),
    google("require", "require.example", "b.co.uk", google=GoogleSettings(SignatureRule.REQUIRE)),
    customer("declarer", "declarer.example", sources=("40.107.1.0/24", GOOGLE)),
    customer("declared", "declared.example", sources=(OWN,)),
)


def clouds(*documents: CustomerDocument) -> Snapshot:
    """The customers above, or with others in place of those of the same id."""
    snapshot = Snapshot()
    for provider in PROVIDERS:
        snapshot.apply(provider)
    for document in (*CUSTOMERS, *documents):
        snapshot.apply(item(document))
    return snapshot


def passed(domain: str) -> SignatureResult:
    return SignatureResult(domain, "s1", DkimVerdict.PASS)


def failed(domain: str) -> SignatureResult:
    return SignatureResult(domain, "s1", DkimVerdict.FAIL)


def unknown(domain: str) -> SignatureResult:
    return SignatureResult(domain, "s1", DkimVerdict.TEMPERROR)


@dataclass(frozen=True)
class Mail:
    """One message from a cloud. signatures: topmost first; the first `on_top` stand above the Received fields."""

    mailbox: str = "ann@victim.example"
    from_value: str = "Ann <ann@victim.example>"
    recipients: Sequence[str] = (RECEIVER,)
    source: str = NORMAL
    host_names: tuple[str, ...] = ()
    fields: Sequence[str] = ()
    signatures: tuple[SignatureResult, ...] = ()
    on_top: int = 1

    def block(self) -> bytes:
        signatures = [f"DKIM-Signature: v=1; d={each.domain}; s={each.selector};\r\n\tb=x" for each in self.signatures]
        lines = [
            *signatures[: self.on_top],
            "Received: from A.prod.outlook.com by B.prod.outlook.com with mapi;\r\n Mon, 23 Nov 2026 12:00:00 +0000",
            *signatures[self.on_top :],
            f"From: {self.from_value}",
            "Subject: x",
            *self.fields,
        ]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def proof(self) -> Proof:
        return Proof(read_evidence(self.block()), self.signatures, self.host_names)


def submit(mail: Mail, snapshot: Snapshot, *, feed_is_current: bool = True) -> Settled:
    """From MAIL to the end of the content. A refusal at RCPT is what is said of the last recipient refused."""
    sender = stand_sender(snapshot, snapshot.source(mail.source), reverse_path(mail.mailbox))
    candidates = None
    paths = []
    refused: Decision | None = None
    for recipient in mail.recipients:
        decided = decide_recipient(
            snapshot, sender, forward_path(recipient), candidates, feed_is_current=feed_is_current
        )
        if decided.decision.verdict is Verdict.ACCEPT:
            candidates = decided.candidates
            paths.append(forward_path(recipient))
        else:
            refused = decided.decision
    if candidates is None:
        assert refused is not None
        return Settled(refused, "")
    return settle(
        snapshot,
        sender,
        candidates,
        read_header(mail.block() + b"\r\n", is_complete=True),
        mail.proof(),
        forward_paths=paths,
        feed_is_current=feed_is_current,
    )


def stamped(
    tenant_id: str, org: str, auth_as: str = "Internal", *, entity: str = "Hosted", sfp: str = "1102"
) -> tuple[str, ...]:
    """The fields that Exchange Online puts in; empty ones are left out."""
    lines = [
        "X-MS-Exchange-SenderADCheck: 1",
        f"X-Forefront-Antispam-Report:\r\n\tCIP:255.255.255.255;CTRY:;SCL:1;SFV:NSPM;H:b;CAT:NONE;DIR:OUT;SFP:{sfp};",
        f"X-OriginatorOrg: {org}" if org else "",
        "X-MS-Exchange-CrossTenant-Network-Message-Id: 77777777-7777-7777-7777-777777777777",
        f"X-MS-Exchange-CrossTenant-AuthAs: {auth_as}" if auth_as else "",
        f"X-MS-Exchange-CrossTenant-FromEntityHeader: {entity}",
        f"X-MS-Exchange-CrossTenant-Id:\r\n\t{tenant_id}" if tenant_id else "",
        "X-MS-Exchange-Transport-CrossTenantHeadersStamped: SA6PR02MB10357",
    ]
    return tuple(line for line in lines if line)
