"""The window a stream may send into."""

from hypothesis import given
from hypothesis import strategies as st

from etcdpy.transport.http2.flow import ReceiveWindow


def test_grants_come_when_a_quarter_is_owed() -> None:
    window = ReceiveWindow(100)
    assert window.take(30)
    assert window.consumed(24) == 0
    assert window.consumed(6) == 30
    assert window.left == 100


def test_more_than_the_window_is_a_fault() -> None:
    window = ReceiveWindow(100)
    assert window.take(100)
    assert not window.take(1)


def test_message_larger_than_the_window_is_lent_what_it_lacks() -> None:
    window = ReceiveWindow(100)
    window.take(5)
    assert window.lend(250) == 155
    assert window.left == 250
    assert window.lend(250) == 0


def test_what_was_lent_is_not_granted_twice() -> None:
    window = ReceiveWindow(100)
    window.take(5)
    window.lend(250)
    window.take(250)
    assert window.consumed(255) == 100
    assert window.left == 100


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=40))
def test_window_is_never_more_than_its_size_or_the_largest_message(
    steps: list[tuple[int, int]],
) -> None:
    window = ReceiveWindow(100)
    largest = 100
    for missing, size in steps:
        largest = max(largest, missing)
        window.lend(missing)
        arrived = min(size, window.left)
        window.take(arrived)
        window.consumed(arrived)
        assert 0 <= window.left <= largest
