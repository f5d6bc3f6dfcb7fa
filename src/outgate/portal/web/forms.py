"""What a person typed, kept while it is wrong: values and errors by field, so that an error stands beside its field."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from django.http import HttpRequest

from outgate.portal.errors import Invalid


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
