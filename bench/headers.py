"""What headers that were made to be dear cost the event loop. Not a test; `make bench-headers` runs it.

    python bench/headers.py [--octets 65536] [--rounds 5]

Each header repeats one piece until it is as long as asked, behind a From field that a decision would accept. What
reception does with it before it decides is timed step by step: the From rule's reading, the evidence of a tenant, the
signatures. The best of the rounds counts, for what else the machine does is not the header's doing. Headers above the
mark are named at the end, and the exit status is 1 then.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from outgate.mail.fields import has_signature
from outgate.policy.evidence import read_evidence
from outgate.policy.from_field import read_from
from outgate.policy.header import read_header
from outgate.reception.interface import Answered, Names, Texts
from outgate.reception.signatures import Signatures

MARK = 1.0  # milliseconds for all steps, of a header of 64 KiB; what takes longer must not run on the loop
MARK_OCTETS = 64 * 1024

FIRST = b"From: a@alpha.example\r\n"
REPORT = b"X-Forefront-Antispam-Report: "
SIGNATURE = b"DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=" + b"A" * 43 + b"=; b=AAAA\r\n"

# By name: what stands once in front, and what is repeated.
SHAPES: dict[str, tuple[bytes, bytes]] = {
    "ordinary fields": (FIRST, b"X-Note: some words of no weight, as they stand in most headers\r\n"),
    "short fields": (FIRST, b"a:\r\n"),
    "folds": (FIRST + b"X: y", b"\r\n "),
    "blanks": (FIRST + b"X: y", b" "),
    "Received": (FIRST, b"Received:\r\n"),
    "received, folded": (FIRST, b"received: a\r\n b\r\n"),
    "Subject": (FIRST, b"Subject:\r\n"),
    "Message-ID": (FIRST, b"Message-ID:\r\n"),
    "one Subject of folds": (FIRST + b"Subject: x", b"\r\n\t"),
    "From": (b"", b"From:\r\n"),
    "From without a colon": (FIRST, b"From\r\n"),
    "lines that begin like From": (FIRST, b"fr:\r\n"),
    "X-OriginatorOrg": (FIRST, b"X-OriginatorOrg:\r\n"),
    "X-OriginatorOrg, long": (FIRST, b"X-OriginatorOrg: " + b"a." * 500 + b"\r\n"),
    "X-OriginatorOrg, blanks": (FIRST, b"X-OriginatorOrg:" + b" " * 1000 + b"\r\n"),
    "CrossTenant-Id": (FIRST, b"X-MS-Exchange-CrossTenant-Id:\r\n"),
    "CrossTenant-AuthAs": (FIRST, b"X-MS-Exchange-CrossTenant-AuthAs:\r\n"),
    "reports": (FIRST, REPORT + b"SFP:1\r\n"),
    "SFP values": (FIRST + REPORT, b";SFP:;"),
    "semicolons": (FIRST + REPORT, b";"),
    "semicolons and blanks": (FIRST + REPORT, b"; "),
    "one report of folds": (FIRST + REPORT, b"\r\n "),
    "lines that begin like a report": (FIRST, b"x-\r\n"),
    "signatures without tags": (FIRST, b"DKIM-Signature:\r\n"),
    "signatures": (FIRST, SIGNATURE),
    "one signature of semicolons": (FIRST + b"DKIM-Signature: ", b";"),
    "one signature of tags": (FIRST + b"DKIM-Signature: v=1", b";a=b"),
    "one signature of folds": (FIRST + b"DKIM-Signature: v=1", b"\r\n "),
    "lines that begin like a signature": (FIRST, b"dkim-s\r\n"),
    "bare LF": (FIRST, b"\n"),
    "bare CR": (FIRST, b"\r"),
    "NUL": (FIRST, b"\0"),
    "NEL": (FIRST, b"\x85"),
    "octets above 127": (FIRST, b"\xff"),
    "LF and octets above 127": (FIRST, b"\n\xff\xff"),
    "From behind bare LF": (FIRST, b"\nfrom"),
    "From behind letters": (FIRST + b"\0", b"xfrom:"),
    "From behind octets above 127": (FIRST + b"\n", b"\xfffrom:"),
    "Received behind bare LF": (FIRST, b"\nReceived:"),
    "signatures behind bare LF": (FIRST, b"\nDKIM-Signature:"),
    "X-OriginatorOrg behind bare LF": (FIRST, b"\nX-OriginatorOrg:"),
    "X-OriginatorOrg behind letters": (FIRST + b"\0", b"yX-OriginatorOrg:"),
    "X-OriginatorOrg without a colon": (FIRST + b"\0", b"\nX-OriginatorOrg "),
    "a From of addresses": (b"From: a@alpha.example", b",a@alpha.example"),
    "a From of commas": (b"From: a@alpha.example", b","),
    "a From of comments": (b"From: a@alpha.example", b"()"),
    "a From of open comments": (b"From: a@alpha.example", b"(("),
    "a From of quotes": (b"From: ", b'""'),
    "a From of routes": (b"From: <", b"@a,"),
    "a From of folds": (b"From: a@alpha.example", b"\r\n "),
    "a From of 15 KiB of commas": (b"From: a@alpha.example" + b"," * 15_000 + b"\r\n", b"x: y\r\n"),
    "a From of 15 KiB of addresses": (
        b"From: a@alpha.example" + b",a@b.c" * 99 + b"(a)" * 4_700 + b"\r\n",
        b"x: y\r\n",
    ),
    "a From of 15 KiB of comments": (b"From: a@alpha.example" + b"()" * 7_500 + b"\r\n", b"x: y\r\n"),
    "a From of commas, and evidence": (
        b"From: a@alpha.example" + b"," * 15_000 + b"\r\n" + SIGNATURE,
        b"X-OriginatorOrg:\r\n",
    ),
    "a From of commas, and a report": (b"From: a@alpha.example" + b"," * 15_000 + b"\r\n" + REPORT, b"\r\n "),
    "a From of 15 KiB of words": (b"From: " + b"a\t" * 7_500 + b"<a@alpha.example>\r\n", b"x: y\r\n"),
    "a From of 15 KiB of words and quotes": (b"From: " + b'a""' * 5_000 + b"(a)<a@alpha.example>\r\n", b"x: y\r\n"),
}


def made(shape: tuple[bytes, bytes], octets: int) -> bytes:
    first, piece = shape
    return (first + piece * ((octets - len(first)) // len(piece) + 1))[: octets - 2] + b"\r\n"


def timed(step: Callable[[], object], rounds: int) -> float:
    """Milliseconds, the best of the rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - began)
    return best * 1e3


