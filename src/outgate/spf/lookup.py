"""Questions to DNS as values: who needs an answer yields a question and is sent the answer. So that the same check runs
over a blocking resolver, an event loop or a table of a test.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeVar

ResultT = TypeVar("ResultT")
Address = IPv4Address | IPv6Address

NAME_MAX: Final = 253  # characters of a domain name without its final dot; RFC 7208 §7.3
LABEL_MAX: Final = 63  # octets of one label of a domain name, RFC 1035 §2.3.4


class Kind(Enum):
    """A type of DNS record."""

    TXT = "TXT"
    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    PTR = "PTR"


@dataclass(frozen=True, slots=True)
class Question:
    """name: valid as of `is_name`, lower case, without a final dot. No character of it means anything but itself."""

    name: str
    kind: Kind


class Status(Enum):
    """How DNS answered."""

    FOUND = "found"
    NO_DATA = "no-data"  # the name is there, without such a record
    NO_NAME = "no-name"  # NXDOMAIN
    FAILED = "failed"  # nobody could say


@dataclass(frozen=True, slots=True)
class Answer:
    """texts: of TXT, each record's strings joined without anything between them (RFC 7208 §3.3). names: of MX and PTR,
    lower case, without a final dot. addresses: of A and AAAA. trouble: why it failed, for people."""

    status: Status
    texts: tuple[bytes, ...] = ()
    names: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    trouble: str = ""

    @property
    def is_void(self) -> bool:
        """RFC 7208 §4.6.4."""
        return self.status in (Status.NO_DATA, Status.NO_NAME)


Asking = Generator[Question, Answer, ResultT]


def answered(asking: Asking[ResultT], ask: Callable[[Question], Answer]) -> ResultT:
    """Run to the end. ask: is asked each question once, however often it comes up."""
    known: dict[Question, Answer] = {}
    try:
        question = next(asking)
        while True:
            if question not in known:
                known[question] = ask(question)
            question = asking.send(known[question])
    except StopIteration as end:
        result: ResultT = end.value
        return result


def replaced(asking: Asking[ResultT], name: str, texts: tuple[bytes, ...]) -> Asking[ResultT]:
    """The same, as if `name` had these TXT records."""
    wanted = Question(name, Kind.TXT)
    try:
        question = next(asking)
        while True:
            if question == wanted:
                question = asking.send(Answer(Status.FOUND, texts=texts))
            else:
                question = asking.send((yield question))
    except StopIteration as end:
        result: ResultT = end.value
        return result


def canonical(name: str) -> str:
    """Lower case, without a final dot."""
    return name.removesuffix(".").lower()


def is_name(name: str) -> bool:
    """Can DNS be asked for it? Canonical, of visible ASCII and of two labels at least."""
    labels = name.split(".")
    return (
        len(labels) > 1
        and len(name) <= NAME_MAX
        and all(0 < len(label) <= LABEL_MAX for label in labels)
        and all("!" <= character <= "~" for character in name)
    )


def reverse_name(address: Address) -> str:
    """Where the PTR records of `address` are."""
    return address.reverse_pointer
