"""What a customer still has to do before its mail passes, in the order in which the lack of it shows.

It follows what the workers decide (`policy.admission`, `policy.tenant_lock`): a domain counts when it is proven, a
tenant's name for mail from Microsoft, and a source is needed where no provider's ranges stand for it.
"""

from enum import Enum
from typing import Final

from outgate.portal.customers.models import Customer, MailPlatform

_NO_DOMAIN: Final = "No mail passes yet: it is refused (550) until a domain is proven to be yours."


class Missing(Enum):
    """code: stable. meaning: what becomes of mail meanwhile. remedy: what to do. part: where on the page."""

    DOMAIN = "domain", _NO_DOMAIN, "Add a domain", "domains"
    PROOF = "domain-proof", _NO_DOMAIN, "Prove a domain", "domains"
    TENANT = (
        "tenant",
        f"Mail from {MailPlatform.MICROSOFT_365.label} waits (451) until your tenant is confirmed.",
        "Confirm your tenant",
        "tenant",
    )
    SOURCE = (
        "source",
        "No mail passes yet: it is refused (550) until the address that it comes from is one of your sources.",
        "Add an outbound source",
        "sources",
    )

    def __init__(self, code: str, meaning: str, remedy: str, part: str) -> None:
        self.code = code
        self.meaning = meaning
        self.remedy = remedy
        self.part = part


def missing(customer: Customer) -> tuple[Missing, ...]:
    """Mail meets the first one now. Empty if some mail passes as soon as outbound is active."""
    platform = customer.mail_platform
    found = []
    has_name = platform == MailPlatform.MICROSOFT_365 and customer.microsoft_names.exists()
    if not has_name and not customer.domains.filter(verified_at__isnull=False).exists():
        found.append(Missing.PROOF if customer.domains.exists() else Missing.DOMAIN)
    if platform == MailPlatform.MICROSOFT_365:
        if not customer.microsoft_tenants.exists():
            found.append(Missing.TENANT)
    elif platform != MailPlatform.GOOGLE and not customer.sources.exists():
        found.append(Missing.SOURCE)
    return tuple(found)
