"""Nobody reaches what is another tenant's: every address of the site, with every method, as everybody."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from tests.portal.web.conftest import PASSWORD, People, SignedIn
from tests.support.portal import ACTOR
from tests.support.tracked import AT, accept, name_at

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope, create_key
from outgate.portal.accounts.models import AuditEntry, Right, User
from outgate.portal.customers.models import Customer
from outgate.portal.outbound import services as outbound

pytestmark = pytest.mark.django_db(databases="__all__")


def patterns(resolver: Any = None, prefix: str = "/") -> Iterator[tuple[str, URLPattern]]:
    for each in (resolver or get_resolver()).url_patterns:
        path = prefix + str(each.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
        if isinstance(each, URLResolver):
            yield from patterns(each, path)
        else:
            yield path, each


VIEWS = {path: pattern for path, pattern in patterns() if not path.startswith("/api/v1/") or path == "/api/v1/docs/"}
PATHS = list(VIEWS)
FOREIGN_MESSAGE = name_at(AT)
OF_CUSTOMERS = [path for path in PATHS if "<slug:slug>" in path]
PARTS = ("domains", "sources", "relays", "forwards", "team", "keys")  # of whose rows a path has the number
# What anybody may ask for, signed in or not. Whatever else there is asks for a sign-in first.
PUBLIC = {
    "/account/login/",
    "/account/logout/",
    "/account/inactive/",
    "/account/signup/",
    "/account/email/",
    "/account/password/forgotten/",
    "/account/password/link/",
    "/account/password/link/<str:secret>/",
    "/account/password/set/",
    "/account/openid/<slug:provider_id>/login/",
    "/account/openid/<slug:provider_id>/login/callback/",
    "/account/social/",
    "/account/social/cancelled/",
    "/account/social/error/",
    "/account/social/signup/",
    "/account/security/webauthn/login/",
    "/api/v1/docs/",
    "/r/",
    "/r/<slug:code>/",
    "/r/<slug:code>",
}


@pytest.fixture
def rows(people: People) -> dict[str, int]:
    """One of each part, Beta's or somebody's there; and the path's names for them."""
    accept(customer="beta", at=AT)
    passkey = Authenticator.objects.create(
        user=people.foreign_admin, type=Authenticator.Type.WEBAUTHN, data={"name": "Theirs"}
    )
    return {**parts_of(people.beta, "9.9.9.9"), "team": people.foreign_admin.pk, "keys": passkey.pk}


def parts_of(customer: Customer, source: str) -> dict[str, int]:
    name = f"{customer.slug}.example"
    customer.region.smarthost = "smarthost.example"  # without it there is no script to download
    customer.region.save(update_fields=["smarthost"])
    domain = outbound.add_domain(actor=ACTOR, customer=customer, name=name)
    outbound.add_source(actor=ACTOR, customer=customer, network=source)
    outbound.set_sender_relay(actor=ACTOR, customer=customer, domain=name, host="relay.example.com")
    outbound.add_auto_forward(actor=ACTOR, customer=customer, address="a@archive.example.com")
    return {
        "domains": domain.pk,
        "sources": customer.sources.get().pk,
        "relays": customer.sender_relays.get().pk,
        "forwards": customer.auto_forwards.get().pk,
    }


def filled(path: str, rows: dict[str, int], slug: str) -> str:
    """A path that is taken to the same view as `path`, and to no other that would refuse it for a reason of its own."""
    given = {
        "<slug:slug>": slug,
        "<slug:queue_id>": FOREIGN_MESSAGE,
        "<slug:kind>": "microsoft-365",
        "<slug:name>": "set-up",
        "<slug:prefix>": "abc",
        "<slug:code>": "source-unknown",
        "<slug:provider_id>": "example",
        "<str:secret>": "never-was",
    }
    found = path
    for placeholder, value in given.items():
        found = found.replace(placeholder, value)
    if "<int:pk>" in found:
        (part,) = (part for part in PARTS if f"/{part}/<int:pk>/" in found)
        found = found.replace("<int:pk>", str(rows[part]))
    assert not re.search(r"[<>()?\\]", found), f"{path}: say what stands for its placeholder"
    assert resolve(found).func is VIEWS[path].callback, f"{path}: {found} is another view's"
    return found


