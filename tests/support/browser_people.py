"""Fills the database of a portal that a browser looks at. Run as a program; prints second factors."""

import hashlib
import sys
from datetime import timedelta

import django
from django.utils import timezone

django.setup()

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes  # noqa: E402
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret  # noqa: E402
from tests.support.browser import LINK_SECRET, SMARTHOST  # noqa: E402
from tests.support.browser_clouds import add_clouds  # noqa: E402
from tests.support.browser_mail import SAMPLES, add_mail  # noqa: E402
from tests.support.spf import TableDns  # noqa: E402
from tests.support.spf_zone import INCLUDE, ready  # noqa: E402

from outgate.contract.commands import QueueAction, QueueCommand  # noqa: E402
from outgate.portal.accounts.audit import Actor  # noqa: E402
from outgate.portal.accounts.caller import Caller  # noqa: E402
from outgate.portal.accounts.models import PasswordLink, Role, User  # noqa: E402
from outgate.portal.accounts.services import add_user  # noqa: E402
from outgate.portal.customers.models import Customer, Partner, Plan, Region  # noqa: E402
from outgate.portal.customers.services import create_customer, create_partner, create_region  # noqa: E402
from outgate.portal.feed.services import order_command  # noqa: E402
from outgate.portal.held.models import MessageOrder  # noqa: E402
from outgate.portal.held.selectors import ORDER_SECONDS  # noqa: E402
from outgate.portal.held.services import order  # noqa: E402
from outgate.portal.limits.services import lock_sender  # noqa: E402
from outgate.portal.outbound import services as outbound  # noqa: E402
from outgate.portal.spf import services as spf  # noqa: E402
from outgate.spf.lookup import Answer, Question, Status, answered  # noqa: E402
from outgate.spf.report import report_on  # noqa: E402

PASSWORD = "correct-horse-battery"
ACTOR = Actor("sample")
NOBODYS = QueueCommand(QueueAction.RELEASE, (SAMPLES["ordered"],))  # for a worker that is not there
NAMES = ("Nordwind Logistics", "Kaffee Baum", "Praxis Dr. Sommer", "Stadtwerke Linde", "Hafen & Söhne", "Blauer Bogen")
SPF_LOST = ("nordwind.example", "away.nordwind.example")
SPF_TABLE = {
    INCLUDE: {"TXT": ["v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"]},
    "spf.protection.outlook.com": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]},
    "nordwind.example": {"TXT": [f"v=spf1 include:{INCLUDE} -all"]},
    "outgate-spf-wildcard.nordwind.example": {"TXT": ["v=spf1 -all"]},
    "shop.nordwind.example": {"TXT": ["v=spf1 mx include:crm.example ptr ?all"], "MX": ["mx.example"]},
    "crm.example": {"TXT": ["v=spf1 " + "a:mx.example " * 8 + "-all"]},
    "mx.example": {"A": ["198.51.100.9"], "AAAA": ["2001:db8::9"]},
    "two.nordwind.example": {"TXT": ["v=spf1 ip4:198.51.100.7 -all", f"v=spf1 include:{INCLUDE} ~all"]},
    "fine.nordwind.example": {"TXT": [f"v=spf1 include:{INCLUDE} ~all"]},
    "empty.nordwind.example": {"TXT": ["some-token=1"]},
    "away.nordwind.example": {"TXT": ["FAIL"]},
}
SPF_DOMAINS = [name for name in SPF_TABLE if name.endswith("nordwind.example") and "wildcard" not in name]


