"""Who waits is told what it waits for, by etcdpy and by etcd 3.5.1."""

from __future__ import annotations

import itertools

import pytest

from tests.support.v2 import V2Client

_numbers = itertools.count()


@pytest.fixture
def directory(client: V2Client) -> str:
    """A directory of the test's own, with a key in it."""
    path = f"/watch{next(_numbers)}"
    client.ask("PUT", f"{path}/k", "value=v")
    return path


def write(client: V2Client, path: str, form: str = "value=x") -> int:
    reply = client.ask("PUT", path, form)
    assert reply.status in (200, 201), reply.body
    return reply.index


def remove(client: V2Client, path: str) -> int:
    reply = client.ask("DELETE", f"{path}?recursive=true")
    assert reply.status == 200
    return reply.index


def index_of(event: dict[str, dict[str, int]]) -> int:
    return event["node"]["modifiedIndex"]


def test_58_head_comes_at_once_also_for_what_is_not_there(client: V2Client, directory: str) -> None:
    with client.watch(f"{directory}/none") as watch:
        assert watch.head.status == "HTTP/1.1 200 OK"
        assert watch.head.headers["Content-Type"] == "application/json"
        assert watch.index == client.index()
        written = write(client, f"{directory}/none")
        event = watch.next()
        assert (event["action"], index_of(event)) == ("set", written)
        assert watch.next() == {}


def test_59_past_event_comes_at_once(client: V2Client, directory: str) -> None:
    first = write(client, f"{directory}/k")
    write(client, f"{directory}/k")
    with client.watch(f"{directory}/k", f"waitIndex={first}") as watch:
        assert index_of(watch.next()) == first
        assert watch.next() == {}


def test_60_future_index_passes_over_what_comes_before(client: V2Client, directory: str) -> None:
    now = client.index()
    with client.watch(f"{directory}/k", f"waitIndex={now + 2}") as watch:
        write(client, f"{directory}/k")
        second = write(client, f"{directory}/k")
        assert index_of(watch.next()) == second == now + 2


def test_61_hidden_is_heard_of_by_who_asks_for_it(client: V2Client, directory: str) -> None:
    outside = client.watch(directory, "recursive=true")
    inside = client.watch(f"{directory}/_h", "recursive=true")
    with outside, inside:
        hidden = write(client, f"{directory}/_h/x")
        shown = write(client, f"{directory}/shown")
        assert index_of(inside.next()) == hidden
        assert index_of(outside.next()) == shown


def test_62_removal_of_a_directory_is_heard_of_below(client: V2Client, directory: str) -> None:
    there, not_there = client.watch(f"{directory}/k"), client.watch(f"{directory}/none")
    with there, not_there:
        removed = remove(client, directory)
        event = there.next()
        assert (event["node"]["key"], index_of(event)) == (directory, removed)
        assert event["node"]["dir"] is True
        made = write(client, f"{directory}/none")
        assert index_of(not_there.next()) == made


def test_63_history_is_of_a_thousand_events(client: V2Client, directory: str) -> None:
    for _ in range(1010):
        last = write(client, f"{directory}/k")
    reply = client.ask("GET", f"{directory}/k?wait=true&waitIndex=1")
    assert reply.status == 400
    assert reply.json["errorCode"] == 401
    oldest = last - 999
    assert reply.json["cause"] == f"the requested history has been cleared [{oldest}/1]"
    assert reply.json["index"] == reply.index == last
    with client.watch(f"{directory}/k", f"waitIndex={oldest}") as watch:
        assert index_of(watch.next()) == oldest


def test_64_next_index_waits(client: V2Client, directory: str) -> None:
    with client.watch(f"{directory}/k", f"waitIndex={client.index() + 1}") as watch:
        written = write(client, f"{directory}/k")
        assert index_of(watch.next()) == written


def test_65_stream_has_a_line_for_each_event(client: V2Client, directory: str) -> None:
    with client.watch(directory, "recursive=true&stream=true") as watch:
        for _ in range(5):
            written = write(client, f"{directory}/k")
            assert index_of(watch.next()) == written


def test_66_refresh_is_heard_by_nobody(client: V2Client, directory: str) -> None:
    before = client.index()
    with client.watch(f"{directory}/k") as watch:
        write(client, f"{directory}/k", "refresh=true&ttl=500")
        written = write(client, f"{directory}/k")
        assert written == before + 2
        assert index_of(watch.next()) == written
    with client.watch(f"{directory}/k", f"waitIndex={before + 1}") as watch:
        assert index_of(watch.next()) == written


