"""A node is opened, filled, and closed or dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing.clock import MovableClock
from etcdpy.testing.generation import Generation, end_of_prefix
from etcdpy.testing.homes import Home
from etcdpy.testing.settings import Settings


async def opened(home: Home, **given: Any) -> Generation:
    settings = Settings.of(**given)
    config = settings.config(home.path, 1)
    return await Generation.open(home, config, MovableClock(), settings)


async def test_what_is_to_be_there_is_there(tmp_path: Path) -> None:
    users = {"root": "r", "alice": {"roles": ["app"]}}
    roles = {"app": ["app/", "shared/"], "all": ""}
    home = Home(tmp_path / "d")
    one = await opened(home, data={"a": "1"}, auth=users, roles=roles)
    users_there = one.node.parts.users
    assert users_there.is_enabled
    assert users_there.user_names() == ["alice", "root"]
    assert list(users_there.user("alice").roles) == ["app"]
    assert len(users_there.role("app").keyPermission) == 2
    assert users_there.role("all").keyPermission[0].range_end == b"\0"
    assert one.node.parts.store.revision == 2
    await one.close()
    home.leave()


async def test_closed_and_dropped_nodes_have_kept_what_they_have_acknowledged(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "d")
    config = Settings.of().config(home.path, 1)
    for revision, end in ((2, Generation.close), (3, Generation.drop), (4, Generation.close)):
        one = await Generation.open(home, config, MovableClock())
        assert await one.put_all([(b"a", b"1")]) == revision
        await end(one)
        home.close()


async def test_what_cannot_be_there_leaves_nothing_open(tmp_path: Path) -> None:
    from etcdpy.errors import EtcdError

    home = Home(tmp_path / "d")
    with pytest.raises(EtcdError):
        await opened(home, auth={"root": "r", "alice": {"password": "a", "roles": ["none"]}})
    home.leave()
    one = await opened(Home(tmp_path / "e"))
    reply = await one.ask("range", pb.RangeRequest(key=b"a"))
    assert pb.RangeResponse.FromString(bytes(reply)).count == 0
    await one.drop()


def test_end_of_a_prefix_is_that_of_clients() -> None:
    assert end_of_prefix(b"app/") == b"app0"
    assert end_of_prefix(b"\xff") == b"\0"
