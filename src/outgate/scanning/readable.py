"""What a person reads of a message, as text, and the links in it: from plain text, pages, and Office documents.

Not a browser: tags go, what styles hide stays, since hidden text is text all the same. Bounded by `TEXT_MAX` for each
part and in all.
"""

import html
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from outgate.scanning.archives import ZIP_FAILURES
from outgate.scanning.guards import TEXT_MAX
from outgate.scanning.message import Link, Part, Readable
from outgate.scanning.tags import Tag, telling

_DROPPED: Final = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL | re.IGNORECASE)
_BREAK: Final = re.compile(r"<(?:br|/p|/div|/tr|/li|/h[1-6]|/td)\b[^<>]*>", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")
_BLANKS: Final = "\t\r\f\v\u00a0"  # what stands for a blank, beside itself
_BLANKS_RUN: Final = re.compile(r"  +")
_LEADING: Final = frozenset(
    ("a", "area", "form", "iframe", "img", "link", "base", "embed", "object")
)  # tags with links
_ANCHOR_END: Final = re.compile(r"</?a\b", re.IGNORECASE)
_UNSEEN: Final = "\t\r\n"
TARGET_MAX: Final = 2_000  # characters of one link
SHOWN_MAX: Final = 2_000  # characters of a page between a link's tags
_BARE_LINK: Final = re.compile(r"\b(?:https?|ftp)://[^\s<>\"'\u00ab\u00bb\u201c\u201d]{3,2000}", re.IGNORECASE)
# Lengths of what `_BARE_LINK` begins with, by its last letter; the last is an s to who ignores case.
_SCHEME_LENGTHS: Final = {"p": (4, 3), "P": (4, 3), "s": (5,), "S": (5,), "\u017f": (5,)}
_OFFICE_TEXTS: Final = re.compile(
    r"word/(?:document|footnotes|endnotes|comments|header\d+|footer\d+)\.xml|xl/sharedStrings\.xml|"
    r"xl/worksheets/sheet\d+\.xml|ppt/(?:slides|notesSlides)/\w+\d+\.xml|content\.xml"
)
_OFFICE_LINKS: Final = re.compile(r"(?:word|xl|ppt)/(?:\w+/)*_rels/[^/]+\.rels")
_OFFICE_BREAK: Final = re.compile(r"</(?:w:p|a:p|text:p|si|c|row|w:tr)>")
_TARGET: Final = re.compile(r'Target="((?:https?|ftp):[^"]+)"[^<>]*TargetMode="External"', re.IGNORECASE)
_OFFICE: Final = frozenset(("word", "excel", "powerpoint", "visio", "office", "open-document"))
# Of most links this takes the host that `urlsplit` takes, at a tenth of the cost.
_ORDINARY_HOST: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://([A-Za-z0-9.\-_]+)(?::[0-9]*)?(?=[/?#]|\Z)")
HOSTS_REMEMBERED: Final = 1_024  # links whose host a process keeps
LINKS_MAX: Final = 500  # of one message


def readable(parts: Iterable[Part]) -> Iterator[Readable]:
    """All texts of the message, together at most `TEXT_MAX` characters."""
    room = TEXT_MAX
    links = LINKS_MAX
    for part in parts:
        found = _of(part, room)
        if found is None:
            continue
        room -= len(found.text)
        yield (
            found
            if len(found.links) <= links
            else Readable(found.place, found.text, found.links[:links], found.is_body)
        )
        links -= min(len(found.links), links)
        if room <= 0:
            return


def _of(part: Part, room: int) -> Readable | None:
    is_body = not part.is_attachment
    if part.kind in ("html", "svg"):
        text, links = page_text(part.text()[:room])
        return Readable(part.place, text, links, is_body)
    if part.kind in ("text", "script", "mhtml"):
        text = part.text()[:room]
        return Readable(part.place, text, tuple(Link(link) for link in bare_links(text)), is_body)
    if part.kind in _OFFICE:
        return Readable(part.place, *office_text(part.octets, room))
    return None


def page_text(page: str) -> tuple[str, tuple[Link, ...]]:
    """A page's text and links."""
    anchors: list[Link] = []
    others: dict[str, None] = {}
    for tag in telling(page):
        if tag.name in _LEADING:
            target = _target(tag)
            if tag.name == "a":
                anchors.append(Link(target, _shown(page, tag.end)))
            else:
                others[target] = None
    known = {link.target for link in anchors}
    links = [*anchors, *(Link(target) for target in others if target not in known)]
    text = _words(page)
    known.update(others)
    links += [Link(link) for link in bare_links(text) if link not in known]
    return text, tuple(link for link in links if link.target)


def _shown(page: str, start: int) -> str:
    """What a person sees of a link whose tag ends at `start`."""
    end = _ANCHOR_END.search(page, start, start + SHOWN_MAX)
    return _words(page[start : end.start() if end else start + SHOWN_MAX])


def _target(tag: Tag) -> str:
    """Where a tag leads. Line ends and tabs in it count for nothing, as for browsers."""
    for name in ("href", "src", "action", "data"):
        if target := tag.attributes.get(name):
            target = target[:TARGET_MAX]
            for unseen in _UNSEEN:
                target = target.replace(unseen, "")
            return target.strip()
    return ""


def _words(page: str) -> str:
    if "<" in page:
        page = _TAG.sub("", _BREAK.sub("\n", _DROPPED.sub(" ", page)))
    text = html.unescape(page)
    for blank in _BLANKS:
        text = text.replace(blank, " ")
    return _BLANKS_RUN.sub(" ", text).strip()


def bare_links(text: str) -> list[str]:
    """Links that stand in plain text, each once."""
    found: dict[str, None] = {}
    end = 0  # of the last link
    mark = text.find("://")
    while mark >= 0:
        # Only where a link may begin before this mark is the pattern asked: it would go over the text letter by letter.
        for letters in _SCHEME_LENGTHS.get(text[mark - 1 : mark], ()):
            if mark - letters >= end and (match := _BARE_LINK.match(text, mark - letters)):
                found[match[0].rstrip(".,;:!?)]}")] = None
                end = match.end()
                break
        mark = text.find("://", max(end, mark + 3))
    return list(found)


def office_text(octets: bytes, room: int) -> tuple[str, tuple[Link, ...]]:
    """Text and links of a document in a ZIP. What cannot be read is left out: `archives` has said so."""
    texts: list[str] = []
    links: list[Link] = []
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            for name in archive.namelist():
                if room > 0 and _OFFICE_TEXTS.fullmatch(name):
                    with archive.open(name) as stream:
                        text = _TAG.sub("", _OFFICE_BREAK.sub("\n", stream.read(room * 4).decode("utf-8", "replace")))
                    texts.append(html.unescape(text)[:room])
                    room -= len(texts[-1])
                elif _OFFICE_LINKS.fullmatch(name):
                    with archive.open(name) as stream:
                        found = _TARGET.findall(stream.read(TEXT_MAX).decode("utf-8", "replace"))
                    links += [Link(html.unescape(target)) for target in found]
    except ZIP_FAILURES:
        pass
    return "\n".join(texts), tuple(links)


@lru_cache(maxsize=HOSTS_REMEMBERED)
def host_of(link: str) -> str:
    """The host that a link leads to, in lower case; "" if it names none."""
    if match := _ORDINARY_HOST.match(link):
        return match[1].rstrip(".").lower()
    try:
        return (urlsplit(link).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
