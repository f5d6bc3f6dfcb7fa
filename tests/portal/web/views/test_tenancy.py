"""Nobody reaches what is another tenant's: every address of the site, with every method, as everybody."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from tests.portal.web.conftest import People, SignedIn
from tests.support.portal import ACTOR
from tests.support.tracked import AT, accept, name_at

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope, create_key
from outgate.portal.accounts.models import AuditEntry, Right, User
from outgate.portal.outbound import services as outbound

pytestmark = pytest.mark.django_db(databases="__all__")


def patterns(resolver: Any = None, prefix: str = "/") -> Iterator[tuple[str, URLPattern]]:
    for each in (resolver or get_resolver()).url_patterns:
        path = prefix + str(each.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
        if isinstance(each, URLResolver):
            yield from patterns(each, path)
        else:
            yield path, each


PATHS = [path for path, _ in patterns() if not path.startswith("/api/")]
FOREIGN_MESSAGE = name_at(AT)
OF_CUSTOMERS = [path for path in PATHS if "<slug:slug>" in path]


@pytest.fixture
def rows(people: People) -> dict[str, int]:
    """One of each part, Beta's; and the path's names for them."""
    domain = outbound.add_domain(actor=ACTOR, customer=people.beta, name="beta.example")
    outbound.add_source(actor=ACTOR, customer=people.beta, network="9.9.9.9")
    outbound.set_sender_relay(actor=ACTOR, customer=people.beta, domain="beta.example", host="relay.example.com")
    outbound.add_auto_forward(actor=ACTOR, customer=people.beta, address="a@archive.example.com")
    accept(customer="beta", at=AT)
    return {
        "domains": domain.pk,
        "sources": people.beta.sources.get().pk,
        "relays": people.beta.sender_relays.get().pk,
        "forwards": people.beta.auto_forwards.get().pk,
    }


def filled(path: str, rows: dict[str, int], slug: str) -> str:
    path = path.replace("<slug:queue_id>", FOREIGN_MESSAGE)
    kind = next((name for name in rows if f"/{name}/<int:pk>" in path), "")
    return path.replace("<slug:slug>", slug).replace("<int:pk>", str(rows.get(kind, 0)))


def test_the_walk_finds_the_site() -> None:
    assert len(OF_CUSTOMERS) >= 15
    assert {"/customers/", "/team/<int:pk>/", "/audit/", "/account/login/"} <= set(PATHS)


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
    public = ("/account/login/", "/account/signup/", "/account/inactive/", "/account/email/", "/account/logout/", "/r/")
    for path in PATHS:
        tried = filled(path, rows, "beta").replace("<slug:prefix>", "abc").replace("<slug:code>", "source-unknown")
        if tried.startswith((*public, "/account/password/", "/account/openid/", "/account/social/")) or "(?P" in tried:
            continue
        answer = client.get(tried)
        if answer.status_code != 302:
            assert answer.status_code in (401, 403, 404, 405), (tried, answer.status_code)
            continue
        assert answer.headers["Location"].startswith("/account/"), tried


def test_viewer_looks_and_changes_nothing(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.viewer)
    before = AuditEntry.objects.count()
    for path in OF_CUSTOMERS:
        if "<int:pk>" in path or "<slug:queue_id>" in path:
            continue
        answer = client.post(path.replace("<slug:slug>", "alpha"), {"outbound": "on", "name": "x.example"})
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
