"""The From field, read strictly: the domains that any reader could be shown. RFC 5322 §3.4, §3.6.2, §4.4; RFC 6532.

Strictly: what two readers might read in two ways is unreadable, and the message is refused for it. That is more than
the RFC forbids: also comments and white space inside an address, encoded words or specials in a local part, and groups,
which may name nobody. An obsolete route is read and its domains are returned with the others, since some readers show
them. Display names are not judged here, whatever they pretend to be.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from outgate.mail.address import AddressError, canonical_domain

FROM_VALUE_MAX: Final = 16 * 1024  # octets with folds; RFC 5322 has no limit, what people write is below 500
TOKENS_MAX: Final = 600  # words, blanks, comments and specials; fifty mailboxes with names have some nine each
DOMAINS_MAX: Final = 50  # of mailboxes and routes together
COMMENT_DEPTH_MAX: Final = 16  # comments within comments; deeper ones are refused


def read_from(value: bytes) -> tuple[str, ...] | None:
    """The canonical domains of all mailboxes in the value of a From field, in order; address literals in brackets.

    None: unreadable. value: what follows the colon, folds included, without the last CR LF. Total, in time linear in
    `value`.
    """
    if len(value) > FROM_VALUE_MAX:
        return None
    usual = _USUAL.fullmatch(value)
    try:
        if usual is not None:
            return (canonical_domain((usual[1] or usual[2]).decode("ascii")),)
        return _read_mailboxes(_tokens(value))
    except (_Unreadable, AddressError):
        return None


class _Unreadable(Exception):
    """Ends the reading; never leaves this module."""


# One address, bare or behind a plain name: nearly all mail. Nothing is tried twice (possessive), and nothing matches
# that the reading below would refuse.
_USUAL: Final = re.compile(
    rb"[ \t]*+"
    rb"(?:"
    rb'(?:[A-Za-z0-9!#$%&\'*+/=?^_`{|}~. \t\x80-\xff-]++|"[^"\\\x00-\x08\n-\x1f\x7f]*+"[ \t]*+)?+'
    rb"<[A-Za-z0-9!#$%&'*+/^_`{|}~.-]++@([A-Za-z0-9._-]++)>"
    rb"|"
    rb"[A-Za-z0-9!#$%&'*+/^_`{|}~.-]++@([A-Za-z0-9._-]++)"
    rb")[ \t]*+"
)

_ATOM: Final = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\xff-]"  # with the dot, as obs-phrase has it
_TEXT: Final = rb'[^"()\\\x00-\x08\n-\x1f\x7f]'  # that ends neither a quoted string nor a comment
_PAIR: Final = rb"\\[\t -~\x80-\xff]"
_FOLD: Final = rb"\r\n(?=[ \t])"

_TOKEN: Final = re.compile(
    rb"(?P<space>(?:[ \t]|" + _FOLD + rb")++)"
    rb"|(?P<atom>" + _ATOM + rb"++)"
    rb'|(?P<quoted>"(?:' + _TEXT + rb"|[()]|" + _PAIR + rb"|" + _FOLD + rb')*+")'
    rb"|(?P<literal>\[(?:" + _ATOM + rb"|[: \t])*+\])"  # an address, or a word in brackets before one
    rb"|(?P<special>[<>@,:])"
)
_COMMENT_TEXT: Final = re.compile(rb'(?:"|' + _TEXT + rb"|" + _PAIR + rb"|" + _FOLD + rb")++")
_QUOTED_LOCAL_PART: Final = re.compile(rb'"(?:' + _ATOM + rb'| )++"')

Token = tuple[str, bytes]  # kind ("space", "comment", "atom", "quoted", "literal" or the special itself) and text


def _tokens(value: bytes) -> Iterator[Token]:
    """Raises: _Unreadable, at the first octet that begins no token, and behind the last token that is read."""
    at = 0
    for _ in range(TOKENS_MAX):
        if at == len(value):
            break
        if value[at : at + 1] == b"(":
            end = _comment_end(value, at)
            yield "comment", value[at:end]
            at = end
            continue
        match = _TOKEN.match(value, at)
        if match is None:
            raise _Unreadable
        kind, text = match.lastgroup or "", match[0]
        yield text.decode("ascii") if kind == "special" else kind, text
        at = match.end()
    if at < len(value):
        raise _Unreadable


def _comment_end(value: bytes, at: int) -> int:
    """Where the comment that begins at `at` ends; comments nest. Raises: _Unreadable."""
    depth = 0
    while at < len(value):
        if value[at : at + 1] == b"(":
            depth += 1
            if depth > COMMENT_DEPTH_MAX:
                raise _Unreadable
            at += 1
        elif value[at : at + 1] == b")":
            depth -= 1
            at += 1
            if not depth:
                return at
        else:
            text = _COMMENT_TEXT.match(value, at)
            if text is None:
                raise _Unreadable
            at = text.end()
    raise _Unreadable


def _read_mailboxes(tokens: Iterator[Token]) -> tuple[str, ...]:
    """mailbox-list, or obs-mbox-list with its empty places. Raises: _Unreadable, AddressError."""
    domains: list[str] = []
    gathered: list[Token] = []
    in_angle = False  # where a comma parts a route, not the list
    for token in (*tokens, (",", b",")):
        kind = token[0]
        if kind != "," or in_angle:
            in_angle = kind == "<" or (in_angle and kind != ">")
            gathered.append(token)
            continue
        mailbox = _trim(gathered, ("space", "comment"))
        if mailbox:
            domains += _read_mailbox(mailbox)
        if len(domains) > DOMAINS_MAX:
            raise _Unreadable
        gathered = []
    if in_angle or not domains:
        raise _Unreadable
    return tuple(domains)


def _read_mailbox(tokens: Sequence[Token]) -> list[str]:
    """[display-name] "<" [obs-route] addr-spec ">", or addr-spec."""
    kinds = [kind for kind, _ in tokens]
    if "<" not in kinds:
        return [_read_address(tokens)]
    angle = kinds.index("<")
    if kinds[-1] != ">" or not _NAME_KINDS.issuperset(kinds[:angle]):
        raise _Unreadable
    address = _trim(tokens[angle + 1 : -1], ("space",))
    if address and address[0][0] == "@":
        return _read_route(address)
    return [_read_address(address)]


_NAME_KINDS: Final = frozenset(("space", "comment", "atom", "quoted", "literal"))


def _read_route(tokens: Sequence[Token]) -> list[str]:
    """obs-angle-addr without its brackets: "@" domain *("," "@" domain) ":" addr-spec."""
    domains: list[str] = []
    while len(domains) < DOMAINS_MAX:
        match tokens:
            case [("@", _), domain, (("," | ":") as follower, _), *rest]:
                domains.append(_read_domain(domain))
                tokens = rest
            case _:
                raise _Unreadable
        if follower == ":":
            return [*domains, _read_address(tokens)]
    raise _Unreadable


def _read_address(tokens: Sequence[Token]) -> str:
    """addr-spec; its domain."""
    match tokens:
        case [("atom", local_part), ("@", _), domain] if b"=?" not in local_part and _is_utf8(local_part):
            return _read_domain(domain)
        case [("quoted", local_part), ("@", _), domain] if _is_plain_quoted(local_part):
            return _read_domain(domain)
        case _:
            raise _Unreadable


def _is_plain_quoted(local_part: bytes) -> bool:
    return _QUOTED_LOCAL_PART.fullmatch(local_part) is not None and b"=?" not in local_part and _is_utf8(local_part)


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _read_domain(token: Token) -> str:
    """Raises: _Unreadable, AddressError."""
    kind, text = token
    if kind == "literal" and b" " not in text and b"\t" not in text and text.isascii():
        return text.decode("ascii").lower()
    if kind != "atom":
        raise _Unreadable
    try:
        return canonical_domain(text.decode("utf-8"))
    except UnicodeDecodeError:
        raise _Unreadable from None


def _trim(tokens: Sequence[Token], kinds: tuple[str, ...]) -> Sequence[Token]:
    start, end = 0, len(tokens)
    while start < end and tokens[start][0] in kinds:
        start += 1
    while start < end and tokens[end - 1][0] in kinds:
        end -= 1
    return tokens[start:end]
