"""Sender proof through the real process: another tenant gets nothing through, the rightful one everything.

Microsoft's and Google's addresses come by the PROXY protocol, their keys and names from a DNS server of the test. The
attack is EchoSpoofing as it was published (2024): the right range, the victim's reverse-path and From, and a tenant of
the attacker's own in between.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.client import RawClient
from tests.support.dns_server import DnsServer, Zone
from tests.support.installation import Installation, customer
from tests.support.signing import key, sign_by_hand
from tests.support.sink import Sink, running_sink

VICTIM_TENANT = "11111111-1111-4111-8111-111111111111"
OTHER_TENANT = "22222222-2222-4222-8222-222222222222"
ATTACKER_TENANT = "66666666-6666-4666-8666-666666666666"
MICROSOFT = "40.107.22.72"
MICROSOFT_HIGH_RISK = "52.102.136.54"
MICROSOFT_RELAY = "52.103.193.16"
MICROSOFT_UNLISTED_RELAY = "40.95.54.87"
CONSUMER = "40.92.10.5"
GOOGLE = "209.85.128.10"
DECLARED = "198.51.100.7"  # a source of customer Declared, and of nobody else
NAMES = {
    MICROSOFT: "mail-am6eur05on2072.outbound.protection.outlook.com",
    MICROSOFT_HIGH_RISK: "mail-westus2azhn15010054.outbound.protection.outlook.com",
    MICROSOFT_RELAY: "mail-southeastasiaazrln10222016.outbound.protection.outlook.com",
    MICROSOFT_UNLISTED_RELAY: "mail-sgaapc01rlnn2087.outbound.protection.outlook.com",
    CONSUMER: "mail-koreacentralazolkn19013080.outbound.protection.outlook.com",
}
SIGNERS = (
    "victim.example",
    "victim.onmicrosoft.com",
    "other.example",
    "attacker.example",
    "attacker.onmicrosoft.com",
    "victim-example.20251104.gappssmtp.com",
    "google.example",
    "google-example.20251104.gappssmtp.com",
    "attacker-example.20251104.gappssmtp.com",
)


def zone() -> Zone:
    record = key("rsa-sha256").record.decode()
    quoted = " ".join(f'"{record[start : start + 250]}"' for start in range(0, len(record), 250))
    records: dict[str, dict[str, list[str]]] = {f"rsa._domainkey.{domain}": {"TXT": [quoted]} for domain in SIGNERS}
    for address, name in NAMES.items():
        reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
        records[reverse] = {"PTR": [f"{name}."]}
        records[name] = {"A": [address]}
    for domain in ("receiver.example", "archive.example"):
        records[domain] = {"MX": [f"10 mx.{domain}."]}
        records[f"mx.{domain}"] = {"A": ["127.0.0.1"]}
    return Zone(records)


@dataclass
class Mail:
    """A message as Exchange or Google hands it on. signers: d= of its signatures, topmost first."""

    reverse_path: str = "alice@victim.example"
    header_from: str = "Alice <alice@victim.example>"
    tenant: str | None = VICTIM_TENANT
    org: str | None = "victim.example"
    auth_as: str = "Internal"
    signers: tuple[str, ...] = ("victim.example",)
    address: str = MICROSOFT
    recipients: tuple[str, ...] = ("bob@receiver.example",)
    more: tuple[bytes, ...] = ()  # fields below the signed ones
    subject: str = "Hello"
    body: bytes = b"Hello  there \r\n.\r\nwith blanks \t\r\n"
    sfp: str = "1102"
    above: tuple[bytes, ...] = ()  # lines above everything, such as a replayed signature
    names: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        fields = [
            b"From: " + self.header_from.encode(),
            b"To: bob@receiver.example",
            b"Subject: " + self.subject.encode(),
            b"Date: Wed, 25 Nov 2026 12:00:00 +0000",
            b"Message-ID: <1@victim.example>",
            b"MIME-Version: 1.0",
        ]
        signatures = b"".join(
            sign_by_hand(fields, self.body, algorithm="rsa-sha256", domain=domain.encode()) for domain in self.signers
        )
        evidence = []
        if self.org is not None:
            evidence.append(b"X-OriginatorOrg: " + self.org.encode())
        if self.tenant is not None:
            evidence += [
                b"X-MS-Exchange-CrossTenant-AuthAs: " + self.auth_as.encode(),
                b"X-MS-Exchange-CrossTenant-Id: " + self.tenant.encode(),
            ]
        if self.address in NAMES:
            evidence.append(b"X-Forefront-Antispam-Report: CIP:255.255.255.255;SCL:1;DIR:OUT;SFP:" + self.sfp.encode())
        lines = b"".join(line + b"\r\n" for line in (*fields, *evidence, *self.more))
        return b"".join(line + b"\r\n" for line in self.above) + signatures + lines + b"\r\n" + self.body


@dataclass
class Laboratory:
    installation: Installation
    sink: Sink
    sent: int = 0

    def send(self, mail: Mail) -> str:
        """The reply that ended it: of the first refused recipient, or of the content."""
        with self.connection(mail.address) as client:
            return self.say(client, mail)

    def connection(self, address: str) -> RawClient:
        client = RawClient(self.installation.smtp_port, greet=False)
        client.send(f"PROXY TCP4 {address} 127.0.0.1 4711 25\r\n".encode())
        assert client.reply()[0] == 220
        client.ehlo()
        return client

    def say(self, client: RawClient, mail: Mail) -> str:
        code, text = client.say(f"MAIL FROM:<{mail.reverse_path}>")
        assert code == 250, text
        for recipient in mail.recipients:
            code, text = client.say(f"RCPT TO:<{recipient}>")
            if code != 250:
                return text
        return client.data(mail.content())[1]

    def passes(self, mail: Mail) -> None:
        reply = self.send(mail)
        assert reply.startswith("250 2.0.0"), reply
        self.sent += 1
        arrived = self.sink.wait_for(self.sent)
        assert any(one.body_behind_trace == mail.content() for one in arrived)
        assert len(arrived) == self.sent

    def is_refused(self, mail: Mail, *reasons: str) -> None:
        reply = self.send(mail)
        # Who has failed very often is told to come again, and gets no further answers.
        assert any(f" {reason}: " in reply for reason in (*reasons, "too-many-failures")), reply
        assert reply.startswith(("550 5.7.1", "451 4.7.1"))
        assert reply.isascii()
        assert reply.count("\r\n") == 1
        assert len(self.sink.messages) == self.sent


def microsoft(name: str, domain: str, tenant: str, **settings: Any) -> dict[str, Any]:
    return customer(
        name,
        [domain],
        sources=(),
        mail_platform="microsoft-365",
        microsoft={"tenant_ids": [tenant], "names": [f"{name.lower()}.onmicrosoft.com"], **settings},
    )


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    from tests.support.installation import short_directory

    with short_directory() as directory, DnsServer(zone()) as names, running_sink() as sink:
        installation = Installation(directory / "outgate")
        installation.settings = {
            "listeners": [{"address": "127.0.0.1", "port": installation.smtp_port, "proxies": ["127.0.0.0/8"]}],
            "delivery": {"nameservers": [f"127.0.0.1:{names.port}"], "smtp_port": sink.port},
            "postmaster": "operator@operator.example",
        }
        installation.start()
        try:
            installation.apply(
                microsoft("Victim", "victim.example", VICTIM_TENANT),
                microsoft("Other", "other.example", OTHER_TENANT),
                customer("Learning", ["learning.example"], sources=(), mail_platform="microsoft-365"),
                customer("Declared", ["declared.example"], sources=[f"{DECLARED}/32"]),
                customer("Google", ["google.example"], sources=(), mail_platform="google-workspace"),
                customer(
                    "Strict",
                    ["strict.example"],
                    sources=(),
                    mail_platform="google-workspace",
                    google={"signature": "require"},
                ),
            )
            installation.wait_until_current()
            yield Laboratory(installation, sink)
        finally:
            installation.stop()


# The rightful tenant


RIGHTFUL = {
    "hosted": Mail(),
    "lower-case-names": Mail(
        org=None,
        tenant=None,
        more=(
            b"x-originatororg: victim.example",
            b"X-MS-Exchange-CrossTenant-id: " + VICTIM_TENANT.upper().encode(),
            b"x-ms-exchange-crosstenant-authas:\r\n\tInternal",
        ),
    ),
    "folded": Mail(tenant=None, more=(b"X-MS-Exchange-CrossTenant-Id:\r\n\t" + VICTIM_TENANT.encode(),)),
    "repeated-with-equal-values": Mail(more=(b"X-MS-Exchange-CrossTenant-Id: " + VICTIM_TENANT.encode(),)),
    "without-signature": Mail(signers=()),
    "signed-by-the-initial-domain": Mail(signers=("victim.onmicrosoft.com",)),
    "connector-validation": Mail(
        reverse_path="O365ConnectorValidation@victim.onmicrosoft.com",
        header_from="<O365ConnectorValidation@victim.onmicrosoft.com>",
        org="victim.onmicrosoft.com",
        signers=("victim.onmicrosoft.com",),
        subject="Test email for connector validation",
    ),
    "out-of-office": Mail(reverse_path="", more=(b"Auto-Submitted: auto-generated", b"X-Auto-Response-Suppress: All")),
    "calendar": Mail(more=(b"Content-Class: urn:content-classes:calendarmessage",)),
    "journal": Mail(
        reverse_path="",
        header_from="<MicrosoftExchange@victim.onmicrosoft.com>",
        tenant=None,
        org="victim.onmicrosoft.com",
        signers=("victim.onmicrosoft.com",),
        more=(b"X-MS-Exchange-Generated-Message-Source: Journal Agent",),
    ),
    "forward-by-srs": Mail(
        reverse_path="alice+SRS=DmMzc=V3=foreign.example=carol@victim.example",
        signers=("victim.onmicrosoft.com",),
    ),
    "relayed-by-srs": Mail(
        reverse_path="bounces+SRS=DmMzc=V3@victim.onmicrosoft.com", signers=("victim.onmicrosoft.com",)
    ),
    "a-header-of-256-kib": Mail(more=tuple(b"X-Blob-%d: " % number + b"x" * 900 for number in range(290))),
    "large": Mail(body=b"0123456789abcdef\r\n" * 40_000),
}


@pytest.mark.parametrize("shape", RIGHTFUL)
def test_the_rightful_tenants_mail_passes_octet_for_octet(laboratory: Laboratory, shape: str) -> None:
    laboratory.passes(RIGHTFUL[shape])


def test_one_connection_carries_messages_of_two_customers(laboratory: Laboratory) -> None:
    other = Mail(
        reverse_path="dan@other.example",
        header_from="<dan@other.example>",
        tenant=OTHER_TENANT,
        org="other.example",
        signers=("other.example",),
    )
    with laboratory.connection(MICROSOFT) as client:
        for mail in (Mail(), other, Mail()):
            assert laboratory.say(client, mail).startswith("250 2.0.0")
            laboratory.sent += 1
        crossed = Mail(tenant=OTHER_TENANT, org="other.example", signers=("other.example",))
        assert " tenant-mismatch: " in laboratory.say(client, crossed)
    laboratory.sink.wait_for(laboratory.sent)


# Another tenant

VICTIM_SIGNED = Mail()
ATTACKS = {
    "published": Mail(tenant=ATTACKER_TENANT, org="attacker.example", signers=("attacker.onmicrosoft.com",)),
    "without-signature": Mail(tenant=ATTACKER_TENANT, org="attacker.example", signers=()),
    "victims-message-replayed": Mail(tenant=ATTACKER_TENANT, org="attacker.example", signers=("victim.example",)),
    "replayed-below-the-attackers-signature": Mail(
        tenant=ATTACKER_TENANT, org="attacker.example", signers=("attacker.onmicrosoft.com", "victim.example")
    ),
    "replayed-with-only-the-org-of-the-attacker": Mail(tenant=None, org="attacker.example"),
    "forged-id-above-the-real-one": Mail(
        tenant=ATTACKER_TENANT,
        org="attacker.example",
        above=(b"X-MS-Exchange-CrossTenant-Id: " + VICTIM_TENANT.encode(),),
    ),
    "forged-id-below-the-real-one": Mail(
        tenant=ATTACKER_TENANT,
        org="victim.example",
        more=(b"X-MS-Exchange-CrossTenant-Id: " + VICTIM_TENANT.encode(),),
    ),
    "forged-in-lower-case-and-folded": Mail(
        tenant=ATTACKER_TENANT,
        org="victim.example",
        above=(b"x-ms-exchange-crosstenant-id:\r\n " + VICTIM_TENANT.encode(),),
    ),
    "forged-org-beside-the-real-one": Mail(org="victim.example", more=(b"X-OriginatorOrg: attacker.example",)),
    "another-customers-tenant": Mail(tenant=OTHER_TENANT, org="other.example", signers=("other.example",)),
    "victims-ids-and-the-attackers-initial-domain": Mail(signers=("attacker.onmicrosoft.com",)),
    "no-evidence-at-all": Mail(tenant=None, org=None, signers=()),
    "no-evidence-but-another-signature": Mail(tenant=None, org=None, signers=("attacker.example",)),
    "behind-256-kib": Mail(
        tenant=None,
        org=None,
        more=(
            *(b"X-Blob-%d: " % number + b"x" * 900 for number in range(290)),
            b"X-MS-Exchange-CrossTenant-Id: " + ATTACKER_TENANT.encode(),
        ),
    ),
    "null-reverse-path-with-the-victims-from": Mail(reverse_path="", tenant=ATTACKER_TENANT, org="attacker.example"),
    "attackers-reverse-path-with-the-victims-from": Mail(
        reverse_path="eve@other.example", tenant=OTHER_TENANT, org="other.example", signers=("other.example",)
    ),
    "srs-of-the-victim": Mail(
        reverse_path="bounces+SRS=DmMzc=V3@victim.onmicrosoft.com", tenant=ATTACKER_TENANT, org="attacker.example"
    ),
    "validation-of-the-victim": Mail(
        reverse_path="O365ConnectorValidation@victim.onmicrosoft.com",
        header_from="<O365ConnectorValidation@victim.onmicrosoft.com>",
        tenant=ATTACKER_TENANT,
        org="attacker.onmicrosoft.com",
        signers=("attacker.onmicrosoft.com",),
    ),
    "many-ids": Mail(
        more=tuple(b"X-MS-Exchange-CrossTenant-Id: %08d-1111-4111-8111-111111111111" % number for number in range(40))
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_another_tenant_gets_nothing_through(laboratory: Laboratory, attack: str) -> None:
    laboratory.is_refused(ATTACKS[attack], "tenant-mismatch", "tenant-unproven", "from-mismatch", "customer-ambiguous")


def test_after_all_attacks_the_victim_still_sends(laboratory: Laboratory) -> None:
    """However often it is tried: nothing of the victim's is exhausted, locked or slowed."""
    attack = ATTACKS["published"]
    with laboratory.connection(MICROSOFT) as client:
        for _ in range(150):
            code, text = client.say(f"MAIL FROM:<{attack.reverse_path}>")
            if code != 250:
                break
            assert client.say("RCPT TO:<bob@receiver.example>")[0] == 250
            code, text = client.data(attack.content())
            assert code in (451, 550), text
    for _ in range(3):
        laboratory.passes(Mail())
    listed = json.loads(laboratory.installation.command("sender", "list", "--json"))
    assert not [one for one in listed.get("senders", listed) if one.get("locked")]


