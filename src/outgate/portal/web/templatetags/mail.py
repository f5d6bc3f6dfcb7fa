"""What the pages of mail share: a stranger's text, badges, links to reasons."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from outgate.portal.reason_pages import reason_page
from outgate.portal.web import mail_words, visible

register = template.Library()


@register.filter
def foreign(value: Any, characters: int = 0) -> SafeString:
    """A text that came with mail: escaped, kept from its surroundings, what is hidden in it named. characters: at most;
    0 is all of them."""
    text = visible.cut(str(value), characters) if characters else str(value)
    pieces = [
        format_html('<span class="unseen">{}</span>', piece) if hidden else escape(piece)
        for hidden, piece in visible.parts(text)
    ]
    return mark_safe(f'<bdi class="foreign">{"".join(pieces)}</bdi>')  # noqa: S308 - each piece is escaped


@register.simple_tag
def badge(name: str) -> SafeString:
    """Of a status, an outcome or a DKIM verdict."""
    kind, word = mail_words.BADGES.get(name, ("off", name or "Unknown"))
    return format_html('<span class="state state-{}">{}</span>', kind, word)


@register.simple_tag
def reason_link(code: str) -> SafeString:
    """A link to the page of a code; the code alone where there is none."""
    if reason_page(code) is None:
        return format_html('<span class="mono">{}</span>', foreign(code))
    return format_html('<a class="mono" href="{}">{}</a>', reverse("reason", args=[code]), code)


@register.filter
def foreign_list(values: Any) -> SafeString:
    """Several such texts, with commas between them."""
    listed = values if isinstance(values, list | tuple) else [values]
    return format_html_join(", ", "{}", ((foreign(value),) for value in listed))


@register.filter
def title_of(code: str) -> str:
    """What a reason code says; empty where nothing is known of it."""
    page = reason_page(code)
    return page.title if page else ""


@register.filter
def standing(status: str) -> str:
    """How a message stands, in a sentence without its full stop."""
    return mail_words.SENTENCES.get(status, status)


@register.filter
def moment(at: Any) -> SafeString:
    """A time of UTC, the date below it."""
    return format_html(
        '<time class="moment" datetime="{}">{} <span class="sub">{}</span></time>',
        at.isoformat(),
        at.strftime("%H:%M:%S"),
        at.strftime("%Y-%m-%d"),
    )


@register.filter
def done(action: str) -> str:
    """What was done with a message by an action of a policy."""
    return mail_words.DONE.get(action, action)


@register.filter
def ordered(action: str) -> str:
    """That somebody has ordered it for a message."""
    return mail_words.ORDERED.get(action, action)
