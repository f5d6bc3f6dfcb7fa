"""What a domain's SPF record says of us, and what to publish. Yields questions to DNS; see `lookup.answered`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Final

from outgate.spf.check import LOOKUPS_MAX, VOIDS_MAX, Outcome, Result, check_host
from outgate.spf.lookup import Answer, Asking, Kind, Question, Status, canonical, is_name, replaced
from outgate.spf.proposal import Proposal, Step, Wanted, propose
from outgate.spf.record import BadRecord, Record, parse_record, spf_records
from outgate.spf.survey import Cost, Survey, survey

OCTETS_ADVISED: Final = 450  # octets of a record that fit into a DNS answer of 512, RFC 7208 §3.4
STRING_MAX: Final = 255  # octets of one string of a TXT record, RFC 1035 §3.3
ADDRESSES_MAX: Final = 50  # sending addresses that are checked
RECORDS_SHOWN_MAX: Final = 10  # SPF records of one domain that are kept
RECORD_SHOWN_MAX: Final = 4_096  # characters of one that are kept
COSTS_MAX: Final = 50  # terms of a record whose costs are kept
WILDCARD_LABEL: Final = "outgate-spf-wildcard"  # nobody has this name: what it has comes from a wildcard
PLATFORM_INCLUDES: Final = {"microsoft-365": "spf.protection.outlook.com", "google-workspace": "_spf.google.com"}


class State(Enum):
    """The values are stable."""

    GOOD = "good"  # mail from each of our addresses passes
    NOT_INCLUDED = "not-included"  # a record, and mail from one of our addresses at least does not pass
    NO_RECORD = "no-record"
    NO_NAME = "no-name"
    SEVERAL_RECORDS = "several-records"
    BROKEN = "broken"  # a check ends with permerror
    UNREADY = "unready"  # the region has no include or no addresses yet
    UNKNOWN = "unknown"  # DNS did not say


class Inclusion(Enum):
    """How the record has our include."""

    DIRECT = "direct"
    NESTED = "nested"
    ABSENT = "absent"


class Caution(Enum):
    """What is not wrong, and not good either. The values are stable."""

    PLUS_ALL = "plus-all"
    NEUTRAL_ALL = "neutral-all"
    NO_ALL = "no-all"
    PTR = "ptr"
    TOO_LONG = "too-long"
    NEAR_LIMIT = "near-limit"
    VOIDS = "voids"
    PLATFORM_MISSING = "platform-missing"
    NOT_BY_INCLUDE = "not-by-include"  # our addresses pass, and would not if we changed them
    OURS_FAILS = "ours-fails"  # our own include does not let all our addresses pass: the operator's task
    LATER_PROBLEM = "later-problem"  # something wrong behind the term that lets us pass


@dataclass(frozen=True, slots=True)
class Ours:
    """What the region has, and the customer's platform. helo: what our hosts call themselves; empty is the domain."""

    include: str
    addresses: tuple[str, ...]
    platform: str = ""
    helo: str = ""


@dataclass(frozen=True, slots=True)
class AddressResult:
    """Of one sending address. detail: why there is an error, for people."""

    address: str
    result: Result
    mechanism: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """records: as published. lookups: of ten, for mail that meets every term. lookups_proposed: the same for the record
    that is proposed. to_publish: empty if nothing has to be, or nothing can be proposed. is_proposal_good: with it mail
    from each of our addresses passes. problem: what is wrong, for people. wildcard: the SPF record that every name
    under the domain has which has no record of its own."""

    domain: str
    state: State
    records: tuple[str, ...] = ()
    inclusion: Inclusion = Inclusion.ABSENT
    lookups: int = 0
    lookups_proposed: int = 0
    voids: int = 0
    costs: tuple[Cost, ...] = ()
    results: tuple[AddressResult, ...] = ()
    cautions: tuple[Caution, ...] = ()
    to_publish: str = ""
    steps: tuple[Step, ...] = ()
    is_proposal_good: bool = False
    problem: str = ""
    wildcard: str = ""

    @property
    def is_over_limit(self) -> bool:
        return self.lookups > LOOKUPS_MAX or self.lookups_proposed > LOOKUPS_MAX


