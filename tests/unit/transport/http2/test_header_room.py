"""Room for large header lists."""

from etcdpy.transport.http2.header_room import HeaderRoom, Reservation


def test_room_is_given_back_with_the_last_reference() -> None:
    room = HeaderRoom(100)
    reservation = Reservation(room)
    assert reservation.grow(60)
    holders = [reservation]
    del reservation
    assert room.used == 60
    holders.clear()
    assert room.used == 0


def test_what_does_not_fit_is_not_reserved() -> None:
    room = HeaderRoom(100)
    first, second = Reservation(room), Reservation(room)
    assert first.grow(60)
    assert not second.grow(41)
    assert (second.size, room.used) == (0, 60)
    assert second.grow(40)
    first.set(10)
    assert room.used == 50
    assert second.grow(50)
