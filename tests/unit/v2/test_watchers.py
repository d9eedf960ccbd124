"""Watchers hear of what they watch: of each event once, in order, and of nothing else."""

from __future__ import annotations

import pytest

from etcdpy.errors import V2Error
from etcdpy.v2.events import Event
from etcdpy.v2.history import History
from etcdpy.v2.tree import FIRST_INDEX, Tree
from etcdpy.v2.watchers import BUFFERED, Hub, Watcher


class Scene:
    """A tree with its history and those who watch it."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.history = History(FIRST_INDEX)
        self.hub = Hub(self.history)

    def happened(self, event: Event) -> Event:
        self.history.add(event)
        self.hub.notify(event)
        return event

    def set(self, path: str, value: str = "", *, refresh: bool = False) -> Event:
        return self.happened(self.tree.set(path, value, refresh=refresh, now=0))

    def delete(self, path: str) -> Event:
        return self.happened(self.tree.delete(path, recursive=True, now=0))

    def watch(
        self, path: str, *, recursive: bool = False, stream: bool = False, since: int = 0
    ) -> Watcher:
        return self.hub.watch(path, recursive=recursive, stream=stream, since=since)


def heard(watcher: Watcher) -> list[int]:
    events = []
    while (event := watcher.take()) is not None:
        events.append(event.index)
    return events


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_watcher_hears_of_the_next_event_of_its_path_alone(scene: Scene) -> None:
    watcher = scene.watch("/a")
    for path in ("/b", "/ab", "/a", "/a"):
        scene.set(path)
    assert heard(watcher) == [6]
    assert watcher.is_over
    assert len(scene.hub) == 0


def test_stream_goes_on(scene: Scene) -> None:
    watcher = scene.watch("/a", stream=True)
    for _ in range(3):
        scene.set("/a")
    assert heard(watcher) == [4, 5, 6]
    assert not watcher.is_over


def test_recursive_watcher_hears_of_what_is_below(scene: Scene) -> None:
    root = scene.watch("/", recursive=True, stream=True)
    watcher = scene.watch("/d", recursive=True, stream=True)
    alone = scene.watch("/d", stream=True)
    for path in ("/d/a", "/dd/a", "/d/e/a"):
        scene.set(path)
    assert heard(watcher) == [4, 6]
    assert heard(root) == [4, 5, 6]
    assert heard(alone) == []


def test_hidden_events_are_heard_by_who_asks_for_them(scene: Scene) -> None:
    outside = scene.watch("/", recursive=True, stream=True)
    inside = scene.watch("/_h", recursive=True, stream=True)
    itself = scene.watch("/_h/_x", stream=True)
    scene.set("/_h/x")
    scene.set("/_h/_x")
    assert heard(outside) == []
    assert heard(inside) == [4]
    assert heard(itself) == [5]


def test_removal_of_a_directory_is_heard_by_who_watches_what_was_in_it(scene: Scene) -> None:
    scene.set("/d/e/k")
    scene.set("/d/_h/k")
    watchers = {
        path: scene.watch(path) for path in ("/d/e/k", "/d/e", "/d/_h/k", "/d/x", "/dx", "/d0")
    }
    event = scene.delete("/d")
    told = {path for path, watcher in watchers.items() if heard(watcher) == [event.index]}
    assert told == {"/d/e/k", "/d/e", "/d/_h/k"}


def test_stream_on_what_is_removed_hears_of_it_once(scene: Scene) -> None:
    scene.set("/d/k")
    watchers = [scene.watch("/d", recursive=recursive, stream=True) for recursive in (False, True)]
    scene.delete("/d")
    assert [heard(watcher) for watcher in watchers] == [[5], [5]]


def test_refresh_is_heard_by_nobody(scene: Scene) -> None:
    scene.set("/k")
    watcher = scene.watch("/k")
    scene.set("/k", refresh=True)
    assert heard(watcher) == []
    assert not watcher.is_over


def test_past_event_is_there_at_once(scene: Scene) -> None:
    for _ in range(3):
        scene.set("/k")
    watcher = scene.watch("/k", since=5)
    assert heard(watcher) == [5]
    assert watcher.is_over
    assert watcher.start_index == 6
    assert len(scene.hub) == 0


def test_past_without_a_match_goes_on_with_the_future(scene: Scene) -> None:
    scene.set("/a")
    watcher = scene.watch("/b", since=4)
    scene.set("/b")
    assert heard(watcher) == [5]


def test_stream_from_the_past_hears_of_all_of_it_and_goes_on(scene: Scene) -> None:
    for _ in range(3):
        scene.set("/k")
    watcher = scene.watch("/k", stream=True, since=5)
    scene.set("/k")
    assert heard(watcher) == [5, 6, 7]


def test_watcher_of_the_future_does_not_hear_of_what_comes_before(scene: Scene) -> None:
    watcher = scene.watch("/k", since=6)
    for _ in range(3):
        scene.set("/k")
    assert heard(watcher) == [6]


def test_cleared_history_is_refused(scene: Scene) -> None:
    for _ in range(1010):
        scene.set("/k")
    with pytest.raises(V2Error, match=r"\[14/2\]"):
        scene.watch("/k", since=2)


def test_who_does_not_take_a_hundred_events_is_ended(scene: Scene) -> None:
    watcher = scene.watch("/k", stream=True)
    for _ in range(BUFFERED):
        scene.set("/k")
    assert not watcher.is_over
    scene.set("/k")
    assert watcher.is_over
    assert heard(watcher) == list(range(4, 4 + BUFFERED))
    assert len(scene.hub) == 0


def test_long_past_is_not_too_much(scene: Scene) -> None:
    for _ in range(500):
        scene.set("/k")
    watcher = scene.watch("/k", stream=True, since=4)
    scene.set("/k")
    assert not watcher.is_over
    assert len(heard(watcher)) == 501


def test_who_left_hears_nothing_and_may_leave_again(scene: Scene) -> None:
    watcher = scene.watch("/k", stream=True)
    scene.hub.leave(watcher)
    scene.hub.leave(watcher)
    scene.set("/k")
    assert heard(watcher) == []
    assert len(scene.hub) == 0


def test_owner_is_woken_by_an_event_and_at_the_end(scene: Scene) -> None:
    woken: list[str] = []
    first, second = scene.watch("/a"), scene.watch("/b", stream=True)
    first.wake = lambda: woken.append("first")
    second.wake = lambda: woken.append("second")
    scene.set("/a")
    scene.hub.close()
    assert woken == ["first", "second"]
    assert second.is_over
