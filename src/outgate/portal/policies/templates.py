"""A partner's templates of policies: kept, removed, given to customers."""

from typing import Final

from msgspec import structs

from outgate.contract.scanning import ScanPolicy
from outgate.portal.accounts import audit
from outgate.portal.accounts.audit import Actor
from outgate.portal.customers.models import Customer, Partner
from outgate.portal.errors import Invalid
from outgate.portal.feed.changes import changes
from outgate.portal.policies.models import TEMPLATE_NAME_MAX, PolicyTemplate
from outgate.portal.policies.selectors import scan_policy, stored, template_policy
from outgate.portal.policies.services import set_scan_policy
from outgate.portal.policies.validation import check_policy

TEMPLATES_MAX: Final = 50  # of one partner


def keep_template(*, actor: Actor, partner: Partner, name: str, policy: ScanPolicy) -> PolicyTemplate:
    """In the place of the one of that name, if there is one. People of the policy are left out. Raises: Invalid."""
    name = name.strip()
    if not name or len(name) > TEMPLATE_NAME_MAX or not name.isprintable():
        raise Invalid("template", f"A template needs a name of 1 to {TEMPLATE_NAME_MAX} characters.")
    check_policy(policy)
    with changes():
        rows = PolicyTemplate.objects.filter(partner=partner)
        if rows.exclude(name=name).count() >= TEMPLATES_MAX:
            raise Invalid("template", f"There are {TEMPLATES_MAX} templates already. Remove one first.")
        kept, _ = PolicyTemplate.objects.update_or_create(
            partner=partner, name=name, defaults={"policy": stored(structs.replace(policy, people=()))}
        )
        # By name and not by the object: a partner may be called as another one's customer is.
        audit.record_for(partner, actor, "policy-template.kept", f"{partner.name}/{name}", on=policy.is_on)
    return kept


def remove_template(*, actor: Actor, template: PolicyTemplate) -> None:
    """Customers that were given it keep what they have."""
    with changes():
        whose = template.partner
        audit.record_for(whose, actor, "policy-template.removed", f"{whose.name}/{template.name}")
        template.delete()


def with_template(policy: ScanPolicy, template: PolicyTemplate) -> ScanPolicy:
    """A customer's policy after the template was given: people stay, and own rules of other names."""
    wanted = template_policy(template)
    names = {rule.name for rule in wanted.rules}
    others = tuple(rule for rule in policy.rules if rule.name not in names)
    return structs.replace(wanted, people=policy.people, rules=(*wanted.rules, *others))


def give_template(*, actor: Actor, customer: Customer, template: PolicyTemplate) -> None:
    """See `with_template`. Later changes of the template do not follow. Raises: Invalid."""
    with changes():
        set_scan_policy(actor=actor, customer=customer, policy=with_template(scan_policy(customer), template))
        audit.record(actor, "policy-template.given", f"{customer.slug}/{template.name}")
