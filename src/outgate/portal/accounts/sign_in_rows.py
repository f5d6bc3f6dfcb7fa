"""Rows of the sign-in library, changed from processes that do not load it.

Only the web server's Django has the library's models (they would make every command of the command line slower). So
that a customer with its users can be deleted anywhere, and second factors reset from the command line, this module
knows the few tables that refer to users. Where they are not there yet, there is nothing to do.
"""

from typing import Final

from django.db import connection

_FACTORS: Final = "mfa_authenticator"
_SESSIONS: Final = "usersessions_usersession"
_DJANGO_SESSIONS: Final = "django_session"
_ADDRESSES: Final = ("account_emailaddress", "socialaccount_socialaccount")


def forget_user(user_id: int) -> None:
    """Delete all that refers to the user. In the caller's transaction."""
    end_sessions(user_id)
    delete_second_factors(user_id)
    forget_addresses(user_id)


def forget_addresses(user_id: int) -> None:
    """The library's copy of the user's address, and who a provider of OpenID Connect says the user is."""
    tables = _present()
    with connection.cursor() as cursor:
        if "socialaccount_socialtoken" in tables:
            cursor.execute(
                "DELETE FROM socialaccount_socialtoken WHERE account_id IN"
                " (SELECT id FROM socialaccount_socialaccount WHERE user_id = %s)",
                [user_id],
            )
        if "account_emailconfirmation" in tables:
            cursor.execute(
                "DELETE FROM account_emailconfirmation WHERE email_address_id IN"
                " (SELECT id FROM account_emailaddress WHERE user_id = %s)",
                [user_id],
            )
        for table in _ADDRESSES:
            if table in tables:
                cursor.execute(f"DELETE FROM {table} WHERE user_id = %s", [user_id])  # noqa: S608 - our own names


def delete_second_factors(user_id: int) -> None:
    if _FACTORS in _present():
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {_FACTORS} WHERE user_id = %s", [user_id])  # noqa: S608 - our own names


def end_sessions(user_id: int) -> None:
    """Sign the user out everywhere."""
    if not {_SESSIONS, _DJANGO_SESSIONS} <= _present():
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {_DJANGO_SESSIONS} WHERE session_key IN"  # noqa: S608 - our own names
            f" (SELECT session_key FROM {_SESSIONS} WHERE user_id = %s)",
            [user_id],
        )
        cursor.execute(f"DELETE FROM {_SESSIONS} WHERE user_id = %s", [user_id])  # noqa: S608 - our own names


def _present() -> set[str]:
    return set(connection.introspection.table_names())
