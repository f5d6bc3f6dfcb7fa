"""Each target with a fixed number of examples, always the same ones, and with all that ever broke it."""

import random
from itertools import islice

import pytest
from tests.fuzz.engine import FINDS, Mutator, Target
from tests.fuzz.run import TARGETS

EXAMPLES = 3_000

ids = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@ids
def test_seeds_and_former_finds(target: Target) -> None:
    assert target.seeds
    for octets in (*target.seeds, *[path.read_bytes() for path in target.finds()]):
        target.run(octets)


@ids
def test_examples(target: Target) -> None:
    for octets in islice(Mutator(target, random.Random(target.name)), EXAMPLES):
        try:
            target.run(octets)
        except BaseException as error:
            error.add_note(f"target {target.name}, octets {octets!r}")
            raise


def test_names_are_of_one_target_each() -> None:
    names = [target.name for target in TARGETS]
    assert len(set(names)) == len(names)
    assert {path.name for path in FINDS.glob("*")} <= set(names)
