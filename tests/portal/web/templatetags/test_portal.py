"""What the templates share."""

import pytest
from django.template import engines

from outgate.portal.web.forms import Form
from outgate.portal.web.templatetags.portal import as_written, code_spans, duration


def shown(template: str, **context: object) -> str:
    return engines["django"].from_string(template).render(context)


def test_field_is_tied_to_its_label_help_and_error() -> None:
    form = Form("source", {"network": "<x>"}, {}, {"network": "Wrong."})

    html = shown('{% field form "network" "Network" form_name="source" help="Any" %}', form=form)
    assert '<label class="form-label" for="source-network">' in html
    assert 'aria-describedby="source-network-help source-network-error"' in html
    assert 'value="&lt;x&gt;"' in html
    assert 'aria-invalid="true"' in html


def test_field_of_another_form_keeps_out_of_it() -> None:
    form = Form("source", {"name": "typed"}, {}, {"name": "Wrong."})

    html = shown('{% field form "name" "Name" form_name="domain" value="own" %}', form=form)
    assert "Wrong." not in html
    assert 'value="own"' in html


def test_icon_is_silent_for_screen_readers() -> None:
    assert 'aria-hidden="true"' in shown('{% icon "plus" %}')


def test_backquotes_become_code_and_nothing_else_becomes_a_tag() -> None:
    assert code_spans("Set `<a>` & <b>") == "Set <code>&lt;a&gt;</code> &amp; &lt;b&gt;"


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0.0 s"), (0.44, "0.4 s"), (99.9, "99.9 s"), (150, "2 min"), (7_200, "2 h")]
)
def test_duration_is_in_the_unit_that_people_use(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("domain", "written"),
    [
        ("xn--mller-kva.example", "müller.example"),
        ("mail.xn--p1ai", "mail.рф"),
        ("example.com", "example.com"),
        ("xn--mller-kva._x.example", "xn--mller-kva._x.example"),  # idna takes no underscore
    ],
)
def test_domain_is_shown_in_the_letters_of_its_owner(domain: str, written: str) -> None:
    assert as_written(domain) == written
