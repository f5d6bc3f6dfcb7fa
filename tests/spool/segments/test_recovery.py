"""Whatever crashes, what was confirmed is there, octet for octet."""

import random

import pytest
from tests.support.spool import CHANGES, Luck, Scenario, SimulatedDisk, recover


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_power_failure_at_any_call_loses_nothing_confirmed(seed: int) -> None:
    """At every call of the file layer, with any of the unflushed sectors and names surviving."""
    disk = SimulatedDisk()
    scenario = Scenario(disk, seed)
    luck = random.Random(seed)
    failures: list[BaseException] = []
    crashes = 0

    def crash(call: str) -> None:
        nonlocal crashes
        if call in CHANGES and not failures:
            crashes += 1
            try:
                scenario.ledger.check(recover(disk.after_crash(Luck(luck))))
            except BaseException as error:
                failures.append(error)

    disk.before = crash
    scenario.work(150)
    scenario.spool.close()
    disk.before = lambda call: None
    if failures:
        raise failures[0]
    assert crashes > 200
    statistics = scenario.spool.statistics()
    assert statistics["copied_records"]
    scenario.ledger.check(recover(disk), is_clean=True)
