"""Every page shows itself to whoever may see it."""

import time

import pytest
from django.test import Client
from tests.portal.web.conftest import People, SignedIn

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.mark.parametrize(
    "path",
    [
        "/customers/",
        "/customers/new/",
        "/team/",
        "/keys/",
        "/audit/",
        "/account/sessions/",
        "/account/security/",
        "/r/",
        "/r/source-unknown",
        "/account/password/",
    ],
)
def test_staff_page_is_there(path: str, people: People, signed_in: SignedIn) -> None:
    for user in (people.operator, people.staff):
        response = signed_in(user).get(path, follow=True)
        assert response.status_code == 200, response.content


@pytest.mark.parametrize("path", ["", "outbound/", "outbound/activation/", "access/"])
def test_customer_page_is_there(path: str, people: People, signed_in: SignedIn) -> None:
    for user in (people.admin, people.viewer):
        assert signed_in(user).get(f"/customers/alpha/{path}").status_code == 200


PAGE_SECONDS = 0.1


def test_pages_take_less_than_a_tenth_of_a_second(people: People, signed_in: SignedIn) -> None:
    """The best of some: the machine has other work."""
    staff, customers_own = signed_in(people.operator), signed_in(people.admin)
    paths = {
        staff: ["/customers/", "/customers/new/", "/team/", "/keys/", "/audit/", "/account/security/", "/r/"],
        customers_own: [f"/customers/alpha/{path}" for path in ("", "outbound/", "outbound/activation/", "access/")],
    }
    for client, listed in paths.items():
        for path in listed:
            client.get(path)
            assert min(_seconds(client, path) for _ in range(5)) < PAGE_SECONDS, path


def _seconds(client: Client, path: str) -> float:
    begin = time.perf_counter()
    client.get(path)
    return time.perf_counter() - begin
