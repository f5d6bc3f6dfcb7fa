"""What the templates share."""

import re
from typing import Any

import idna
from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from outgate.portal.web.forms import Form

register = template.Library()

# Paths of 24 by 24, drawn with a line of 2; our own drawings.
_ICONS = {
    "plus": "M12 5v14M5 12h14",
    "check": "M5 12l5 5L20 7",
    "cross": "M6 6l12 12M18 6L6 18",
    "pause": "M8 5v14M16 5v14",
    "search": "M10 4a6 6 0 1 0 0 12a6 6 0 0 0 0-12zM15 15l5 5",
    "arrow": "M5 12h14M13 6l6 6l-6 6",
    "back": "M19 12H5M11 6l-6 6l6 6",
    "key": "M15 9a4 4 0 1 0-3.5 4L13 15h2v2h2v2h3v-3l-5.3-5.3",
    "users": "M9 5a3 3 0 1 0 0 6a3 3 0 0 0 0-6zM3 19a6 6 0 0 1 12 0M16 5a3 3 0 0 1 0 6M18 14a6 6 0 0 1 3 5",
    "list": "M9 6h11M9 12h11M9 18h11M4 6h1M4 12h1M4 18h1",
    "building": "M5 20V5h9v15M14 10h5v10M3 20h18M8 9h3M8 13h3M8 17h3",
    "send": "M20 4L10 14M20 4l-6 16l-4-6l-6-4z",
    "home": "M4 11l8-7l8 7v9h-5v-6H9v6H4z",
    "lock": "M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3",
    "settings": "M4 7h10M18 7h2M4 17h2M10 17h10M16 5a2 2 0 1 0 0 4a2 2 0 0 0 0-4zM8 15a2 2 0 1 0 0 4a2 2 0 0 0 0-4z",
    "copy": "M9 9h10v10H9zM5 15V5h10",
    "sun": "M12 8a4 4 0 1 0 0 8a4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4"
    "M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """A drawing beside a word; nothing for a screen reader to say."""
    return mark_safe(  # noqa: S308 - our own text
        f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="{_ICONS[name]}"/></svg>'
    )


@register.inclusion_tag("web/field.html")
def field(form: Form, name: str, label: str, **more: Any) -> dict[str, Any]:
    """A labelled input with its help and its error. more: kind (text), help, options, form_name, autocomplete, rows,
    required, placeholder, mono, value, prefix (of the id, where a page has two fields of one name). In a form that is
    stale, where `value` is not what was typed, it stands beside it."""
    is_ours = more.get("form_name", form.name) == form.name
    is_secret = more.get("kind") == "password"  # never sent back
    value = form.values.get(name) if is_ours and not is_secret else None
    identity = f"{more.get('form_name', form.name)}-{name}".strip("-")
    error = form.errors.get(name, "") if is_ours else ""
    now = None
    if is_ours and form.is_stale and value is not None and "value" in more and differs(form, name, more["value"]):
        now = more["value"]
    names = {"help": bool(more.get("help")), "error": bool(error), "now": now is not None}
    described = [f"{identity}-{part}" for part, is_there in names.items() if is_there]
    return {
        "kind": "text",
        "required": False,
        **more,
        "name": name,
        "label": label,
        "id": identity,
        "value": more.get("value", "") if value is None else value,
        "chosen": form.lists.get(name, []) if is_ours else [],
        "error": error,
        "now": now,
        "described": " ".join(described),
    }


@register.filter
def styled(bound: Any) -> Any:
    """A field of the sign-in library's forms, as ours look. It says nothing that its label does not."""
    widget = bound.field.widget
    widget.attrs.pop("placeholder", None)
    kind = "form-check-input" if getattr(widget, "input_type", "") == "checkbox" else "form-control"
    return bound.as_widget(attrs={"class": kind})


@register.filter
def code_spans(value: str) -> SafeString:
    """Our own texts mark with backquotes what is to be entered as it stands."""
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(value)))  # noqa: S308 - escaped before


@register.filter
def text(value: Any) -> str:
    """For comparing what a form kept with an option."""
    return str(value)


@register.filter
def typed(form: Form, name: str) -> str:
    """What was typed into a field that the page draws itself."""
    return form.values.get(name, "")


def differs(form: Form, name: str, stands: object) -> bool:
    """Is what was typed something else than what stands? Line ends and blanks around do not count."""
    typed_lines = [line.strip() for line in form.values.get(name, "").strip().splitlines()]
    return typed_lines != [line.strip() for line in str(stands).strip().splitlines()]


@register.simple_tag
def stands_now(form: Form, name: str, stands: object) -> str:
    """The same of a field that the page draws itself: what stands now, if it is something else; else nothing."""
    return f"Now {stands}" if form.is_stale and differs(form, name, stands) else ""


@register.filter
def error_of(form: Form, name: str) -> list[str]:
    """The error of such a field, if it has one."""
    return [form.errors[name]] if name in form.errors else []


@register.filter
def other_errors(form: Form, known: str) -> list[str]:
    """Errors that belong to no field of the page. known: names of its fields."""
    return [message for name, message in form.errors.items() if name not in known.split()]


@register.filter
def duration(seconds: float) -> str:
    """How long something took, in the unit that people would use."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.0f} h"


@register.filter
def as_written(domain: str) -> str:
    """A canonical domain as its owner writes it: A-labels (RFC 5890) as the letters that they stand for."""
    try:
        return idna.decode(domain) if "xn--" in domain else domain
    except (idna.IDNAError, UnicodeError):
        return domain