def test_while_nobody_has_confirmed_a_tenant_cloud_mail_waits(laboratory: Laboratory) -> None:
    for mail in (
        Mail(
            reverse_path="a@learning.example",
            header_from="<a@learning.example>",
            tenant=tenant,
            org=org,
            signers=signers,
        )
        for tenant, org, signers in [
            (ATTACKER_TENANT, "attacker.example", ("attacker.onmicrosoft.com",)),
            (VICTIM_TENANT, "learning.example", ()),
        ]
    ):
        laboratory.is_refused(mail, "tenant-unconfirmed", "tenant-mismatch")


# Pools


def test_pools_are_refused_where_the_customer_says_nothing(laboratory: Laboratory) -> None:
    for address, sfp, reason in [
        (MICROSOFT_HIGH_RISK, "1501", "pool-high-risk"),
        (MICROSOFT_RELAY, "1022", "pool-relay"),
        (MICROSOFT_UNLISTED_RELAY, "1102", "pool-relay"),
        (MICROSOFT, "1501", "pool-high-risk"),
        (CONSUMER, "1102", "pool-consumer"),
    ]:
        laboratory.is_refused(Mail(address=address, sfp=sfp), reason)


def test_pools_are_held_or_delivered_where_the_customer_wants_it(laboratory: Laboratory) -> None:
    laboratory.installation.apply(
        microsoft("Victim", "victim.example", VICTIM_TENANT, high_risk_pool="hold", relay_pool="deliver")
    )
    held = Mail(address=MICROSOFT_HIGH_RISK, sfp="1501")
    assert laboratory.send(held).startswith("250 2.0.0")
    (shown,) = json.loads(laboratory.installation.command("queue", "list", "--held", "--json"))["messages"]
    assert shown["reason"] == "pool-high-risk" or "pool-high-risk" in json.dumps(shown)
    laboratory.passes(Mail(address=MICROSOFT_RELAY, sfp="1022"))
    laboratory.installation.command("queue", "release", shown["queue_id"])
    laboratory.sent += 1
    arrived = laboratory.sink.wait_for(laboratory.sent)
    assert arrived[-1].body_behind_trace == held.content()
    laboratory.installation.apply(microsoft("Victim", "victim.example", VICTIM_TENANT))


