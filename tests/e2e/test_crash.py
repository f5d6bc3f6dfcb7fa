"""Nothing answered with 250 is lost or altered, whoever is killed and when. `make crash` runs more of the same."""

from bench.crash import Rounds
from tests.support.installation import Installation

ROUNDS = 20


def test_kill_under_load_loses_nothing(installation: Installation) -> None:
    """Workers, the clerk, the supervisor, everything at once: all that was promised arrives, whole, and is recorded."""
    outcome = Rounds(installation, seed=10).run(ROUNDS)
    assert outcome.is_good, outcome.report()
    assert sum(outcome.rounds.values()) == ROUNDS
    assert outcome.rounds.keys() == {"worker", "clerk", "supervisor", "everything"}, "another seed brings them all"
    assert outcome.accepted > ROUNDS
