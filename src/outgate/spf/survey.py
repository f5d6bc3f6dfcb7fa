"""What an SPF record costs whoever checks it, and what it includes, whichever address asks. Yields questions to DNS.

Receivers stop at the term that matches; here all are counted, since mail that matches none, or the last one, meets all.
Terms that depend on the sender or its address count, and are not followed.
"""

from dataclasses import dataclass, field
from typing import Final

from outgate.spf.check import LOOKUPS_MAX, Problem, Stopped, record_in
from outgate.spf.lookup import Answer, Asking, Kind, Question, Status, canonical, is_name
from outgate.spf.macro import MacroString, expand, letters_of, shortened
from outgate.spf.record import Mechanism, Name, Record

COUNTED_MAX: Final = 40  # lookups that are counted one by one; a record with more has far too many
DEPTH_MAX: Final = LOOKUPS_MAX + 1  # records within records that are followed


@dataclass(frozen=True, slots=True)
class Cost:
    """A term that asks DNS. lookups: with all that it leads to. problem: why it is wrong; empty if it is not."""

    term: str
    lookups: int
    problem: str = ""


@dataclass(slots=True)
class Survey:
    """lookups: of ten. voids: terms that find nothing. costs: the record's own terms. direct, reached: names that it
    includes itself, or through others, with "+" (a redirect counts as one). has_ptr: somewhere. problem: of the first
    record within that is wrong. is_cut: there is more than was counted. trouble: DNS failed at this."""

    lookups: int = 0
    voids: int = 0
    costs: list[Cost] = field(default_factory=list)
    direct: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    has_ptr: bool = False
    problem: Problem | None = None
    detail: str = ""
    is_cut: bool = False
    trouble: str = ""


def survey(domain: str, record: Record, kinds: tuple[Kind, ...] = (Kind.A,)) -> Asking[Survey]:
    """kinds: A, AAAA or both, by the addresses that matter: a term that finds nothing of one of them is void."""
    found = Survey()
    yield from _walk(canonical(domain), record, kinds, found, (canonical(domain),), True)
    return found


def _walk(
    domain: str, record: Record, kinds: tuple[Kind, ...], found: Survey, path: tuple[str, ...], is_pass: bool
) -> Asking[None]:
    for mechanism in record.evaluated:
        if mechanism.name.is_lookup:
            yield from _term(domain, mechanism, kinds, found, path, is_pass)
    if record.redirect is not None and not record.has_all:
        yield from _follow(domain, record.redirect, record.redirect_text, kinds, found, path, is_pass)


def _term(
    domain: str, mechanism: Mechanism, kinds: tuple[Kind, ...], found: Survey, path: tuple[str, ...], is_pass: bool
) -> Asking[None]:
    if mechanism.name is Name.INCLUDE:
        assert mechanism.target is not None
        passes = is_pass and mechanism.qualifier == "+"
        yield from _follow(domain, mechanism.target, mechanism.text, kinds, found, path, passes)
        return
    found.has_ptr |= mechanism.name is Name.PTR
    _count(found, mechanism.text, path)
    target = _fixed(mechanism.target, path[0], domain) if mechanism.target is not None else domain
    if target is None or mechanism.name is Name.PTR or found.is_cut:
        return
    wanted = {Name.MX: (Kind.MX,), Name.A: kinds}.get(mechanism.name, (Kind.A,))
    answers = []
    for kind in wanted:
        answers.append((yield from _ask(target, kind)))  # noqa: PERF401 - no comprehension can yield
    found.trouble = found.trouble or next((each.trouble for each in answers if each.status is Status.FAILED), "")
    if any(each.is_void for each in answers):
        found.voids += 1


def _follow(
    domain: str,
    pieces: MacroString,
    text: str,
    kinds: tuple[Kind, ...],
    found: Survey,
    path: tuple[str, ...],
    is_pass: bool,
) -> Asking[None]:
    """An include or a redirect."""
    before = found.lookups
    _count(found, text, path)
    target = _fixed(pieces, path[0], domain)
    if target is None:
        return
    if is_pass:
        found.reached.add(target)
        if len(path) == 1:
            found.direct.add(target)
    if found.is_cut:
        return
    problem = ""
    try:
        if len(path) >= DEPTH_MAX or target in path:
            found.is_cut = True  # it goes round, or far too deep: more than ten lookups in any case
            found.lookups = max(found.lookups, LOOKUPS_MAX + 1)
            return
        record = record_in((yield from _ask(target, Kind.TXT)), target)
        yield from _walk(target, record, kinds, found, (*path, target), is_pass)
    except Stopped as stop:
        problem = stop.detail
        if stop.problem is Problem.DNS:
            found.trouble = found.trouble or stop.detail
        elif found.problem is None:
            found.problem, found.detail = Problem.TARGET, f"{text}: {stop.detail}"
    if len(path) == 1:
        found.costs[-1] = Cost(text, found.lookups - before, problem)


def _count(found: Survey, text: str, path: tuple[str, ...]) -> None:
    found.lookups += 1
    found.is_cut |= found.lookups >= COUNTED_MAX
    if len(path) == 1:
        found.costs.append(Cost(text, 1))


def _fixed(pieces: MacroString, sender_domain: str, domain: str) -> str | None:
    """The name, if it is the same for every sender of the domain and every address."""
    if letters_of(pieces) - {"d", "o"}:
        return None
    return canonical(shortened(expand(pieces, {"d": domain, "o": sender_domain})))


def _ask(name: str, kind: Kind) -> Asking[Answer]:
    if not is_name(name):
        return Answer(Status.NO_NAME)
    return (yield Question(name, kind))
