"""`make fuzz`: each target for minutes, led by coverage, and a table of what came of it.

    python -m tests.fuzz.run [--minutes M] [TARGET ...]     M minutes for all together

An example that reaches lines in an order that none before did joins those that the next ones are made from. Looking
costs ten times what running does, so only one example in `LOOKED_AT` is looked at. What breaks a target is written to
`finds/`, where `make test` tries it for ever; the run goes on with the next target, and ends with an error.
"""

import argparse
import hashlib
import logging
import random
import secrets
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from tests.fuzz import contract, dkim, dsn, net, policy, providers, scanning, smtp, spf, spool
from tests.fuzz.engine import FINDS, Mutator, Target

import outgate

PACKAGES: Final = (smtp, policy, dkim, spool, contract, dsn, net, providers, spf, scanning)
TARGETS: Final = [one for package in PACKAGES for one in package.TARGETS]
SOURCE: Final = str(Path(outgate.__file__).parent)
MINUTES: Final = 10.0
LOOKED_AT: Final = 10  # one example of so many
SECONDS_MAX: Final = 10.0  # for one example; whatever takes longer is a find

Step = tuple[str, int, int]  # file, from line, to line


@dataclass
class Coverage:
    """The steps from line to line in Outgate's own files."""

    steps: set[Step] = field(default_factory=set)

    def look(self, target: Target, octets: bytes) -> bool:
        """Run `target`; did it take a step that is new?"""
        found: set[Step] = set()

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            if not frame.f_code.co_filename.startswith(SOURCE):
                return None
            name, last = frame.f_code.co_filename, frame.f_lineno

            def step(frame: FrameType, event: str, argument: Any) -> Any:
                nonlocal last
                found.add((name, last, frame.f_lineno))
                last = frame.f_lineno
                return step

            return step

        sys.settrace(trace)
        try:
            target.run(octets)
        finally:
            sys.settrace(None)
        is_new = not found <= self.steps
        self.steps |= found
        return is_new


@dataclass
class Result:
    target: Target
    examples: int = 0
    kept: int = 0  # examples that reached something new
    steps: int = 0
    seconds: float = 0.0
    finds: int = 0


def fuzz(target: Target, seconds: float, seed: int) -> Result:
    """Until `seconds` are over or something was found."""
    result = Result(target)
    coverage = Coverage()
    mutator = Mutator(target, random.Random(seed))
    begun = now = time.monotonic()
    octets = b""
    try:
        for octets in target.seeds:
            coverage.look(target, octets)
        for octets in mutator:
            before = now
            if result.examples % LOOKED_AT:
                target.run(octets)
            elif coverage.look(target, octets):
                mutator.keep(octets)
                result.kept += 1
            result.examples += 1
            now = time.monotonic()
            assert now - before < SECONDS_MAX, f"{now - before:.1f} s for one example"
            if now - begun >= seconds:
                break
    except Exception:
        traceback.print_exc()
        result.finds += 1
        path = FINDS / target.name / hashlib.sha256(octets).hexdigest()[:16]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
        print(f"{target.name}: {path}", file=sys.stderr)
    result.steps = len(coverage.steps)
    result.seconds = time.monotonic() - begun
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all targets together")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="for the same examples again")
    parser.add_argument("targets", nargs="*", choices=[[], *[target.name for target in TARGETS]], metavar="TARGET")
    options = parser.parse_args()
    logging.disable()  # damage is reported by the thousand
    targets = [target for target in TARGETS if target.name in options.targets] or TARGETS
    print(f"seed {options.seed}\n\n| target | examples | seconds | kept | steps | finds |\n|---|--:|--:|--:|--:|--:|")
    finds = 0
    for target in targets:
        one = fuzz(target, options.minutes * 60 / len(targets), options.seed)
        finds += one.finds
        print(
            f"| {target.name} | {one.examples:,} | {one.seconds:.0f} | {one.kept:,} | {one.steps:,} | {one.finds} |",
            flush=True,
        )
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