def main(customers: int) -> None:
    partner = create_partner(actor=ACTOR, name="Example Partner")
    region = create_region(actor=ACTOR, name="Europe", smarthost=SMARTHOST)
    alpha = create_customer(actor=ACTOR, name="Alpha", partner=partner, region=region)
    for number in range(customers):
        add_customer(number, partner, region)
    add_mail("nordwind-logistics")
    first = Customer.objects.get(name=NAMES[0])
    show_spf(first)
    show_held_and_locked(first)
    add("operator@example.com", Role.OPERATOR)
    add("staff@example.com", Role.PARTNER, partner=partner)
    add("admin@alpha.example", Role.CUSTOMER_ADMIN, customer=alpha)
    add("viewer@alpha.example", Role.CUSTOMER_VIEWER, customer=alpha)
    clouds = add_clouds(partner, region)
    add("admin@waiting.example", Role.CUSTOMER_ADMIN, customer=clouds.waiting)
    add("admin@silent.example", Role.CUSTOMER_ADMIN, customer=clouds.silent)
    add("admin@confirmed.example", Role.CUSTOMER_ADMIN, customer=clouds.confirmed)
    add("viewer@confirmed.example", Role.CUSTOMER_VIEWER, customer=clouds.confirmed)
    add("admin@google.example", Role.CUSTOMER_ADMIN, customer=clouds.google)
    plain = create_customer(actor=ACTOR, name="Inbound Only", partner=partner, region=region)
    Customer.objects.filter(pk=plain.pk).update(plan=Plan.THREE_SIX_FIVE)
    add("admin@inbound.example", Role.CUSTOMER_ADMIN, customer=plain)
    send_link(User.objects.get(email="viewer@alpha.example"))


def send_link(user: User) -> None:
    """As if a letter had come: nobody but its reader ever knows the secret of a link."""
    digest = hashlib.sha256(LINK_SECRET.encode()).hexdigest()
    PasswordLink.objects.create(
        user=user, digest=digest, is_invitation=False, expires_at=timezone.now() + timedelta(hours=1)
    )


def add(email: str, role: Role, *, partner: Partner | None = None, customer: Customer | None = None) -> None:
    user: User = add_user(
        actor=ACTOR, email=email, role=role, password=PASSWORD, partner=partner, customer=customer, name="Sample Person"
    )
    if user.must_use_second_factor:
        secret = generate_totp_secret()
        TOTP.activate(user, secret)
        RecoveryCodes.activate(user)
        print(email, secret)


def add_customer(number: int, partner: Partner, region: Region) -> None:
    name = NAMES[number % len(NAMES)] + (f" {number // len(NAMES) + 1}" if number >= len(NAMES) else "")
    made = create_customer(actor=ACTOR, name=name, partner=partner, region=region)
    for place in range(number % 3):
        domain = outbound.add_domain(actor=ACTOR, customer=made, name=f"d{place}.{made.slug}.example")
        outbound.vouch_for_domain(actor=ACTOR, domain=domain)
    if number % 3 == 1:
        outbound.add_source(actor=ACTOR, customer=made, network=f"9.9.{number}.9")
        outbound.switch_outbound(actor=ACTOR, customer=made, on=True)


def show_held_and_locked(customer: Customer) -> None:
    """A locked sender, and an order that no worker has carried out in time."""
    mailbox = "accounting@d0.nordwind-logistics.example"
    lock_sender(actor=ACTOR, customer=customer, mailbox=mailbox, seconds=30 * 86_400)
    caller = Caller("ada@nordwind.example", Role.CUSTOMER_ADMIN, customer_id=customer.pk)
    order(caller=caller, customer=customer, references=[SAMPLES["ordered"]], action=QueueAction.RELEASE)
    MessageOrder.objects.update(at=timezone.now() - timedelta(seconds=2 * ORDER_SECONDS))
    MessageOrder.objects.update(command=order_command(actor=ACTOR, command=NOBODYS, worker="gone/1"))


def show_spf(customer: Customer) -> None:
    """Domains whose SPF records are in every state that people may see."""
    ready(customer.region, SMARTHOST)
    dns = TableDns(SPF_TABLE)
    for number, name in enumerate(SPF_DOMAINS):
        domain = outbound.add_domain(actor=ACTOR, customer=customer, name=name, include_subdomains=number == 0)
        outbound.vouch_for_domain(actor=ACTOR, domain=domain)
        now = timezone.now() - timedelta(minutes=3 + number)
        for answer in (dns, silent) if name in SPF_LOST else (dns,):
            claimed = spf.claim(domain=domain, now=now)
            report = answered(report_on(name, claimed.ours, with_subdomains=claimed.with_subdomains), answer)
            spf.settle(claimed=claimed, report=report, now=now, spread=0.5, actor=ACTOR)
            now += timedelta(minutes=1)
    outbound.add_domain(actor=ACTOR, customer=customer, name="new.nordwind.example")


def silent(question: Question) -> Answer:
    return Answer(Status.FAILED, trouble=f"no name server answered for {question.name} in time")


if __name__ == "__main__":
    main(int(sys.argv[1]))
