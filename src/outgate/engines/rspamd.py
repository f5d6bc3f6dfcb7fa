"""rspamd's /checkv2: what it is told beside the content, and what its JSON says.

Its score has no upper end; what it rejects begins at `required_score`. Ours is in thousandths of certainty and
`REJECTED` is where a customer's policy rejects by default, so `required_score` is mapped to that, lower scores in
proportion.
"""

import math
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from outgate.engines.interface import EngineAnswer, EngineFault, Question
from outgate.mail.findings import DETAIL_MAX, Category, Finding

PATH: Final = "/checkv2"
RECIPIENTS_MAX: Final = 100  # forward-paths that rspamd is told; its header has a bound
REJECTED: Final = 990  # thousandths: what rspamd itself would reject; the rest up to 1000 is for twice that score
REQUIRED_DEFAULT: Final = 15.0  # rspamd's own score of "reject", where it rejects nothing and so names none
SYMBOLS_MAX: Final = 20  # that a finding names, if there is room for them


class _Symbol(Struct):
    score: float = 0.0


class _Verdict(Struct):
    score: float
    action: str
    required_score: float | None = None
    symbols: dict[str, _Symbol] = {}
    error: str = ""


_decoder: Final = msgspec.json.Decoder(_Verdict, strict=False)


def fields_of(question: Question) -> Iterator[tuple[str, str]]:
    """What rspamd is told of the message. `User`: it is authenticated mail, for which rspamd asks neither SPF nor
    lists of dial-up addresses, and limits go by customer."""
    yield "From", question.reverse_path
    for path in question.forward_paths[:RECIPIENTS_MAX]:
        yield "Rcpt", path
    yield "IP", question.source
    yield "User", question.customer_id
    if question.host_name:
        yield "MTA-Name", question.host_name


def answer_of(engine: str, status: int, body: bytes) -> EngineAnswer:
    """Raises: EngineFault."""
    if status != 200:
        raise EngineFault("error", f"HTTP {status}")
    try:
        verdict = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:  # the latter by its depth
        raise EngineFault("nonsense", str(error)[:200]) from error
    if verdict.error:
        raise EngineFault("error", verdict.error[:200])
    if verdict.action == "soft reject":
        return EngineAnswer(is_undecided=True)
    required = verdict.required_score or REQUIRED_DEFAULT
    weight = weight_of(verdict.score, required)
    if verdict.action == "reject":
        weight = max(weight, REJECTED)
    if not weight:
        return EngineAnswer()
    return EngineAnswer((Finding(Category.SPAM, engine, "rspamd", weight, _evidence(verdict, required)),))


def weight_of(score: float, required: float) -> int:
    """Thousandths: 0 for a score of 0 and less, `REJECTED` at `required`, 1000 at twice that and more. What is below
    `required` is below `REJECTED`. Total, also for numbers that are none."""
    if not score > 0.0 or not required > 0.0:
        return 0
    if score >= required:
        excess = min((score - required) / required, 1.0) if score < math.inf else 1.0
        return REJECTED + int((1_000 - REJECTED) * excess)
    return min(int(REJECTED * (score / required)), REJECTED - 1)


def _evidence(verdict: _Verdict, required: float) -> str:
    """The score and the weightiest symbols, as many as there is room for."""
    text = f"{verdict.score:.1f} of {required:.1f}"
    ordered = sorted(verdict.symbols.items(), key=lambda item: (-abs(item[1].score), item[0]))
    for name, symbol in ordered[:SYMBOLS_MAX]:
        longer = f"{text}, {name} {symbol.score:.1f}"
        if len(longer) > DETAIL_MAX:
            break
        text = longer
    return text
