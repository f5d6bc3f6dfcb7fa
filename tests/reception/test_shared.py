"""What strangers may have recorded."""

from outgate.reception.shared import Budget


def test_a_budget_gives_its_burst_then_so_many_a_second() -> None:
    seconds = 100.0
    budget = Budget(2.0, 3.0, lambda: seconds)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
    seconds += 1.0
    assert [budget.spend() for _ in range(3)] == [True, True, False]
    seconds += 1000.0
    assert sum(budget.spend() for _ in range(10)) == 3


def test_a_clock_that_goes_back_gives_nothing() -> None:
    seconds = 100.0
    budget = Budget(1.0, 1.0, lambda: seconds)
    assert budget.spend()
    seconds = 50.0
    assert not budget.spend()
    seconds = 51.0
    assert budget.spend()
