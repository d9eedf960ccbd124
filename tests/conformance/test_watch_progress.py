"""Watch: how far a stream has come, and large responses, as by a real etcd."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.conftest import REFERENCE_ARGS, SUBJECTS
from tests.conformance.messages import EVERYTHING, compact, delete, put
from tests.conformance.pair import Pair
from tests.conformance.watching import Watch, Watched, cancel, progress
from tests.support import servers

# Before, progress was told at once, whether or not there were watchers and wherever they were.
TELLS_PROGRESS_WHEN_SYNCED = (3, 6)


@contextmanager
def _scenario(pair: Pair) -> Iterator[Watched]:
    watched = Watched(pair)
    yield watched
    watched.watch.close()


@pytest.fixture
def watched(shared_pair: Pair) -> Iterator[Watched]:
    shared_pair.settle()
    with _scenario(shared_pair) as watched:
        yield watched


@pytest.fixture
def watch(watched: Watched) -> Watch:
    return watched.watch


def _is_met_with_silence(watch: Watch) -> bool:
    watch.send(progress())
    watch.skip_older(TELLS_PROGRESS_WHEN_SYNCED)
    return watch.is_silent()


# ------------------------------------------------------------------- on demand


def test_progress_without_watchers_is_met_with_silence(watch: Watch) -> None:
    assert _is_met_with_silence(watch)


def test_progress_of_synced_watchers_is_told_once(watched: Watched, watch: Watch) -> None:
    watch.create(b"a")
    watch.create(b"c", b"d")
    told = watch.ask(progress())
    assert (told.watch_id, watched.number(told)) == (-1, 4)
    assert (len(told.events), told.created, told.canceled) == (0, False, False)
    watched.write(put(b"other"))
    assert watched.number(watch.ask(progress())) == 5
    assert watch.is_silent()


def test_progress_comes_behind_the_events_before_it(watched: Watched, watch: Watch) -> None:
    watch.create(b"a")
    for _ in range(20):
        watched.write(put(b"a"))
    events = [watch.receive() for _ in range(20)]
    told = watch.ask(progress())
    assert told.watch_id == -1
    assert told.header.revision == events[-1].header.revision


def test_progress_waits_for_no_future(watched: Watched, watch: Watch) -> None:
    watch.create(b"a")
    watch.create(b"b", start_revision=watched.rev(6))
    assert _is_met_with_silence(watch)
    watched.write(put(b"c"))
    assert watched.number(watch.ask(progress())) == 6


def test_progress_with_a_compacted_watcher_is_met_with_silence(
    watched: Watched, watch: Watch
) -> None:
    watched.write(compact(watched.rev(4)))
    watch.create(b"a", start_revision=watched.rev(2))
    assert watch.receive().compact_revision
    assert _is_met_with_silence(watch)
    watch.ask(cancel(0))
    watch.create(b"a")
    assert watch.ask(progress()).watch_id == -1


def test_progress_of_a_watcher_that_has_caught_up(watched: Watched, watch: Watch) -> None:
    watch.create(*EVERYTHING, start_revision=watched.rev(2))
    assert len(watch.receive().events) == 3
    assert _eventually_told(watch).watch_id == -1


def _eventually_told(watch: Watch) -> pb.WatchResponse:
    # etcd sends what a watcher has caught up on a moment before the watcher counts as synced.
    time.sleep(0.3)
    return watch.ask(progress())


# ------------------------------------------------------------------- unasked

INTERVAL = 1.0
EARLY, LATE = 0.02, 0.4
#: The quickest of so many is what it takes on a machine that has nothing else to do.
TRIES = 10


FLAG = "--watch-progress-notify-interval"
# What etcd calls the flag before 3.6.
OLDER_FLAG = "--experimental-watch-progress-notify-interval"


@pytest.fixture(scope="module", params=SUBJECTS)
def noticing(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Servers that notify of progress every second."""
    if request.param == "etcd":
        pytest.skip("the flag has another name in another version")
    interval = f"={INTERVAL:.0f}s"
    version = subprocess.run(
        [servers.reference_binary(), "--version"], capture_output=True, text=True
    ).stdout
    reference_flag = OLDER_FLAG if "etcd Version: 3.5" in version else FLAG
    with (
        servers.reference_etcd([*REFERENCE_ARGS, reference_flag + interval]) as reference,
        servers.etcdpy_server(request.param, [FLAG + interval]) as subject,
    ):
        pair = Pair(subject, reference)
        yield pair
        pair.close()


