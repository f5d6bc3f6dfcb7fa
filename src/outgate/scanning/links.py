"""Where links lead: of texts, pages, documents, and of codes in pictures. By their text alone, nobody is asked.

Much that looks odd is ordinary: mailings count clicks by hosts of their own, gateways rewrite links. So that a shown
host is another than the link's counts only where it is a well-known one.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Struct

from outgate.mail.findings import Category, Finding
from outgate.scanning.interface import Context
from outgate.scanning.kinds import ending
from outgate.scanning.message import Link, ScannedMessage
from outgate.scanning.names import Lookalikes, has_mixed_scripts, lookalikes, registrable, shown, skeleton

NAME: Final = "links"
HOSTS_REMEMBERED: Final = 2_048  # hosts of customers whose findings a process keeps
HOST_MAX: Final = 253  # characters of a host, RFC 1035 §3.1; a longer one leads nowhere

# Those that phishing imitates most. Short on purpose: each costs some honest mail about it.
_BRAND_NAMES: Final = """
    adobe.com amazon.com amazon.de americanexpress.com apple.com bankofamerica.com barclays.co.uk
    binance.com booking.com chase.com coinbase.com commerzbank.de deutsche-bank.de dhl.com dhl.de
    docusign.com docusign.net dropbox.com ebay.com facebook.com fedex.com github.com google.com hsbc.com
    icloud.com instagram.com linkedin.com live.com metamask.io microsoft.com microsoftonline.com
    netflix.com office.com outlook.com paypal.com postbank.de santander.com sharepoint.com sparkasse.de
    spotify.com telekom.de ups.com usps.com wellsfargo.com whatsapp.com
"""
BRANDS: Final = frozenset(_BRAND_NAMES.split())
_BRAND_WORDS: Final = {
    skeleton(name.partition(".")[0]): name for name in sorted(BRANDS) if len(name.partition(".")[0]) > 5
}
# Hosts of gateways and networks that put themselves before a link; the link itself stands in theirs.
_WRAPPERS: Final = (
    "safelinks.protection.outlook.com", "urldefense.com", "urldefense.proofpoint.com", "mimecast.com",
    "mimecastprotect.com", "linkprotect.cudasvc.com", "secure-web.cisco.com", "clicktime.symantec.com",
    "hornetsecurity.com", "trendmicro.com", "fireeye.com", "sophos.com", "l.facebook.com", "google.com/url",
    "t.co", "lnkd.in", "amzn.to",
)  # fmt: skip
_WRAPPER_PARTS: Final = tuple(
    (host, path and f"/{path}") for host, _, path in (each.partition("/") for each in _WRAPPERS)
)
_WRAPPER_ENDS: Final = tuple(host for host, _ in _WRAPPER_PARTS)
_PROGRAM_ENDS: Final = frozenset(
    "exe scr msi msp bat cmd vbs vbe jse wsf hta ps1 jar apk iso img vhd vhdx lnk cpl msix appx dll".split()  # noqa: SIM905
)
_DOCUMENT_ENDS: Final = frozenset("pdf doc docx xls xlsx ppt pptx txt jpg jpeg png rtf csv zip".split())  # noqa: SIM905
_PROGRAM_SCHEMES: Final = ("search-ms:", "ms-msdt:", "ms-officecmd:", "ms-appinstaller:", "ms-search:", "vbscript:")
# Scheme, host and path of most links, as `urlsplit` takes them, at a tenth of the cost.
_ORDINARY: Final = re.compile(r"(https?|ftp)://([A-Za-z0-9.\-_]+)(?::[0-9]*)?((?:/[^?#\\\t\r\n]*)?)(?=[?#]|\Z)")
_SHOWN_LINK: Final = re.compile(r"(?:https?://|www\.)[^\s<>\"']{3,2000}", re.IGNORECASE)
_SHOWN_HOST: Final = re.compile(r"(?:[\w\-]{1,63}\.){1,10}[^\W\d_]{2,24}", re.IGNORECASE)
_HOST_LIKE: Final = re.compile(r"(?:[\w\-]{1,63}\.){1,10}[a-z]{2,24}", re.IGNORECASE)
_NUMBER: Final = re.compile(r"0x[0-9a-f]{0,16}|\d{1,16}", re.IGNORECASE)


class Target(Struct, frozen=True, gc=False):
    """Where a link leads. link: as it stands. user: what stands before the host."""

    link: str
    scheme: str
    host: str
    user: str
    path: str


class Links:
    """Findings of one host count once."""

    name = NAME
    version = "1"

    def scan(self, message: ScannedMessage, context: Context) -> Iterable[Finding]:
        own = lookalikes(context.domains)
        seen: set[tuple[str, str]] = set()
        for readable in message.readable:
            for link in readable.links:
                for name, weight, detail in findings_of(link, own):
                    if (name, detail) not in seen:
                        seen.add((name, detail))
                        yield Finding(Category.PHISHING, NAME, name, weight, detail, readable.place)


def findings_of(link: Link, own: Lookalikes) -> Iterator[tuple[str, int, str]]:
    """Name, weight and detail of each."""
    if not link.target.startswith("http"):
        start = link.target[:20].lower()
        if start.startswith(_PROGRAM_SCHEMES):
            yield "link-starts-program", 90, link.target[:100]
            return
        if start.startswith(("file:", "\\\\")):
            yield from _share(link.target, own)
            return
    target = target_of(link.target)
    if target is None or not target.host:
        return
    yield from _by_host(target.host, own)
    if target.user:
        yield from _by_user(target)
    yield from _by_path(target)
    if link.shown:
        yield from _by_shown(link.shown, target, own)


def target_of(link: str) -> Target | None:
    """Of a link of the Web, without what a gateway put before it."""
    if (match := _ORDINARY.match(link)) and not (host := match[2].lower()).endswith(_WRAPPER_ENDS):
        return Target(link, match[1], host.rstrip(".")[:HOST_MAX], "", match[3])
    parts = _split(link)
    if parts is None:
        return None
    host = parts.hostname or ""
    if host.endswith(_WRAPPER_ENDS) and _is_wrapper(host, parts.path):
        inner = unquote(link)[8:]
        at = max(inner.find("http://"), inner.find("https://"))
        parts = _split(inner[at:].partition("__;")[0]) if at >= 0 else None
        if parts is None:
            return None
        host = parts.hostname or ""
    return Target(link, parts.scheme, host.rstrip(".").lower()[:HOST_MAX], unquote(parts.username or ""), parts.path)


def _is_wrapper(host: str, path: str) -> bool:
    return any(_is_below(host, known) and path.startswith(beginning) for known, beginning in _WRAPPER_PARTS)


def _split(link: str) -> SplitResult | None:
    try:
        parts = urlsplit(link.replace("\\", "/"))
        _ = parts.hostname
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https", "ftp") else None


def _is_below(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that browsers make of a host of numbers, in whatever way they are written. None for a name."""
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            return None
    pieces = host.split(".")
    if len(pieces) > 4 or not all(_NUMBER.fullmatch(piece) for piece in pieces):
        return None
    try:
        numbers = [
            int(piece[2:] or "0", 16) if piece[:2] == "0x" else int(piece, 8 if piece[0] == "0" else 10)
            for piece in pieces
        ]
    except ValueError:
        return None
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        return None
    return ipaddress.IPv4Address(sum(number << 8 * (3 - at) for at, number in enumerate(numbers[:-1])) + numbers[-1])


