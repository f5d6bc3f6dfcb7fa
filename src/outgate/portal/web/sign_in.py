"""How people sign in: the sign-in library, held to our rules.

Nobody makes an account by signing up. Every wrong password and every wrong code is counted by `accounts.lockout`, and
who has to wait is told so before anything is compared.
"""

import time
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import ChangePasswordForm as AllauthChangePasswordForm
from allauth.account.forms import LoginForm as AllauthLoginForm
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm as AllauthAuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as AllauthReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_used
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base import AuthError
from django import forms
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from outgate.portal.accounts import audit, letters, lockout
from outgate.portal.accounts.access import note_end_of_acting
from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.models import User
from outgate.portal.customers.models import Customer
from outgate.portal.web.addresses import address_of
from outgate.portal.web.openid_checks import Refused, log
from outgate.portal.web.request import ACTING_KEY
from outgate.portal.web.sealing import Unreadable, is_sealed, seal, unseal
from outgate.portal.web.views import errors

SIGNED_IN_JUST_NOW_SECONDS: Final = 300
LAST_STEP: Final = "last_step"  # of an authenticator app's data: of the last code that was accepted, RFC 6238 §4.2
# By what the library calls the letter that it would send.
CHANGES: Final = {
    "account/email/password_changed": ("user.password-set", "A new password was set."),
    "mfa/email/totp_activated": ("user.second-factor-added", "An authenticator app was set up."),
    "mfa/email/totp_deactivated": ("user.second-factor-removed", "The authenticator app was switched off."),
    "mfa/email/webauthn_added": ("user.second-factor-added", "A passkey was added."),
    "mfa/email/webauthn_removed": ("user.second-factor-removed", "A passkey was removed."),
    "mfa/email/recovery_codes_generated": ("user.recovery-codes-made", "New recovery codes were made."),
}


def check_lock(account: str, address: str) -> None:
    """Raises: ValidationError."""
    lock = lockout.lock_on(account=account, address=address, now=timezone.now())
    if lock is not None:
        minutes = max(1, round((lock.until - timezone.now()).total_seconds() / 60))
        unit = "minute" if minutes == 1 else "minutes"
        raise forms.ValidationError(
            f"Too many failed attempts. Try again in {minutes} {unit}.", code="too_many_login_attempts"
        )


def record_failure(request: HttpRequest, account: str) -> None:
    now: datetime = timezone.now()
    lockout.record_failure(account=account, address=address_of(request), now=now)
    if lockout.lock_on(account=account, address=address_of(request), now=now) is None:
        return
    # Once a lock, not once a try: whoever is locked does not come here again.
    user = User.objects.filter(email=account).select_related("partner", "customer").first()
    actor = Actor("sign-in", address_of(request))
    audit.record_for((user.customer or user.partner) if user else None, actor, "user.sign-in-locked", account)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Passwords."""

    def is_open_for_signup(self, _request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return address_of(request)  # made right by `middleware.find_address`

    def is_reauthentication_required(self, *, app: str) -> bool:
        """Not within some minutes after signing in, so that staff sets up its second factor without a detour."""
        records = get_authentication_records(context.request, context.request.user)
        if records and time.time() - records[-1]["at"] < SIGNED_IN_JUST_NOW_SECONDS:
            return False
        return bool(super().is_reauthentication_required(app=app))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        check_lock(str(credentials.get("email", "")), address_of(request))

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        record_failure(request, str(credentials.get("email", "")).strip().lower())

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """What the library has to say of itself is not sent: our letters go by the relay, see `accounts.letters`."""

    def send_notification_mail(self, template_prefix: str, user: User, *_args: Any, **_kwargs: Any) -> None:
        """Somebody has changed how the own account is entered: for the audit log, and for the person."""
        if template_prefix not in CHANGES:
            return
        action, what = CHANGES[template_prefix]
        actor = Actor(user.email, address_of(context.request))
        with transaction.atomic():
            user.password_links.all().delete()
            audit.record_for(user.customer or user.partner, actor, action, user.email)
            letters.tell_of_change(user=user, actor=actor, what=what)


class LoginForm(AllauthLoginForm):  # type: ignore[misc]
    """Words of our own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Email address"
        self.fields["password"].help_text = ""
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


class ChangePasswordForm(AllauthChangePasswordForm):  # type: ignore[misc]
    """The present password is not guessed here either, by whoever finds an open session."""

    def clean_oldpassword(self) -> str:
        request = context.request
        check_lock(self.user.email, address_of(request))
        try:
            return str(super().clean_oldpassword())
        except forms.ValidationError:
            record_failure(request, self.user.email)
            raise


class _CountedCode:
    """A six-digit code is guessed in a million tries: so it is counted, for the account, by whoever tries."""

    user: User
    authenticator: Authenticator

    def clean_code(self) -> str:
        request = context.request
        check_lock(self.user.email, address_of(request))
        try:
            code: str = super().clean_code()  # type: ignore[misc]
            if not _burn(self.authenticator, code):
                raise forms.ValidationError("This code was used. Wait for the next one.", code="incorrect_code")
        except forms.ValidationError:
            record_failure(request, self.user.email)
            raise
        return code


