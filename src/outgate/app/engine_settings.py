"""The settings of one scanning engine, and the clients that they make."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Protocol

from msgspec import Meta, Struct

from outgate.engines.address import Address, parse_address
from outgate.engines.interface import EngineAnswer, Question
from outgate.mail.findings import Category
from outgate.net.clamd import ClamdClient
from outgate.net.milter import MilterClient
from outgate.net.rspamd import RspamdClient

ENGINES_MAX: Final = 16  # engines of one installation
CATEGORIES: Final = (Category.MALWARE.value, Category.PHISHING.value, Category.SPAM.value)  # of a milter's refusal
TIMEOUT_MAX: Final = 50.0  # seconds: an engine answers or is given up within the minute that scanning has


class Engine(Struct, frozen=True, forbid_unknown_fields=True):
    """A scanner of others that runs beside Outgate. It is asked about all mail of customers that have scanning on,
    at the same time as the built-in scanners; see [scanning.md](scanning.md#engines)."""

    name: Annotated[
        str,
        Meta(
            pattern="^[a-z][a-z0-9-]{0,31}$",
            description="Name in findings, metrics and log: lower case letters, digits and `-`",
        ),
    ]
    kind: Annotated[str, Meta(description="What it speaks: `clamd`, `milter` or `rspamd`")]
    address: Annotated[str, Meta(description="Where it listens: `unix:/path` or `host:port`")]
    category: Annotated[
        str,
        Meta(
            description="Of a milter: what its refusal means, `malware`, `phishing` or `spam`, and so which part of a "
            "customer's policy decides. Has to be given for a milter, and for nothing else"
        ),
    ] = ""
    timeout_seconds: Annotated[
        float, Meta(gt=0, le=TIMEOUT_MAX, description="Time for an answer, waiting for a free connection included")
    ] = 20.0
    size_octets: Annotated[
        int,
        Meta(
            ge=1,
            description="Larger mail is not given to it and is `unscannable`; no more than the engine's own limit, "
            "such as clamd's `StreamMaxLength`",
        ),
    ] = 26_214_400
    connections: Annotated[int, Meta(ge=1, le=1000, description="Messages that one worker asks it about at a time")] = (
        10
    )
    failures: Annotated[
        int, Meta(ge=1, le=1000, description="Failures in a row after which it is left alone for a time")
    ] = 5
    pause_seconds: Annotated[
        float, Meta(gt=0, description="That time; then one message tries it, and mail goes to it again if it answers")
    ] = 10.0


class EngineClient(Protocol):
    """Speaks one protocol. On the loop's thread."""

    async def ask(self, question: Question, content: bytes | Path) -> EngineAnswer:
        """Raises: EngineFault; ContentGone. Can be cancelled at any time."""

    def close(self) -> None:
        """Drop kept connections. Idempotent."""


KINDS: Final[dict[str, Callable[[Engine, Address], EngineClient]]] = {
    "clamd": lambda engine, address: ClamdClient(engine.name, address),
    "milter": lambda engine, address: MilterClient(engine.name, address, Category(engine.category)),
    "rspamd": lambda engine, address: RspamdClient(engine.name, address, engine.connections),
}


def make_client(engine: Engine) -> EngineClient:
    """engine: as `problems` has found none with it."""
    return KINDS[engine.kind](engine, parse_address(engine.address))


def problems(engines: Sequence[Engine]) -> Iterator[tuple[str, str]]:
    """What types and bounds cannot say: key within `scanning`, and what is wrong with it."""
    if len(engines) > ENGINES_MAX:
        yield "engines", f"there are {len(engines)}; at most {ENGINES_MAX} can be asked"
    names: set[str] = {"built-in"}
    for index, engine in enumerate(engines):
        place = f"engines[{index}]"
        if engine.name in names:
            yield f"{place}.name", f"{engine.name!r} is taken; give each engine a name of its own"
        names.add(engine.name)
        if engine.kind not in KINDS:
            yield f"{place}.kind", f"{engine.kind!r} is not spoken here; write one of {', '.join(KINDS)}"
        if engine.kind == "milter" and engine.category not in CATEGORIES:
            yield f"{place}.category", f"say what a refusal of this milter means: one of {', '.join(CATEGORIES)}"
        if engine.kind != "milter" and engine.category:
            yield f"{place}.category", f"{engine.kind} says itself what it has found; leave this away"
        try:
            parse_address(engine.address)
        except ValueError as error:
            yield f"{place}.address", str(error)
