"""Pages that do what mail should not: make files of text in them, ask for passwords, lead elsewhere, hide themselves.

Pages are read, never run. What a script keeps as text (base64, hex, numbers, characters by their number) is decoded and
looked at once. In time that grows with the length.
"""

import binascii
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

import re2

from outgate.mail.findings import Category, Finding
from outgate.scanning.interface import Context
from outgate.scanning.kinds import kind_of
from outgate.scanning.message import Part, ScannedMessage
from outgate.scanning.names import registrable
from outgate.scanning.readable import host_of
from outgate.scanning.tags import Tag, tags, telling

NAME: Final = "pages"
PAGES_MAX: Final = 32 * 1024 * 1024  # characters of all pages of a message that are looked at
LITERALS_MAX: Final = 200  # texts in one page's scripts that are decoded
LITERAL_CHARACTERS: Final = 600  # from which on a text without a break is data
PERCENTS: Final = 60  # characters by their number, from which on a text is there to hide what it says
INNER_MAX: Final = 1024 * 1024  # characters of a page inside a page that are looked at
INNER_DEPTH: Final = 2  # pages inside each other
LITERAL_MAX: Final = 4 * 1024 * 1024  # characters of such a text that are decoded
FEW_WORDS: Final = 400  # characters that are seen of a page that only leads elsewhere
DATA_SHARE: Final = 0.5  # of a script that is data, from which on it is there for the data

# Matched by RE2: each is looked for in all of a page's scripts, which may be many megabytes.
_MAKES: Final = re2.compile(r"(?i)\b(?:createObjectURL|msSave(?:OrOpen)?Blob|new\s+File\s*\()")
_BLOB: Final = re2.compile(r"(?i)\b(?:new\s+(?:\w+\.)?Blob\b|msSave|new\s+File\b)")
_SAVES: Final = re2.compile(r"(?i)\.download\b|[\"']download[\"']|\bmsSave(?:OrOpen)?Blob\b|\bsaveAs\s*\(")
_DECODES: Final = re2.compile(r"(?i)\b(?:atob|Uint8Array|charCodeAt|fromCharCode|parseInt|decrypt)\b")
_WRITES: Final = re2.compile(
    r"(?i)\bdocument\s*\.\s*write|\b(?:innerHTML|outerHTML|eval|srcdoc|insertAdjacentHTML)\b|\bFunction\s*\("
)
_SENDS: Final = re2.compile(
    r"(?i)\b(?:XMLHttpRequest|sendBeacon|axios)\b|\bfetch\s*\(|\.ajax\b|\$\.post\b|api\.telegram\.org"
)
_LEADS: Final = re2.compile(
    r"(?i)\blocation(?:\.href|\.replace|\.assign)?\s{0,9}[=(]\s{0,9}(?:[\"'`]\s{0,9}(https?:[^\"'`\s]{4,900})|atob)"
    r"|\bwindow\.open\s{0,9}\(\s{0,9}[\"'`](https?:[^\"'`\s]{4,900})"
)
_SVG_ACTS: Final = re2.compile(
    r"(?i)\b(?:location|atob|eval|fromCharCode|fetch|XMLHttpRequest|window\.open|createElement)\b"
)
_JOINED: Final = re.compile(r"[\"'`]\s{0,99}\+\s{0,99}[\"'`]")
_DATA: Final = re.compile(rf"(?<![A-Za-z0-9+/=_\-])[A-Za-z0-9+/=_\-]{{{LITERAL_CHARACTERS},}}+")
_NUMBERS: Final = re.compile(r"\[\s{0,99}((?:(?:0x[0-9a-fA-F]{1,2}|\d{1,3})\s{0,9},\s{0,9}){200,}+)")
_QUOTED: Final = re.compile(r"(?<=[\"'`])[^\s\"'`]{180,}+")
_PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_DATA_LINK: Final = re.compile(r"data:([^,;]{0,100})((?:;[^,;]{0,100}){0,9}),(.*)", re.IGNORECASE | re.DOTALL)
# Kinds that are no file that somebody is given: pictures, fonts, code of libraries, and those that two octets make.
_HARMLESS: Final = frozenset(
    (
        "data",
        "text",
        "html",
        "svg",
        "png",
        "jpeg",
        "gif",
        "bmp",
        "tiff",
        "image",
        "webassembly",
        "arj",
        "compress",
        "mp3",
    )
)
_LINKED: Final = {"a": "href", "iframe": "src", "embed": "src", "object": "data", "frame": "src", "area": "href"}


