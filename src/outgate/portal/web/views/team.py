"""The people of a tenant: add, disable, rights, second factors, sessions."""

from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from outgate.portal.accounts import links, services
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import PasswordLink, Right, Role, User
from outgate.portal.accounts.scope import ABSENT, partners_of, user_of, users_of
from outgate.portal.accounts.team import add_member, given_rights, is_above, may_manage_team, roles_for
from outgate.portal.errors import Invalid, NotFound
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest, View

PAGE_SIZE: Final = 50
WAYS: Final = (("mail", "A link by mail, to choose a password"), ("password", "A password, shown to you once"))


def _managers_only(view: View) -> View:
    def guarded(request: CallerRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_manage_team(request.caller):
            raise NotFound(ABSENT)
        return view(request, *args, **kwargs)

    return guarded


@_managers_only
def index(request: CallerRequest) -> HttpResponse:
    """The list, and the form to add somebody."""
    caller = request.caller
    form = Form.of(request)
    if request.method == "POST":
        with form.catching():
            new = add_member(
                caller=caller,
                email=form.text("email"),
                name=form.text("name"),
                role=form.text("role"),
                partner=form.text("partner"),
                rights=form.chosen("rights"),
                link_url=link_url(form),
            )
            return render(request, "web/user_made.html", {"made": new.user, "password": new.password})
    open_links = PasswordLink.objects.filter(user=OuterRef("pk"), expires_at__gt=timezone.now())
    rows = users_of(caller).annotate(is_invited=Exists(open_links.filter(is_invitation=True)))
    roles = [(role.value, str(role.label)) for role in roles_for(caller)]
    number = request.GET.get("page", "1")
    total = rows.count()
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(int(number), 1), pages) if number.isascii() and number.isdecimal() and len(number) < 9 else 1
    context = {
        "form": form,
        "users": list(rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]),
        "page": page,
        "pages": pages,
        "roles": roles,
        "partners": [(partner.pk, partner.name) for partner in partners_of(caller)],
        "rights": Right.choices,
        "is_operator": caller.is_staff and caller.role is Role.OPERATOR,
        "ways": WAYS,
    }
    return render(request, "web/team.html", context, status=200 if form.is_good else 422)


def link_url(form: Form) -> str:
    """The site that a link to choose a password leads to, if one was wanted and can be made; else empty."""
    return settings.SITE.url if settings.SITE.has_public_url and form.text("how") == "mail" else ""


@_managers_only
def edit(request: CallerRequest, pk: int) -> HttpResponse:
    """One person. Each button is a form."""
    caller = request.caller
    user = user_of(caller, pk)
    form = Form.of(request)
    if request.method == "POST":
        if user.email == caller.name:
            messages.error(request, "This is you. Let somebody else do it, so that nobody is locked out.")
            return redirect("user", user.pk)
        if form.text("do") == "password" and not is_above(caller, user):
            password = services.generate_password()
            services.set_password(actor=caller.actor, user=user, password=password)
            # In the answer itself and nowhere else: a message would stand in the session for a while.
            return render(request, "web/user_made.html", {"made": user, "password": password})
        with form.catching():
            messages.success(request, _do(caller, user, form))
        if "email" not in form.errors:
            for text in form.errors.values():
                messages.error(request, text)
            return redirect("user", user.pk)
        user.refresh_from_db()
    context = {
        "person": user,
        "form": form,
        "link": user.password_links.filter(expires_at__gt=timezone.now()).first(),
        "rights": Right.choices,
        "may_give": [right.value for right in Right if caller.has(right)],
    }
    return render(request, "web/user.html", context, status=200 if form.is_good else 422)


def _do(caller: Caller, user: User, form: Form) -> str:
    """Raises: Invalid."""
    if is_above(caller, user):
        raise NotFound(ABSENT)
    actor = caller.actor
    match form.text("do"):
        case "disable":
            services.set_active(actor=actor, user=user, is_active=False)
            return f"{user.email} may no longer sign in, and is signed out everywhere."
        case "link" if settings.SITE.has_public_url:
            link = links.send_link(actor=actor, user=user, site_url=settings.SITE.url, now=timezone.now())
            return f"A link was sent to {user.email}. It works once, until {link.expires_at:%Y-%m-%d %H:%M} UTC."
        case "email":
            services.set_email(actor=actor, user=user, email=form.text("email"))
            return f"This person signs in as {user.email} from now on. Both addresses are told."
        case "enable":
            services.set_active(actor=actor, user=user, is_active=True)
            return f"{user.email} may sign in again."
        case "reset-factors":
            services.reset_second_factors(actor=actor, user=user)
            return f"The second factors of {user.email} are gone. At the next sign-in new ones can be set up."
        case "unlock":
            services.unlock(actor=actor, user=user)
            return f"{user.email} may try again at once."
        case "rights":
            chosen = given_rights(caller, form.chosen("rights"))
            services.set_rights(actor=actor, user=user, rights=chosen)
            return "The rights were saved."
    raise Invalid("do", "There is no such button.")
