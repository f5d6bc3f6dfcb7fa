"""What the parts about Microsoft 365 and Google show: the tenant lock, the pools, the provider's ranges."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from outgate.contract.policy import PoolAction, SignatureRule
from outgate.portal.customers.models import Customer, MailPlatform
from outgate.portal.outbound.proposals import SEEN_DAYS, tenant_standings
from outgate.portal.outbound.selectors import google_settings, microsoft_settings
from outgate.portal.providers.models import ProviderState
from outgate.portal.tracker.recent import DAYS, RecentMail, recent_mail
from outgate.portal.tracker.selectors import sightings_of
from outgate.portal.tracker.sightings import MICROSOFT
from outgate.portal.web.request import CallerRequest

STALE_DAYS: Final = 35  # age from which on a provider's list is not relied on; as in `policy.providers`
SIGHTINGS_SHOWN: Final = 20
DOMAINS_OFFERED: Final = 100  # for the tenant to be looked up by

POOL_ACTIONS: Final = (
    (PoolAction.REJECT.value, "Reject"),
    (PoolAction.HOLD.value, "Hold for a person"),
    (PoolAction.DELIVER.value, "Scan and deliver"),
)
SIGNATURE_RULES: Final = (
    (SignatureRule.PREFER.value, "Prefer a signature"),
    (SignatureRule.REQUIRE.value, "Require a signature"),
)
_POOL_NAMES: Final = {
    "high-risk": "high-risk pool",
    "relay": "relay pool",
    "relay-high-risk": "high-risk part of the relay pool",
    "consumer": "private outlook.com mailboxes",
}
GOOGLE: Final = "google"
_PROVIDERS: Final = {MailPlatform.MICROSOFT_365.value: MICROSOFT, MailPlatform.GOOGLE.value: GOOGLE}


def is_google(customer: Customer) -> bool:
    return bool(customer.mail_platform == MailPlatform.GOOGLE)


def tenant(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    now = timezone.now()
    confirmed = list(customer.microsoft_tenants.order_by("confirmed_at"))
    standings = tenant_standings(customer, now)
    last_seen = {standing.tenant_id: standing.last_at for standing in standings}
    known = {row.tenant_id for row in confirmed}
    seen = sightings_of(customer.slug, since=now - timedelta(days=SEEN_DAYS))
    verified = customer.domains.filter(verified_at__isnull=False).order_by("name")
    return {
        "confirmed": [{"row": row, "last_at": last_seen.get(row.tenant_id)} for row in confirmed],
        "names": list(customer.microsoft_names.order_by("name")),
        "proposed": [standing for standing in standings if standing.is_proposed],
        "others": [each for each in standings if not each.is_proposed and each.tenant_id not in known],
        "sightings": [each for each in seen if each.source_class == MICROSOFT][:SIGHTINGS_SHOWN],
        "days": SEEN_DAYS,
        "relayed_mail": microsoft_settings(customer).relayed_mail,
        "look_up": [(name, name) for name in verified.values_list("name", flat=True)[:DOMAINS_OFFERED]],
    }


def pools(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    recent = recent_mail(customer.slug, MICROSOFT, timezone.now())
    settings, actions = microsoft_settings(customer), dict(POOL_ACTIONS)
    return {
        "settings": settings,
        "actions": POOL_ACTIONS,
        "high_risk": actions[settings.high_risk_pool.value],
        "relay": actions[settings.relay_pool.value],
        "came": list(_pools_of(recent)),
        "messages": recent.messages,
        "days": DAYS,
    }


def _pools_of(recent: RecentMail) -> Iterable[tuple[str, int]]:
    return ((name, recent.pools[pool]) for pool, name in _POOL_NAMES.items() if recent.pools.get(pool))


def google(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    signature = google_settings(customer).signature.value
    return {
        "signature": signature,
        "signature_text": dict(SIGNATURE_RULES)[signature],
        "rules": SIGNATURE_RULES,
        "recent": recent_mail(customer.slug, GOOGLE, timezone.now()),
        "days": DAYS,
    }


def platform(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    provider = _PROVIDERS.get(customer.mail_platform, "")
    state = ProviderState.objects.filter(provider=provider).first() if provider else None
    return {
        "platforms": MailPlatform.choices,
        "provider": provider,
        "ranges": _ranges(state, timezone.now()) if state is not None else None,
        "has_sources": customer.sources.exists(),
    }


def _ranges(state: ProviderState, now: datetime) -> dict[str, Any]:
    return {
        "count": len(state.networks),
        "confirmed_at": state.confirmed_at,
        "days": (now - state.confirmed_at).days,
        "is_old": now - state.confirmed_at > timedelta(days=STALE_DAYS),
        "is_packaged": state.fetched_at is None,
        "is_failing": bool(state.last_error),
    }
