"""What is wrong with values, in our words: where, and what to do about it.

pydantic says what it would have liked in words of its own, for programmers.
"""

from collections.abc import Mapping
from typing import Any, Final

from outgate.portal.api.problems import FieldProblem

WHOLE_NUMBER: Final = "Give a whole number."
NUMBER: Final = "Give a number."
BOOLEAN: Final = "Give true or false."
TIME: Final = "Give a time such as 2026-11-26T10:00:00Z."
OBJECT: Final = "Give an object: names and values in braces."
# By pydantic's kind of error; in braces what it tells of it.
REMEDIES: Final[Mapping[str, str]] = {
    "missing": "This is missing. Add it.",
    "extra_forbidden": "There is no such field. Leave it out, or look how it is spelt.",
    "string_type": "Give a text in quotes.",
    "string_too_short": "Give a text of {min_length} or more characters.",
    "string_too_long": "Give a text of at most {max_length} characters.",
    "bool_type": BOOLEAN,
    "bool_parsing": BOOLEAN,
    "int_type": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_parsing_size": WHOLE_NUMBER,
    "int_from_float": WHOLE_NUMBER,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": NUMBER,
    "greater_than_equal": "Give {ge} or more.",
    "less_than_equal": "Give {le} or less.",
    "enum": "Give one of these: {expected}.",
    "literal_error": "Give one of these: {expected}.",
    "list_type": "Give a list in square brackets.",
    "too_short": "Give {min_length} or more.",
    "too_long": "Give at most {max_length}. These are {actual_length}.",
    "dict_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "datetime_type": TIME,
    "datetime_parsing": TIME,
    "datetime_from_date_parsing": TIME,
    "datetime_object_invalid": TIME,
}


def fault_of(error: Mapping[str, Any]) -> FieldProblem:
    """error: as pydantic lists it."""
    field = field_of(error["loc"])
    if not field and error["type"] == "missing":
        return FieldProblem("", "The body is missing. Send a JSON object.")
    remedy = REMEDIES.get(error["type"])
    return FieldProblem(field, remedy.format(**error.get("ctx", {})) if remedy else str(error["msg"]))


def field_of(place: tuple[Any, ...]) -> str:
    """As the caller named it, such as `rules[0].seconds`. A body's place has the name of our own argument in it."""
    names = place[2:] if place[0] == "body" else place[1:]
    return "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in names).removeprefix(".")