@dataclass(slots=True)
class Page:
    """What of a page is looked at. forms: where they send."""

    scripts: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    leads: list[str] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)
    linked_kinds: list[str] = field(default_factory=list)
    has_password: bool = False
    has_download: bool = False


class Pages:
    """Pages that are read, and those that are attached: a mail program runs no script, a browser does."""

    name = NAME
    version = "1"

    def scan(self, message: ScannedMessage, context: Context) -> Iterable[Finding]:
        room = PAGES_MAX
        for part in message.parts:
            if part.kind not in ("html", "svg", "mhtml"):
                continue
            text = part.text()
            if len(text) > room:
                yield Finding(Category.UNSCANNABLE, NAME, "page-too-large", 100, "", part.place)
            place = part.shown_place
            yield from dict.fromkeys(page_findings(text[:room], part, place, context, 0))
            room -= min(len(text), room)


def page_findings(text: str, part: Part, place: str, context: Context, depth: int) -> Iterator[Finding]:
    """Of one page. depth: how many pages it stands in."""
    page = gathered(text)
    script = _JOINED.sub("", "\n".join(page.scripts))
    kinds = [*page.linked_kinds]
    inner = [*page.inner]
    hidden: list[str] = []
    for octets in decoded_literals(script):
        kind = kind_of(octets, "", "")
        kinds.append(kind)
        if kind == "html":
            inner.append(octets.decode("utf-8", "replace"))
        elif kind in ("text", "script"):
            hidden.append(octets.decode("utf-8", "replace"))
    script = "\n".join((script, *hidden))
    yield from _files(page, script, kinds, part, place)
    yield from _passwords(page, script, part, place, context, depth)
    if part.is_attachment:
        yield from _leading(text, page, script, place, context)
    if part.kind == "svg" and page.scripts:
        yield Finding(Category.PHISHING, NAME, "svg-with-script", 85 if _SVG_ACTS.search(script) else 60, "", place)
    if inner and _WRITES.search(script):
        yield Finding(Category.PHISHING, NAME, "page-hides-itself", 75 if part.is_attachment else 60, "", place)
    if page.inner:
        yield Finding(Category.PHISHING, NAME, "page-in-link", 75, "", place)
    if depth < INNER_DEPTH:
        for each in inner[:LITERALS_MAX]:
            yield from page_findings(each[:INNER_MAX], part, place, context, depth + 1)


def gathered(text: str) -> Page:
    """Everything of a page that findings are made of."""
    page = Page()
    for tag in telling(text):
        _add(page, tag)
    return page


def words_seen(text: str) -> int:
    """Characters of a page that are seen, at least; from `FEW_WORDS` on no more are counted."""
    at = words = 0
    for tag in tags(text):
        words += len(text[at : tag.start].strip())
        if words >= FEW_WORDS:
            return words
        at = tag.end + len(tag.content)
    return words + len(text[at:].strip())


def _add(page: Page, tag: Tag) -> None:
    attributes = tag.attributes
    if tag.name == "script":
        page.scripts.append(tag.content)
    elif tag.name == "input" and attributes.get("type", "").strip().lower() == "password":
        page.has_password = True
    elif tag.name == "form":
        page.forms.append(attributes.get("action", "").strip())
    elif tag.name == "meta" and attributes.get("http-equiv", "").strip().lower() == "refresh":
        _, _, target = attributes.get("content", "").replace(",", ";", 1).partition(";")
        target = target.strip()
        if target[:3].lower() == "url":
            target = target[3:].lstrip().removeprefix("=")
        if target:
            page.leads.append(target.strip(" \"'"))
    if tag.name in _LINKED:
        _add_link(page, attributes.get(_LINKED[tag.name], "").strip(), "download" in attributes)
    if srcdoc := attributes.get("srcdoc"):
        page.inner.append(srcdoc)
    page.scripts += [value for name, value in attributes.items() if name[0] == "o" and name[:2] == "on" and value]


def _add_link(page: Page, target: str, is_download: bool) -> None:
    page.has_download |= is_download
    start = target[:12].lower()
    if start.startswith("javascript:"):
        page.scripts.append(target[11:])
    elif start.startswith("data:") and (match := _DATA_LINK.fullmatch(target)):
        octets = _base64(match[3]) if "base64" in match[2].lower() else unquote_to_bytes(match[3])
        kind = kind_of(octets or b"", "", match[1].strip().lower())
        if kind in ("html", "svg"):
            page.inner.append((octets or b"").decode("utf-8", "replace"))
        else:
            page.linked_kinds.append(kind)
    elif start.startswith("http"):
        page.links.append(target)