def test_70_key_expires(client: V2Client, directory: str) -> None:
    with client.watch(f"{directory}/t", "stream=true") as watch:
        made = write(client, f"{directory}/t", "value=v&ttl=1")
        assert index_of(watch.next()) == made
        event = watch.next()
    assert event["action"] == "expire"
    key = f"{directory}/t"
    assert event["node"] == {"key": key, "modifiedIndex": made + 1, "createdIndex": made}
    assert event["prevNode"]["value"] == "v"
    assert "expiration" in event["prevNode"]
    assert client.ask("GET", f"{directory}/t").outcome == 100


def test_71_directory_expires_with_all_below(client: V2Client, directory: str) -> None:
    write(client, f"{directory}/d", "dir=true&ttl=3")
    made = write(client, f"{directory}/d/e/k")
    # It may be over already.
    with client.watch(f"{directory}/d/e/k", f"waitIndex={made + 1}") as watch:
        event = watch.next()
    assert (event["action"], event["node"]["key"]) == ("expire", f"{directory}/d")
    assert event["node"]["dir"] is True
    assert client.ask("GET", f"{directory}/d").outcome == 100


def test_12_key_that_is_over_at_once_is_gone_soon(client: V2Client, directory: str) -> None:
    with client.watch(directory, "recursive=true&stream=true") as watch:
        write(client, f"{directory}/t", "ttl=0")
        made, gone = watch.next(), watch.next()
    assert (made["action"], gone["action"]) == ("set", "expire")
    assert "expiration" in made["node"]
    assert "ttl" not in made["node"]


def test_directory_is_watched_for_itself_alone(client: V2Client, directory: str) -> None:
    with client.watch(directory) as watch:
        write(client, f"{directory}/k")
        removed = remove(client, directory)
        assert index_of(watch.next()) == removed


def test_past_event_below_is_found_by_who_is_recursive(client: V2Client, directory: str) -> None:
    written = write(client, f"{directory}/a/b")
    with client.watch(f"{directory}/a", f"recursive=true&waitIndex={written - 1}") as watch:
        assert index_of(watch.next()) == written


def test_past_removal_is_found_below_also_by_what_was_not_there(
    client: V2Client, directory: str
) -> None:
    removed = remove(client, directory)
    with client.watch(f"{directory}/none", f"waitIndex={removed}") as watch:
        assert index_of(watch.next()) == removed


@pytest.mark.differs("hidden history")
def test_hidden_event_is_not_found_in_the_past(client: V2Client, directory: str) -> None:
    hidden = write(client, f"{directory}/_h/x")
    shown = write(client, f"{directory}/shown")
    with client.watch(directory, f"recursive=true&waitIndex={hidden}") as watch:
        assert index_of(watch.next()) == shown


@pytest.mark.differs("removed neighbour")
def test_removal_of_a_neighbour_is_not_found_in_the_past(client: V2Client, directory: str) -> None:
    removed = remove(client, directory)
    written = write(client, f"{directory}zzz")
    with client.watch(f"{directory}zzz", f"waitIndex={removed}") as watch:
        assert index_of(watch.next()) == written


@pytest.mark.differs("stream of the past")
def test_stream_of_the_past_goes_on(client: V2Client, directory: str) -> None:
    first = write(client, f"{directory}/k")
    second = write(client, f"{directory}/k")
    with client.watch(f"{directory}/k", f"stream=true&waitIndex={first}") as watch:
        third = write(client, f"{directory}/k")
        assert [index_of(watch.next()) for _ in range(3)] == [first, second, third]


@pytest.mark.differs("stream of what is removed")
def test_stream_of_what_is_removed_hears_of_it_once(client: V2Client, directory: str) -> None:
    with client.watch(f"{directory}/k", "stream=true") as watch:
        removed = remove(client, f"{directory}/k")
        made = write(client, f"{directory}/k")
        assert [index_of(watch.next()) for _ in range(2)] == [removed, made]


def test_many_who_wait_are_all_told(client: V2Client, directory: str) -> None:
    watches = [client.watch(f"{directory}/k") for _ in range(50)]
    written = write(client, f"{directory}/k")
    for watch in watches:
        with watch:
            assert index_of(watch.next()) == written


@pytest.mark.differs("slow stream")
def test_stream_that_is_not_read_ends(client: V2Client, directory: str) -> None:
    form = f"value={'x' * 200_000}"
    with client.watch(f"{directory}/k", "stream=true") as watch:
        written = [write(client, f"{directory}/k", form) for _ in range(300)]
        told = list(iter(watch.line, b""))
    assert 100 <= len(told) < 300
    for index, line in zip(written, told, strict=False):
        assert b'"modifiedIndex":%d,' % index in line
