"""etcdctl about users and roles, and as users of little right: as against a real etcd."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.interop import auth_house
from tests.interop.auth_commands import (
    ALICE,
    BARE,
    ENABLED,
    ENDING,
    MANAGING,
    MISTAKEN,
    NOBODY,
    PART,
    RIGHTS,
    ROOT,
)
from tests.interop.auth_house import BCRYPT, Root, settle_in
from tests.interop.conftest import reachable
from tests.interop.etcdctl import Etcdctl, Printed, commands
from tests.support.servers import Server, etcdpy_server, reference_etcd

FLAGS = {
    NOBODY: (),
    BARE: ("--user=bare", "--password=b"),
    ALICE: ("--user=alice:a",),
    ROOT: ("--user=root:r",),
}
#: What a caller is told that may not do something.
WORDS = {
    NOBODY: "etcdserver: user name is empty",
    BARE: "etcdserver: permission denied",
    ALICE: "etcdserver: permission denied",
}


@dataclass(frozen=True)
class House:
    """
    etcdpy, and an etcd to compare with if there is one that asks for the same rights.

    Attributes:
        roots: A connection to each of them.

    """

    etcdpy: Server
    etcd: Server | None
    roots: Sequence[Root] = ()

    def same(self, etcdctl: Etcdctl, command: str) -> Printed:
        """Run a command line on both, compare, and return what is printed."""
        got = _without_ids(etcdctl.run(self.etcdpy, command))
        if self.etcd is not None:
            assert got == _without_ids(etcdctl.run(self.etcd, command)), command
        return got


def _without_ids(printed: Printed) -> Printed:
    """Leave out what the server or the client has chosen: IDs of leases and keys made of them."""
    # So is a hash of what has such IDs in its history.
    pattern = r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{14,16}\b|(?<=^ENDPOINT, )[0-9]+(?=, [0-9]+$)"
    out, err = (
        re.sub(pattern, "ID", text, flags=re.MULTILINE) for text in (printed.stdout, printed.stderr)
    )
    return replace(printed, stdout=out, stderr=err)


def _pair(stack: ExitStack) -> House:
    etcdpy = stack.enter_context(etcdpy_server(args=(*reachable(), BCRYPT)))
    etcd = stack.enter_context(reference_etcd(args=(*reachable(), BCRYPT)))
    return House(etcdpy, etcd if auth_house.version_of(etcd) >= auth_house.SAME_RIGHTS else None)


@pytest.fixture
def house() -> Iterator[House]:
    """Two servers without users."""
    with ExitStack() as stack:
        yield _pair(stack)


@pytest.fixture(scope="module")
def settled(etcdctl: Etcdctl) -> Iterator[House]:
    """Two servers with the users of ``FLAGS``, who have to log in."""
    with ExitStack() as stack:
        house = _pair(stack)
        servers = [house.etcdpy, *filter(None, [house.etcd])]
        for server in servers:
            settle_in(
                etcdctl,
                server,
                "user add bare:b",
                "user add alice:a",
                "role add part",
                *(f"role grant-permission part {permission}" for permission in PART),
                "user grant-role alice part",
            )
        roots = [stack.enter_context(closing(Root(server.address))) for server in servers]
        yield replace(house, roots=roots)


def test_users_and_roles_are_managed_in_the_same_words(etcdctl: Etcdctl, house: House) -> None:
    for line in [*MANAGING, *ENABLED]:
        before, _, refusal = line.partition(" ! ")
        command = f"--user root:r {before[2:]}" if before.startswith("- ") else before
        got = house.same(etcdctl, command)
        assert (got.status == 0) == (not refusal), (line, got)
        assert refusal in got.stderr, (line, got)


@pytest.mark.parametrize("command", MISTAKEN)
def test_etcdctl_is_mistaken_in_the_same_way(
    etcdctl: Etcdctl, settled: House, command: str
) -> None:
    assert settled.same(etcdctl, command).status != 0


@pytest.mark.parametrize(("script", "answered"), RIGHTS, ids=[script for script, _ in RIGHTS])
def test_who_may_do_what(
    etcdctl: Etcdctl, settled: House, script: str, answered: tuple[str, ...]
) -> None:
    for who, flags in FLAGS.items():
        (names,) = {tuple(root.reset().items()) for root in settled.roots}
        for command in commands(script, dict(names)):
            got = settled.same(etcdctl.with_flags(*flags), command)
            assert (got.status == 0) == (who in answered), (who, got)
            if who not in answered and answered:
                assert WORDS[who] in got.stderr + got.stdout, (who, got)


@pytest.mark.parametrize(("script", "refused"), ENDING, ids=[script for script, _ in ENDING])
def test_who_may_not_is_told_at_once(
    etcdctl: Etcdctl, settled: House, script: str, refused: tuple[str, ...]
) -> None:
    (names,) = {tuple(root.reset().items()) for root in settled.roots}
    (command,) = commands(script, dict(names))
    for who in refused:
        got = settled.same(etcdctl.with_flags(*FLAGS[who]), command)
        assert got.status != 0, (who, got)
        assert WORDS[who].removeprefix("etcdserver: ") in got.stderr + got.stdout, (who, got)


@pytest.mark.parametrize("who", [NOBODY, BARE, ALICE, ROOT])
def test_root_alone_saves_a_snapshot(
    etcdctl: Etcdctl, settled: House, tmp_path: Path, who: str
) -> None:
    as_who = etcdctl.with_flags(*FLAGS[who])
    for server in filter(None, (settled.etcdpy, settled.etcd)):
        path = tmp_path / f"{server.address}.db"
        done = as_who.run(server, f"snapshot save {path}")
        assert (done.status == 0) == path.exists() == (who == ROOT), done
        if who != ROOT:
            assert WORDS[who] in done.stderr


def test_a_user_watches_and_stands_for_election(etcdctl: Etcdctl, settled: House) -> None:
    for root in settled.roots:
        root.reset()
    flags = FLAGS[ALICE]
    with (
        etcdctl.running(settled.etcdpy, *flags, "elect", "a/post", "alice") as leader,
        etcdctl.running(settled.etcdpy, *flags, "watch", "a/told") as watch,
        etcdctl.running(settled.etcdpy, *flags, "elect", "-l", "a/post") as observer,
    ):
        assert [_line(leader).partition("/")[0], _line(leader)] == ["a", "alice"]
        assert [_line(observer).partition("/")[0], _line(observer)] == ["a", "alice"]
        # It may not have begun yet: whatever is put once it has is told.
        ended = threading.Event()

        def put() -> None:
            while not ended.wait(0.05):
                etcdctl.with_flags(*flags).run(settled.etcdpy, "put a/told v")

        with ThreadPoolExecutor(1) as pool:
            putting = pool.submit(put)
            try:
                assert [_line(watch), _line(watch), _line(watch)] == ["PUT", "a/told", "v"]
            finally:
                ended.set()
            putting.result()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")
