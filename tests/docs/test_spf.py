"""`docs/spf.md` names the states and figures of the code."""

from pathlib import Path

from outgate.app.clerk_spf import AT_ONCE, PACE_SECONDS
from outgate.portal.spf.asking import BUDGET_SECONDS
from outgate.portal.spf.services import AGAIN_SECONDS, PERIOD_SECONDS, RETRY_MAX_SECONDS, RETRY_SECONDS, SPREAD_SECONDS
from outgate.spf.check import QUESTIONS_MAX
from outgate.spf.record import RECORD_MAX
from outgate.spf.report import ADDRESSES_MAX, PLATFORM_INCLUDES, State
from outgate.spf.survey import COUNTED_MAX

TEXT = " ".join((Path(__file__).parents[2] / "docs" / "spf.md").read_text("utf-8").split())


def test_every_state_is_explained() -> None:
    assert [state for state in State if f"`{state.value}`" not in TEXT] == []
    assert all(name in TEXT for name in PLATFORM_INCLUDES.values())


def test_figures_are_those_of_the_code() -> None:
    hour = 3_600
    day = round(AT_ONCE / PACE_SECONDS * 24 * hour)
    for wanted in (
        f"at most once in {AGAIN_SECONDS:.0f} seconds a domain",
        f"All questions together have {BUDGET_SECONDS:.0f} seconds",
        f"every {PERIOD_SECONDS / hour:.0f} to {(PERIOD_SECONDS + SPREAD_SECONDS) / hour:.0f} hours",
        f"{day:,} domains a day for each node",
        f"in {RETRY_SECONDS / 60:.0f} to {2 * RETRY_SECONDS / 60:.0f} minutes",
        f"up to {RETRY_MAX_SECONDS / hour:.0f} to {2 * RETRY_MAX_SECONDS / hour:.0f} hours",
        f"at most {QUESTIONS_MAX} questions",
        f"more than {RECORD_MAX >> 10} KiB",
        f"at most {ADDRESSES_MAX} sending addresses",
        f"lookups beyond {COUNTED_MAX} are not followed",
    ):
        assert wanted in TEXT, wanted