def test_the_walk_finds_the_site() -> None:
    assert len(OF_CUSTOMERS) >= 15
    assert {"/customers/", "/team/<int:pk>/", "/audit/", "/account/login/"} <= set(PATHS)
    assert set(PATHS) >= PUBLIC


def test_the_same_paths_with_the_own_names_are_there(people: People, signed_in: SignedIn) -> None:
    """Else the walks below would be told 404 for what is wrong with their paths."""
    rows = parts_of(people.alpha, "9.9.9.8")
    accept(customer="alpha", at=AT)
    client = signed_in(people.operator)
    assert client.post("/customers/alpha/login-as/").status_code == 302
    for path in OF_CUSTOMERS:
        tried = filled(path, rows, "alpha")
        assert client.get(tried).status_code in (200, 302, 405), tried


@pytest.mark.parametrize("who", ["admin", "viewer", "staff", "acting", "acting_operator"])
def test_every_page_of_a_foreign_customer_is_absent(
    who: str, people: People, rows: dict[str, int], signed_in: SignedIn
) -> None:
    user: User = {"acting": people.staff, "acting_operator": people.operator}.get(who) or getattr(people, who)
    client = signed_in(user)
    if who.startswith("acting"):
        assert client.post("/customers/alpha/login-as/").status_code == 302
    before = AuditEntry.objects.count()
    for path in OF_CUSTOMERS:
        # Beta's name in the path, and Beta's rows under the own customer's name.
        tries = [filled(path, rows, "beta")]
        if "<int:pk>" in path or "<slug:queue_id>" in path:
            tries.append(filled(path, rows, "alpha"))
        for tried in tries:
            for answer in (client.get(tried), client.post(tried, {"name": "x.example", "network": "8.8.8.8"})):
                allowed = {404, 405} if "alpha" not in tried else {403, 404, 405}
                assert answer.status_code in allowed, (who, tried, answer.status_code)
    assert AuditEntry.objects.count() == before
    assert people.beta.domains.count() == people.beta.sources.count() == people.beta.sender_relays.count() == 1


def test_nobody_without_a_sign_in_sees_anything_but_what_is_public(
    people: People, rows: dict[str, int], client: Any
) -> None:
    for path in PATHS:
        if path in PUBLIC:
            continue
        tried = filled(path, rows, "beta")
        for answer in (client.get(tried), client.post(tried)):
            assert (answer.status_code, answer.headers.get("Location", "").partition("?")[0]) in (
                (302, "/account/login/"),
                (405, ""),
            ), (tried, answer.status_code)


def test_viewer_looks_and_changes_nothing(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.viewer)
    before = AuditEntry.objects.count()
    for path in OF_CUSTOMERS:
        if "<int:pk>" in path or "<slug:queue_id>" in path:
            continue
        answer = client.post(filled(path, {}, "alpha"), {"outbound": "on", "name": "x.example"})
        assert answer.status_code in (403, 404, 405), (path, answer.status_code)
    assert client.get("/customers/alpha/outbound/").status_code == 200
    assert client.get("/team/").status_code == 404
    assert client.get("/keys/").status_code == 404
    assert AuditEntry.objects.count() == before


def test_customers_people_have_no_page_of_staff(people: People, signed_in: SignedIn) -> None:
    for user in (people.admin, people.viewer):
        client = signed_in(user)
        assert client.get("/customers/").status_code == 404
        assert client.get("/customers/new/").status_code == 404
        assert client.post("/customers/new/", {"name": "x"}).status_code == 404
        assert client.post("/customers/alpha/login-as/").status_code == 404


