"""The parts of Settings > Outbound Smarthost."""

import re

import pytest
from django.template.loader import get_template
from tests.portal.web.conftest import People, SignedIn

from outgate.portal.web.sections import SECTIONS

pytestmark = pytest.mark.django_db(databases="__all__")


def test_each_part_has_an_anchor_of_its_own_and_a_template() -> None:
    assert len({section.anchor for section in SECTIONS}) == len(SECTIONS)
    for section in SECTIONS:
        get_template(section.template)


def test_page_shows_the_parts_in_their_order_and_names_them_in_its_contents(
    people: People, signed_in: SignedIn
) -> None:
    page = signed_in(people.admin).get("/customers/alpha/outbound/").content.decode()
    anchors = [section.anchor for section in SECTIONS if section.is_for(people.alpha)]
    assert re.findall(r'<section class="card" id="([^"]+)"', page) == anchors
    for section in SECTIONS:
        assert (f'<a href="#{section.anchor}">{section.title}</a>' in page) is (section.anchor in anchors)
