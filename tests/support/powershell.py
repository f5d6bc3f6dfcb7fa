"""Reads PowerShell as far as a test needs it: tokens, brackets, calls of cmdlets with their parameters.

Not the whole grammar (about_Parsing, about_Quoting_Rules): here-strings, labels and the like are an error, so that a
script that uses them has to bring what reads them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

SINGLE = "'\u2018\u2019\u201a\u201b"
DOUBLE = '"\u201c\u201d\u201e'
OPENING = {"(": ")", "{": "}", "[": "]"}
_VERB_NOUN = re.compile(r"[A-Z][A-Za-z]+-[A-Z][A-Za-z]+")
_WORD = re.compile(r"[^\s'\"\u2018-\u201e(){}\[\];|,$@#`=]+")
_VARIABLE = re.compile(r"[$@](?:(?:\w+:)?\w+|\$|\?)")


class NotReadable(Exception):
    """The text ends within something, or brackets do not fit."""


@dataclass(frozen=True)
class Token:
    """kind: "comment", "string", "expandable", "variable", "word", "end" of a line, or the character itself. text: of a
    string what is in it, quotes undone."""

    kind: str
    text: str
    depth: int


@dataclass
class Call:
    """of a cmdlet. parameters: names without the hyphen, each with the token behind it. splatted: names of tables."""

    name: str
    depth: int
    parameters: dict[str, Token | None] = field(default_factory=dict)
    splatted: list[str] = field(default_factory=list)


def tokens(text: str) -> list[Token]:
    """Raises: NotReadable."""
    found: list[Token] = []
    expected: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        kind, value, end = character, character, position + 1
        if text.startswith("<#", position):
            end = _after(text, "#>", position)
            kind = "comment"
        elif character == "#":
            kind, end = "comment", _line_end(text, position)
        elif character in "\r\n":
            kind = "end"
        elif character.isspace():
            position += 1
            continue
        elif character == "`":
            if not text.startswith(("`\n", "`\r\n"), position):
                raise NotReadable(f"a backquote in the open at {position}")
            position = _line_end(text, position) + 1
            continue
        elif text.startswith(("@'", '@"'), position):
            raise NotReadable(f"a here-string at {position}")
        elif character in SINGLE:
            kind, (value, end) = "string", _single(text, position)
        elif character in DOUBLE:
            kind, (value, end) = "expandable", _double(text, position)
        elif match := _VARIABLE.match(text, position):
            kind, value, end = "variable", match[0], match.end()
        elif character in OPENING:
            expected.append(OPENING[character])
        elif character in ")}]":
            if not expected or expected.pop() != character:
                raise NotReadable(f"{character} at {position} closes nothing")
        elif match := _WORD.match(text, position):
            kind, value, end = "word", match[0], match.end()
        elif character not in "$@,;|=":
            raise NotReadable(f"{character!r} at {position}")
        if kind != "comment":
            found.append(Token(kind, value, len(expected) - (character in OPENING)))
        position = end
    if expected:
        raise NotReadable(f"{expected[-1]} is missing")
    return found


def calls(text: str) -> Iterator[Call]:
    """Every call of a Verb-Noun, in order, also in expandable strings. Raises: NotReadable."""
    found = tokens(text)
    under_way: list[Call] = []
    for number, token in enumerate(found):
        before = found[number - 1] if number else Token("end", "", 0)
        while under_way and _ends(under_way[-1], token, before):
            yield under_way.pop()
        if token.kind == "expandable":
            for inner in _inner(token.text):
                yield from calls(inner)
        if token.kind == "word" and _VERB_NOUN.fullmatch(token.text) and before.text not in ("function", "-Name"):
            under_way.append(Call(token.text, token.depth))
        elif under_way and token.depth == under_way[-1].depth:
            if token.kind == "word" and token.text.startswith("-"):
                name = token.text[1:].removesuffix("$false").removesuffix(":")
                following = found[number + 1] if number + 1 < len(found) else None
                under_way[-1].parameters[name] = following
            elif token.kind == "variable" and token.text.startswith("@"):
                under_way[-1].splatted.append(token.text[1:])
    yield from reversed(under_way)


def tables(text: str) -> dict[str, dict[str, Token]]:
    """Each `$Name = @{...}` of one level: its keys with the first token of their values. Raises: NotReadable."""
    found = tokens(text)
    result: dict[str, dict[str, Token]] = {}
    for number, token in enumerate(found[:-3]):
        if token.kind != "variable" or [each.kind for each in found[number + 1 : number + 4]] != ["=", "@", "{"]:
            continue
        table = result.setdefault(token.text[1:], {})
        inside = found[number + 4 :]
        for place, each in enumerate(inside):
            if each.kind == "}" and each.depth == token.depth:
                break
            if each.kind == "word" and inside[place + 1].kind == "=":
                table[each.text] = inside[place + 2]
    return result


def _ends(call: Call, token: Token, before: Token) -> bool:
    if token.depth < call.depth:
        return True
    return token.depth == call.depth and token.kind in ("end", ";", "|", "}", ")") and before.kind != "|"


def _single(text: str, start: int) -> tuple[str, int]:
    position, value = start + 1, ""
    while position < len(text):
        if text[position] in SINGLE:
            if position + 1 >= len(text) or text[position + 1] not in SINGLE:
                return value, position + 1
            position += 1
        value += text[position]
        position += 1
    raise NotReadable(f"the string at {start} has no end")


def _double(text: str, start: int) -> tuple[str, int]:
    """What is within, as it stands."""
    position = start + 1
    while position < len(text):
        if text[position] == "`":
            position += 2
        elif text.startswith("$(", position):
            position = _bracket(text, position + 1)
        elif text[position] in DOUBLE:
            return text[start + 1 : position], position + 1
        else:
            position += 1
    raise NotReadable(f"the string at {start} has no end")


def _inner(value: str) -> Iterator[str]:
    """The expressions in an expandable string."""
    position = 0
    while (position := value.find("$(", position)) >= 0:
        end = _bracket(value, position + 1)
        yield value[position + 2 : end - 1]
        position = end


def _bracket(text: str, start: int) -> int:
    """Behind the bracket that closes the one at `start`; strings within are left out."""
    depth, position = 0, start
    while position < len(text):
        if text[position] in SINGLE:
            position = _single(text, position)[1]
            continue
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        position += 1
        if depth == 0:
            return position
    raise NotReadable(f"the bracket at {start} has no end")


def _after(text: str, end: str, start: int) -> int:
    found = text.find(end, start)
    if found < 0:
        raise NotReadable(f"{end} is missing for {start}")
    return found + len(end)


def _line_end(text: str, start: int) -> int:
    found = text.find("\n", start)
    return found if found >= 0 else len(text)