def test_team_of_another_tenant_is_absent(people: People, signed_in: SignedIn) -> None:
    foreign = [people.foreign_admin, people.other_staff, people.operator]
    for user in (people.admin, people.staff):
        client = signed_in(user)
        for person in foreign:
            assert client.get(f"/team/{person.pk}/").status_code == 404
            for work in ("disable", "reset-factors", "password", "rights", "unlock"):
                assert client.post(f"/team/{person.pk}/", {"do": work}).status_code == 404
    assert User.objects.filter(is_active=False).count() == 0


def test_passkey_of_another_person_is_absent(people: People, rows: dict[str, int], client: Any) -> None:
    client.post("/account/login/", {"login": people.admin.email, "password": PASSWORD})
    own = Authenticator.objects.create(user=people.admin, type=Authenticator.Type.WEBAUTHN, data={"name": "Mine"})
    for path in (path for path in PATHS if "/keys/<int:pk>/" in path):
        assert client.get(filled(path, {"keys": own.pk}, "")).status_code == 200
        for answer in (client.get(filled(path, rows, "")), client.post(filled(path, rows, ""), {"name": "Taken"})):
            assert answer.status_code == 404, path
    assert Authenticator.objects.get(pk=rows["keys"]).data == {"name": "Theirs"}


def test_key_of_another_tenant_cannot_be_revoked(people: People, signed_in: SignedIn) -> None:
    made = create_key(caller=Caller.of_user(people.foreign_admin), name="Beta's", scopes=[Scope.CUSTOMERS_READ])

    for user in (people.admin, people.staff, people.operator):
        assert signed_in(user).post(f"/keys/{made.key.prefix}/revoke/").status_code == 404
    made.key.refresh_from_db()
    assert made.key.revoked_at is None


def test_audit_log_shows_the_own_tenants_lines_alone(people: People, signed_in: SignedIn) -> None:
    outbound.add_source(actor=ACTOR, customer=people.beta, network="9.9.9.77")
    outbound.add_source(actor=ACTOR, customer=people.alpha, network="9.9.9.66")

    for user in (people.admin, people.viewer, people.staff):
        page = signed_in(user).get("/audit/").content.decode()
        assert "9.9.9.66" in page
        assert "9.9.9.77" not in page


@pytest.mark.parametrize(
    ("right", "path"),
    [
        (Right.CREATE_CUSTOMERS, "/customers/new/"),
        (Right.TEAM, "/team/"),
        (Right.TEAM, "/keys/"),
        (Right.AUDIT, "/audit/"),
    ],
)
def test_staff_without_a_right_has_not_its_page(right: Right, path: str, people: People, signed_in: SignedIn) -> None:
    assert signed_in(people.staff).get(path).status_code == 200
    people.staff.rights = [each for each in people.staff.rights if each != right.value]
    people.staff.save()
    assert signed_in(people.staff).get(path).status_code == 404


def test_staff_gives_nobody_more_than_it_has(people: People, signed_in: SignedIn) -> None:
    people.staff.rights = [Right.TEAM.value]
    people.staff.save()
    client = signed_in(people.staff)

    form = {"email": "new@example.com", "role": "partner", "rights": ["team", "login-as"]}
    assert client.post("/team/", form).status_code == 200
    new = User.objects.get(email="new@example.com")
    assert new.rights == ["team"]
    assert client.post("/team/", {"email": "op@example.com", "role": "operator"}).status_code == 422
    more = User.objects.create(email="more@example.com", role="partner", partner=people.staff.partner, rights=["audit"])
    assert client.post(f"/team/{more.pk}/", {"do": "password"}).status_code == 404
    assert client.post(f"/team/{more.pk}/", {"do": "disable"}).status_code == 404


def test_nobody_makes_staff_out_of_a_customer(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.admin)

    for role in ("partner", "operator", "nonsense"):
        answer = client.post("/team/", {"email": "x@example.com", "role": role, "partner": "1"})
        assert answer.status_code == 422
    assert not User.objects.filter(email="x@example.com").exists()