def decoded_literals(script: str) -> Iterator[bytes]:
    """What stands in a script as data, decoded; at most `LITERALS_MAX`."""
    count = 0
    for match in _DATA.finditer(script):
        count += 1
        if count > LITERALS_MAX:
            return
        octets = _hex(match[0][:LITERAL_MAX]) or _base64(match[0][:LITERAL_MAX])
        if octets:
            yield octets
    for match in _NUMBERS.finditer(script):
        count += 1
        if count > LITERALS_MAX:
            return
        numbers = [_number(number) for number in match[1][:INNER_MAX].rstrip(", \t\r\n").split(",")]
        if max(numbers) < 256:
            yield bytes(numbers)
    for match in _QUOTED.finditer(script):
        if match[0].count("%") < PERCENTS or not _PERCENT.search(match[0]):
            continue
        count += 1
        if count > LITERALS_MAX:
            return
        yield unquote_to_bytes(match[0][:LITERAL_MAX])


def _number(text: str) -> int:
    text = text.strip()
    return int(text, 16) if text[:2].lower() == "0x" else int(text or "0")


def _hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def _base64(text: str) -> bytes | None:
    text = text.replace("-", "+").replace("_", "/")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None


def _files(page: Page, script: str, kinds: list[str], part: Part, place: str) -> Iterator[Finding]:
    """HTML smuggling: a file that no gateway sees, since the page makes it on the reader's own machine."""
    made = [kind for kind in kinds if kind not in _HARMLESS]
    makes = bool(_MAKES.search(script) and _BLOB.search(script))
    saves = bool(page.has_download or _SAVES.search(script))
    if made and (makes or saves):
        yield Finding(Category.MALWARE, NAME, "page-makes-file", 95, made[0], place)
    elif made and page.linked_kinds and made[0] in page.linked_kinds:
        yield Finding(Category.MALWARE, NAME, "file-in-link", 75, made[0], place)
    elif makes and saves:
        data = max((_data_share(each) for each in page.scripts), default=0.0)
        is_for_data = data >= DATA_SHARE and bool(_DECODES.search(script))
        if is_for_data or part.is_attachment:
            yield Finding(Category.MALWARE, NAME, "page-makes-file", 85 if is_for_data else 50, "", place)


def _data_share(script: str) -> float:
    script = _JOINED.sub("", script)
    data = sum(len(match[0]) for pattern in (_DATA, _NUMBERS) for match in pattern.finditer(script))
    return data / max(1, len(script))


def _passwords(page: Page, script: str, part: Part, place: str, context: Context, depth: int) -> Iterator[Finding]:
    if not page.has_password:
        return
    hosts = [host for form in page.forms if (host := host_of(form))]
    elsewhere = [host for host in hosts if not _is_own(host, context)]
    if elsewhere:
        weight = 50 if _is_of_page(elsewhere[0], page) and not depth else 90
        yield Finding(Category.PHISHING, NAME, "password-form", weight, elsewhere[0], place)
    elif hosts:
        yield Finding(Category.PHISHING, NAME, "password-form", 30, hosts[0], place)
    else:
        sends = bool(_SENDS.search(script)) and (part.is_attachment or depth > 0)
        yield Finding(Category.PHISHING, NAME, "password-form", 85 if sends else 60, "", place)


def _is_own(host: str, context: Context) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in context.domains)


def _is_of_page(host: str, page: Page) -> bool:
    """Does most of what the page links to stand there too? So it does in a page that somebody saved."""
    counts = Counter(registrable(host_of(link)) for link in page.links)
    return counts.total() >= 3 and counts.most_common(1)[0][0] == registrable(host)


def _leading(text: str, page: Page, script: str, place: str, context: Context) -> Iterator[Finding]:
    """An attached page that says nothing and goes elsewhere."""
    targets = [*page.leads]
    match = _LEADS.search(script)
    if match:
        targets.append(match[1] or match[2] or "")
    if not targets or words_seen(text) >= FEW_WORDS:
        return
    for target in targets[:1]:
        if not _is_own(host_of(target), context) or not target:
            yield Finding(Category.PHISHING, NAME, "page-leads-elsewhere", 75, target[:100], place)