def _comes_at_tick(pair: Pair, ticks: int, told: Callable[[Watched], bool]) -> None:
    """
    See something come at some tick: never before, and without delay if the machine has none.

    Args:
        told: Returns once it has come; False if the test itself was too late for it.

    """
    took: list[float] = []
    for _ in range(TRIES):
        with _scenario(pair) as watched:
            if told(watched):
                took.append(time.monotonic() - watched.opened)
                assert took[-1] > ticks * INTERVAL - EARLY
                if took[-1] < ticks * INTERVAL * 1.1 + LATE:
                    return
    raise AssertionError(f"{took} seconds")


def test_quiet_watchers_are_notified(noticing: Pair) -> None:
    def told(watched: Watched) -> bool:
        watched.watch.create(b"a", watch_id=6)
        watched.watch.create(b"a", progress_notify=True, watch_id=5)
        for _ in range(2):
            told = watched.watch.receive()
            assert (told.watch_id, watched.number(told), len(told.events)) == (5, 4, 0)
        return True

    _comes_at_tick(noticing, 2, told)


def test_an_event_takes_the_place_of_the_next_notification(noticing: Pair) -> None:
    def told(watched: Watched) -> bool:
        watched.watch.create(b"a", progress_notify=True)
        watched.write(put(b"a"))
        if time.monotonic() - watched.opened > INTERVAL * 0.9:
            return False
        assert len(watched.watch.receive().events) == 1
        assert not watched.watch.receive().events
        return True

    _comes_at_tick(noticing, 2, told)


def test_ticks_count_from_when_the_stream_was_opened(noticing: Pair) -> None:
    def told(watched: Watched) -> bool:
        watched.watch.create(b"b")
        time.sleep(INTERVAL * 0.7)
        watched.watch.create(b"a", progress_notify=True)
        assert watched.watch.receive().watch_id == 1
        return True

    _comes_at_tick(noticing, 1, told)


def test_a_watcher_from_the_future_is_not_notified(noticing: Pair) -> None:
    def told(watched: Watched) -> bool:
        watched.watch.create(b"a", progress_notify=True, start_revision=watched.rev(7))
        watched.watch.create(b"b", progress_notify=True)
        told = [watched.watch.receive(since=TELLS_PROGRESS_WHEN_SYNCED) for _ in range(2)]
        assert [response.watch_id for response in told] == [1, 1]
        return True

    _comes_at_tick(noticing, 2, told)


# ------------------------------------------------------------------- fragments

VALUE = bytes(700_000)


def test_large_history_is_split_for_who_agrees(watched: Watched, watch: Watch) -> None:
    for _ in range(8):
        watched.write(put(b"f", VALUE))
    watch.create(b"f", start_revision=watched.rev(5), fragment=True)
    told = [watch.receive() for _ in range(4)]
    assert [len(response.events) for response in told] == [2, 2, 2, 2]
    assert [response.fragment for response in told] == [True, True, True, False]
    assert {(response.watch_id, watched.number(response)) for response in told} == {(0, 12)}
    watch.create(b"f", start_revision=watched.rev(5))
    whole = watch.receive()
    assert (len(whole.events), whole.fragment) == (8, False)
    watched.write(delete(b"f"))


def test_one_revision_may_be_split(watched: Watched, watch: Watch) -> None:
    for key in (b"f1", b"f2", b"f3", b"f4"):
        watched.write(put(key, VALUE))
    watch.create(b"f", b"g", prev_kv=True, fragment=True)
    watched.write(delete(b"f", b"g"))
    told = [watch.receive() for _ in range(2)]
    assert [len(response.events) for response in told] == [2, 2]
    assert [response.fragment for response in told] == [True, False]


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_the_size_from_which_responses_are_split(watched: Watched, watch: Watch, more: int) -> None:
    """etcd: max-request-bytes and 512 KiB, which the encoded response has to reach."""
    threshold = (1536 + 512) << 10
    size = 1 << 20
    for key in (b"m1", b"m2", b"n1"):
        watched.write(put(key, bytes(size)))
    watch.create(b"m", b"n", start_revision=watched.rev(5), watch_id=1)
    missing = threshold - watch.receive().ByteSize()
    watched.write(put(b"n2", bytes(size + missing + more)))
    watch.create(b"n", b"o", start_revision=watched.rev(7), watch_id=2, fragment=True)
    first = watch.receive()
    assert first.fragment == (more >= 0)
    assert len(first.events) + (len(watch.receive().events) if first.fragment else 0) == 2
