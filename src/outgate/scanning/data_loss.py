"""Data that must not leave by mail: numbers with a checksum, keys, and the customer's own words and patterns.

A number is shown by its last digits only. RE2 looks once over a text for what could be any of it; only what it saw is
looked for by the patterns here, which are bounded. A customer's own patterns are matched by RE2 alone, in time that
grows with the text and not with the pattern's cunning.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2
from stdnum import iban, luhn
from stdnum.at import tin as at_tin
from stdnum.be import nn as be_nn
from stdnum.ch import ssn as ch_ssn
from stdnum.de import idnr as de_idnr
from stdnum.es import dni as es_dni
from stdnum.exceptions import ValidationError
from stdnum.fr import nir as fr_nir
from stdnum.gb import nhs as gb_nhs
from stdnum.it import codicefiscale as it_code
from stdnum.nl import bsn as nl_bsn
from stdnum.pl import pesel as pl_pesel
from stdnum.se import personnummer as se_number
from stdnum.us import ssn as us_ssn

from outgate.contract.scanning import PATTERN_MAX, WORDS_MAX
from outgate.mail.findings import Category, Finding
from outgate.scanning.interface import Context
from outgate.scanning.message import Readable, ScannedMessage

NAME: Final = "data-loss"
PATTERN_MEMORY: Final = 1024 * 1024  # octets that one compiled pattern of a customer may take
COMPILED_MAX: Final = 64  # customers whose words and patterns a process keeps compiled
COUNT_MAX: Final = 1_000  # of one kind in one part that are counted
NEAR: Final = 60  # characters before a national number in which its name must stand


@dataclass(frozen=True, slots=True)
class Kind:
    """pattern: finds candidates; is_valid: what checksum and shape say. near: words of which one must stand before a
    candidate, for numbers whose checksum alone proves little."""

    name: str
    pattern: re.Pattern[str]
    is_valid: Callable[[str], bool]
    near: re.Pattern[str] | None = None


def _digits(text: str) -> str:
    return re.sub(r"[ .\-/]", "", text)


def _valid(module: Any) -> Callable[[str], bool]:
    def is_valid(text: str) -> bool:
        try:
            module.validate(text)
        except (ValidationError, ValueError):
            return False
        return True

    return is_valid


_ISSUERS: Final = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|"
    r"3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}"
)


def _is_card(text: str) -> bool:
    """Issuers' ranges and Luhn's checksum; ISO/IEC 7812. Digits that are all alike are no card."""
    digits = _digits(text)
    if len(set(digits)) < 2 or not luhn.is_valid(digits):
        return False
    return _ISSUERS.fullmatch(digits) is not None


def _near(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)


KINDS: Final = (
    Kind("card-number", re.compile(r"(?<![\d.,\-])\d(?:[ -]?\d){12,18}(?![\d\-])"), _is_card),
    Kind("iban", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), _valid(iban)),
    Kind("national-id-de", re.compile(r"\b\d{2} ?\d{3} ?\d{3} ?\d{3}\b"), _valid(de_idnr),
         _near("steuer-?id\\w*|idnr|identifikationsnummer|tax id|tin")),
    Kind("national-id-fr",
         re.compile(r"\b[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}\b"), _valid(fr_nir)),
    Kind("national-id-it", re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b"), _valid(it_code)),
    Kind("national-id-es", re.compile(r"\b\d{8}-?[A-HJ-NP-TV-Z]\b"), _valid(es_dni)),
    Kind("national-id-nl", re.compile(r"\b\d{9}\b"), _valid(nl_bsn), _near("bsn|burgerservicenummer|sofi\\w*")),
    Kind("national-id-be", re.compile(r"\b\d{2}\.?\d{2}\.?\d{2}[- ]?\d{3}\.?\d{2}\b"), _valid(be_nn),
         _near("rijksregister\\w*|registre national|insz|niss|national number")),
    Kind("national-id-gb", re.compile(r"\b\d{3}[ -]?\d{3}[ -]?\d{4}\b"), _valid(gb_nhs), _near("nhs")),
    Kind("national-id-us", re.compile(r"\b\d{3}-\d{2}-\d{4}\b"), _valid(us_ssn), _near("ssn|social security|soc sec")),
    Kind("national-id-ch", re.compile(r"\b756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}\b"), _valid(ch_ssn)),
    Kind("national-id-at", re.compile(r"\b\d{2}-?\d{3}/?\d{4}\b"), _valid(at_tin),
         _near("steuernummer|abgabenkontonummer|tin")),
    Kind("national-id-pl", re.compile(r"\b\d{11}\b"), _valid(pl_pesel), _near("pesel")),
    Kind("national-id-se", re.compile(r"\b(?:19|20)?\d{6}[-+]\d{4}\b"), _valid(se_number),
         _near("personnummer|personnr|pnr")),
)  # fmt: skip

# Keys and secrets by their shape, each its own: what it begins with, and the whole. None of these is in ordinary text.
_SECRETS: Final = (
    ("private-key", "-----BEGIN", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")),
    ("cloud-key", "AKIA|ASIA|AIza", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_\-]{35}\b")),
    ("access-token", "gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk_live_|npm_", re.compile(
        r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{60,90}|glpat-[0-9A-Za-z_\-]{20}|"
        r"xox[abprs]-[0-9A-Za-z\-]{10,80}|sk_live_[0-9A-Za-z]{24,64}|npm_[0-9A-Za-z]{36})\b"
    )),
    ("web-token", "eyJ", re.compile(
        r"\beyJ[0-9A-Za-z_\-]{10,2000}\.eyJ[0-9A-Za-z_\-]{10,4000}\.[0-9A-Za-z_\-]{10,1000}"
    )),
)  # fmt: skip
_PASSWORD: Final = re.compile(
    r"\b(?:password|passwort|kennwort|api[_ -]?key|secret|client[_ -]?secret|access[_ -]?token)"
    r"\s{0,3}[:=]\s{0,3}[\"']?([^\s\"'<>]{8,128})",
    re.IGNORECASE,
)
# As the above, with all that may be taken for blanks.
_PASSWORD_HINT: Final = (  # no secret
    r"(?i)(?:passwor[dt]|kennwort|api[_ -]?key|secret|access[_ -]?token)(?:[\t-\r\x1c- ]|[^\x00-\x7f]){0,3}[:=]"  # noqa: S105
)
SECRET_ENTROPY: Final = 3.2  # bits a character, from which on what follows "password:" is taken for one


class DataLoss:
    """One finding for each kind and part, its weight the number of different values."""

    name = NAME
    version = "1"

    def scan(self, message: ScannedMessage, context: Context) -> Iterable[Finding]:
        own = compiled(context.policy.words, context.policy.patterns)
        for part in message.readable:
            if suspected := _SUSPECTS.Match(part.text):
                yield from _known(part, {_SUSPECT_NAMES[number] for number in suspected})
            if own is not None:
                yield from own.find(part)


_LOOKED_AROUND: Final = re.compile(r"\(\?<?!.*?\)")  # which RE2 does not know; without it there is only more to suspect


def _suspects() -> tuple[Any, list[str]]:
    """All patterns as one of RE2, and the names that stand behind its numbers."""
    hints = [(kind.name, _LOOKED_AROUND.sub("", kind.pattern.pattern)) for kind in KINDS]
    hints += [(f"near {kind.name}", f"(?i){kind.near.pattern}") for kind in KINDS if kind.near is not None]
    hints += [(name, beginning) for name, beginning, _ in _SECRETS]
    hints.append(("password", _PASSWORD_HINT))
    together = re2.Set.SearchSet()
    for _, pattern in hints:
        together.Add(pattern)
    together.Compile()
    return together, [name for name, _ in hints]


_SUSPECTS, _SUSPECT_NAMES = _suspects()


def _known(part: Readable, suspected: set[str]) -> Iterator[Finding]:
    for kind in KINDS:
        if kind.name in suspected and (kind.near is None or f"near {kind.name}" in suspected):
            yield from _numbers(part, kind)
    for name, _, pattern in _SECRETS:
        if name in suspected and (count := sum(1 for _ in pattern.finditer(part.text))):
            yield Finding(Category.DATA_LOSS, NAME, name, min(count, COUNT_MAX), "", part.place)
    if "password" in suspected:
        words = {match[1] for match in _PASSWORD.finditer(part.text) if entropy(match[1]) >= SECRET_ENTROPY}
        if words:
            yield Finding(Category.DATA_LOSS, NAME, "password", min(len(words), COUNT_MAX), "", part.place)


def _numbers(part: Readable, kind: Kind) -> Iterator[Finding]:
    values: set[str] = set()
    for match in kind.pattern.finditer(part.text):
        if len(values) >= COUNT_MAX:
            break
        if kind.near is not None and not kind.near.search(part.text, max(0, match.start() - NEAR), match.start()):
            continue
        if kind.is_valid(match[0]):
            values.add(_digits(match[0]))
    if values:
        yield Finding(Category.DATA_LOSS, NAME, kind.name, len(values), masked(min(values)), part.place)


def entropy(text: str) -> float:
    """Bits a character, by how often each occurs in it."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())


