"""A customer as a text, from and to programs: what a caller may change by it."""

import difflib

import msgspec

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import Role
from outgate.portal.customers.models import Customer
from outgate.portal.customers.text import CustomerText, Problem, TextRefused
from outgate.portal.customers.text_apply import text_of

# What a key of the customer itself may change, and what one of its partner may beside that. All else is the operator's:
# what is new in the text is so too, until it is named here.
OF_CUSTOMER = frozenset(
    {
        "mail_platform",
        "outbound",
        "auto_forwards",
        "domains",
        "sources",
        "sender_relays",
        "scanning",
        "microsoft",
        "google",
        "limits",
    }
)
OF_PARTNER = OF_CUSTOMER | {"name", "plan", "region", "foreign_from"}


def check_may_apply(caller: Caller, customer: Customer, text: CustomerText) -> None:
    """Raises: TextRefused, naming each value that the caller may not set."""
    present = text_of(customer)
    if text.id and text.id != present.id:
        raise TextRefused([Problem("id", f"This is {present.id}'s address. Leave the id out, or write this one.")])
    if caller.role is Role.OPERATOR:
        return
    allowed = OF_PARTNER if caller.role is Role.PARTNER else OF_CUSTOMER
    who = "the operator" if caller.role is Role.PARTNER else "your provider"
    problems = [
        Problem(field.name, f"Only {who} can change this. Leave it as it is in the exported text.")
        for field in msgspec.structs.fields(CustomerText)
        if field.name not in allowed
        and field.name != "id"
        and getattr(text, field.name) != getattr(present, field.name)
    ]
    proven = {domain.name for domain in present.domains if domain.verified}
    problems += [
        Problem(f"domains[{index}].verified", "Write verified = false, and prove the domain by its TXT record.")
        for index, domain in enumerate(text.domains)
        if domain.verified and domain.name.strip().lower().removesuffix(".") not in proven
    ]
    if problems:
        raise TextRefused(problems)


def difference(before: str, after: str) -> str:
    """The lines that differ, as `diff -u` shows them; empty if none do."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "present", "wanted", lineterm="", n=2)
    return "\n".join(lines)
