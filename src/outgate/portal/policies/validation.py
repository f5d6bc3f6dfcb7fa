"""What a policy for content may hold. Errors name the field as in a customer's text."""

from collections import Counter
from email.utils import parseaddr
from typing import Final

import re2

from outgate.contract.scanning import (
    PATTERN_MAX,
    RULES_MAX,
    TERMS_MAX,
    WORDS_MAX,
    Comparison,
    Condition,
    CustomRule,
    Field,
    ScanPolicy,
)
from outgate.portal.errors import Invalid

WORD_MAX: Final = 200  # characters of one word or phrase
NAME_MAX: Final = 100  # characters of a rule's name
VALUE_MAX: Final = 1_000  # characters that a condition compares with
PEOPLE_MAX: Final = 2_000  # names of one customer
COUNT_MAX: Final = 1_000  # of data, from which on a rule holds
PATTERN_MEMORY: Final = 1024 * 1024  # octets that one compiled pattern may take; as in `scanning.data_loss`

# Data that can be named in a rule, with what people call it.
DATA_KINDS: Final = {
    "card-number": "Payment card numbers",
    "iban": "Bank account numbers (IBAN)",
    "national-id-at": "Tax numbers, Austria",
    "national-id-be": "National numbers, Belgium",
    "national-id-ch": "Social security numbers, Switzerland",
    "national-id-de": "Tax identification numbers, Germany",
    "national-id-es": "Identity numbers, Spain",
    "national-id-fr": "Social security numbers, France",
    "national-id-gb": "NHS numbers, United Kingdom",
    "national-id-it": "Tax codes, Italy",
    "national-id-nl": "Citizen service numbers, Netherlands",
    "national-id-pl": "PESEL numbers, Poland",
    "national-id-se": "Personal numbers, Sweden",
    "national-id-us": "Social security numbers, United States",
    "private-key": "Private keys",
    "cloud-key": "Keys to cloud services",
    "access-token": "Access tokens",
    "web-token": "Web tokens (JWT)",
    "password": "Passwords written out",
    "words": "Own words and patterns",
}


def check_policy(policy: ScanPolicy) -> None:
    """Raises: Invalid, with the first mistake."""
    _check_spam(policy)
    _check_words(policy)
    for index, rule in enumerate(policy.data):
        if rule.name not in DATA_KINDS:
            raise Invalid(f"data[{index}].name", f"{rule.name!r} is not known. Known are: {', '.join(DATA_KINDS)}.")
        if not 1 <= rule.count <= COUNT_MAX:
            raise Invalid(f"data[{index}].count", f"Enter a number from 1 to {COUNT_MAX}.")
    _check_once("banned", [rule.group.value for rule in policy.banned])
    if len(policy.rules) > RULES_MAX:
        raise Invalid("rules", f"These are {len(policy.rules)} rules. A customer has at most {RULES_MAX}.")
    _check_once("rules", [rule.name for rule in policy.rules])
    for index, own in enumerate(policy.rules):
        _check_rule(f"rules[{index}]", own)


def _check_spam(policy: ScanPolicy) -> None:
    for index, rule in enumerate(policy.spam):
        if not 1 <= rule.score <= 1000:
            raise Invalid(f"spam[{index}].score", "A score is a number from 1 to 1000.")
    _check_once("spam", [str(rule.score) for rule in policy.spam])


def _check_words(policy: ScanPolicy) -> None:
    if len(policy.words) + len(policy.patterns) > WORDS_MAX:
        raise Invalid("words", f"These are too many. A customer has at most {WORDS_MAX} words and patterns.")
    for index, word in enumerate(policy.words):
        if not word.strip() or len(word) > WORD_MAX:
            raise Invalid(f"words[{index}]", f"A word or phrase has 1 to {WORD_MAX} characters.")
    for index, pattern in enumerate(policy.patterns):
        error = pattern_error(pattern)
        if error:
            raise Invalid(f"patterns[{index}]", f"{pattern!r} is not taken: {error}. Correct it, or leave it out.")
    if len(policy.people) > PEOPLE_MAX:
        raise Invalid("people", f"These are {len(policy.people)} people. A customer names at most {PEOPLE_MAX}.")
    for index, person in enumerate(policy.people):
        name, address = parseaddr(person)
        if not name or "@" not in address:
            raise Invalid(f"people[{index}]", f"{person!r}: write a name and an address, Ada Byron <ada@example.com>.")


def pattern_error(pattern: str) -> str:
    """Why a pattern is not taken, without a full stop; "" if it is."""
    if not pattern or len(pattern) > PATTERN_MAX:
        return f"a pattern has 1 to {PATTERN_MAX} characters"
    options = re2.Options()
    options.max_mem = PATTERN_MEMORY
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        text = error.args[0] if error.args else "not understood"
        return str(text.decode() if isinstance(text, bytes) else text)
    return "this fits an empty text, and so every mail" if compiled.fullmatch("") else ""


def _check_rule(path: str, rule: CustomRule) -> None:
    if not rule.name.strip() or len(rule.name) > NAME_MAX or not rule.name.isprintable():
        raise Invalid(f"{path}.name", f"A rule needs a name of 1 to {NAME_MAX} characters.")
    if not rule.sections or not all(rule.sections):
        raise Invalid(f"{path}.sections", "A rule needs at least one condition: without one it would fit every mail.")
    if len(rule.sections) > TERMS_MAX or any(len(section) > TERMS_MAX for section in rule.sections):
        raise Invalid(f"{path}.sections", f"A rule has at most {TERMS_MAX} sections of {TERMS_MAX} conditions each.")
    if rule.ends_at < 0:
        raise Invalid(f"{path}.ends_at", "This is no time. Write 0 for a rule that never ends.")
    for number, section in enumerate(rule.sections):
        for place, condition in enumerate(section):
            _check_condition(f"{path}.sections[{number}][{place}]", condition)


def _check_condition(path: str, condition: Condition) -> None:
    is_size = condition.field is Field.SIZE
    if is_size is not (condition.comparison in (Comparison.ABOVE, Comparison.BELOW)):
        raise Invalid(f"{path}.comparison", "A size is compared with above or below, everything else is not.")
    if is_size and not (condition.value.isascii() and condition.value.isdecimal()):
        raise Invalid(f"{path}.value", f"{condition.value!r} is no number of octets. Enter digits only.")
    if not condition.value or len(condition.value) > VALUE_MAX:
        raise Invalid(f"{path}.value", f"A value has 1 to {VALUE_MAX} characters.")
    if (condition.field is Field.HEADER) is not bool(condition.header):
        raise Invalid(f"{path}.header", "A header condition names the header field; no other condition does.")


def _check_once(field: str, keys: list[str]) -> None:
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise Invalid(field, f"{twice[0]} is there twice. Remove one of the two.")
