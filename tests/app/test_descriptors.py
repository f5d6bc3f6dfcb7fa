import resource
import subprocess
import sys

import pytest

from outgate.app.configuration import Delivery, Limits
from outgate.app.descriptors import PER_CONNECTION, RESERVED_MAX, fit

PROGRAM = """
import resource
from outgate.app.descriptors import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 300))
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_with_enough_descriptors_the_settings_stand() -> None:
    enough = PER_CONNECTION * (5_000 + 500) + RESERVED_MAX
    room = fit(Limits(), Delivery(), enough)
    assert (room.connections, room.next_hop_connections, room.is_short) == (5_000, 500, False)
    assert fit(Limits(), Delivery(), enough - 1).is_short


@pytest.mark.parametrize("descriptors", [64, 256, 1_024, 4_096, 10_000])
@pytest.mark.parametrize("engine_connections", [0, 30, 300])
def test_with_fewer_the_worst_case_still_leaves_a_reserve(descriptors: int, engine_connections: int) -> None:
    room = fit(Limits(), Delivery(), descriptors, engine_connections)
    used = PER_CONNECTION * (room.connections + room.next_hop_connections + room.engine_connections)
    assert room.is_short
    assert min(room.connections, room.next_hop_connections) >= 1
    assert descriptors - used >= min(RESERVED_MAX, descriptors // 4)
    assert room.connections >= 9 * room.next_hop_connections  # the proportion of the settings


def test_a_process_takes_all_that_it_may_have() -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 300:
        pytest.skip("this machine allows no 300 descriptors")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["300", "300", "300"]