def test_a_forward_of_the_relay_pool_goes_where_the_customer_lets_it(laboratory: Laboratory) -> None:
    text = microsoft("Victim", "victim.example", VICTIM_TENANT, relay_pool_forwards=True)
    text["auto_forwards"] = ["archive@archive.example"]
    laboratory.installation.apply(text)
    forward = Mail(
        reverse_path="carol@foreign.example",
        header_from="<carol@foreign.example>",
        address=MICROSOFT_RELAY,
        sfp="1022",
        signers=("victim.onmicrosoft.com",),
        auth_as="Anonymous",
        recipients=("archive@archive.example",),
    )
    laboratory.passes(forward)
    laboratory.is_refused(
        Mail(**{**forward.__dict__, "recipients": ("bob@receiver.example",)}), "sender-not-registered"
    )
    laboratory.is_refused(
        Mail(**{**forward.__dict__, "tenant": ATTACKER_TENANT, "org": "attacker.example"}), "tenant-mismatch"
    )
    laboratory.installation.apply(microsoft("Victim", "victim.example", VICTIM_TENANT))


# Google


def google(**changes: Any) -> Mail:
    base = Mail(
        reverse_path="g@google.example",
        header_from="<g@google.example>",
        tenant=None,
        org=None,
        signers=("google.example",),
        address=GOOGLE,
    )
    return Mail(**{**base.__dict__, **changes})


