"""`check_host`: may this address send mail for this domain? RFC 7208 §4. Yields what it has to ask of DNS.

An explanation (`exp=`) is not fetched: nobody here shows it. An address query of a term that finds nothing makes the
term void; those for the hosts of `mx` and `ptr` do not, since §4.6.4 counts terms.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, ip_network
from typing import Final

from outgate.spf.lookup import Address, Answer, Asking, Kind, Question, Status, canonical, is_name, reverse_name
from outgate.spf.macro import MacroString, expand, letters_of, shortened
from outgate.spf.record import BadRecord, Mechanism, Name, Record, parse_record, spf_records

LOOKUPS_MAX: Final = 10  # terms that ask DNS, in all records of one check; RFC 7208 §4.6.4
VOIDS_MAX: Final = 2  # of these, ones that find nothing; RFC 7208 §4.6.4
HOSTS_MAX: Final = 10  # names that one `mx` or `ptr` may have; RFC 7208 §4.6.4
QUESTIONS_MAX: Final = 1 + LOOKUPS_MAX * (1 + HOSTS_MAX) + 1 + HOSTS_MAX  # of one check; what the limits above allow


class Result(Enum):
    """RFC 7208 §2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


_OF_QUALIFIER: Final = {"+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}


class Problem(Enum):
    """Why there is no better result than none, temperror or permerror. The values are stable."""

    NAME = "name"  # no name that DNS can be asked for
    NO_NAME = "no-name"
    NO_RECORD = "no-record"
    SEVERAL_RECORDS = "several-records"
    SYNTAX = "syntax"
    LOOKUPS = "lookups"
    VOIDS = "voids"
    HOSTS = "hosts"
    TARGET = "target"  # what is included or redirected to has no record
    DNS = "dns"


@dataclass(frozen=True, slots=True)
class Outcome:
    """mechanism: the term that decided, as published; empty if none did. domain: whose record it stands in, or whose
    record is wrong. detail: of `problem`, for people. lookups, voids: spent until then."""

    result: Result
    mechanism: str = ""
    domain: str = ""
    problem: Problem | None = None
    detail: str = ""
    lookups: int = 0
    voids: int = 0


class Stopped(Exception):
    """A check is over, without a record's word."""

    def __init__(self, result: Result, problem: Problem, domain: str, detail: str) -> None:
        super().__init__(detail)
        self.result, self.problem, self.domain, self.detail = result, problem, domain, detail


@dataclass(frozen=True, slots=True)
class _Found:
    """What one record says."""

    result: Result
    mechanism: str = ""
    domain: str = ""


def check_host(address: Address, domain: str, sender: str, helo: str) -> Asking[Outcome]:
    """Total: whatever DNS answers, it ends after at most `QUESTIONS_MAX` questions and raises nothing.

    domain: under check. sender: a mailbox; empty is the null reverse-path, whose place postmaster at `helo` takes
    (§2.4). An address that is an IPv4 one in IPv6 clothes is taken as what it is.
    """
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    check = _Check(address, sender or f"postmaster@{helo}", helo)
    name = canonical(domain)
    try:
        found = yield from check.record_of(name)
    except Stopped as stop:
        return Outcome(
            stop.result, "", stop.domain, stop.problem, stop.detail, min(check.lookups, LOOKUPS_MAX), check.voids
        )
    return Outcome(found.result, found.mechanism, found.domain, lookups=check.lookups, voids=check.voids)


class _Check:
    """One check, over all records that it comes to."""

    def __init__(self, address: Address, sender: str, helo: str) -> None:
        self.lookups = 0
        self.voids = 0
        self._address = address
        self._kind = Kind.A if isinstance(address, IPv4Address) else Kind.AAAA
        local_part, at, sender_domain = sender.rpartition("@")
        self._values = {
            "s": f"{local_part or 'postmaster'}@{sender_domain}",
            "l": local_part if at and local_part else "postmaster",  # §4.3
            "o": sender_domain,
            "i": str(address) if isinstance(address, IPv4Address) else ".".join(address.exploded.replace(":", "")),
            "v": "in-addr" if isinstance(address, IPv4Address) else "ip6",
            "h": helo,
        }
        self._validated: tuple[str, ...] | None = None
        self._has_no_names = False

    def record_of(self, domain: str) -> Asking[_Found]:
        """What the record of `domain` says. Raises: Stopped."""
        if not is_name(domain):
            raise Stopped(Result.NONE, Problem.NAME, domain, f"{domain[:80]!r} is no domain that can have a record")
        record = record_in((yield Question(domain, Kind.TXT)), domain)
        for mechanism in record.evaluated:
            if (yield from self._matches(mechanism, domain)):
                return _Found(_OF_QUALIFIER[mechanism.qualifier], mechanism.text, domain)
        if record.redirect is None or record.has_all:
            return _Found(Result.NEUTRAL, "", domain)  # §4.7
        self._count_lookup(record.redirect_text, domain)
        target = yield from self._target(record.redirect, domain)
        return (yield from self._other(target, record.redirect_text, domain))

    def _other(self, target: str, term: str, domain: str) -> Asking[_Found]:
        """The record that an include or a redirect leads to; there has to be one. Raises: Stopped."""
        try:
            return (yield from self.record_of(target))
        except Stopped as stop:
            if stop.result is not Result.NONE:
                raise
            raise Stopped(Result.PERMERROR, Problem.TARGET, domain, f"{term}: {stop.detail}") from None

    def _matches(self, mechanism: Mechanism, domain: str) -> Asking[bool]:
        """§5. Raises: Stopped."""
        match mechanism.name:
            case Name.ALL:
                return True
            case Name.IP4 | Name.IP6:
                assert mechanism.network is not None
                return self._address in mechanism.network
        self._count_lookup(mechanism.text, domain)
        target = (yield from self._target(mechanism.target, domain)) if mechanism.target is not None else domain
        match mechanism.name:
            case Name.INCLUDE:
                return (yield from self._other(target, mechanism.text, domain)).result is Result.PASS
            case Name.EXISTS:
                answer = yield from self._ask_for(mechanism, target, Kind.A, domain)  # A even over IPv6: §5.7
                return answer.status is Status.FOUND
            case Name.A:
                answer = yield from self._ask_for(mechanism, target, self._kind, domain)
                return self._is_among(answer, mechanism)
            case Name.MX:
                return (yield from self._is_mail_host(mechanism, target, domain))
        names = yield from self._validated_names()  # PTR
        if self._has_no_names:
            self._count_void(mechanism.text, domain)
        return any(_is_under(name, target) for name in names)

    def _is_mail_host(self, mechanism: Mechanism, target: str, domain: str) -> Asking[bool]:
        answer = yield from self._ask_for(mechanism, target, Kind.MX, domain)
        if len(answer.names) > HOSTS_MAX:
            text = f"{mechanism.text}: {target} has more than {HOSTS_MAX} mail servers"
            raise Stopped(Result.PERMERROR, Problem.HOSTS, domain, text)
        for host in answer.names:
            if is_name(host):
                addresses = yield Question(host, self._kind)
                self._look_at_failure(addresses, host, domain)
                if self._is_among(addresses, mechanism):
                    return True
        return False

    def _ask_for(self, mechanism: Mechanism, target: str, kind: Kind, domain: str) -> Asking[Answer]:
        """The first question of a term. A name that is none has nothing (§4.8). Raises: Stopped."""
        if not is_name(target):
            return Answer(Status.NO_NAME)
        answer = yield Question(target, kind)
        self._look_at_failure(answer, target, domain)
        if answer.is_void:
            self._count_void(mechanism.text, domain)
        return answer

    def _is_among(self, answer: Answer, mechanism: Mechanism) -> bool:
        prefix = mechanism.ipv4_prefix if self._kind is Kind.A else mechanism.ipv6_prefix
        return any(
            self._address.version == each.version and self._address in ip_network((each, prefix), strict=False)
            for each in answer.addresses
        )

    def _target(self, pieces: MacroString, domain: str) -> Asking[str]:
        """The name that a term means."""
        values = {**self._values, "d": domain}
        if "p" in letters_of(pieces):
            names = yield from self._validated_names()
            values["p"] = _best_name(names, domain)
        return canonical(shortened(expand(pieces, values).removesuffix(".")))

    def _validated_names(self) -> Asking[tuple[str, ...]]:
        """The names of the address that lead back to it: §5.5. Asked for once; failures are passed over."""
        if self._validated is None:
            answer = yield Question(reverse_name(self._address), Kind.PTR)
            self._has_no_names = answer.is_void
            names = []
            for name in answer.names[:HOSTS_MAX]:
                if is_name(name):
                    addresses = yield Question(name, self._kind)
                    if self._address in addresses.addresses:
                        names.append(name)
            self._validated = tuple(names)
        return self._validated

    def _count_lookup(self, term: str, domain: str) -> None:
        """Raises: Stopped."""
        self.lookups += 1
        if self.lookups > LOOKUPS_MAX:
            text = f"{term} is one lookup more than the {LOOKUPS_MAX} that a check may spend"
            raise Stopped(Result.PERMERROR, Problem.LOOKUPS, domain, text)

    def _count_void(self, term: str, domain: str) -> None:
        """Raises: Stopped."""
        self.voids += 1
        if self.voids > VOIDS_MAX:
            text = f"{term} is one more than the {VOIDS_MAX} terms that may find nothing in DNS"
            raise Stopped(Result.PERMERROR, Problem.VOIDS, domain, text)

    @staticmethod
    def _look_at_failure(answer: Answer, name: str, domain: str) -> None:
        """Raises: Stopped."""
        if answer.status is Status.FAILED:
            raise Stopped(Result.TEMPERROR, Problem.DNS, domain, f"{name}: {answer.trouble or 'DNS did not answer'}")


def record_in(answer: Answer, domain: str) -> Record:
    """The one SPF record of `domain`: §4.4, §4.5. Raises: Stopped."""
    if answer.status is Status.FAILED:
        raise Stopped(Result.TEMPERROR, Problem.DNS, domain, f"{domain}: {answer.trouble or 'DNS did not answer'}")
    if answer.status is Status.NO_NAME:
        raise Stopped(Result.NONE, Problem.NO_NAME, domain, f"{domain} is not in DNS")
    records = spf_records(answer.texts)
    if not records:
        raise Stopped(Result.NONE, Problem.NO_RECORD, domain, f"{domain} has no SPF record")
    if len(records) > 1:
        text = f"{domain} has {len(records)} SPF records, and one is allowed"
        raise Stopped(Result.PERMERROR, Problem.SEVERAL_RECORDS, domain, text)
    try:
        return parse_record(records[0])
    except BadRecord as error:
        text = f"the record of {domain} is wrong: {error}"
        raise Stopped(Result.PERMERROR, Problem.SYNTAX, domain, text) from None


def _is_under(name: str, parent: str) -> bool:
    return name == parent or name.endswith(f".{parent}")


def _best_name(names: tuple[str, ...], domain: str) -> str:
    """The value of "p": the domain itself, else a name in it, else any: §7.3."""
    ranked: Iterator[str] = iter(sorted(names, key=lambda name: (name != domain, not _is_under(name, domain))))
    return next(ranked, "unknown")