def _burn(authenticator: Authenticator, code: str) -> bool:
    """A code of an authenticator app counts once, on whichever node, and then no older one does: RFC 6238 §5.2. The
    library remembers codes in its own process, and for a shorter time than they are good.

    Returns False if it was used.
    """
    if authenticator.type != Authenticator.Type.TOTP:
        return True  # recovery codes are crossed off by the library
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().get(pk=authenticator.pk)
        secret, typed = MfaAdapter().decrypt(row.data["secret"]), normalize_user_code(code)
        steps = [
            step for step in yield_hotp_counters_from_time() if format_hotp_value(hotp_value(secret, step)) == typed
        ]
        if not steps or max(steps) <= row.data.get(LAST_STEP, 0):
            return False
        row.data[LAST_STEP] = max(steps)
        row.save(update_fields=["data"])
    authenticator.data = row.data
    return True


class AuthenticateForm(_CountedCode, AllauthAuthenticateForm):  # type: ignore[misc]
    """The second step of signing in."""


class ReauthenticateForm(_CountedCode, AllauthReauthenticateForm):  # type: ignore[misc]
    """Before something that matters."""


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """Words of our own, and a passkey that opens by itself unless somebody wants less."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["initial"] = {"name": "", "passwordless": True, **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)
        self.fields["name"].label = "Name, such as the device's"
        self.fields["passwordless"].label = "Sign in with it alone, without the password"
        self.fields["passwordless"].help_text = "Otherwise it is asked for after the password."


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Second factors."""

    def encrypt(self, text: str) -> str:
        return seal(text, str(settings.SECRET_KEY))

    def decrypt(self, encrypted_text: str) -> str:
        """Raises: Unreadable."""
        return unseal(encrypted_text, [str(settings.SECRET_KEY), *map(str, settings.SECRET_KEY_FALLBACKS)])

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The host is what the operator says, not what the request does, as soon as the operator has said it."""
        host = urlsplit(settings.SITE.url).hostname if settings.SITE.has_public_url else None
        return {"id": host or context.request.get_host().partition(":")[0], "name": "Outgate"}


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """OpenID Connect names a person that we know already, by its proven address."""

    def is_open_for_signup(self, _request: HttpRequest, _sociallogin: Any) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Nobody ties an account of a provider's to an own one: that would be a way in that no administrator sees."""
        if sociallogin.state.get("process") != "login":
            raise ImmediateHttpResponse(errors.not_found(request))
        if not sociallogin.is_existing:
            raise ImmediateHttpResponse(_unknown(request, sociallogin))
        # The library takes the password away where it does not know that the address is the person's. An administrator
        # has entered it.
        sociallogin._did_authenticate_by_email = None

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, **_: Any
    ) -> None:
        """What the person sees, and what the operator reads in the log."""
        if error == AuthError.CANCELLED:
            return
        reason = str(exception) if isinstance(exception, Refused) else type(exception).__name__
        if exception is None:
            reason = "the answer belongs to no sign-in that this browser has begun"
        log.error("OpenID Connect with %s: %s", provider.name, reason)
        text = f"What {provider.name} said could not be believed, or it did not answer."
        text += " Try again; if it stays so, tell the operator."
        raise ImmediateHttpResponse(errors.page(request, 401, "You are not signed in", text))


def _unknown(request: HttpRequest, sociallogin: Any) -> HttpResponse:
    name = sociallogin.provider.name
    addresses = sociallogin.email_addresses
    if not addresses:
        text = f"{name} told no email address of yours, and by that people are known here."
    elif not addresses[0].verified:
        text = f"{name} says that your address is {addresses[0].email}, but not that it is verified. Verify it there."
    else:
        text = f"There is no account for {addresses[0].email}. Ask an administrator of your organisation to add you."
    return errors.page(request, 403, "You are not signed in", text)


@receiver(authenticator_used)
def _used(authenticator: Authenticator, **_: Any) -> None:
    """Seal anew what was written before secrets were sealed, or with a former secret key."""
    adapter = MfaAdapter()
    for name in ("secret", "seed"):
        if (text := authenticator.data.get(name)) and not _is_current(text):
            authenticator.data[name] = adapter.encrypt(adapter.decrypt(text))
            authenticator.save(update_fields=["data"])


def _is_current(text: str) -> bool:
    try:
        return is_sealed(text) and bool(unseal(text, [str(settings.SECRET_KEY)]))
    except Unreadable:
        return False


@receiver(user_logged_out)
def _signed_out(request: HttpRequest | None, user: User | None, **_: Any) -> None:
    """Whoever signs out while logged in as a customer has returned."""
    pk = request.session.get(ACTING_KEY) if request and user else None
    customer = Customer.objects.filter(pk=pk).first() if pk else None
    if request and user and customer:
        note_end_of_acting(user=user, address=address_of(request), customer=customer)


@receiver(user_logged_in)
def _signed_in(request: HttpRequest | None, user: User, **_: Any) -> None:
    """Called when every step is done, second factor included."""
    if request is None:
        return
    lockout.forgive(account=user.email, address=address_of(request))
    whose = user.customer or user.partner
    audit.record_for(whose, Actor(user.email, address_of(request)), "user.signed-in", user.email)
