"""What delivery works with."""

import dataclasses

import pytest
from tests.support.delivery import World, play

from outgate.delivery.means import Means


def test_means_do_not_change_under_those_who_use_them() -> None:
    async def scenario() -> None:
        means = World().manager._rounds._means
        assert isinstance(means, Means)
        with pytest.raises(dataclasses.FrozenInstanceError):
            means.settings = None  # type: ignore[misc,assignment]

    play(scenario)
