"""Messages that wait: for their time, for a person, for a lane."""

import pytest
from tests.support.delivery import START, Clock, make_message

from outgate.delivery import schedule
from outgate.delivery.waiting import WaitingRoom
from outgate.mail.message import Progress, RecipientProgress


def progress(at: float, *, held: bool = False) -> Progress:
    return Progress((RecipientProgress(),), 1, START + at, held)


class Scene:
    def __init__(self) -> None:
        self.clock = Clock()
        self.room = WaitingRoom(self.clock, lambda: None)

    def put(self, queue_id: str, at: float, *, held: bool = False) -> None:
        self.room.put(make_message(queue_id), progress(at, held=held))

    def due(self) -> str:
        """All that is due, taken out."""
        ids = ""
        while (waiting := self.room.pop_due()) is not None:
            ids += waiting.queue_id
        return ids

    def parked(self, lane: str) -> str:
        ids = ""
        while (waiting := self.room.pop_parked(lane)) is not None:
            ids += waiting.queue_id
        return ids


def test_a_message_comes_out_as_it_went_in() -> None:
    room = Scene().room
    message = make_message("A", "bob@receiver.example", "Zoë@två.example", subject="héllo")
    assert room.put(message, progress(0)).message == message


def test_what_is_due_comes_in_order_and_what_is_held_never() -> None:
    scene = Scene()
    for queue_id, at in (("B", 2.0), ("A", 1.0), ("C", 3.0)):
        scene.put(queue_id, at)
    scene.put("H", 0.5, held=True)
    assert scene.due() == ""
    scene.clock.seconds = 2
    assert scene.due() == "AB"
    assert sorted(waiting.queue_id for waiting in scene.room) == ["C", "H"]


def test_a_changed_message_waits_for_its_new_time_alone() -> None:
    scene = Scene()
    scene.put("A", 1.0)
    waiting = scene.room.get("A")
    assert waiting is not None
    scene.room.change(waiting, progress(1), START + 5)
    scene.clock.seconds = 4
    assert scene.due() == ""
    scene.clock.seconds = 5
    assert scene.due() == "A"


def test_a_removed_message_is_never_due() -> None:
    scene = Scene()
    scene.put("A", 1.0)
    waiting = scene.room.get("A")
    assert waiting is not None
    scene.room.remove(waiting)
    scene.clock.seconds = 1
    assert scene.due() == ""
    assert len(scene.room) == 0


def test_what_found_its_lane_full_waits_for_that_lane_in_order() -> None:
    scene = Scene()
    for place, queue_id in enumerate("ABC"):
        scene.put(queue_id, place)
    scene.clock.seconds = 3
    for lane in ("one", "two", "one"):
        waiting = scene.room.pop_due()
        assert waiting is not None
        scene.room.park(waiting, lane)
    assert len(scene.room) == 3
    assert scene.due() == ""
    assert scene.parked("one") == "AC"
    assert scene.parked("two") == "B"
    assert scene.parked("none") == ""


@pytest.mark.parametrize("event", ["held", "deferred", "gone"])
def test_what_changed_while_it_was_parked_is_passed_over(event: str) -> None:
    scene = Scene()
    scene.put("A", 0)
    waiting = scene.room.pop_due()
    assert waiting is not None
    scene.room.park(waiting, "lane")
    if event == "gone":
        scene.room.remove(waiting)
    else:
        scene.room.change(waiting, progress(0, held=event == "held"), START + (60 if event == "deferred" else 0))
    assert scene.parked("lane") == ""
    scene.clock.seconds = 60
    assert scene.due() == ("A" if event == "deferred" else "")


def test_people_who_ask_again_and_again_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "VOID_MAX", 10)
    scene = Scene()
    scene.put("A", 100)
    scene.put("B", 50)
    for second in range(1_000):
        waiting = scene.room.get("A")
        assert waiting is not None
        scene.room.change(waiting, waiting.progress, START + 100 + second / 1000, is_urgent=True)
        assert len(scene.room._heap._heap) < 20
    scene.clock.seconds = 200
    assert scene.due() == "BA"


@pytest.mark.parametrize(
    ("texts", "may"),
    [
        (("alpha", "alice@alpha.example", "bob@receiver.example"), True),
        (("", "", ""), True),
        (("beta", "", ""), False),
        (("", "", "carol@receiver.example"), False),
        (("", "zoë@alpha.example", ""), True),  # not ASCII: only decoding can tell
    ],
)
def test_what_a_message_cannot_name_needs_no_decoding(texts: tuple[str, str, str], may: bool) -> None:
    waiting = Scene().room.put(make_message("A", "Bob@receiver.example"), progress(0))
    assert waiting.may_name(*texts) is may
