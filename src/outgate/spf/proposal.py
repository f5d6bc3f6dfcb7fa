"""The record to publish: what is there, with our include in it. Pure text work; DNS has been asked before.

Nothing is flattened: addresses that belong to others change without a word, and their includes follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from outgate.spf.lookup import canonical
from outgate.spf.record import BadRecord, Record, parse_mechanism, parse_record

VERSION_TEXT: Final = "v=spf1"


class Step(Enum):
    """What was done to come to the proposed record. The values are stable."""

    NEW = "new"
    OURS_ADDED = "ours-added"
    OURS_MOVED = "ours-moved"  # it stood behind `all`, or with another qualifier than "+"
    PLATFORM_ADDED = "platform-added"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Proposal:
    """record: empty if there is nothing to publish, or nothing can be proposed. steps: what makes it differ."""

    record: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """ours: the domain of our include. platform: of the include of the customer's mail platform; empty without one."""

    ours: str
    platform: str = ""


def propose(records: Sequence[bytes], wanted: Wanted, reached: frozenset[str] = frozenset()) -> Proposal:
    """records: the domain's SPF records. reached: names that the only one includes, itself or through others.

    A new record ends with `~all`: what nobody thought of is marked then, not lost. Whatever stands there otherwise
    stays as it is, in its order.
    """
    if not wanted.ours:
        return Proposal()
    if not records:
        includes = [f"include:{name}" for name in (wanted.platform, wanted.ours) if name]
        return Proposal(" ".join((VERSION_TEXT, *includes, "~all")), (Step.NEW,))
    try:
        parsed = [parse_record(record) for record in records]
    except BadRecord:
        return Proposal()  # it has to be mended first
    steps: list[Step] = []
    if len(records) > 1:
        terms = _merged(records, parsed)
        steps.append(Step.MERGED)
    else:
        terms = records[0].decode("ascii").split()[1:]
    additions = []
    for name, step in ((wanted.platform, Step.PLATFORM_ADDED), (wanted.ours, Step.OURS_ADDED)):
        if not name or canonical(name) in reached:
            continue
        useless = [term for term in terms if _included(term) == canonical(name)]
        if len(records) > 1 and any(term[0].isalpha() or term[0] == "+" for term in useless):
            continue  # the merged record has it, before its `all`
        if useless and step is Step.OURS_ADDED:
            step = Step.OURS_MOVED
        terms = [term for term in terms if term not in useless]
        additions.append(f"include:{name}")
        steps.append(step)
    if not steps:
        return Proposal()
    place = next((at for at, term in enumerate(terms) if _is_end(term)), len(terms))
    return Proposal(" ".join((VERSION_TEXT, *terms[:place], *additions, *terms[place:])), tuple(steps))


def _merged(records: Sequence[bytes], parsed: Sequence[Record]) -> list[str]:
    """All terms once, a redirect as an include, and the mildest `all` that does not let everybody in."""
    terms: list[str] = []
    ends: list[str] = []
    modifiers: dict[str, str] = {}
    for record, reading in zip(records, parsed, strict=True):
        has_ended = False
        for term in record.decode("ascii").split()[1:]:
            if (name := _modifier(term)) is not None:
                if name == "redirect" and not reading.has_all:
                    terms.append(f"include:{term.partition('=')[2]}")
                elif name != "redirect":
                    modifiers.setdefault(name, term)
            elif _is_all(term):
                has_ended = True
                ends.append(term.lower())
            elif not has_ended:
                terms.append(term)
    end = "-all" if ends and all(each == "-all" for each in ends) and len(ends) == len(records) else "~all"
    unique: dict[str, str] = {}
    for term in terms:
        unique.setdefault(term.lower(), term)
    return [*unique.values(), end, *modifiers.values()]


def _modifier(term: str) -> str | None:
    name, equals, _ = term.partition("=")
    return name.lower() if equals and ":" not in name and "/" not in name and name[:1].isalpha() else None


def _is_all(term: str) -> bool:
    return term.lstrip("+-~?").lower() == "all"


def _is_end(term: str) -> bool:
    """What our include has to stand before: `all`, and for the eye a redirect."""
    return _is_all(term) or _modifier(term) == "redirect"


def _included(term: str) -> str:
    """The domain that `term` includes, with whatever qualifier; empty if it is no include."""
    if _modifier(term) is not None:
        return ""
    mechanism = parse_mechanism(term)
    name, _, target = mechanism.text.lstrip("+-~?").partition(":")
    return canonical(target) if name.lower() == "include" else ""
