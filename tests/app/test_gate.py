from dataclasses import dataclass, field
from math import inf

import pytest

from outgate.app.configuration import Limits
from outgate.app.gate import Gate
from outgate.contract.policy import CustomerDocument, Outbound, OutboundSource, PolicyItem, SendingDomain
from outgate.mail.reply import Reply
from outgate.net.listener import Conversation, Peer
from outgate.policy.snapshot import Snapshot
from outgate.reception.shared import Reception
from outgate.smtp.server import ServerSession, ServerSettings
from outgate.spool.memory import MemorySpool

CUSTOMER = "192.0.2.1"


@dataclass
class Door:
    """A gate with one declared source, and who has passed it."""

    limits: Limits
    inside: list[Conversation] = field(default_factory=list)

    def __post_init__(self) -> None:
        snapshot = Snapshot()
        document = CustomerDocument(
            "1", "1", Outbound.ACTIVE, domains=(SendingDomain("a.example"),), sources=(OutboundSource(CUSTOMER),)
        )
        snapshot.apply_all([PolicyItem("customer:1", 1, document)], revision=1)
        self.settings = ServerSettings("outgate.example")
        self.reception = Reception(
            snapshot=snapshot,
            spool=MemorySpool(post=lambda call: call()),
            worker="test/1",
            host_name="outgate.example",
            hops_max=100,
            next_queue_id=lambda: "0",
            now=lambda: 0.0,
            feed_is_current=lambda: True,
            tls_available=lambda: False,
            emit=lambda event: None,
            submit=lambda message, content: None,
            fault=lambda queue_id, error: None,
        )
        self.gate = Gate(self.reception, self.limits, self.settings, lambda: None)

    def knock(self, address: str) -> Conversation | Reply:
        session = ServerSession(self.settings)
        answer = self.gate.converse(Peer(address, 1, session, lambda reply: None, lambda: None, lambda: None))
        if not isinstance(answer, Reply):
            self.inside.append(answer)
        return answer


def test_a_stranger_has_less_room_and_less_time_than_a_customer() -> None:
    door = Door(Limits(connections_per_address=3, connections_per_stranger=1))
    customers = [door.knock(CUSTOMER) for _ in range(4)]
    assert [isinstance(answer, Reply) for answer in customers] == [False, False, False, True]
    first, second = door.knock("198.51.100.1"), door.knock("198.51.100.1")
    assert not isinstance(first, Reply)
    assert isinstance(second, Reply)
    assert second.code == 421
    assert "overloaded" in str(second)
    assert door.gate.idle_seconds(first) < door.gate.idle_seconds(door.inside[0])
    assert door.gate.greeting_delay_seconds(first) > 0 == door.gate.greeting_delay_seconds(door.inside[0])


def test_strangers_never_take_the_half_that_customers_need() -> None:
    door = Door(Limits(connections=10))
    answers = [door.knock(f"198.51.100.{number}") for number in range(20)]
    assert sum(not isinstance(answer, Reply) for answer in answers) == 5
    assert not isinstance(door.knock(CUSTOMER), Reply)


def test_the_room_for_strangers_can_be_made_smaller() -> None:
    door = Door(Limits(stranger_connections=3))
    answers = [door.knock(f"198.51.100.{number}") for number in range(5)]
    assert sum(not isinstance(answer, Reply) for answer in answers) == 3


def test_a_stranger_is_counted_by_the_network_that_is_his() -> None:
    door = Door(Limits(connections_per_stranger=2))
    answers = [door.knock(f"2001:db8::{number}") for number in range(1, 5)]
    assert [isinstance(answer, Reply) for answer in answers] == [False, False, True, True]
    assert not isinstance(door.knock("2001:db8:0:1::1"), Reply)
    for conversation in door.inside:
        conversation.closed()
    assert not door.gate.by_address


def test_only_strangers_have_an_end_to_their_time() -> None:
    door = Door(Limits())
    stranger, customer = door.knock("198.51.100.1"), door.knock(CUSTOMER)
    assert not isinstance(stranger, Reply)
    assert not isinstance(customer, Reply)
    assert door.gate.session_seconds(stranger) == 300
    assert door.gate.session_seconds(customer) == inf


def test_who_leaves_makes_room() -> None:
    door = Door(Limits(connections_per_stranger=1))
    door.knock("198.51.100.1")
    door.inside.pop().closed()
    assert not isinstance(door.knock("198.51.100.1"), Reply)
    assert (door.gate.connections, door.gate.strangers) == (1, 1)


@pytest.mark.parametrize("address", [CUSTOMER, "198.51.100.1"])
def test_nobody_comes_in_while_the_worker_ends(address: str) -> None:
    door = Door(Limits())
    door.reception.is_stopping = True
    answer = door.knock(address)
    assert isinstance(answer, Reply)
    assert "shutting-down" in str(answer)