def test_google_mail_of_the_customer_passes(laboratory: Laboratory) -> None:
    laboratory.passes(google())
    laboratory.passes(google(signers=("google-example.20251104.gappssmtp.com",)))
    laboratory.passes(google(reverse_path=""))


def test_google_mail_of_somebody_else_does_not(laboratory: Laboratory) -> None:
    for signers in [
        ("attacker-example.20251104.gappssmtp.com",),
        ("attacker-example.20251104.gappssmtp.com", "google.example"),
        ("victim.example",),
    ]:
        laboratory.is_refused(google(signers=signers), "tenant-mismatch")
    laboratory.is_refused(google(reverse_path="", signers=()), "tenant-unproven", "customer-ambiguous")
    laboratory.is_refused(
        google(reverse_path="s@strict.example", header_from="<s@strict.example>", signers=()), "signature-required"
    )
    laboratory.is_refused(google(header_from="<alice@victim.example>"), "from-mismatch", "tenant-mismatch")
    laboratory.is_refused(google(address=MICROSOFT), "sender-not-registered", "outbound-off", "tenant-unproven")


# Relay tricks

TRICKS = [
    ("MAIL FROM:<alice@victim.example>", "RCPT TO:<bob%receiver.example@outgate.example>"),
    ("MAIL FROM:<stranger@stranger.example>", "RCPT TO:<bob@receiver.example>"),
    ("MAIL FROM:<stranger@stranger.example>", "RCPT TO:<@outgate.example:bob@receiver.example>"),
    ("MAIL FROM:<stranger@stranger.example>", 'RCPT TO:<"bob@receiver.example"@outgate.example>'),
    ("MAIL FROM:<stranger@stranger.example>", "RCPT TO:<bob@[192.0.2.9]>"),
    ("MAIL FROM:<@victim.example:stranger@stranger.example>", "RCPT TO:<bob@receiver.example>"),
    ('MAIL FROM:<"alice@victim.example"@stranger.example>', "RCPT TO:<bob@receiver.example>"),
    ("MAIL FROM:<alice%victim.example@stranger.example>", "RCPT TO:<bob@receiver.example>"),
    ("MAIL FROM:<alice@sub.victim.example>", "RCPT TO:<bob@receiver.example>"),
    ("MAIL FROM:<alice@victim.example.stranger.example>", "RCPT TO:<bob@receiver.example>"),
    ("MAIL FROM:<alice@xn--vctim-4va.example>", "RCPT TO:<bob@receiver.example>"),
    ("MAIL FROM:<alice@vict\u0456m.example> SMTPUTF8", "RCPT TO:<bob@receiver.example>"),
    ("MAIL FROM:<alice@\uff56ictim.example> SMTPUTF8", "RCPT TO:<bob@receiver.example>"),
    ("MAIL FROM:<alice@victim.onmicrosoft.com.stranger.example>", "RCPT TO:<bob@receiver.example>"),
    ("MAIL FROM:<>", "RCPT TO:<bob@receiver.example>"),
]


