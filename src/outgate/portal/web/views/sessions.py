"""Where somebody is signed in, and how to end that."""

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpResponse
from django.shortcuts import redirect, render

from outgate.portal.accounts import audit
from outgate.portal.web.request import CallerRequest


def index(request: CallerRequest) -> HttpResponse:
    sessions = sorted(UserSession.objects.purge_and_list(request.user), key=lambda each: each.created_at, reverse=True)
    if request.method != "POST":
        return render(request, "web/sessions.html", {"sessions": sessions})
    wanted = request.POST.get("session", "")
    ended = [each for each in sessions if wanted == str(each.pk) or (wanted == "others" and not each.is_current())]
    for session in ended:
        if session.is_current():
            session.delete()
            logout(request)
            return redirect("account_login")
        session.end()
    if ended:
        audit.record(request.caller.actor, "user.sessions-ended", request.caller.name, number=len(ended))
        messages.success(request, "One session was ended." if len(ended) == 1 else f"{len(ended)} sessions were ended.")
    return redirect("sessions")
