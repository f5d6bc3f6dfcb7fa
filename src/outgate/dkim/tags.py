"""Tag lists, in which signatures and keys are written: `name=value; name=value`. RFC 6376 §3.2."""

import re
from binascii import a2b_base64
from typing import Final, NamedTuple


class TagError(ValueError):
    """What does not follow the grammar. The text says what, for a person."""


class Tag(NamedTuple):
    """value: without the white space around it. start, end: of what stands between "=" and ";", in the whole text."""

    value: bytes
    start: int
    end: int


# Octets above ASCII are allowed for the sake of RFC 8616; what they may stand in is for the single tag to say.
_TEXT: Final = re.compile(rb"(?:[\t -~\x80-\xff]++|\r\n(?=[\t ]))*+")
_TAG: Final = re.compile(rb"[ \t\r\n]*+([A-Za-z][A-Za-z0-9_]*+)[ \t\r\n]*+=([^;]*+)")
SPACE: Final = b" \t\r\n"  # as it comes within a tag list
_BASE64: Final = re.compile(rb"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?+")


def read_tags(text: bytes) -> dict[bytes, Tag]:
    """The tags by name, whose case counts; folds of a header field may stand in `text`. Linear time.

    Raises: TagError, also for a tag that comes twice.
    """
    if _TEXT.fullmatch(text) is None:
        raise TagError("an octet that no tag list may have")
    tags: dict[bytes, Tag] = {}
    at = 0
    while True:
        match = _TAG.match(text, at)
        if match is None:
            if tags and not text[at:].strip(SPACE):
                return tags  # a semicolon may stand behind the last tag
            raise TagError("not a tag list")
        name = match[1]
        if name in tags:
            raise TagError(f"tag {shown(name)} comes twice")
        tags[name] = Tag(match[2].strip(SPACE), match.start(2), match.end(2))
        at = match.end() + 1
        if at > len(text):
            return tags


def parts(value: bytes) -> tuple[bytes, ...]:
    """What stands between colons, without the white space around it."""
    return tuple([one.strip(SPACE) for one in value.split(b":")])


def from_base64(name: str, value: bytes) -> bytes:
    """White space may stand anywhere. Raises: TagError, with the `name` of the tag."""
    octets = value.translate(None, SPACE)
    if _BASE64.fullmatch(octets) is None:  # the decoder lets too much pass, even when it is strict
        raise TagError(f"{name}= is not base64")
    return a2b_base64(octets)


def number(name: str, value: bytes, digits_max: int) -> int:
    """Raises: TagError, with the `name` of the tag."""
    if not value.isdigit() or len(value) > digits_max:
        raise TagError(f"{name}= is not a number")
    return int(value)


def shown(value: bytes) -> str:
    """For people, within a detail: short, and nothing that does not print."""
    return ascii(value[:40].decode("ascii", "replace"))
