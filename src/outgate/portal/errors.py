"""What a person did wrong, in words for that person."""


class Invalid(Exception):
    """A value cannot be taken. Nothing was changed.

    field: the name of the value, as the caller of the service knows it. public_message: what is wrong with it and what
    to do, in whole sentences; it names the value and shows nothing that the person may not know.
    """

    def __init__(self, field: str, public_message: str) -> None:
        super().__init__(f"{field}: {public_message}")
        self.field = field
        self.public_message = public_message


class NotFound(Exception):
    """There is no such thing, or none that the person may know of. public_message: for that person."""

    def __init__(self, public_message: str) -> None:
        super().__init__(public_message)
        self.public_message = public_message