@pytest.mark.parametrize("address", [MICROSOFT, GOOGLE, "198.51.100.9"], ids=["microsoft", "google", "stranger"])
@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick[0][10:])
def test_no_trick_relays_anything(laboratory: Laboratory, address: str, trick: tuple[str, str]) -> None:
    mail = Mail(tenant=None, org=None, signers=(), header_from="<stranger@stranger.example>")
    with laboratory.connection(address) as client:
        for line in trick:
            code, _ = client.say(line)
            if code != 250:
                break
        else:
            code, _ = client.data(mail.content())
        assert code in (451, 501, 550, 553, 555), code
    assert len(laboratory.sink.messages) == laboratory.sent


def test_strangers_cannot_fill_the_spool_with_letters_to_the_postmaster(laboratory: Laboratory) -> None:
    letter = Mail(reverse_path="", recipients=("postmaster",), tenant=None, org=None, signers=(), address="192.0.2.66")
    replies = [laboratory.send(letter) for _ in range(12)]
    assert [reply[:9] for reply in replies] == ["250 2.0.0"] * 10 + ["451 4.3.2"] * 2
    assert replies[-1].startswith("451 4.3.2 overloaded: too much mail for the postmaster until ")
    many = Mail(**{**letter.__dict__, "recipients": ("postmaster",) * 90, "address": "192.0.2.67"})
    assert laboratory.send(many).startswith("451 4.3.2 overloaded")
    assert laboratory.send(Mail(**{**letter.__dict__, "address": "192.0.2.68"})).startswith("250 2.0.0")
    laboratory.passes(Mail())


