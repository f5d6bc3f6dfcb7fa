"""What an engine is asked and what it answers, whichever protocol it speaks.

An answer is a fact about one message. A fault is about the engine: it was not there, was too slow, or spoke nonsense;
it counts against the engine (`breaker`). What a message alone can bring about must therefore be an answer.
"""

from dataclasses import dataclass
from typing import Final

from outgate.mail.findings import Category, Finding

REPLY_MAX: Final = 1024 * 1024  # octets of one answer of an engine; what says more is taken to be unwell


class EngineFault(Exception):
    """The engine gave no answer that can be used. cause: a stable code such as "time-out", for metrics and log.
    detail: for the log; it may come from the engine."""

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.cause, self.detail = cause, detail


@dataclass(frozen=True, slots=True)
class Question:
    """What an engine is told beside the content. The texts hold no control characters, see `clean`."""

    customer_id: str
    reverse_path: str
    forward_paths: tuple[str, ...]
    source: str
    host_name: str = ""


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """is_undecided: the engine itself asks to be asked again later; its silence is not "clean"."""

    findings: tuple[Finding, ...] = ()
    is_undecided: bool = False


def too_large(engine: str) -> EngineAnswer:
    """More than the engine takes. It says nothing of the engine's health."""
    return EngineAnswer((Finding(Category.UNSCANNABLE, engine, "engine-too-large"),))


def clean(text: str) -> str:
    """Without control characters, so that nothing ends a line or a string of a protocol early."""
    return "".join(character for character in text if ord(character) > 31 and ord(character) != 127)
