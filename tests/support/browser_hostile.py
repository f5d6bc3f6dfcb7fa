"""Puts hostile text into everything that people and messages can name, and that a page shows. Run as a program beside
a portal that has its people; see `browser_people`."""

import time
from typing import Any, Final

import django
from django.utils import timezone

django.setup()

from tests.support import sightings  # noqa: E402
from tests.support.browser import HOSTILE_ADMIN, PASSWORD  # noqa: E402
from tests.support.browser_people import ACTOR, SPF_TABLE  # noqa: E402
from tests.support.hostile_text import evil  # noqa: E402
from tests.support.sightings import evidence, record, refused, tenant  # noqa: E402
from tests.support.spf import TableDns  # noqa: E402

from outgate.contract.events import DeliveryAttempted, MessageAccepted, MessageRefused, RecipientOutcome  # noqa: E402
from outgate.contract.policy import RelayTls  # noqa: E402
from outgate.contract.scanning import (  # noqa: E402
    Comparison,
    Condition,
    ContentAction,
    CustomRule,
    DataRule,
    Field,
    ScanPolicy,
)
from outgate.mail.evidence import DkimVerdict, SignatureResult  # noqa: E402
from outgate.mail.findings import AttachmentFact, Category, Finding, ScanReport  # noqa: E402
from outgate.mail.queue_ids import queue_id  # noqa: E402
from outgate.portal.accounts.caller import Caller  # noqa: E402
from outgate.portal.accounts.keys import Scope, create_key  # noqa: E402
from outgate.portal.accounts.models import Role, User  # noqa: E402
from outgate.portal.accounts.services import add_user  # noqa: E402
from outgate.portal.customers.models import Customer, MailPlatform  # noqa: E402
from outgate.portal.customers.services import create_customer, create_partner, create_region  # noqa: E402
from outgate.portal.limits.services import lock_sender  # noqa: E402
from outgate.portal.outbound import services as outbound  # noqa: E402
from outgate.portal.policies.services import set_scan_policy  # noqa: E402
from outgate.portal.policies.templates import keep_template  # noqa: E402
from outgate.portal.spf import services as spf  # noqa: E402
from outgate.portal.tracker.recording import record_events  # noqa: E402
from outgate.spf.lookup import answered  # noqa: E402
from outgate.spf.report import report_on  # noqa: E402

SLUG: Final = "hostile"
DOMAIN: Final = "hostile.example"
NOW: Final = time.time() - 600
QUOTED: Final = '"<script>alert(1)</script>"@hostile.example'  # an address that RFC 5321 allows


def main() -> None:
    partner = create_partner(actor=ACTOR, name=evil("partner"))
    region = create_region(actor=ACTOR, name=evil("region"), smarthost="hostile.smarthost.example")
    customer = create_customer(actor=ACTOR, name=evil("customer"), partner=partner, region=region, slug=SLUG)
    customer.mail_platform = MailPlatform.MICROSOFT_365
    customer.save(update_fields=["mail_platform"])
    add_people(customer)
    add_settings(customer)
    add_policy(customer)
    add_mail()
    print_references()


def add_people(customer: Customer) -> None:
    admin: User = add_user(
        actor=ACTOR,
        email=HOSTILE_ADMIN,
        role=Role.CUSTOMER_ADMIN,
        password=PASSWORD,
        customer=customer,
        name=evil("person"),
    )
    caller = Caller.of_user(admin, address="127.0.0.1")
    create_key(caller=caller, name=evil("key"), scopes=[Scope.CUSTOMERS_READ])


