"""What a fuzzing target is, and how its examples are made.

A target is a function of octets that raises where Outgate does what it must never do. It exists once: `test_targets`
tries it with a fixed number of examples, always the same ones, and `run` (`make fuzz`) for minutes, led by coverage.

Octets that are only random are refused at the first look, so examples come from seeds: dialogues, messages, records
that are good, of which something was changed, left out, doubled, or taken from another one.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FINDS: Final = Path(__file__).parent / "finds"  # FINDS/TARGET/*: what once broke a target, kept for good
EXAMPLE_MAX: Final = 16 * 1024  # octets; longer ones cost time and show nothing more
CHANGES_MAX: Final = 6  # in one example

Run = Callable[[bytes], None]

INTERESTING: Final = (
    *(b"\0", b"\r", b"\n", b"\r\n", b".", b"\r\n.\r\n", b" ", b"\t", b"\xff", b"\x80", b"\x7f", b":", b"<", b">", b"@"),
    *(
        b"\xc2\x85",
        b"\xe2\x80\xa8",
        b"\xf0\x9f\x98\x80",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"-1",
        b"99999999999999999999",
    ),
)


@dataclass(frozen=True)
class Target:
    """seeds: good examples. tokens: what is worth putting in, beside `INTERESTING`."""

    name: str
    run: Run
    seeds: Sequence[bytes]
    tokens: Sequence[bytes]

    def finds(self) -> list[Path]:
        return sorted((FINDS / self.name).glob("*"))


def target(name: str, *, seeds: Iterable[bytes], tokens: Iterable[bytes] = ()) -> Callable[[Run], Target]:
    """Make a target of the function that this decorates."""
    return lambda run: Target(name, run, tuple(seeds), tuple(tokens))


class Mutator:
    """Examples for `target` without end, the same ones for the same `luck`."""

    def __init__(self, target: Target, luck: random.Random) -> None:
        self._luck = luck
        self._corpus = list(target.seeds)
        self._tokens = (*target.tokens, *INTERESTING)

    def keep(self, example: bytes) -> None:
        """Make further examples from this one too."""
        self._corpus.append(example)

    def __iter__(self) -> Iterator[bytes]:
        luck = self._luck
        while True:
            example = bytearray(luck.choice(self._corpus))
            for _ in range(luck.randint(1, CHANGES_MAX)):
                self._change(example)
            yield bytes(example[:EXAMPLE_MAX])

    def _change(self, example: bytearray) -> None:
        luck = self._luck
        start = luck.randint(0, len(example))
        end = min(start + luck.choice((1, 1, 2, 4, 8, 40, 400)), len(example))
        match luck.randrange(8):
            case 0 if start < len(example):
                example[start] ^= 1 << luck.randrange(8)
            case 1 if start < len(example):
                example[start] = luck.randrange(256)
            case 2:
                example[start:start] = luck.choice(self._tokens)
            case 3:
                example[start:end] = luck.choice(self._tokens)
            case 4:
                del example[start:end]
            case 5:
                example[start:start] = bytes(example[start:end]) * luck.choice((1, 1, 2, 50))
            case 6:
                other = luck.choice(self._corpus)
                place = luck.randint(0, len(other))
                example[start:end] = other[place : place + luck.choice((4, 40, 4_000))]
            case _:
                example[start:start] = luck.randbytes(luck.choice((1, 2, 8)))


def cut(octets: bytes, luck: random.Random) -> Iterator[bytes]:
    """`octets` in pieces, as a network might bring them; each way of cutting has its turn."""
    longest = luck.choice((1, 2, 7, 100, 5_000))
    start = 0
    while start < len(octets):
        end = start + luck.randint(1, longest)
        yield octets[start:end]
        start = end


def luck_of(octets: bytes) -> random.Random:
    """For what a target has to choose and cut: any change of the example changes that too."""
    return random.Random(octets)
