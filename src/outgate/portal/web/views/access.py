"""Logging in as a customer and returning, and who may come near a customer's pages."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from outgate.portal.accounts import access
from outgate.portal.accounts.models import Role
from outgate.portal.accounts.scope import customer_of
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid
from outgate.portal.web.forms import Form
from outgate.portal.web.request import ACTING_KEY, CallerRequest, of_customer, staff_only


@require_POST
@staff_only
def login_as(request: CallerRequest, slug: str) -> HttpResponse:
    customer = customer_of(request.caller, slug)
    try:
        access.begin_acting(caller=request.caller, customer=customer)
    except Invalid as error:
        messages.error(request, error.public_message)
        return redirect("customers")
    request.session.cycle_key()  # what was known of the session before must not be worth more now
    request.session[ACTING_KEY] = customer.pk
    return redirect("customer", customer.slug)


@require_POST
def come_back(request: CallerRequest) -> HttpResponse:
    """End acting for a customer. Without effect if nobody acts."""
    if request.caller.acting_for is not None:
        access.end_acting(caller=request.caller)
        del request.session[ACTING_KEY]
        request.session.cycle_key()
    return redirect("home")


@of_customer
def show(request: CallerRequest, customer: Customer) -> HttpResponse:
    """The customer's switch for its partner, and the addresses that its people may use the portal from."""
    form = Form.of(request, request.POST.get("form", ""))
    if request.method == "POST":
        with form.catching():
            if form.name == "partner":
                on = form.is_checked("partner_management")
                access.set_partner_management(caller=request.caller, customer=customer, on=on)
                messages.success(request, f"Partner management is {'on' if on else 'off'}.")
            else:
                access.set_allowed_networks(caller=request.caller, networks=form.text("networks").split())
                messages.success(request, "The list of addresses was saved.")
        if form.is_good:
            return redirect("access", customer.slug)
    else:
        form.values["networks"] = "\n".join(str(each) for each in access.allowed_networks(request.caller))
    is_managed = access.is_partner_managed(customer)
    may_decide = request.caller.role is Role.CUSTOMER_ADMIN
    context = {"customer": customer, "form": form, "is_managed": is_managed, "may_decide": may_decide}
    return render(request, "web/access.html", context, status=200 if form.is_good else 422)
