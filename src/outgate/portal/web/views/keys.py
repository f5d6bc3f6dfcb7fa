"""Keys to the API."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from outgate.portal.accounts import keys
from outgate.portal.accounts.scope import ABSENT, key_of, keys_of
from outgate.portal.errors import NotFound
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest


def index(request: CallerRequest) -> HttpResponse:
    """The list, and the form to make one. The secret is in the answer to that form and nowhere else."""
    caller = request.caller
    if not keys.may_make_keys(caller):
        raise NotFound(ABSENT)
    form = Form.of(request)
    made = None
    if request.method == "POST":
        with form.catching():
            made = keys.create_key(
                caller=caller, name=form.text("name"), scopes=form.chosen("scopes"), days=form.number("days")
            )
            form.values, form.lists = {}, {}
    form.values.setdefault("days", str(keys.DAYS_DEFAULT))
    context = {
        "form": form,
        "made": made,
        "keys": list(keys_of(caller)),
        "scopes": [(scope.value, str(scope.label)) for scope in keys.scopes_of(caller)],
        "days_max": keys.DAYS_MAX,
        "now": timezone.now(),
    }
    return render(request, "web/keys.html", context, status=200 if form.is_good else 422)


@require_POST
def revoke(request: CallerRequest, prefix: str) -> HttpResponse:
    if not keys.may_make_keys(request.caller):
        raise NotFound(ABSENT)
    keys.revoke_key(caller=request.caller, key=key_of(request.caller, prefix))
    messages.success(request, "The key was revoked: it opens nothing any more.")
    return redirect("keys")
