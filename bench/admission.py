"""What a decision costs with a million domains. Not a test; `make bench-admission` runs it.

    python bench/admission.py [--customers 100000] [--domains 10] [--decisions 200000] [--directory build/admission]

A hundred thousand customers of ten domains and one source each, a third of them on Microsoft 365 with tenants of their
own, are written as a worker's copy of the policy. A fresh process starts from that copy, as a worker does, and decides
on messages of customers chosen by chance: at MAIL, at RCPT and at the end of the content, as reception asks, the From
field read, and for cloud mail the tenant evidence too. DKIM is not part of it. Each figure that is above its mark is
named at the end, and the exit status is 1 then.
"""

import argparse
import gc
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from outgate.app import policy_copy
from outgate.app.provider_data import packaged_documents
from outgate.contract.policy import (
    CustomerDocument,
    MicrosoftSettings,
    Outbound,
    OutboundSource,
    Platform,
    PolicyItem,
    SendingDomain,
)
from outgate.mail.address import ForwardPath, ReversePath
from outgate.policy.admission import decide_recipient, settle, stand_sender
from outgate.policy.decision import Verdict
from outgate.policy.evidence import read_evidence
from outgate.policy.header import read_header
from outgate.policy.proof import NO_PROOF, Proof
from outgate.policy.snapshot import Snapshot

# What a million domains may cost on an ordinary machine of two cores; fewer must cost no more. Memory is only stated.
START_MARK = 30.0  # seconds; a worker that starts again answers nobody meanwhile
DECISION_MARK = 20.0  # microseconds, median

MICROSOFT = "40.107.22.72"
RECIPIENT = ForwardPath.parse("bob@receiver.example")


def tenant(number: int) -> str:
    return f"{number:08x}-1111-4111-8111-111111111111"


def is_cloud(number: int) -> bool:
    return number % 3 == 0


def source(number: int) -> str:
    """Public addresses, none of them a provider's."""
    return f"{11 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.7"


def documents(customers: int, domains: int) -> Iterator[PolicyItem]:
    for number in range(customers):
        document = CustomerDocument(
            f"customer-{number}",
            f"Customer {number}",
            Outbound.ACTIVE,
            domains=tuple(SendingDomain(f"d{each}.c{number}.example") for each in range(domains)),
            sources=(OutboundSource(f"{source(number)}/32"),),
            platform=Platform.MICROSOFT_365 if is_cloud(number) else Platform.OTHER,
            microsoft=MicrosoftSettings((tenant(number),), (f"c{number}.onmicrosoft.com",))
            if is_cloud(number)
            else MicrosoftSettings(),
        )
        yield PolicyItem(f"customer:customer-{number}", number + 1, document)


def content_of(number: int, domain: str) -> bytes:
    fields = [
        f"From: Somebody <somebody@{domain}>",
        "To: bob@receiver.example",
        "Subject: a subject of ordinary length",
        f"Message-ID: <{number}@{domain}>",
        *(f"X-Field-{each}: {'x' * 60}" for each in range(20)),
    ]
    if is_cloud(number):
        fields += [
            f"X-OriginatorOrg: {domain}",
            "X-MS-Exchange-CrossTenant-AuthAs: Internal",
            f"X-MS-Exchange-CrossTenant-Id: {tenant(number)}",
        ]
    return "\r\n".join((*fields, "", "Hello", "")).encode()


