"""The history knows the last events, and says so when it is asked for more."""

from __future__ import annotations

import pytest

from etcdpy.errors import V2Error
from etcdpy.v2 import history as module
from etcdpy.v2.events import Event
from etcdpy.v2.history import History
from etcdpy.v2.tree import FIRST_INDEX, Tree


class Story:
    """A tree whose events go into a history."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.history = History(FIRST_INDEX)

    def set(self, path: str, value: str = "", *, refresh: bool = False) -> Event:
        event = self.tree.set(path, value, refresh=refresh, now=0)
        self.history.add(event)
        return event

    def delete(self, path: str) -> Event:
        event = self.tree.delete(path, recursive=True, now=0)
        self.history.add(event)
        return event

    def found(self, path: str, index: int = 1, *, recursive: bool = False) -> list[int]:
        return [e.index for e in self.history.matching(path, index, recursive=recursive)]


@pytest.fixture
def story() -> Story:
    return Story()


def test_events_are_found_by_path_from_an_index_on(story: Story) -> None:
    for path in ("/a", "/b", "/a", "/c"):
        story.set(path)
    assert story.found("/a") == [4, 6]
    assert story.found("/a", 5) == [6]
    assert story.found("/a", 7) == []
    assert story.found("/nothing") == []


def test_events_below_are_found_by_who_is_recursive(story: Story) -> None:
    story.set("/d/k")
    story.set("/dd/k")
    assert story.found("/d") == []
    assert story.found("/d", recursive=True) == [4]
    assert story.found("/", recursive=True) == [4, 5]


def test_hidden_events_are_found_by_who_asks_for_them_alone(story: Story) -> None:
    story.set("/d/_h/k")
    assert story.found("/d", recursive=True) == []
    assert story.found("/d/_h", recursive=True) == [4]
    assert story.found("/d/_h/k") == [4]


def test_removal_of_a_directory_is_found_by_who_watches_below(story: Story) -> None:
    story.set("/wd/k")
    story.delete("/wd")
    assert story.found("/wd/k", 5) == [5]
    assert story.found("/wd/other", 5) == [5]
    assert story.found("/wdzzz", 5) == []


def test_removal_of_a_key_is_not_found_below(story: Story) -> None:
    story.set("/k")
    story.delete("/k")
    assert story.found("/k/x") == []


def test_refreshes_are_not_found(story: Story) -> None:
    story.set("/k")
    story.set("/k", refresh=True)
    assert story.found("/k") == [4]


def test_only_a_thousand_are_kept(story: Story) -> None:
    for _ in range(1010):
        story.set("/k")
    assert story.history.oldest == 14
    with pytest.raises(V2Error) as refused:
        story.found("/k", 1)
    assert refused.value.code == 401
    assert refused.value.cause == "the requested history has been cleared [14/1]"
    assert refused.value.index == 1013
    assert len(story.found("/k", 14)) == 1000


def test_while_there_are_few_nothing_is_cleared(story: Story) -> None:
    for _ in range(996):
        story.set("/k")
    assert story.found("/k", 1)[0] == 4
    story.set("/k")
    story.set("/k")
    assert story.history.oldest == 2


def test_large_events_are_fewer(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 10_000)
    for _ in range(10):
        story.set("/k", "v" * 2000)
    assert story.history.oldest > 4
    assert story.found("/k", story.history.oldest)[-1] == 13
    with pytest.raises(V2Error):
        story.found("/k", 4)


def test_history_of_an_earlier_run_goes_on(story: Story) -> None:
    for _ in range(1500):
        story.set("/k")
    again = History(FIRST_INDEX)
    again.restore(list(story.history))
    assert again.oldest == story.history.oldest
    assert again.index == story.history.index
    fresh = History(FIRST_INDEX)
    fresh.restore([])
    assert (fresh.index, fresh.oldest) == (3, 1)


def test_young_history_of_an_earlier_run_has_forgotten_nothing(story: Story) -> None:
    story.set("/k")
    again = History(FIRST_INDEX)
    again.restore(list(story.history))
    assert [e.index for e in again.matching("/k", 1, recursive=False)] == [4]
