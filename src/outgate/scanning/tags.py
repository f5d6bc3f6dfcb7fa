"""The tags of a page, in time that grows with its length: as browsers cut it, not as a grammar would have it.

What stands in scripts, styles and comments is no tag; what stands in comments for one mail program is.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

TAGS_MAX: Final = 200_000  # tags of one page that are looked at
PAGES_REMEMBERED: Final = 2  # pages whose tags a process keeps
ATTRIBUTES_MAX: Final = 200  # attributes of one tag that are kept

_START: Final = re.compile(r"<(?:(/?[A-Za-z][^\s/>]{0,40})|!--|!|\?)")
_ATTRIBUTE: Final = re.compile(r"""[\s/]*(?:(>)|([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*)))?)""")
_CONDITION: Final = re.compile(r"\[if\b[^\]]{0,200}\]>", re.IGNORECASE)
_RAW: Final = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title", "xmp", "noembed", "noframes")
}


@dataclass(frozen=True, slots=True)
class Tag:
    """name: in lower case, with a stroke before it if it ends an element. attributes: names in lower case, values
    without entities; the first of a name counts. start, end: of the tag in the page. content: what stands in an element
    that holds no tags, such as a script."""

    name: str
    start: int
    end: int
    attributes: dict[str, str] = field(default_factory=dict)
    content: str = ""


@lru_cache(maxsize=PAGES_REMEMBERED)
def tags(page: str) -> tuple[Tag, ...]:
    """At most `TAGS_MAX`, in their order. Of the same page again, as the next scanner asks, nothing is read again."""
    return tuple(_tags(page))


def _tags(page: str) -> Iterator[Tag]:
    at = 0
    for _ in range(TAGS_MAX):
        match = _START.search(page, at)
        if match is None:
            return
        at = match.end()
        if match[1] is None:
            at = _behind(page, at, match[0])
            continue
        name = match[1].lower()
        attributes, at = _attributes(page, at)
        content = ""
        raw = _RAW.get(name)
        if raw is not None:
            end = raw.search(page, at)
            stop = end.start() if end else len(page)
            content = page[at:stop]
            yield Tag(name, match.start(), at, attributes, content)
            at = stop
            continue
        yield Tag(name, match.start(), at, attributes)


def _attributes(page: str, at: int) -> tuple[dict[str, str], int]:
    """Those from `at` on, and where their tag ends."""
    found: dict[str, str] = {}
    if page[at : at + 1] == ">":
        return found, at + 1
    while match := _ATTRIBUTE.match(page, at):
        at = match.end()
        if match[1]:
            return found, at
        value = match[3] or match[4] or match[5] or ""
        if len(found) < ATTRIBUTES_MAX:
            found.setdefault(match[2].lower(), html.unescape(value) if "&" in value else value)
    return found, len(page)


def _behind(page: str, at: int, start: str) -> int:
    """Where a comment or declaration ends."""
    if start != "<!--":
        end = page.find(">", at)
        return end + 1 if end >= 0 else len(page)
    if condition := _CONDITION.match(page, at):
        return condition.end()
    if page.startswith(">", at) or page.startswith("->", at):
        return at + 1
    end = page.find("-->", at)
    return end + 3 if end >= 0 else len(page)