def add_settings(customer: Customer) -> None:
    domain = outbound.add_domain(actor=ACTOR, customer=customer, name=DOMAIN)
    outbound.vouch_for_domain(actor=ACTOR, domain=domain)
    outbound.add_source(actor=ACTOR, customer=customer, network="9.9.99.9", label=evil("label"))
    outbound.set_sender_relay(
        actor=ACTOR, customer=customer, domain=DOMAIN, host="relay.example.com", tls=RelayTls.VERIFIED,
        login=evil("login"), password="x",
    )  # fmt: skip
    outbound.add_auto_forward(actor=ACTOR, customer=customer, address=QUOTED)
    lock_sender(actor=ACTOR, customer=customer, mailbox=QUOTED, seconds=86_400)
    claimed = spf.claim(domain=domain, now=timezone.now())
    dns = TableDns({**SPF_TABLE, DOMAIN: {"TXT": [f"v=spf1 {evil('spf')} -all"]}})
    report = answered(report_on(DOMAIN, claimed.ours, with_subdomains=False), dns)
    spf.settle(claimed=claimed, report=report, now=timezone.now(), spread=0.5, actor=ACTOR)
    sightings.AT = NOW
    shown = evidence(
        tenant_ids=(tenant(0xBAD),),
        originator_orgs=(evil("org"),),
        signatures=(SignatureResult(evil("signer"), evil("selector"), DkimVerdict.PASS),),
    )
    record(refused(customer, shown, 60))


def add_policy(customer: Customer) -> None:
    condition = Condition(Field.SUBJECT, Comparison.CONTAINS, evil("value"))
    policy = ScanPolicy(
        is_on=True,
        data=(DataRule("words"),),
        words=(evil("word"),),
        rules=(CustomRule(evil("rule"), 1, ContentAction.HOLD, ((condition,),)),),
    )
    set_scan_policy(actor=ACTOR, customer=customer, policy=policy)
    keep_template(actor=ACTOR, partner=customer.partner, name=evil("template"), policy=policy)


NAMES: Final = ("held", "refused", "deferred")
REFERENCES: Final = {name: queue_id(int(NOW * 1000), 1, 900 + place) for place, name in enumerate(NAMES)}


def add_mail() -> None:
    report = ScanReport(
        (
            Finding(Category.DATA_LOSS, "data-loss", evil("finding"), 3, evil("detail"), f"2/{evil('place')}"),
            Finding(Category.PHISHING, "links", "link-text", 90, evil("link")),
        ),
        (AttachmentFact("2", evil("attachment"), "excel", (), 31_004, "0" * 64),),
        seconds=0.012,
        action="hold",
        reason="content-data-loss",
    )
    facts: dict[str, Any] = {
        "worker": "mx1/1",
        "customer_id": SLUG,
        "source": "9.9.99.9",
        "hello_name": evil("hello"),
        "tls": "TLSv1.3",
        "reverse_path": evil("sender"),
        "forward_paths": (evil("recipient"),),
    }
    record_events(
        [
            MessageAccepted(
                REFERENCES["held"],
                at=NOW,
                subject=evil("subject"),
                header_from=evil("from"),
                message_id_field=f"<{evil('id')}>",
                size_octets=1_000,
                reason="domain-own",
                lane="held",
                lane_reason="content-data-loss",
                report=report,
                evidence=evidence(signatures=(SignatureResult(evil("signer"), "s", DkimVerdict.FAIL, evil("why")),)),
                **facts,
            ),
            MessageAccepted(REFERENCES["deferred"], at=NOW, size_octets=1_000, reason="domain-own", **facts),
            DeliveryAttempted(
                queue_id=REFERENCES["deferred"],
                attempt=1,
                next_hop=evil("hop"),
                worker="mx1/1",
                at=NOW + 1,
                customer_id=SLUG,
                outcomes=(RecipientOutcome(0, evil("recipient"), "deferred", f"451 {evil('reply')}"),),
                reason="next-hop-deferred",
                tls=evil("cipher"),
                duration_seconds=0.1,
                next_attempt_at=time.time() + 3_600,
                is_final=False,
            ),
            MessageRefused(
                queue_id=REFERENCES["refused"],
                ordinal=1,
                at=NOW,
                stage="rcpt",
                reason="sender-not-registered",
                reply=f"550 5.7.1 sender-not-registered: {evil('refusal')}",
                **facts,
            ),
        ]
    )


def print_references() -> None:
    for name, reference in REFERENCES.items():
        print(name, reference)


if __name__ == "__main__":
    main()
