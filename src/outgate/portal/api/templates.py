"""Routes of templates: a partner's policies for content, kept from one customer's and given to others."""

from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Query, Router, Schema, Status

from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.models import Right
from outgate.portal.accounts.scope import customer_of
from outgate.portal.api.authentication import Key, caller_of, changed_customer
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, page_of
from outgate.portal.api.policies import PolicyOut, ReplayOut, policy_out, replay_out
from outgate.portal.api.problems import Problem
from outgate.portal.api.schemas import In
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid
from outgate.portal.policies import templates
from outgate.portal.policies.models import TEMPLATE_NAME_MAX, PolicyTemplate
from outgate.portal.policies.replay import replay
from outgate.portal.policies.selectors import scan_policy, template_for, template_policy, template_rows
from outgate.portal.policies.validation import check_policy

router = Router(tags=["policies"])
READ, WRITE = Key(Scope.CUSTOMERS_READ), Key(Scope.CUSTOMERS_WRITE)
KEEPS, TRIES = Key(Scope.TEMPLATES_WRITE), Key(Scope.MESSAGES_READ)


class TemplateIn(In):
    name: str = Field(min_length=1, max_length=TEMPLATE_NAME_MAX, description="Of the template", examples=["Careful"])


class TemplateOut(Schema):
    name: str = Field(examples=["Careful"])
    policy: PolicyOut = Field(description="Without people, who are each customer's own")


class TemplatePage(Schema):
    items: list[TemplateOut]
    next: str | None = Field(examples=[None])


@router.get("/{slug:customer_id}/policy/templates", auth=READ, response=TemplatePage, summary="List policy templates")
def index(request: HttpRequest, customer_id: str, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT) -> TemplatePage:
    """Those that the customer's partner has for all its customers, by name, in pages."""
    customer = customer_of(caller_of(request), customer_id)
    found, following = page_of(template_rows(customer), "name", cursor, limit)
    return TemplatePage(items=[_out(each) for each in found], next=following)


@router.post(
    "/{slug:customer_id}/policy/templates",
    auth=KEEPS,
    response={201: TemplateOut},
    summary="Keep a policy as a template",
)
def keep(request: HttpRequest, customer_id: str, wanted: TemplateIn) -> Status[TemplateOut]:
    """The customer's policy as it is now, for all customers of its partner, in the place of the template of that name.
    Of staff."""
    customer = _keeper(request, customer_id)
    try:
        kept = templates.keep_template(
            actor=caller_of(request).actor, partner=customer.partner, name=wanted.name, policy=scan_policy(customer)
        )
    except Invalid as error:
        raise Invalid("name" if error.field == "template" else error.field, error.public_message) from error
    return Status(201, _out(kept))


@router.delete(
    "/{slug:customer_id}/policy/templates", auth=KEEPS, response={204: None}, summary="Remove a policy template"
)
def remove(
    request: HttpRequest,
    customer_id: str,
    name: Annotated[str, Query(max_length=TEMPLATE_NAME_MAX, description="As it is listed", examples=["Careful"])],
) -> Status[None]:
    """Of the customer's partner. Customers that were given it keep what they have. Of staff."""
    customer = _keeper(request, customer_id)
    templates.remove_template(actor=caller_of(request).actor, template=template_for(customer, name))
    return Status(204, None)


@router.post(
    "/{slug:customer_id}/policy/templates/give", auth=WRITE, response=PolicyOut, summary="Give a policy template"
)
def give(request: HttpRequest, customer_id: str, wanted: TemplateIn) -> PolicyOut:
    """To the customer, in the place of its policy; its people stay, and its own rules of other names. Later changes of
    the template do not follow."""
    caller, customer = changed_customer(request, customer_id)
    templates.give_template(actor=caller.actor, customer=customer, template=template_for(customer, wanted.name))
    return policy_out(scan_policy(customer))


@router.post(
    "/{slug:customer_id}/policy/templates/try",
    auth=TRIES,
    response=ReplayOut,
    summary="Try a policy template on past mail",
)
def attempt(request: HttpRequest, customer_id: str, wanted: TemplateIn) -> ReplayOut:
    """What the policy with it would have made of the last messages, as `policy/try` says it. Nothing is saved."""
    customer = customer_of(caller_of(request), customer_id)
    present = scan_policy(customer)
    draft = templates.with_template(present, template_for(customer, wanted.name))
    check_policy(draft)
    return replay_out(replay(customer, draft, present, now=timezone.now()))


def _keeper(request: HttpRequest, customer_id: str) -> Customer:
    """The customer, to staff that may keep templates. Raises: Problem, NotFound."""
    caller = caller_of(request)
    customer = customer_of(caller, customer_id)
    if not caller.has(Right.POLICIES):
        raise Problem(403, "right-missing", "Only staff keeps and removes templates.")
    return customer


def _out(template: PolicyTemplate) -> TemplateOut:
    return TemplateOut(name=template.name, policy=policy_out(template_policy(template)))
