"""Every address of the site. A view is for people who are signed in unless it says otherwise."""

from allauth.account import views as account
from allauth.mfa.urls import urlpatterns as second_factors
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from outgate.portal.api.site import api
from outgate.portal.web.views import (
    access,
    api_docs,
    audit,
    customers,
    errors,
    facts,
    guides,
    held,
    home,
    keys,
    mail,
    message,
    openid,
    passwords,
    policies,
    policy_templates,
    reasons,
    sessions,
    team,
)
from outgate.portal.web.views.outbound import clouds, domains, general, limits, page, routes, spf


@login_not_required
def absent(request: HttpRequest, **_: str) -> HttpResponse:
    """What the sign-in library names and we do not have, such as signing up."""
    return errors.not_found(request)


_customer = [
    path("", home.customer, name="customer"),
    path("login-as/", access.login_as, name="login-as"),
    path("access/", access.show, name="access"),
    path("guides/", guides.index, name="guides"),
    path("guides/<slug:kind>/", guides.show, name="guide"),
    path("guides/<slug:kind>/proof/", guides.proof, name="guide-proof"),
    path("guides/<slug:kind>/<slug:name>.ps1", guides.script, name="guide-script"),
    path("general/", facts.show, name="general"),
    path("general/delete/", facts.delete, name="delete-customer"),
    path("policies/", policies.show, name="policies"),
    path("policies/rules/", policies.add_rule, name="add-rule"),
    path("policies/rules/remove/", policies.remove_rule, name="remove-rule"),
    path("policies/templates/give/", policy_templates.give, name="give-template"),
    path("policies/templates/", policy_templates.keep, name="keep-template"),
    path("policies/templates/remove/", policy_templates.remove, name="remove-template"),
    path("held/", held.index, name="held"),
    path("held/orders/", held.orders, name="held-orders"),
    path("held/decide/", held.decide, name="decide-held"),
    path("mail/", mail.index, name="mail"),
    path("mail/newer/", mail.newer, name="newer-mail"),
    path("mail/export/", mail.export_file, name="export-mail"),
    path("mail/<slug:queue_id>/", message.show, name="message"),
    path("outbound/", page.show, name="outbound"),
    path("outbound/activation/", page.activation, name="activation"),
    path("outbound/switch/", general.switch, name="switch"),
    path("outbound/platform/", general.set_platform, name="set-platform"),
    path("outbound/domains/", domains.add_domain, name="add-domain"),
    path("outbound/domains/<int:pk>/verify/", domains.verify_domain, name="verify-domain"),
    path("outbound/domains/<int:pk>/vouch/", domains.vouch, name="vouch"),
    path("outbound/domains/<int:pk>/subdomains/", domains.set_subdomains, name="set-subdomains"),
    path("outbound/domains/<int:pk>/remove/", domains.remove_domain, name="remove-domain"),
    path("outbound/domains/<int:pk>/spf/", spf.check, name="check-spf"),
    path("outbound/domains/<int:pk>/spf/card/", spf.card, name="spf-card"),
    path("outbound/tenant/", clouds.confirm_tenant, name="confirm-tenant"),
    path("outbound/tenant/look-up/", clouds.look_up_tenant, name="look-up-tenant"),
    path("outbound/tenant/seen/", clouds.seen_tenants, name="seen-tenants"),
    path("outbound/tenant/remove/", clouds.remove_tenant, name="remove-tenant"),
    path("outbound/tenant/names/", clouds.add_name, name="add-tenant-name"),
    path("outbound/tenant/names/remove/", clouds.remove_name, name="remove-tenant-name"),
    path("outbound/tenant/relayed/", clouds.set_relayed, name="set-relayed"),
    path("outbound/pools/", clouds.set_pools, name="set-pools"),
    path("outbound/google/", clouds.set_google, name="set-google"),
    path("outbound/sources/", general.add_source, name="add-source"),
    path("outbound/sources/<int:pk>/remove/", general.remove_source, name="remove-source"),
    path("outbound/limits/", limits.set_limits, name="set-limits"),
    path("outbound/limits/reset/", limits.reset_limits, name="reset-limits"),
    path("outbound/near/", limits.near, name="near-limit"),
    path("outbound/locked/", limits.lock, name="lock-sender"),
    path("outbound/locked/unlock/", limits.unlock, name="unlock-sender"),
    path("outbound/relays/", routes.set_relay, name="set-relay"),
    path("outbound/relays/test/", routes.test_relay, name="test-relay"),
    path("outbound/relays/<int:pk>/remove/", routes.remove_relay, name="remove-relay"),
    path("outbound/forwards/", routes.add_forward, name="add-forward"),
    path("outbound/forwards/<int:pk>/remove/", routes.remove_forward, name="remove-forward"),
]

_account = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("password/", account.password_change, name="account_change_password"),
    path("sessions/", sessions.index, name="sessions"),
    path("security/", include(second_factors)),
    path("openid/<slug:provider_id>/login/", openid.begin, name="openid_connect_login"),
    path("openid/<slug:provider_id>/login/callback/", openid.come_back, name="openid_connect_callback"),
    path("social/cancelled/", openid.cancelled, name="socialaccount_login_cancelled"),
    path("social/error/", absent, name="socialaccount_login_error"),
    path("social/signup/", absent, name="socialaccount_signup"),
    path("social/", absent, name="socialaccount_connections"),
    path("signup/", absent, name="account_signup"),
    path("email/", absent, name="account_email"),
    path("password/forgotten/", passwords.forgotten, name="forgotten"),
    path("password/link/", passwords.choose, name="choose-password"),
    path("password/link/<str:secret>/", passwords.follow, name="password-link"),
    path("password/set/", absent, name="account_set_password"),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("customers/", customers.index, name="customers"),
    path("customers/new/", customers.new, name="new-customer"),
    path("customers/<slug:slug>/", include(_customer)),
    path("mail/", message.find, name="find-message"),
    path("mail/<slug:queue_id>/", message.show_to_staff, name="staff-message"),
    path("return/", access.come_back, name="return"),
    path("team/", team.index, name="team"),
    path("team/<int:pk>/", team.edit, name="user"),
    path("keys/", keys.index, name="keys"),
    path("keys/<slug:prefix>/revoke/", keys.revoke, name="revoke-key"),
    path("audit/", audit.index, name="audit"),
    path("account/", include(_account)),
    path("api/v1/docs/", api_docs.show, name="api-docs"),
    path("api/v1/", api.urls),
    path("r/", reasons.index, name="reasons"),
    path("r/<slug:code>/", reasons.show, name="reason"),
    path("r/<slug:code>", reasons.show),  # as it stands in replies, where every octet counts
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
