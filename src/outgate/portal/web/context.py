"""What every page shows around its own content."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import may_make_keys
from outgate.portal.accounts.models import Right, Role
from outgate.portal.customers.models import Customer
from outgate.portal.web.tabs import SETTINGS, settings_tab


def frame(request: HttpRequest) -> dict[str, Any]:
    caller: Caller | None = getattr(request, "caller", None)
    if caller is None:
        return {"caller": None, "has_links": settings.SITE.has_public_url}
    customer = caller.acting_for
    if customer is None and caller.customer_id:
        customer = Customer.objects.get(pk=caller.customer_id)
    view = (request.resolver_match.url_name if request.resolver_match else "") or ""
    return {
        "caller": caller,
        "has_links": settings.SITE.has_public_url,
        "settings_tabs": SETTINGS,
        "settings_tab": settings_tab(view),
        "own_customer": customer,
        "may_see_team": caller.acting_for is not None or caller.role is Role.CUSTOMER_ADMIN or caller.has(Right.TEAM),
        "may_see_audit": not caller.is_staff or caller.has(Right.AUDIT),
        "may_make_keys": may_make_keys(caller),
    }
