"""Routes that make, change and delete customers. They are of the router that has their addresses: none is of two."""

from django.http import HttpRequest
from ninja import Status

from outgate.contract.policy import ForeignFrom
from outgate.portal.accounts import team
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.models import Right, Role
from outgate.portal.accounts.scope import customer_of, partners_of, regions_of
from outgate.portal.api import schemas
from outgate.portal.api.authentication import Key, caller_of, changed_customer
from outgate.portal.api.customers import customer_out, router
from outgate.portal.api.idempotency import keep_without
from outgate.portal.api.people import link_url, mailing
from outgate.portal.api.problems import FieldProblem, Problem
from outgate.portal.customers import services
from outgate.portal.customers.models import Customer, MailPlatform, Partner, Plan, Region
from outgate.portal.errors import Invalid
from outgate.portal.feed.changes import changes
from outgate.portal.outbound import services as outbound

customers = router
OF_STAFF = ("name", "region", "plan", "foreign_from")
OF_OPERATOR = ("partner",)


@router.post("", auth=Key(Scope.CUSTOMERS_MANAGE), response={201: schemas.CustomerMadeOut}, summary="Create a customer")
def create(request: HttpRequest, wanted: schemas.CustomerIn) -> Status[schemas.CustomerMadeOut]:
    """With outbound off, and with what is given: all of it or nothing. Send an `Idempotency-Key`, so that a lost answer
    makes no second one."""
    caller = caller_of(request)
    if not caller.has(Right.CREATE_CUSTOMERS):
        raise Problem(403, "right-missing", "The key's owner may not create customers.")
    given = wanted.model_fields_set
    if "id" in given and caller.role is not Role.OPERATOR:
        raise Invalid("id", "Only the operator chooses ids. Leave it out.")
    with changes():
        customer = services.create_customer(
            actor=caller.actor,
            name=wanted.name,
            partner=_partner(caller, wanted.partner if "partner" in given else ""),
            region=_region(caller, wanted.region if "region" in given else ""),
            slug=wanted.id if "id" in given else "",
        )
        services.change_customer(
            actor=caller.actor,
            customer=customer,
            name=customer.name,
            partner=customer.partner,
            region=customer.region,
            plan=wanted.plan,
            mail_platform=wanted.mail_platform,
            foreign_from=ForeignFrom(customer.foreign_from),
        )
        _add_domains(caller, customer, wanted.domains)
        password = _add_admin(caller, customer, wanted.admin) if "admin" in given else ""
    keep_without(request, "admin_password")
    made = customer_out(customer).model_dump() | {"admin_password": password or None}
    return Status(201, schemas.CustomerMadeOut.model_validate(made))


@router.patch(
    "/{slug:customer_id}",
    auth=Key(Scope.CUSTOMERS_WRITE),
    response=schemas.CustomerOut,
    summary="Change what describes a customer",
)
def change(request: HttpRequest, customer_id: str, wanted: schemas.CustomerChangeIn) -> schemas.CustomerOut:
    """What is left out stays as it is. All but the mail platform is changed by staff only, the partner by the
    operator: people and keys of the one before reach the customer no more."""
    caller, customer = changed_customer(request, customer_id)
    given = wanted.model_fields_set
    refused = [name for name in _refused(caller) if name in given]
    if refused:
        who = "the operator" if caller.is_staff else "your provider"
        detail = f"Only {who} can change this. Leave it out."
        raise Problem(403, "right-missing", detail, [FieldProblem(name, detail) for name in refused])
    with changes():
        customer.refresh_from_db()
        services.change_customer(
            actor=caller.actor,
            customer=customer,
            name=wanted.name if "name" in given else customer.name,
            partner=_partner(caller, wanted.partner) if "partner" in given else customer.partner,
            region=_region(caller, wanted.region) if "region" in given else customer.region,
            plan=wanted.plan if "plan" in given else Plan(customer.plan),
            mail_platform=wanted.mail_platform if "mail_platform" in given else MailPlatform(customer.mail_platform),
            foreign_from=wanted.foreign_from if "foreign_from" in given else ForeignFrom(customer.foreign_from),
        )
    return customer_out(customer)


@router.delete(
    "/{slug:customer_id}", auth=Key(Scope.CUSTOMERS_MANAGE), response={204: None}, summary="Delete a customer"
)
def delete(request: HttpRequest, customer_id: str) -> Status[None]:
    """With its users, keys and settings. Its mail that is under way goes on; what is held can never be released after
    that. Its id is given to nobody else."""
    caller = caller_of(request)
    customer = customer_of(caller, customer_id)
    if not caller.has(Right.MANAGE_CUSTOMERS):
        raise Problem(403, "right-missing", "The key's owner may not delete customers.")
    services.delete_customer(actor=caller.actor, customer=customer)
    return Status(204, None)


def _refused(caller: Caller) -> tuple[str, ...]:
    """What the caller may not change."""
    if caller.role is Role.OPERATOR:
        return ()
    return OF_OPERATOR if caller.is_staff else OF_STAFF + OF_OPERATOR


def _add_domains(caller: Caller, customer: Customer, names: list[str]) -> None:
    """Raises: Invalid."""
    for index, name in enumerate(names):
        try:
            outbound.add_domain(actor=caller.actor, customer=customer, name=name)
        except Invalid as error:
            raise Invalid(f"domains[{index}]", error.public_message) from error


def _add_admin(caller: Caller, customer: Customer, wanted: schemas.AdminIn) -> str:
    """Returns the password; empty if a link was mailed. Raises: Invalid, Problem."""
    try:
        made = mailing(
            team.add_first_admin,
            actor=caller.actor,
            customer=customer,
            email=wanted.email,
            name=wanted.name,
            link_url=link_url() if wanted.mail_link else "",
        )
    except Invalid as error:
        raise Invalid(f"admin.{error.field}", error.public_message) from error
    return made.password


def _partner(caller: Caller, name: str) -> Partner:
    rows = list(partners_of(caller).filter(name=name) if name else partners_of(caller)[:2])
    if len(rows) != 1:
        raise Invalid("partner", "There is no such partner." if name else "Say which partner: give its name.")
    return rows[0]


def _region(caller: Caller, slug: str) -> Region:
    rows = list(regions_of(caller).filter(slug=slug) if slug else regions_of(caller)[:2])
    if len(rows) != 1:
        raise Invalid("region", "There is no such region." if slug else "Say which region: give its id.")
    return rows[0]
