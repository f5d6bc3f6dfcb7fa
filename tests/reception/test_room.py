from outgate.reception.room import ContentRoom


def test_what_is_held_is_the_sum_of_all() -> None:
    room = ContentRoom(octets_max=100)
    assert not room.change(0, 60)
    assert not room.change(0, 40)
    assert room.change(40, 41)
    assert not room.change(60, 0)
    assert room.held_octets == 41