def masked(value: str) -> str:
    """By its last four characters, so that a person can find it and a record does not hold it."""
    return f"\u2026{value[-4:]}"


class OwnWords:
    """A customer's words and patterns, compiled together."""

    def __init__(self, words: tuple[str, ...], patterns: tuple[str, ...]) -> None:
        options = re2.Options()
        options.case_sensitive = False
        options.max_mem = PATTERN_MEMORY
        options.log_errors = False
        self._patterns: list[tuple[str, Any]] = []
        plain = [re2.escape(word) for word in words[:WORDS_MAX] if word.strip()]
        for start in range(0, len(plain), 100):
            self._add("words", rf"(?:^|\W)(?:{'|'.join(plain[start : start + 100])})(?:$|\W)", options)
        for pattern in patterns[:WORDS_MAX]:
            self._add("pattern", pattern[:PATTERN_MAX], options)

    def _add(self, name: str, pattern: str, options: Any) -> None:
        try:
            self._patterns.append((name, re2.compile(pattern, options)))
        except re2.error:  # what the portal takes is checked there; here it finds nothing
            return

    def find(self, part: Readable) -> Iterator[Finding]:
        count = 0
        for _, pattern in self._patterns:
            for _ in pattern.finditer(part.text):
                count += 1
                if count >= COUNT_MAX:
                    break
        if count:
            yield Finding(Category.DATA_LOSS, NAME, "words", min(count, COUNT_MAX), "", part.place)


@lru_cache(maxsize=COMPILED_MAX)
def compiled(words: tuple[str, ...], patterns: tuple[str, ...]) -> OwnWords | None:
    return OwnWords(words, patterns) if words or patterns else None
