"""What reports say, in words: for the page, the command line and the docs."""

from typing import Final

from outgate.portal.spf.selectors import DomainSpf
from outgate.spf.check import LOOKUPS_MAX, VOIDS_MAX
from outgate.spf.proposal import Step
from outgate.spf.report import OCTETS_ADVISED, STRING_MAX, Caution, Report, State

STATES: Final = {
    State.GOOD: "Our mail passes",
    State.NOT_INCLUDED: "Our mail does not pass",
    State.NO_RECORD: "No SPF record",
    State.NO_NAME: "Not in DNS",
    State.SEVERAL_RECORDS: "More than one record",
    State.BROKEN: "The record is in error",
    State.UNREADY: "Not ready",
    State.UNKNOWN: "Not asked yet",
}
MEANINGS: Final = {
    State.NOT_INCLUDED: "The record does not let mail from all of our addresses pass. Receivers may mark it or refuse "
    "it. Publish the record below instead of the present one.",
    State.NO_RECORD: "Receivers cannot tell who may send for this domain. Publish the record below.",
    State.NO_NAME: "DNS has no such name. Look whether it is spelt right and still registered.",
    State.SEVERAL_RECORDS: "A domain may have one SPF record; with more, receivers take none of them. Replace all of "
    "them by the one below.",
    State.BROKEN: "Receivers that check this domain end with an error, and may refuse its mail, ours or not.",
    State.UNREADY: "The operator has not said yet where mail of this region comes from: nothing can be compared.",
}
CAUTIONS: Final = {
    Caution.PLUS_ALL: "It ends with +all: everybody may send as this domain. Replace it by ~all, later by -all.",
    Caution.NEUTRAL_ALL: "It ends with ?all, which says nothing of whoever is not named. Replace it by ~all, later by "
    "-all.",
    Caution.NO_ALL: "It has no all at its end, which says nothing of whoever is not named. Add ~all, later -all.",
    Caution.PTR: "It has ptr, which is slow and which some receivers pass over (RFC 7208 section 5.5). Name the "
    "addresses instead.",
    Caution.TOO_LONG: f"It is longer than {OCTETS_ADVISED} octets; some DNS servers and firewalls lose answers of "
    "that size. Take out what is not used any more.",
    Caution.NEAR_LIMIT: f"It is near the limit of {LOOKUPS_MAX} lookups: one more service, or one more include within "
    "a service's record, and it fails.",
    Caution.VOIDS: f"More than {VOIDS_MAX} of its terms lead to names that are not there; receivers may take that for "
    "an error. Take these terms out.",
    Caution.PLATFORM_MISSING: "The include of your mail platform is missing. Mail that does not pass us, such as "
    "calendar replies and system notices, leaves from the platform itself.",
    Caution.NOT_BY_INCLUDE: "Our addresses pass, but not by our include. When we add or change an address, mail from "
    "it will not pass.",
    Caution.OURS_FAILS: "Our own include does not let all of our addresses pass. That is the operator's to mend.",
    Caution.LATER_PROBLEM: "Our mail passes, since the record names us early. Mail that gets further down in it meets "
    "an error.",
}
STEPS: Final = {
    Step.NEW: "A new record. It ends with ~all: mail from senders that nobody thought of is marked, not lost. Make it "
    "-all when your DMARC reports show no other senders.",
    Step.OURS_ADDED: "Our include was put before its end; all else stays as it is.",
    Step.OURS_MOVED: "Our include stood where receivers never come to, or with a sign that lets nothing pass; it was "
    "put right.",
    Step.PLATFORM_ADDED: "The include of your mail platform was added, for mail that does not pass us.",
    Step.MERGED: "The records were made one: each term once, and the milder of their ends.",
}
LIMIT_REMEDY: Final = (
    "Take out services that no longer send for you; give a service a subdomain of its own to send from; write ip4: for "
    "hosts of your own in place of a and mx. Do not copy the addresses of other services into the record: they change."
)
SPLIT_HINT: Final = (
    f"It is longer than {STRING_MAX} characters. If your DNS service refuses it in one piece, split it into several "
    "quoted strings of one TXT record: they are joined without a blank between them."
)
SUBDOMAINS_HINT: Final = "Subdomains have no part in this record: each that is used as a sender needs one of its own."


def label_of(known: DomainSpf) -> str:
    """A word or three for a badge."""
    if known.report is None and known.trouble:
        return "Could not be asked"
    return STATES[known.state]


def meaning_of(known: DomainSpf) -> str:
    """What the state means and what to do; empty if all is good, or nothing is known."""
    return MEANINGS.get(known.state, "") if known.report is not None else ""


def cautions_of(report: Report) -> list[str]:
    return [CAUTIONS[caution] for caution in report.cautions]


def steps_of(report: Report) -> list[str]:
    return [STEPS[step] for step in report.steps]


def missing_of(include: str, addresses: list[str], region: str) -> str:
    """What the operator has to set for the region; empty if nothing."""
    wanted = [name for name, value in (("the SPF include", include), ("the sending addresses", addresses)) if not value]
    if not wanted:
        return ""
    return f"The operator has to set {' and '.join(wanted)} of the region {region}; until then nothing can be compared."