def new_record(ours: Ours) -> str:
    """For a domain that has none; empty if we have no include."""
    return propose((), _wanted(ours)).record


def report_on(domain: str, ours: Ours, *, with_subdomains: bool = False) -> Asking[Report]:
    """Total, and bounded as the checks that it makes. domain: canonical."""
    domain = canonical(domain)
    if not is_name(domain):
        return Report(domain, State.NO_NAME, problem=f"{domain[:80]!r} is no domain that can have a record")
    answer = yield Question(domain, Kind.TXT)
    if answer.status is Status.FAILED:
        return Report(domain, State.UNKNOWN, problem=answer.trouble or "DNS did not answer")
    records = spf_records(answer.texts)
    parsed, mistake = _parsed(records)
    kinds = _kinds(ours.addresses)
    seen = (yield from survey(domain, parsed, kinds)) if parsed is not None else Survey()
    results, outcomes = yield from _results(domain, ours)
    wanted = _wanted(ours)
    is_there = answer.status is not Status.NO_NAME  # a record for a name that is none helps nobody
    proposal = propose(records, wanted, frozenset(seen.reached)) if is_there else Proposal()
    proposed, is_good = yield from _proposed(domain, proposal, ours, kinds)
    state = _state(answer, records, mistake, ours, outcomes)
    cautions = yield from _cautions(parsed, records, seen, ours, wanted, state)
    return Report(
        domain=domain,
        state=state,
        records=tuple(_shown(record) for record in records[:RECORDS_SHOWN_MAX]),
        inclusion=_inclusion(wanted.ours, seen),
        lookups=seen.lookups,
        lookups_proposed=proposed.lookups if proposal.record else seen.lookups,
        voids=seen.voids,
        costs=tuple((proposed if state is State.SEVERAL_RECORDS else seen).costs[:COSTS_MAX]),
        results=results,
        cautions=cautions,
        to_publish=proposal.record,
        steps=proposal.steps,
        is_proposal_good=is_good,
        problem=_problem(answer, domain, mistake, outcomes, seen),
        wildcard=(yield from _wildcard(domain)) if with_subdomains else "",
    )


def _wanted(ours: Ours) -> Wanted:
    return Wanted(canonical(ours.include), PLATFORM_INCLUDES.get(ours.platform, ""))


def _parsed(records: Sequence[bytes]) -> tuple[Record | None, str]:
    """The one record; and what is wrong with it."""
    if len(records) != 1:
        return None, ""
    try:
        return parse_record(records[0]), ""
    except BadRecord as error:
        return None, str(error)


def _kinds(addresses: Sequence[str]) -> tuple[Kind, ...]:
    versions = {ip_address(address).version for address in addresses} or {4}
    return tuple(kind for version, kind in ((4, Kind.A), (6, Kind.AAAA)) if version in versions)


def _results(domain: str, ours: Ours) -> Asking[tuple[tuple[AddressResult, ...], tuple[Outcome, ...]]]:
    results, outcomes = [], []
    for address in ours.addresses[:ADDRESSES_MAX]:
        outcome = yield from check_host(ip_address(address), domain, f"postmaster@{domain}", ours.helo or domain)
        outcomes.append(outcome)
        results.append(AddressResult(address, outcome.result, outcome.mechanism[:RECORD_SHOWN_MAX], outcome.detail))
    return tuple(results), tuple(outcomes)


def _proposed(domain: str, proposal: Proposal, ours: Ours, kinds: tuple[Kind, ...]) -> Asking[tuple[Survey, bool]]:
    """What the proposed record would cost, and whether mail from all our addresses would pass."""
    if not proposal.record:
        return Survey(), False
    octets = proposal.record.encode("ascii")
    try:
        seen = yield from survey(domain, parse_record(octets), kinds)
    except BadRecord:
        return Survey(), False
    results, _ = yield from replaced(_results(domain, ours), domain, (octets,))
    return seen, bool(results) and all(each.result is Result.PASS for each in results)


