"""Reads the arguments of commands: paths, parameters, the name in EHLO, the size in BDAT. RFC 5321 §4.1.2, §4.1.3.

Input is one line's text behind its verb, printable, without CR LF and without trailing blanks; `server` has seen to
that. What a peer got wrong is a value, the `Reply` that refuses it. Lenient where every relay is (a blank behind the
colon, any case of keywords), strict where a second reading of an address could make it somebody else's.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from outgate.mail.address import (
    DOMAIN_MAX,
    LOCAL_PART_MAX,
    NULL_REVERSE_PATH,
    PATH_MAX,
    AddressError,
    ForwardPath,
    ReversePath,
    canonical_domain,
)
from outgate.mail.reply import Reply
from outgate.smtp import answers
from outgate.smtp.events import Body, MailReceived

DOMAINS_REMEMBERED: Final = 4096  # canonical forms kept, of at most `PATH_MAX` octets each
SIZE_DIGITS_MAX: Final = 20  # RFC 1870 §3, RFC 3030 §2

# RFC 5321 §4.1.2, with the additions of RFC 6531 §3.3. What no person can see (controls, bidirectional overrides, odd
# blanks) never comes so far.
_UTF8: Final = "\u0080-\U0010ffff"
_ATOM: Final = rf"[{_UTF8}A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+"
_DOT_STRING: Final = rf"{_ATOM}(?:\.{_ATOM})*"
_QUOTED_STRING: Final = rf'"(?:[{_UTF8} !#-\[\]-~]|\\[ -~])*"'
_NAME: Final = rf"[{_UTF8}A-Za-z0-9._-]+"  # may be a domain; `canonical_domain` decides
_LITERAL: Final = r"\[[!-Z^-~]+\]"
_SOURCE_ROUTE: Final = rf"@(?:{_NAME}|{_LITERAL})(?:,@(?:{_NAME}|{_LITERAL}))*:"

_PATH: Final = re.compile(rf"<(?:{_SOURCE_ROUTE})?(({_DOT_STRING}|{_QUOTED_STRING})@({_NAME}|{_LITERAL}))>")
_POSTMASTER: Final = re.compile(r"<(postmaster)>", re.IGNORECASE | re.ASCII)
_PARAMETER: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?")  # RFC 5321 §4.1.2, esmtp-param
_GENERAL_LITERAL: Final = re.compile(r"\[[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+\]")
_CHUNK: Final = re.compile(rf"([0-9]{{1,{SIZE_DIGITS_MAX}}})( +LAST)?", re.IGNORECASE | re.ASCII)

# Wider than RFC 5321 §4.1.1.1: underscores, bare addresses and the like are common and harmless. Parentheses, quotes
# and blanks are not let through: the name goes into our Received line.
_HELLO_CHARACTER: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.:@-]"
_HELLO_NAME: Final = re.compile(
    rf"{_HELLO_CHARACTER}{{1,{DOMAIN_MAX}}}|\[{_HELLO_CHARACTER}{{1,{DOMAIN_MAX}}}\]",
)

_BODIES: Final = {"7BIT": Body.SEVEN_BIT, "8BITMIME": Body.EIGHT_BIT_MIME}

_canonical: Final = lru_cache(maxsize=DOMAINS_REMEMBERED)(canonical_domain)


def read_mail(argument: str, *, is_extended: bool) -> MailReceived | Reply:
    """`FROM:<reverse-path>` with the parameters of SIZE, 8BITMIME and SMTPUTF8. RFC 5321 §4.1.1.2.

    is_extended: the peer said EHLO; without it there are no parameters (RFC 5321 §2.2.1, §4.1.1.1).
    """
    start = _path_start(argument, "FROM:")
    if start < 0:
        return answers.MAIL_SHAPE
    if argument.startswith("<>", start):
        path = NULL_REVERSE_PATH
        end = start + 2
    else:
        match = _PATH.match(argument, start)
        if match is None:
            return answers.REVERSE_PATH_SHAPE if "<" in argument else answers.MAIL_SHAPE
        found = _check(match)
        if isinstance(found, str):
            return Reply(501, "5.1.7", found)
        path = ReversePath(*found)
        end = match.end()
    if end == len(argument):
        return answers.REVERSE_PATH_NEEDS_SMTPUTF8 if path.is_utf8 else MailReceived(path, None, Body.SEVEN_BIT, False)
    if argument[end] != " ":
        return answers.REVERSE_PATH_SHAPE
    parameters = _read_parameters(argument[end:])
    if isinstance(parameters, Reply):
        return parameters
    if not is_extended:
        return answers.PARAMETERS_NEED_EHLO
    if path.is_utf8 and not parameters.smtputf8:
        return answers.REVERSE_PATH_NEEDS_SMTPUTF8
    return MailReceived(path, parameters.size_octets, parameters.body, parameters.smtputf8)


def read_recipient(argument: str, *, smtputf8: bool) -> ForwardPath | Reply:
    """`TO:<forward-path>`; no parameters, as DSN is not offered. RFC 5321 §4.1.1.3.

    smtputf8: MAIL asked for it; only then may the address be internationalised (RFC 6531 §3.4).
    """
    start = _path_start(argument, "TO:")
    if start < 0:
        return answers.RCPT_SHAPE
    match = _PATH.match(argument, start)
    if match is not None:
        found = _check(match)
        if isinstance(found, str):
            return Reply(501, "5.1.3", found)
        path = ForwardPath(*found)
    elif (match := _POSTMASTER.match(argument, start)) is not None:  # RFC 5321 §4.5.1
        path = ForwardPath(match[1], match[1], "")
    else:
        return answers.FORWARD_PATH_SHAPE if "<" in argument else answers.RCPT_SHAPE
    end = match.end()
    if end != len(argument):
        return answers.RCPT_PARAMETERS if argument[end] == " " else answers.FORWARD_PATH_SHAPE
    if not smtputf8 and path.is_utf8:
        return answers.FORWARD_PATH_NEEDS_SMTPUTF8
    return path


def read_hello_name(argument: str) -> str | None:
    """The name in HELO or EHLO; None if it is missing or could be mistaken for anything else in a trace line.

    What some clients write behind an address literal is dropped (RFC 5321 §4.1.1.1). The name proves nothing, and is
    never a reason to refuse mail (§4.1.4).
    """
    name = argument.partition(" ")[0] if argument.startswith("[") else argument
    return name if _HELLO_NAME.fullmatch(name) else None


def read_chunk(argument: str) -> tuple[int, bool] | None:
    """Octets, and is it the last chunk? None if it cannot be read. RFC 3030 §2."""
    match = _CHUNK.fullmatch(argument)
    return (int(match[1]), match[2] is not None) if match else None


def _path_start(argument: str, keyword: str) -> int:
    """Where the path begins behind `keyword`; -1 if the keyword is not there. Blanks behind the colon are no part of
    the grammar, and common."""
    start = len(keyword)
    if argument[:start].upper() != keyword:
        return -1
    while argument[start : start + 1] == " ":
        start += 1
    return start


def _check(match: re.Match[str]) -> tuple[str, str, str] | str:
    """Text, local part and canonical domain of a path with the right shape, or what is wrong with it."""
    text, local_part, domain = match.groups()
    if _octets(local_part) > LOCAL_PART_MAX:
        return f"local part too long: {LOCAL_PART_MAX} octets at most"
    if _octets(match[0]) > PATH_MAX:
        return f"path too long: {PATH_MAX} octets at most"
    if domain[0] == "[":
        literal = canonical_literal(domain)
        return (text, local_part, literal) if literal else "not an address literal"
    try:
        return text, local_part, _canonical(domain)
    except AddressError:
        return "not a domain name behind the @"


def canonical_literal(literal: str) -> str:
    """The one form of an address literal, brackets included, or "" if it is none. RFC 5321 §4.1.3.

    Decimal octets with leading zeros are refused: there are two ways to read them.
    """
    content = literal[1:-1]
    try:
        if content[:5].upper() == "IPV6:":
            address = IPv6Address(content[5:])
            return "" if address.scope_id else f"[IPv6:{address.compressed}]"
        if ":" not in content:
            return f"[{IPv4Address(content)}]"
    except AddressValueError:
        return ""
    return literal if _GENERAL_LITERAL.fullmatch(literal) else ""


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


@dataclass(slots=True)
class _Parameters:
    size_octets: int | None = None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False


def _read_parameters(text: str) -> _Parameters | Reply:
    """Those of MAIL. RFC 1870 §6, RFC 6152 §2, RFC 6531 §3.4."""
    parameters = _Parameters()
    seen: set[str] = set()
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if match is None:
            return answers.PARAMETER_SHAPE
        keyword, value = match[1].upper(), match[2]
        if keyword in seen:
            return answers.PARAMETER_REPEATED
        seen.add(keyword)
        match keyword:
            case "SIZE":
                if value is None or not value.isdecimal() or len(value) > SIZE_DIGITS_MAX:
                    return answers.SIZE_SHAPE
                parameters.size_octets = int(value)
            case "BODY":
                body = _BODIES.get((value or "").upper())
                if body is None:
                    return answers.BODY_UNKNOWN
                parameters.body = body
            case "SMTPUTF8":
                if value is not None:
                    return answers.PARAMETER_SHAPE
                parameters.smtputf8 = True
            case _:
                return answers.PARAMETER_UNKNOWN
    return parameters
