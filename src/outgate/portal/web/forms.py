"""What a person typed, kept while it is wrong: values and errors by field, so that an error stands beside its field."""

import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from django.http import HttpRequest

from outgate.portal.errors import Invalid

ENTRIES_MAX: Final = 200  # of a list in one field: all of it is one transaction, which others wait for
_BETWEEN: Final = re.compile(r"[\s,;]+")


@dataclass(slots=True)
class Form:
    """name: tells the forms of one page apart. is_stale: what it changes was changed by somebody else meanwhile."""

    name: str = ""
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    is_stale: bool = False

    @classmethod
    def of(cls, request: HttpRequest, name: str = "") -> Self:
        lists = {key: [str(value) for value in request.POST.getlist(key)] for key in request.POST}
        return cls(name, {key: values[-1] for key, values in lists.items() if values}, lists)

    def text(self, name: str) -> str:
        return self.values.get(name, "").strip()

    def number(self, name: str) -> int:
        """Raises: Invalid."""
        text = self.text(name)
        if not text.isascii() or not text.isdecimal() or len(text) > 9:
            raise Invalid(name, f"{text!r} is not a number. Enter digits only.")
        return int(text)

    def entries(self, name: str) -> list[str]:
        """What was listed in one field, apart by blanks, line ends, commas or semicolons, each once: a pasted list.
        A browser makes blanks of the line ends that are pasted into a field of one line. Raises: Invalid."""
        found = list(dict.fromkeys(_BETWEEN.split(self.text(name).strip(" ,;"))))
        if len(found) > ENTRIES_MAX:
            raise Invalid(
                name, f"These are {len(found)}. Enter at most {ENTRIES_MAX} at once; the API takes any number."
            )
        return found

    def is_checked(self, name: str) -> bool:
        return bool(self.values.get(name))

    def chosen(self, name: str) -> list[str]:
        return self.lists.get(name, [])

    def catching(self) -> "Catching":
        """Keep what a service says is wrong, and go on behind the block."""
        return Catching(self)

    @property
    def is_good(self) -> bool:
        return not self.errors


class Catching:
    """See `Form.catching`."""

    def __init__(self, form: Form) -> None:
        self._form = form

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Invalid):
            return False
        self._form.errors[error.field] = error.public_message
        return True
