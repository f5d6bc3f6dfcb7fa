"""A customer's door: partner management and the addresses of the portal."""

import pytest
from tests.portal.web.conftest import People, SignedIn

from outgate.portal.accounts.access import is_partner_managed
from outgate.portal.accounts.models import AllowedNetwork

pytestmark = pytest.mark.django_db(databases="__all__")
PAGE = "/customers/alpha/access/"


def test_admin_closes_and_opens_the_door(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.admin)

    assert client.post(PAGE, {"form": "partner"}).status_code == 302
    assert not is_partner_managed(people.alpha)
    assert "Nobody of default can log in" in client.get(PAGE).content.decode()
    assert client.post(PAGE, {"form": "partner", "partner_management": "on"}).status_code == 302
    assert is_partner_managed(people.alpha)


def test_list_of_addresses_is_saved_or_refused_beside_its_field(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.admin)

    refused = client.post(PAGE, {"form": "", "networks": "198.51.100.0/24"})
    assert refused.status_code == 422
    assert "Your own address 127.0.0.1 is not among these" in refused.content.decode()
    assert client.post(PAGE, {"form": "", "networks": "127.0.0.0/8\n198.51.100.0/24"}).status_code == 302
    assert AllowedNetwork.objects.filter(customer=people.alpha).count() == 2
    assert "198.51.100.0/24" in client.get(PAGE).content.decode()


def test_viewer_sees_no_form(people: People, signed_in: SignedIn) -> None:
    page = signed_in(people.viewer).get(PAGE).content.decode()

    assert 'name="partner_management"' not in page
    assert 'name="networks"' not in page
