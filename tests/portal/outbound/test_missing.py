"""What is still missing before mail passes."""

from collections.abc import Callable

import pytest
from tests.support.portal import ACTOR, customer

from outgate.portal.customers.models import Customer, MailPlatform
from outgate.portal.outbound import cloud_services, services
from outgate.portal.outbound.missing import Missing, missing

pytestmark = pytest.mark.django_db(databases="__all__")

TENANT = "1b2c3d4e-0000-4000-8000-1234567890ab"


def on(platform: MailPlatform) -> Customer:
    made = customer()
    made.mail_platform = platform
    made.save()
    return made


def add(made: Customer) -> None:
    services.add_domain(actor=ACTOR, customer=made, name="example.com")


def prove(made: Customer) -> None:
    services.vouch_for_domain(actor=ACTOR, domain=made.domains.get())


def withdraw(made: Customer) -> None:
    services.withdraw_proof(actor=ACTOR, domain=made.domains.get())


def confirm(made: Customer) -> None:
    cloud_services.confirm_tenant(actor=ACTOR, customer=made, tenant_id=TENANT)


def name(made: Customer) -> None:
    cloud_services.add_microsoft_name(actor=ACTOR, customer=made, name="example.onmicrosoft.com")


def declare(made: Customer) -> None:
    services.add_source(actor=ACTOR, customer=made, network="9.9.9.9")


MICROSOFT, GOOGLE = MailPlatform.MICROSOFT_365, MailPlatform.GOOGLE
EXCHANGE, OTHER = MailPlatform.EXCHANGE, MailPlatform.OTHER


@pytest.mark.parametrize(
    ("platform", "steps", "wanted"),
    [
        (OTHER, [], [Missing.DOMAIN, Missing.SOURCE]),
        (EXCHANGE, [add], [Missing.PROOF, Missing.SOURCE]),
        (EXCHANGE, [add, prove], [Missing.SOURCE]),
        (OTHER, [declare], [Missing.DOMAIN]),
        (OTHER, [add, prove, declare], []),
        (OTHER, [name, declare], [Missing.DOMAIN]),  # a name counts for mail from Microsoft alone,
        (EXCHANGE, [add, prove, confirm], [Missing.SOURCE]),  # and so does a tenant
        (GOOGLE, [add], [Missing.PROOF]),
        (GOOGLE, [add, prove], []),
        (GOOGLE, [add, prove, withdraw], [Missing.PROOF]),
        (MICROSOFT, [], [Missing.DOMAIN, Missing.TENANT]),
        (MICROSOFT, [add, declare], [Missing.PROOF, Missing.TENANT]),
        (MICROSOFT, [add, prove], [Missing.TENANT]),
        (MICROSOFT, [add, prove, confirm], []),
        (MICROSOFT, [name, confirm], []),
    ],
)
def test_what_is_missing_comes_in_the_order_in_which_mail_meets_it(
    platform: MailPlatform, steps: list[Callable[[Customer], None]], wanted: list[Missing]
) -> None:
    made = on(platform)
    for step in steps:
        step(made)

    assert list(missing(made)) == wanted


def test_what_another_has_does_not_count() -> None:
    other = customer("Other")
    for step in (add, prove, declare):
        step(other)

    assert list(missing(on(OTHER))) == [Missing.DOMAIN, Missing.SOURCE]