def _state(answer: Answer, records: Sequence[bytes], mistake: str, ours: Ours, outcomes: Sequence[Outcome]) -> State:
    results = {outcome.result for outcome in outcomes}
    if answer.status is Status.NO_NAME:
        return State.NO_NAME
    if not records:
        return State.NO_RECORD
    if len(records) > 1:
        return State.SEVERAL_RECORDS
    if mistake or Result.PERMERROR in results:
        return State.BROKEN
    if not ours.include or not ours.addresses:
        return State.UNREADY
    if Result.TEMPERROR in results:
        return State.UNKNOWN
    return State.GOOD if results == {Result.PASS} else State.NOT_INCLUDED


def _problem(answer: Answer, domain: str, mistake: str, outcomes: Sequence[Outcome], seen: Survey) -> str:
    if answer.status is Status.NO_NAME:
        return f"{domain} is not in DNS"
    if mistake:
        return mistake
    errors = (Result.PERMERROR, Result.TEMPERROR)
    found = next((each.detail for kind in errors for each in outcomes if each.result is kind), "")
    return found or seen.detail or seen.trouble


def _inclusion(include: str, seen: Survey) -> Inclusion:
    if include in seen.direct:
        return Inclusion.DIRECT
    return Inclusion.NESTED if include in seen.reached else Inclusion.ABSENT


def _cautions(
    parsed: Record | None, records: Sequence[bytes], seen: Survey, ours: Ours, wanted: Wanted, state: State
) -> Asking[tuple[Caution, ...]]:
    found: list[Caution] = []
    if parsed is not None:
        last = parsed.evaluated[-1] if parsed.has_all else None
        if last is not None and last.qualifier in "+?":
            found.append(Caution.PLUS_ALL if last.qualifier == "+" else Caution.NEUTRAL_ALL)
        if last is None and parsed.redirect is None:
            found.append(Caution.NO_ALL)
        if seen.lookups in (LOOKUPS_MAX - 1, LOOKUPS_MAX):
            found.append(Caution.NEAR_LIMIT)
        if wanted.platform and wanted.platform not in seen.reached:
            found.append(Caution.PLATFORM_MISSING)
        if state is State.GOOD and wanted.ours not in seen.reached:
            found.append(Caution.NOT_BY_INCLUDE)
        if state is State.GOOD and (seen.problem is not None or seen.lookups > LOOKUPS_MAX):
            found.append(Caution.LATER_PROBLEM)
    if seen.has_ptr:
        found.append(Caution.PTR)
    if seen.voids > VOIDS_MAX:
        found.append(Caution.VOIDS)
    if any(len(record) > OCTETS_ADVISED for record in records):
        found.append(Caution.TOO_LONG)
    if wanted.ours and ours.addresses and not (yield from _is_ours_good(wanted.ours, ours)):
        found.append(Caution.OURS_FAILS)
    return tuple(found)


def _is_ours_good(include: str, ours: Ours) -> Asking[bool]:
    """Would an include of ours let all our addresses pass? Also if DNS did not say."""
    for address in ours.addresses[:ADDRESSES_MAX]:
        outcome = yield from check_host(ip_address(address), include, f"postmaster@{include}", include)
        if outcome.result not in (Result.PASS, Result.TEMPERROR):
            return False
    return True


def _wildcard(domain: str) -> Asking[str]:
    name = f"{WILDCARD_LABEL}.{domain}"
    if not is_name(name):
        return ""
    answer = yield Question(name, Kind.TXT)
    records = spf_records(answer.texts)
    return _shown(records[0]) if records else ""


def _shown(record: bytes) -> str:
    """Printable, whatever was published."""
    octets = record[:RECORD_SHOWN_MAX]
    return "".join(chr(octet) if 32 <= octet < 127 else f"\\x{octet:02x}" for octet in octets)
