"""The tags of a page, in time that grows with its length: as browsers cut it, not as a grammar would have it.

What stands in scripts, styles and comments is no tag; what stands in comments for one mail program is.
"""

import html
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from msgspec import Struct

TAGS_MAX: Final = 200_000  # tags of one page that are looked at
PAGES_REMEMBERED: Final = 2  # pages whose tags a process keeps
ATTRIBUTES_MAX: Final = 200  # attributes of one tag that are kept
ATTRIBUTES_SKIMMED: Final = 50  # attributes of one tag that one pattern goes over

_RAW: Final = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title", "xmp", "noembed", "noframes")
}
# Those that lead somewhere, ask for something or do something.
TELLING: Final = frozenset(
    (
        *("a", "area", "form", "iframe", "img", "link", "base", "embed", "object", "frame", "input", "meta"),
        *_RAW,
    )
)
TELLING_ATTRIBUTES: Final = ("on", "srcdoc")  # what attributes of any tag begin with that do something


def _in_any_case(word: str) -> str:
    """A pattern of what `str.lower` makes this word of. It costs less than to ignore case."""
    return "".join("[kK\u212a]" if letter == "k" else f"[{letter}{letter.upper()}]" for letter in word)


_START: Final = re.compile(r"<(?:(/?[A-Za-z][^\s/>]{0,40})|!--|!|\?)")
_VALUE: Final = r"""\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*))"""
_ATTRIBUTE: Final = re.compile(rf"[\s/]*(?:(>)|([^\s/>][^\s/>=]*)(?:{_VALUE})?)")
_WITHOUT_END: Final = re.compile(rf"[\s/]*([^\s/>][^\s/>=]*)(?:{_VALUE})?")
_REST: Final = rf"[^\s/>][^\s/>=]*(?:{_VALUE.replace('(', '(?:').replace('(?:?:', '(?:')})?"
_ACTING: Final = "|".join(map(_in_any_case, TELLING_ATTRIBUTES))
_FIRSTS: Final = "".join(sorted({name[0] + name[0].upper() for name in TELLING}))
_TOLD: Final = "|".join(map(_in_any_case, sorted(TELLING)))
_END: Final = r"[\s/]*(?:>|(?=([^\s/>]))|)"
# A tag from its beginning to its end. 1, 2: name and attributes of a telling one; 3, 4: there is more in it, since it
# has very many attributes or one that tells; 5: a comment begins. What follows a name may be missing, so that nothing
# is tried twice, and what a pattern must remember is bounded.
_SKIMMED: Final = re.compile(
    r"<(?:/[a-zA-Z][a-zA-Z0-9]{0,40}>"
    rf"|(?=[{_FIRSTS}])({_TOLD})(?![^\s/>])((?:[\s/]*{_REST}){{0,{ATTRIBUTES_SKIMMED}}}){_END}"
    rf"|/?[A-Za-z][^\s/>]{{0,40}}(?:[\s/]*(?!{_ACTING}){_REST}){{0,{ATTRIBUTES_SKIMMED}}}{_END}"
    r"|(!--)"
    r"|[!?][^>]*>?)"
)
_COMMENT: Final = 5
_CONDITION: Final = re.compile(r"\[if\b[^\]]{0,200}\]>", re.IGNORECASE)


class Tag(Struct, frozen=True):
    """name: in lower case, with a stroke before it if it ends an element. attributes: names in lower case, values
    without entities; the first of a name counts. start, end: of the tag in the page. content: what stands in an element
    that holds no tags, such as a script."""

    name: str
    start: int
    end: int
    attributes: dict[str, str]
    content: str = ""


@lru_cache(maxsize=PAGES_REMEMBERED)
def telling(page: str) -> tuple[Tag, ...]:
    """Of `tags` those that are named in `TELLING` or have attributes that begin as one of `TELLING_ATTRIBUTES`. Of the
    same page again, as the next scanner asks, nothing is read again."""
    return tuple(_skimmed(page) if page.count("<") <= TAGS_MAX else filter(_tells, tags(page)))


def tags(page: str) -> Iterator[Tag]:
    """At most `TAGS_MAX`, in their order."""
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
        content = _content(page, name, at)
        yield Tag(name, match.start(), at, attributes, content)
        at += len(content)


def _tells(tag: Tag) -> bool:
    return tag.name in TELLING or any(name.startswith(TELLING_ATTRIBUTES) for name in tag.attributes)


def _skimmed(page: str) -> Iterator[Tag]:
    """What tells nothing is passed over by one pattern."""
    at: int | None = 0
    while at is not None:
        start, at = at, None
        for match in _SKIMMED.finditer(page, start):
            kind = match.lastindex
            if kind is None:
                continue
            if kind == _COMMENT:
                at = _behind(page, match.end(), "<!--")
                break
            if kind == 2:
                name, end = match[1].lower(), match.end()
                found = _kept(_WITHOUT_END.findall(page, *match.span(2)))
            else:  # read it attribute by attribute
                name, end = _named(page, match.start())
                found, end = _attributes(page, end)
            content = _content(page, name, end)
            tag = Tag(name, match.start(), end, found, content)
            if kind == 2 or _tells(tag):
                yield tag
            if kind != 2 or content:
                at = end + len(content)
                break


def _named(page: str, start: int) -> tuple[str, int]:
    """The name of the tag that begins there, and where its attributes begin."""
    match = _START.match(page, start)
    assert match is not None
    return match[1].lower(), match.end()


def _content(page: str, name: str, at: int) -> str:
    """What stands in an element that holds no tags."""
    raw = _RAW.get(name)
    if raw is None:
        return ""
    end = raw.search(page, at)
    return page[at : end.start() if end else len(page)]


def _attributes(page: str, at: int) -> tuple[dict[str, str], int]:
    """Those from `at` on, and where their tag ends."""
    found: dict[str, str] = {}
    if page[at : at + 1] == ">":
        return found, at + 1
    while match := _ATTRIBUTE.match(page, at):
        at = match.end()
        if match[1]:
            return found, at
        if len(found) < ATTRIBUTES_MAX:
            _keep(found, match[2], match[3] or match[4] or match[5] or "")
    return found, len(page)


def _kept(attributes: Iterable[tuple[str, str, str, str]]) -> dict[str, str]:
    """Of names and values in the three ways to write one."""
    found: dict[str, str] = {}
    for name, double, single, bare in attributes:  # as `_keep`, which would be called for each
        name = name.lower()
        if name not in found:
            value = double or single or bare
            found[name] = html.unescape(value) if "&" in value else value
    return found


def _keep(found: dict[str, str], name: str, value: str) -> None:
    name = name.lower()
    if name not in found:
        found[name] = html.unescape(value) if "&" in value else value


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
