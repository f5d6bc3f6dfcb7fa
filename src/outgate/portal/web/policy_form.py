"""A policy for content as a form: from what people typed, and to what they see. Errors name the form's fields."""

import re
from datetime import UTC, date, datetime, time
from typing import Any, Final

from msgspec import structs

from outgate.contract.scanning import (
    BannedRule,
    Comparison,
    Condition,
    ContentAction,
    CustomRule,
    DataRule,
    Degraded,
    Field,
    ScanPolicy,
    SpamRule,
)
from outgate.mail.findings import AttachmentGroup
from outgate.portal.errors import Invalid
from outgate.portal.policies.validation import DATA_KINDS
from outgate.portal.web.forms import Form

ACTIONS: Final = (("deliver", "Deliver"), ("hold", "Hold for a person"), ("reject", "Reject"))
DEGRADED: Final = (
    (Degraded.DEFER.value, "Wait at the sender (451)"),
    (Degraded.HOLD.value, "Hold for a person"),
    (Degraded.PASS.value, "Deliver unscanned"),
)
VERDICTS: Final = (
    ("malware", "Malware", "Harmful programs and documents"),
    ("phishing", "Phishing", "Links, pages and file names that deceive"),
    ("impersonation", "Impersonation", "A sender that pretends to be one of your people or domains"),
    ("unscannable", "Unscannable", "What cannot be looked into; it is never taken for clean"),
)
GROUPS: Final = (
    (AttachmentGroup.EXECUTABLE.value, "Programs and scripts"),
    (AttachmentGroup.MACROS.value, "Documents with macros"),
    (AttachmentGroup.ENCRYPTED.value, "Encrypted files"),
    (AttachmentGroup.HTML.value, "Web pages"),
    (AttachmentGroup.COMPRESSED.value, "Archives"),
    (AttachmentGroup.VIDEO.value, "Video"),
    (AttachmentGroup.AUDIO.value, "Audio"),
)
FIELDS: Final = (
    (Field.SENDER.value, "Sender"),
    (Field.RECIPIENT.value, "Recipient"),
    (Field.SOURCE.value, "Source address"),
    (Field.SUBJECT.value, "Subject"),
    (Field.HEADER.value, "Header field"),
    (Field.ATTACHMENT_NAME.value, "Attachment name"),
    (Field.ATTACHMENT_KIND.value, "Attachment kind"),
    (Field.SIZE.value, "Size in octets"),
)
COMPARISONS: Final = (
    (Comparison.CONTAINS.value, "contains"),
    (Comparison.IS.value, "is"),
    (Comparison.STARTS.value, "begins with"),
    (Comparison.ENDS.value, "ends with"),
    (Comparison.ABOVE.value, "is above"),
    (Comparison.BELOW.value, "is below"),
)
CONDITIONS_MAX: Final = 3  # that the form takes for one rule; a text may have more
_CONDITION: Final = re.compile(r"sections\[(\d+)\]\[0\]\.(comparison|value|header)")
_ITEM: Final = re.compile(r"(words|patterns|people|spam|data)\[(\d+)\]")


def shown(policy: ScanPolicy) -> dict[str, Any]:
    """What the page shows of it."""
    banned = {rule.group.value: rule.action.value for rule in policy.banned}
    data = {rule.name: rule for rule in policy.data}
    scores = {rule.action.value: rule.score for rule in policy.spam}
    return {
        "policy": policy,
        "actions": ACTIONS,
        "degraded": DEGRADED,
        "verdicts": [(name, label, help_, getattr(policy, name).value) for name, label, help_ in VERDICTS],
        "groups": [(group, label, banned.get(group, "deliver")) for group, label in GROUPS],
        "spam_hold": scores.get("hold", ""),
        "spam_reject": scores.get("reject", ""),
        "data": [
            (
                name,
                label,
                data[name].count if name in data else 1,
                data[name].action.value if name in data else "deliver",
            )
            for name, label in DATA_KINDS.items()
        ],
        "words": "\n".join(policy.words),
        "patterns": "\n".join(policy.patterns),
        "people": "\n".join(policy.people),
        "rules": [(rule, rule_text(rule)) for rule in sorted(policy.rules, key=lambda rule: rule.priority)],
        "fields": FIELDS,
        "comparisons": COMPARISONS,
        "condition_numbers": range(1, CONDITIONS_MAX + 1),
    }


