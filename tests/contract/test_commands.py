"""Commands cross, and only those that exist."""

import msgspec
import pytest

from outgate.contract.commands import Command, CommandResult, QueueAction, QueueCommand


@pytest.mark.parametrize("action", QueueAction)
def test_a_command_comes_out_as_it_went_in(action: QueueAction) -> None:
    command = QueueCommand(action, ("T4226ZR000G00", "T4226ZR000G01"), "operator", "alpha")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=Command) == command


def test_a_result_comes_out_as_it_went_in() -> None:
    result = CommandResult(("T4226ZR000G00",), ("T4226ZR000G01",))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(result), type=CommandResult) == result


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "queue", "action": "burn", "queue_ids": []}, QueueCommand)


def test_a_command_without_a_customer_is_for_all_of_them() -> None:
    assert QueueCommand(QueueAction.RETRY, ()).customer_id == ""