def read_all_from(block: bytes) -> object:
    fields = read_header(block, is_complete=True).from_fields
    return [read_from(value) for value in fields[:1]]


class NoKeys:
    """DNS that knows at once that there is no key."""

    async def texts(self, name: str) -> Texts:
        return self.known_texts(name)

    async def confirmed_names(self, address: str) -> Names:
        return self.known_names(address)

    def known_texts(self, _name: str) -> Texts:
        return Texts(Answered.NONE, holds_seconds=600.0)

    def known_names(self, _address: str) -> Names:
        return Names(Answered.NONE)


Result = TypeVar("Result")


class OtherThreads:
    """What goes to a thread is not the loop's."""

    async def run(self, call: Callable[[], Result]) -> Result:
        return await asyncio.to_thread(call)


async def run_all(octets: int, rounds: int) -> list[str]:
    """Prints the table. The names of the shapes above the mark."""
    signatures = Signatures(lookups=NoKeys(), threads=OtherThreads(), now=time.time, monotonic=time.monotonic)

    def check(block: bytes) -> None:
        if has_signature(block):
            signatures.begin(block).finish(lambda _results: None)

    above: list[str] = []
    print(f"Milliseconds for a header of {octets:,} octets, best of {rounds}")
    print(f"{'':40s}{'From':>8s}{'evidence':>10s}{'DKIM':>8s}{'all':>8s}")
    for name, shape in SHAPES.items():
        block = made(shape, octets)
        costs: list[float] = []
        for step in (read_all_from, read_evidence, check):
            costs.append(timed(lambda block=block, step=step: step(block), rounds))
            await asyncio.sleep(0)  # what went to a thread begins
        print(f"{name:40s}{costs[0]:8.2f}{costs[1]:10.2f}{costs[2]:8.2f}{sum(costs):8.2f}", flush=True)
        if sum(costs) > MARK:
            above.append(name)
    return above


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--octets", type=int, default=MARK_OCTETS)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    above = asyncio.run(run_all(arguments.octets, arguments.rounds))
    if arguments.octets != MARK_OCTETS:
        return 0
    for name in above:
        print(f"above {MARK:g} ms: {name}")
    return bool(above)


if __name__ == "__main__":
    sys.exit(main())
