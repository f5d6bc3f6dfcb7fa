"""Passwords by link: asked for by who has forgotten one, followed from a letter.

Absent while the operator has not named the portal's address, since a link is made with nothing else.
"""

from time import monotonic, sleep
from typing import Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from outgate.portal.accounts import links
from outgate.portal.errors import Invalid
from outgate.portal.web.addresses import address_of
from outgate.portal.web.forms import Form
from outgate.portal.web.views import errors

# To be answered a request takes as long as this, whether or not a link was made: that alone takes some milliseconds.
ANSWER_SECONDS: Final = 0.25
LINK_KEY: Final = "password_link"  # of the session: the secret, so that it stands in no address after the first


@login_not_required
def forgotten(request: HttpRequest) -> HttpResponse:
    """Says the same whether or not there is such an account."""
    if not settings.SITE.has_public_url:
        return errors.not_found(request)
    form = Form.of(request)
    if request.method == "POST":
        begin = monotonic()
        with form.catching():
            if not form.text("email"):
                raise Invalid("email", "Enter the address that you sign in with.")
            is_taken = links.request_reset(
                email=form.text("email"), address=address_of(request), site_url=settings.SITE.url, now=timezone.now()
            )
            if is_taken:
                sleep(max(0.0, begin + ANSWER_SECONDS - monotonic()))
            status = 200 if is_taken else 429
            context = {"email": form.text("email"), "is_taken": is_taken, "minutes": links.RESET_MINUTES}
            return render(request, "web/forgotten_sent.html", context, status=status)
    return render(request, "web/forgotten.html", {"form": form}, status=200 if form.is_good else 422)


@login_not_required
@sensitive_variables("secret")
def follow(request: HttpRequest, secret: str) -> HttpResponse:
    """From the letter. Only looks, since programs that read mail follow links too."""
    if not settings.SITE.has_public_url:
        return errors.not_found(request)
    if links.user_of(secret, timezone.now()) is None:
        return _gone(request)
    request.session[LINK_KEY] = secret
    return redirect("choose-password")


@login_not_required
@sensitive_variables("secret", "password")
@sensitive_post_parameters("password", "again")
def choose(request: HttpRequest) -> HttpResponse:
    """The form, and what it sets. Nobody is signed in by it: that comes next, with the second factor."""
    secret = request.session.get(LINK_KEY, "")
    user = links.user_of(secret, timezone.now()) if settings.SITE.has_public_url and secret else None
    if user is None:
        return _gone(request)
    form = Form.of(request)
    if request.method == "POST":
        password = request.POST.get("password", "")
        with form.catching():
            if password != request.POST.get("again", ""):
                raise Invalid("again", "The two are not the same. Enter the password twice.")
            try:
                links.set_password(secret=secret, password=password, address=address_of(request), now=timezone.now())
            except links.LinkGone:
                return _gone(request)
            logout(request)  # whoever was signed in here before
            messages.success(request, "The password was set. Sign in with it.")
            return redirect("account_login")
        form.values.clear()
    status = 200 if form.is_good else 422
    return render(request, "web/choose_password.html", {"form": form, "email": user.email}, status=status)


def _gone(request: HttpRequest) -> HttpResponse:
    request.session.pop(LINK_KEY, None)
    return render(request, "web/link_gone.html", status=404)
