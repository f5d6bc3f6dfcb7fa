"""Finds users."""

from django.db.models import QuerySet

from outgate.portal.accounts.models import User
from outgate.portal.accounts.services import normal_email
from outgate.portal.errors import NotFound


def users() -> QuerySet[User]:
    return User.objects.select_related("partner", "customer").order_by("email")


def user_with(email: str) -> User:
    """Raises: NotFound, Invalid."""
    user = users().filter(email=normal_email(email)).first()
    if user is None:
        raise NotFound(f"There is no user {email}. See `outgate user list`.")
    return user
