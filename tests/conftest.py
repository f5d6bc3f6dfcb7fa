"""For all tests."""

import hypothesis
import pytest

from outgate import compiled

# No test fails for the time that something takes.
hypothesis.settings.register_profile("outgate", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("outgate")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What swaps functions or constants of a module finds them swapped in Python only."""
    if compiled.are_in_use():
        for item in items:
            if item.get_closest_marker("pure"):
                item.add_marker(pytest.mark.skip(reason="swaps code that is compiled here: see the pure run"))