def rule_text(rule: CustomRule) -> str:
    """A rule in words."""
    fields, comparisons = dict(FIELDS), dict(COMPARISONS)
    sections = []
    for section in rule.sections:
        parts = [
            f"{condition.header or fields[condition.field.value]} {'does not: ' if condition.negated else ''}"
            f"{comparisons[condition.comparison.value]} {condition.value!r}"
            for condition in section
        ]
        sections.append(" or ".join(parts))
    return "; and ".join(sections)


def policy_of(form: Form, before: ScanPolicy) -> ScanPolicy:
    """What was typed; own rules stay as they were. Raises: Invalid."""
    spam = tuple(
        SpamRule(form.number(name), action)
        for name, action in (("spam_hold", ContentAction.HOLD), ("spam_reject", ContentAction.REJECT))
        if form.text(name)
    )
    if len({rule.score for rule in spam}) < len(spam):
        raise Invalid("spam_reject", "Refuse from a higher score on than the one from which on mail is held.")
    banned = [BannedRule(group, _action(form, f"banned-{group.value}")) for group in AttachmentGroup]
    data = [
        DataRule(name, form.number(f"count-{name}"), action)
        for name in DATA_KINDS
        if (action := _action(form, f"data-{name}")) is not ContentAction.DELIVER
    ]
    return structs.replace(
        before,
        is_on=form.is_checked("is_on"),
        degraded=_choice(form, "degraded", Degraded),
        spam=spam,
        malware=_action(form, "malware"),
        phishing=_action(form, "phishing"),
        impersonation=_action(form, "impersonation"),
        unscannable=_action(form, "unscannable"),
        banned=tuple(rule for rule in banned if rule.action is not ContentAction.DELIVER),
        data=tuple(data),
        words=_lines(form, "words"),
        patterns=_lines(form, "patterns"),
        people=_lines(form, "people"),
    )


def rule_of(form: Form) -> CustomRule:
    """A rule of at most `CONDITIONS_MAX` conditions that must all hold. Raises: Invalid."""
    conditions = []
    for number in range(1, CONDITIONS_MAX + 1):
        value = form.text(f"value{number}")
        if value:
            conditions.append(
                Condition(
                    _choice(form, f"field{number}", Field),
                    _choice(form, f"comparison{number}", Comparison),
                    value,
                    form.text(f"header{number}"),
                    form.is_checked(f"negated{number}"),
                )
            )
    if not conditions:
        raise Invalid("value1", "Enter what the message must have: a rule without a condition would fit every mail.")
    return CustomRule(
        form.text("name"),
        form.number("priority"),
        _action(form, "action"),
        tuple((condition,) for condition in conditions),
        _end_of(form.text("ends_on")),
        may_pass_malware=form.is_checked("may_pass_malware"),
    )


def form_field(path: str) -> str:
    """The form's field for a path in a policy."""
    condition = _CONDITION.search(path)
    if condition is not None:
        return f"{condition[2]}{int(condition[1]) + 1}"
    match = _ITEM.match(path)
    if match is None:
        return {"sections": "value1"}.get(path.rpartition(".")[2].partition("[")[0], path.rpartition(".")[2])
    name, index = match[1], int(match[2])
    return ("spam_hold", "spam_reject")[min(index, 1)] if name == "spam" else name


def _end_of(text: str) -> float:
    """The end of that day, UTC. Raises: Invalid."""
    if not text:
        return 0.0
    try:
        return datetime.combine(date.fromisoformat(text), time.max, UTC).timestamp()
    except ValueError as error:
        raise Invalid("ends_on", "Enter a day such as 2027-01-31, or leave it empty.") from error


def _lines(form: Form, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, (line.strip() for line in form.text(name).splitlines()))))


def _action(form: Form, name: str) -> ContentAction:
    action: ContentAction = _choice(form, name, ContentAction)
    return action


def _choice(form: Form, name: str, kind: Any) -> Any:
    try:
        return kind(form.text(name))
    except ValueError as error:
        raise Invalid(name, "Choose one of these.") from error
