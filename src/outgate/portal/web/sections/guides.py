"""The way from the settings to the guide that puts them to use."""

from typing import Any

from outgate.portal.customers.models import Customer
from outgate.portal.guides.kinds import guides_for
from outgate.portal.web.request import CallerRequest


def guides(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    first = guides_for(customer.mail_platform)[0]
    return {"first": first, "proof": customer.guide_proofs.filter(kind=first.kind).first()}
