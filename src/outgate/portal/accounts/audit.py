"""Writes the audit log. Called by every service, inside its transaction."""

from dataclasses import dataclass

from outgate.portal.accounts.models import AuditEntry, User


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. name: an email address, or what acts where nobody signed in."""

    name: str

    @classmethod
    def of(cls, user: User) -> "Actor":
        return cls(user.email)


CLERK = Actor("clerk")


def record(actor: Actor, action: str, object_: str, **detail: str | int | bool | None) -> None:
    """Add a line to the audit log. `detail` must hold no secret."""
    AuditEntry.objects.create(actor=actor.name, action=action, object=object_, detail=detail)
