"""What etcd 3.7.1 answers each caller for each call: tables of short words, kept as files.

``python -m tests.conformance.auth_outcomes`` asks the reference for all of them anew, which has
to be that version, or newer, and writes the files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import grpc
from google.protobuf.message import Message

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import auth_world as world
from tests.conformance import differences, errors
from tests.conformance.auth_calls import ENDLESS, LAST, calls, name_of
from tests.conformance.auth_world import METHODS, Certified, Kind, Metadata, Signed, Simple
from tests.conformance.peers import Peer
from tests.support import servers

_INVALID, _FAILED, _UNKNOWN = "INVALID_ARGUMENT", "FAILED_PRECONDITION", "UNKNOWN"

# What a word stands for. "?W" has the text of W, but the code Unknown; "!W" is a watch that is
# created and cancelled at once, with W as the reason.
WORDS: Mapping[str, tuple[str, str]] = {
    "nameless": (_INVALID, "etcdserver: user name is empty"),
    "token": ("UNAUTHENTICATED", "etcdserver: invalid auth token"),
    "denied": ("PERMISSION_DENIED", "etcdserver: permission denied"),
    "old": (_INVALID, "etcdserver: revision of auth store is old"),
    "login": (_INVALID, "etcdserver: authentication failed, invalid user ID or password"),
    "password": (
        _UNKNOWN,
        "auth: authentication failed, password was given for no password user",
    ),
    "long": (_UNKNOWN, "bcrypt: password length exceeds 72 bytes"),
    "no-user": (_FAILED, "etcdserver: user name not found"),
    "user-exists": (_FAILED, "etcdserver: user name already exists"),
    "role-unnamed": (_INVALID, "etcdserver: role name is empty"),
    "no-role": (_FAILED, "etcdserver: role name not found"),
    "role-exists": (_FAILED, "etcdserver: role name already exists"),
    "not-granted": (_FAILED, "etcdserver: role is not granted to the user"),
    "management": (_INVALID, "etcdserver: invalid auth management"),
    "no-permission": (_INVALID, "etcdserver: permission not given"),
    "not-permitted": (_FAILED, "etcdserver: permission is not granted to the role"),
    "no-key": errors.NO_KEY,
    "value": errors.VALUE_PROVIDED,
    "twice": errors.DUPLICATE_KEY,
    "compacted": errors.COMPACTED,
    "future": errors.FUTURE,
    "no-lease": errors.LEASE_NOT_FOUND,
    "lease-exists": (_FAILED, "etcdserver: lease already exists"),
    "bad-urls": errors.BAD_URLS,
    "url-exists": errors.PEER_URL_EXISTS,
    "no-member": errors.MEMBER_NOT_FOUND,
    "leader": errors.BAD_TRANSFEREE,
    "version": errors.BAD_DOWNGRADE_TARGET,
    "no-leader": (_UNKNOWN, "election: no leader"),
    "not-leader": (_UNKNOWN, "election: not leader"),
    "no-leader-key": (_UNKNOWN, '"leader" field must be provided'),
    "empty-range": (_UNKNOWN, "mvcc: watcher range is empty"),
}

# All is well: a call succeeded, a stream that does not end told something, or nothing.
OK, TOLD, SILENT = "ok", "told", "silent"

# A caller is not asked for this.
LEFT_OUT = "-"

_TIMEOUT = 30.0

# By the name of a call, the words for all callers.
Table = dict[str, dict[str, str]]

_FOLDER = Path(__file__).with_name("outcomes")


def outcome(peer: Peer, method: str, request: Message, who: Metadata) -> str:
    """Make a call; return the word for what came of it."""
    call = peer.begin(METHODS[method], request.SerializeToString(), _TIMEOUT, who or None)
    most = 1 if method in ENDLESS else None
    try:
        replies: Sequence[bytes] = list(islice(call, most))
    except grpc.RpcError:
        return word_for((call.code().name, call.details()))
    call.cancel()
    if method == "Watch/Watch":
        return _word_for_watch(pb.WatchResponse.FromString(replies[0]))
    if method in ENDLESS:
        return TOLD if replies else SILENT
    return OK


def word_for(error: tuple[str, str]) -> str:
    """Return the word for a code and a text, or both if there is none."""
    for word, meant in WORDS.items():
        if meant == error:
            return word
        if ("UNKNOWN", meant[1]) == error:
            return f"?{word}"
    return ": ".join(error)


def since(word: str) -> differences.Version:
    """Return the first version that has the words a word stands for."""
    _, text = WORDS.get(word.lstrip("?!"), ("", ""))
    return differences.WORDS_SINCE.get(text, ())


def _word_for_watch(reply: pb.WatchResponse) -> str:
    if reply.created and not reply.canceled:
        return TOLD
    if not (reply.created and reply.watch_id == -1 and reply.HasField("header")):
        return str(reply)
    for word, (code, text) in WORDS.items():
        status = f"rpc error: code = {code.title().replace('_', '')} desc = {text}"
        if reply.cancel_reason in (status, text):
            return f"!{word}"
    return str(reply)


class House:
    """A server with the users of ``auth_world``, and what each caller of a kind sends to it."""

    def __init__(self, server: servers.Server, kind: Kind) -> None:
        self._address = server.address
        self._kind = kind
        self._root = kind.connect(server.address, "root")
        self.version = differences.version_of(self._root)
        world.settle_in(self._root)
        self._tokens = kind.tokens(self._root)

    def column(self, who: str) -> Iterator[tuple[str, str]]:
        """Make the calls as one caller; iterate over their names and what came of each.

        Not made are those that an etcd of this version answers differently.
        """
        world.reset(self._root, self._tokens["root"])
        with closing(self._kind.connect(self._address, who)) as peer:
            is_last = who == self._kind.callers[-1]
            yield from _column(peer, self.version, self._tokens[who], is_last=is_last)

    def close(self) -> None:
        self._root.close()


def _column(
    peer: Peer, version: differences.Version, who: Metadata, *, is_last: bool
) -> Iterator[tuple[str, str]]:
    for method, request in calls():
        name, word = name_of(method, request), LEFT_OUT
        if is_last or method not in LAST or not _is_admin(peer, who):
            if version < differences.same_rights_since(name):
                continue
            word = outcome(peer, method, request, who)
        yield name, word


def _is_admin(peer: Peer, who: Metadata) -> bool:
    return world.ask(peer, "Auth/UserList", pb.AuthUserListRequest(), who).error is None


def read(name: str) -> Table:
    """Return a table that was recorded."""
    table: Table = {}
    callers: list[str] = []
    for line in (_FOLDER / f"{name}.txt").read_text().splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        if not callers:
            callers = cells[:-1]
        elif line:
            *words, call = cells
            table[call] = dict(zip(callers, words, strict=True))
    return table


def write(name: str, table: Table) -> None:
    callers = list(next(iter(table.values())))
    lines = [[*callers, "call"], *([*words.values(), call] for call, words in table.items())]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    widths[-1] = 0
    text = "\n".join(
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    (_FOLDER / f"{name}.txt").write_text(text + "\n")


def record(kind: Kind) -> None:
    """Ask the reference for all outcomes, and write them down."""
    table: Table = {}
    with (
        servers.reference_etcd(["--unsafe-no-fsync", *kind.args]) as server,
        closing(House(server, kind)) as house,
    ):
        assert house.version >= differences.TARGET_VERSION
        for who in kind.callers:
            for call, word in house.column(who):
                assert ": " not in word, (call, word)
                table.setdefault(call, {})[who] = word
    write(kind.name, table)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        for kind in (Simple(), Signed(Path(directory)), Certified(Path(directory))):
            record(kind)