def memory_mib(key: str) -> float:
    """Of this process: VmRSS is what is resident now, VmHWM the most so far. What getrusage calls so is no less than
    what the parent had, whose memory the child was born with."""
    found = re.search(rf"^{key}:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


class Marks:
    """What was measured, against what it should not exceed."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def check(self, name: str, measured: float, mark: float, unit: str) -> None:
        if measured > mark:
            self.missed.append(f"{name}: {measured:.1f} {unit}, the mark is {mark:.0f} {unit}")


class Asked:
    """One message, as far as it was read before it is decided."""

    def __init__(self, snapshot: Snapshot, number: int, domain: str) -> None:
        content = content_of(number, domain)
        self.standing = snapshot.source(MICROSOFT if is_cloud(number) else source(number))
        self.reverse_path = ReversePath.parse(f"somebody@{domain}")
        self.header = read_header(content, is_complete=True)
        self.head = content[: self.header.header_octets]
        self.is_cloud = is_cloud(number)
        self.proof = Proof(read_evidence(self.head)) if self.is_cloud else NO_PROOF


def decide(snapshot: Snapshot, asked: Asked) -> None:
    """At MAIL, at RCPT and at the end of the content."""
    sender = stand_sender(snapshot, asked.standing, asked.reverse_path)
    admitted = decide_recipient(snapshot, sender, RECIPIENT, None, feed_is_current=True)
    settled = settle(
        snapshot,
        sender,
        admitted.candidates,
        asked.header,
        asked.proof,
        forward_paths=(RECIPIENT,),
        feed_is_current=True,
    )
    assert settled.decision.verdict is Verdict.ACCEPT, settled


def timed(work: Callable[[Asked], object], asked: list[Asked]) -> tuple[float, str]:
    """Microseconds for each: the median of thousands; and that in words, with the worst thousand."""
    seconds = []
    for start in range(0, len(asked), 1000):
        part = asked[start : start + 1000]
        begun = time.perf_counter()
        for one in part:
            work(one)
        seconds.append((time.perf_counter() - begun) / len(part))
    seconds.sort()
    median = seconds[len(seconds) // 2] * 1e6
    return median, f"{median:.1f} us (worst thousand {seconds[-1] * 1e6:.1f})"


def measure(path: Path, customers: int, domains: int, decisions: int) -> list[str]:
    """Prints what it finds. Returns the marks that were missed, in words."""
    marks = Marks()
    before = memory_mib("VmRSS")
    begun = time.perf_counter()
    snapshot = Snapshot()
    for document in packaged_documents():
        snapshot.providers.replace(document)
    items, revision = policy_copy.load(path)
    snapshot.apply_all(items, revision=revision, is_complete=True)
    del items
    took = time.perf_counter() - begun
    print(f"start from the copy: {took:.1f} s", flush=True)
    marks.check("start from the copy", took, START_MARK, "s")
    gc.collect()
    resident = memory_mib("VmRSS") - before
    print(f"resident: {resident:.0f} MiB for {customers * domains} domains, {customers} sources", flush=True)
    print(f"resident at most, while it started: {memory_mib('VmHWM') - before:.0f} MiB", flush=True)
    gc.freeze()
    chance = random.Random(1)
    for kind, wanted in (("declared source", False), ("Microsoft 365", True)):
        numbers = [number for number in chance.choices(range(customers), k=4 * decisions) if is_cloud(number) is wanted]
        asked = [
            Asked(snapshot, number, f"d{chance.randrange(domains)}.c{number}.example") for number in numbers[:decisions]
        ]
        median, told = timed(partial(decide, snapshot), asked)
        print(f"{kind}: decision {told}", flush=True)
        marks.check(f"{kind}: decision", median, DECISION_MARK, "us")
        _, told = timed(lambda one: snapshot.source(one.standing.address), asked)
        print(f"  once a connection: whose source {told}", flush=True)
        if wanted:
            _, told = timed(_read, asked)
            print(f"  tenant evidence of a header of {len(asked[0].head)} octets {told}", flush=True)
    return marks.missed


def _read(asked: Asked) -> None:
    read_evidence(asked.head)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--domains", type=int, default=10, help="of each customer")
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--directory", type=Path, default=Path("build/admission"))
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    path = arguments.directory / "policy"
    if arguments.measure:
        missed = measure(path, arguments.customers, arguments.domains, arguments.decisions)
        for one in missed:
            print(f"MARK MISSED: {one}", flush=True)
        sys.exit(1 if missed else 0)
    arguments.directory.mkdir(parents=True, exist_ok=True)
    policy_copy.save(path, list(documents(arguments.customers, arguments.domains)), arguments.customers)
    print(f"the copy has {path.stat().st_size / 2**20:.0f} MiB", flush=True)
    sys.exit(subprocess.run([sys.executable, *sys.argv, "--measure"], check=False).returncode)


if __name__ == "__main__":
    main()