# From a source that a customer has declared and that sends every day: what it writes is not believed for that.
SYNTAX = "501 5.1.7 "
FOREIGN = "550 5.7.1 sender-not-registered: "
MAIL_TRICKS = {
    "alice@victim.example.": SYNTAX,
    "alice@victim..example": SYNTAX,
    "alice@.victim.example": SYNTAX,
    "alice@declared.example.": SYNTAX,
    "alice@declared..example": SYNTAX,
    "alice..bob@declared.example": SYNTAX,
    "alice@victim\u3002example": SYNTAX,
    "alice@declared.example\u3002victim.example": SYNTAX,
    "alice@[198.51.100.7]": FOREIGN,
    "alice@[127.0.0.1]": FOREIGN,
    "alice@[IPv6:::1]": FOREIGN,
    "alice@198.51.100.7": FOREIGN,
    "alice%declared.example@stranger.example": FOREIGN,
    "alice%victim.example@stranger.example": FOREIGN,
    "@declared.example:stranger@stranger.example": FOREIGN,
    "@declared.example,@victim.example:alice@victim.example": FOREIGN,
    "declared.example!stranger@stranger.example": FOREIGN,
    "declared.example!stranger": SYNTAX,
    '"alice@declared.example"@stranger.example': FOREIGN,
    '"alice@declared.example> <x"@stranger.example': FOREIGN,
    '"alice@declared.example': SYNTAX,
    "alice@declared.example@stranger.example": SYNTAX,
    "alice@stranger.example@declared.example": SYNTAX,
    "alice@victim.example\u0000@declared.example": "500 5.5.2 ",
    "alice@sub.declared.example": FOREIGN,
    "alice@victim.example": FOREIGN,
}