@lru_cache(maxsize=HOSTS_REMEMBERED)
def _by_host(host: str, own: Lookalikes) -> tuple[tuple[str, int, str], ...]:
    """The same hosts stand in much mail, and often in one."""
    return tuple(_of_host(host, own))


def _of_host(host: str, own: Lookalikes) -> Iterator[tuple[str, int, str]]:
    address = address_of(host)
    if isinstance(address, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        if str(address) != host and isinstance(address, ipaddress.IPv4Address) and address.is_global:
            yield "host-is-address", 85, f"{host} = {address}"
        elif address.is_global:
            yield "host-is-address", 50, host
        return
    for known, weight in ((own, 90), (lookalikes(BRANDS), 85)):
        name, how = known.taken_for(host)
        if name and not own.owns(host):
            detail = f"{shown(host)} for {name}"
            if how == "look-alike":
                yield "look-alike-host", weight, detail
            else:  # people who build the customer's pages try them at such hosts
                yield "misleading-host", 60 if known is own else weight, detail
            return
    if has_mixed_scripts(host):
        yield "mixed-scripts", 75, shown(host)
    if not lookalikes(BRANDS).owns(host) and not own.owns(host):
        label = registrable(host).partition(".")[0]
        for word in label.split("-"):
            name = _BRAND_WORDS.get(skeleton(word), "")
            if name and label != name.partition(".")[0]:  # its name under another ending is mostly its own
                yield "brand-in-host", 50, f"{host} for {name}"


def _by_user(target: Target) -> Iterator[tuple[str, int, str]]:
    if target.scheme != "ftp":
        weight = 85 if _HOST_LIKE.fullmatch(target.user) else 40
        yield "user-in-link", weight, f"{target.user[:60] if weight > 40 else '...'}@{target.host}"


def _by_path(target: Target) -> Iterator[tuple[str, int, str]]:
    path = unquote(target.path[-200:])
    if ending(path) in _PROGRAM_ENDS:
        is_double = ending(path.rpartition(".")[0]) in _DOCUMENT_ENDS
        weight = 85 if is_double or address_of(target.host) is not None else 40
        yield "link-to-program", weight, f"{target.host}/...{path[-40:]}"


def _by_shown(text: str, target: Target, own: Lookalikes) -> Iterator[tuple[str, int, str]]:
    text = text.strip()[:2_000]
    match = _SHOWN_LINK.match(text)
    if match:
        named = _split(match[0] if match[0][:4].lower() == "http" else f"http://{match[0]}")
        host = (named.hostname or "").rstrip(".").lower() if named else ""
    elif _SHOWN_HOST.fullmatch(text):
        host = text.lower()
        if not own.owns(host) and not lookalikes(BRANDS).owns(host):
            return  # a file, a product, or any word with a dot
    else:
        return
    if not host or "." not in host or registrable(host) == registrable(target.host):
        return
    brands = lookalikes(BRANDS)
    weight = 30
    if not own.owns(target.host) and not brands.owns(target.host):
        # The customer's own links lead to others where a tool of its sales people counts who follows them.
        weight = 80 if brands.owns(host) else 60 if own.owns(host) else 30
    yield "shows-other-host", weight, f"{host} leads to {target.host}"


def _share(link: str, own: Lookalikes) -> Iterator[tuple[str, int, str]]:
    """Files of other machines: who opens one sends them a proof of their password."""
    path = link.replace("\\", "/").partition(":")[2] if link[:5].lower() == "file:" else link.replace("\\", "/")
    if path.startswith("///") or not path.startswith("//"):
        return
    host = path[2:].partition("/")[0].partition("@")[0].lower()
    address = address_of(host)
    is_far = address.is_global if address is not None else "." in host and not host.endswith((".local", ".lan"))
    if host and not own.owns(host):
        by_web = "@" in path[2:].partition("/")[0]  # "@80", "@SSL": over the Web, past what keeps shares inside
        yield "link-to-share", (80 if address is not None or by_web else 60) if is_far else 30, host
