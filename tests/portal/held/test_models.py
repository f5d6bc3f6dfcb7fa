"""An order over a message."""

from outgate.contract.commands import QueueAction
from outgate.portal.held.models import ACTION_MAX, MessageOrder


def test_every_action_has_room() -> None:
    assert all(len(action.value) <= ACTION_MAX for action in QueueAction)
    assert str(MessageOrder(queue_id="T1", action="delete")) == "delete T1"