@pytest.mark.parametrize("path", MAIL_TRICKS)
def test_no_reverse_path_of_a_declared_source_passes_for_another(laboratory: Laboratory, path: str) -> None:
    extension = "" if path.isascii() else " SMTPUTF8"
    with laboratory.connection(DECLARED) as client:
        code, text = client.say(f"MAIL FROM:<{path}>{extension}")
        if code == 250:
            code, text = client.say("RCPT TO:<bob@receiver.example>")
        assert text.startswith(MAIL_TRICKS[path]), text
        assert client.say("DATA")[0] in (503, 554)
    assert len(laboratory.sink.messages) == laboratory.sent


FROM_TRICKS = {
    "<alice@victim.example>": "from-mismatch",
    "<alice@victim.example.>": "from-unreadable",
    "<alice@victim..example>": "from-unreadable",
    "<alice@victim\u3002example>": "from-unreadable",
    "<alice@[198.51.100.7]>": "from-mismatch",
    "<@declared.example:alice@victim.example>": "from-mismatch",
    "<alice%declared.example@victim.example>": "from-mismatch",
    "<victim.example!alice@stranger.example>": "from-mismatch",
    '<"alice@declared.example"@victim.example>': "from-unreadable",
    "alice@declared.example <alice@victim.example>": "from-unreadable",
    "<alice@declared.example>, <alice@victim.example>": "from-mismatch",
    "<alice@declared.example> <alice@victim.example>": "from-unreadable",
    "<alice@declared.example@victim.example>": "from-unreadable",
    "(<alice@declared.example>) <alice@victim.example>": "from-mismatch",
    "declared: <alice@victim.example>;": "from-unreadable",
    "=?utf-8?q?=3Calice=40declared=2Eexample=3E?= <alice@victim.example>": "from-mismatch",
    "<alice@victim.example": "from-unreadable",
    "<alice@xn--vctim-4va.example>": "from-mismatch",
}


@pytest.mark.parametrize("field", FROM_TRICKS)
def test_no_from_field_of_a_declared_source_passes_for_another(laboratory: Laboratory, field: str) -> None:
    mail = Mail(
        reverse_path="alice@declared.example", header_from=field, tenant=None, org=None, signers=(), address=DECLARED
    )
    reply = laboratory.send(mail)
    assert reply.startswith(f"550 5.7.1 {FROM_TRICKS[field]}: "), reply
    assert len(laboratory.sink.messages) == laboratory.sent


RECIPIENT_TRICKS = (
    "bob%receiver.example@declared.example",
    "@declared.example:bob@receiver.example",
    '"bob@receiver.example"@declared.example',
    "declared.example!bob@receiver.example",
    "receiver.example!bob@declared.example",
    "bob@receiver.example.",
    "bob@receiver..example",
    "bob@receiver\u3002example",
    "bob@[192.0.2.9]",
    "bob@[127.0.0.1]",
    "postmaster%receiver.example",
    "bob@receiver.example@declared.example",
)


@pytest.mark.parametrize("path", RECIPIENT_TRICKS)
def test_a_stranger_gains_nothing_by_a_declared_source(laboratory: Laboratory, path: str) -> None:
    """A reverse-path that is nobody's goes nowhere, in whatever way the forward-path names a customer."""
    extension = "" if path.isascii() else " SMTPUTF8"
    with laboratory.connection(DECLARED) as client:
        assert client.say(f"MAIL FROM:<stranger@stranger.example>{extension}")[0] == 250
        _, text = client.say(f"RCPT TO:<{path}>")
        assert text.startswith((FOREIGN, "501 5.1.3 ")), text
        assert client.say("DATA")[0] in (503, 554)
    assert len(laboratory.sink.messages) == laboratory.sent


def test_the_declared_source_itself_sends(laboratory: Laboratory) -> None:
    """All that was refused above was refused for what it said, not for where it came from."""
    path = "alice@declared.example"
    laboratory.passes(Mail(reverse_path=path, header_from=path, tenant=None, org=None, signers=(), address=DECLARED))


@pytest.mark.parametrize("domain", ["VICTIM.example", "Victim.Example"])
def test_case_makes_no_difference_to_the_rightful(laboratory: Laboratory, domain: str) -> None:
    laboratory.passes(Mail(reverse_path=f"alice@{domain}", header_from=f"<alice@{domain}>"))
