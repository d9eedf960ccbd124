"""Random requests for keys, of a few paths and values, with some that are wrong."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

#: None is the beginning of another, unless there is a slash behind; etcd 3.5 would mix them up.
NAMES = ("a", "b", "c", "ü", "sp%20ace")
#: Only here is something hidden: etcd 3.5 tells of it out of the history.
HIDDEN = ("/h", "/h/_x", "/h/_x/y", "/_z")

VALUES = ("", "1", "2", "%3Ca%26b%3E", "gr%C3%BCn", "a+b", "%ff", "line%0A", '"quoted\\"')
FLAGS = ("true", "false", "1", "F", "yes", "")
NUMBERS = ("0", "1", "007", "x", "-1", "", "99999999999999999999")


class Request(NamedTuple):
    """A method, a path with its query, and a form."""

    method: str
    path: str
    form: str = ""


class Wish(NamedTuple):
    """What somebody watches: a path, recursively or not, once or as a stream, from when on."""

    path: str
    recursive: bool
    stream: bool
    #: From the newest index on: 0 for no index.
    since: int


def path(random: Random) -> str:
    """Return a path below the directory of a run."""
    if random.random() < 0.2:
        return random.choice(HIDDEN)
    return "".join(f"/{random.choice(NAMES)}" for _ in range(random.choice((1, 1, 2, 2, 3))))


def request(random: Random, newest: int) -> Request:
    """Return something to ask for; ``newest`` is about the store's index."""
    kind = random.random()
    target = path(random)
    if kind < 0.1:
        target = random.choice(("", "/"))
    if kind < 0.5:
        return Request("PUT", target, _form(random, newest))
    if kind < 0.6:
        return Request("POST", target, _form(random, newest))
    if kind < 0.8:
        return Request("DELETE", target + _query(random, newest))
    method = "GET" if kind < 0.97 else "HEAD"
    return Request(method, target + _reading(random))


def wish(random: Random) -> Wish:
    """Return something to watch."""
    since = random.choice((0, 0, 0, 1, 2, 5, -1, -5, -20))
    is_past = since < 0
    target = path(random)
    is_above_hidden = target == "/h"
    recursive = random.random() < 0.5 and not (is_past and is_above_hidden)
    # etcd 3.5 sends one event of the past, and then nothing more.
    return Wish(target, recursive, random.random() < 0.5 and not is_past, since)


def _form(random: Random, newest: int) -> str:
    pairs = []
    if random.random() < 0.9:
        pairs.append(f"value={random.choice(VALUES)}")
    if random.random() < 0.15:
        pairs.append(f"dir={random.choice(FLAGS)}")
    if random.random() < 0.15:
        pairs.append(f"ttl={random.choice(('500', '900', '', *NUMBERS[2:]))}")
    if random.random() < 0.25:
        pairs.append(f"prevExist={random.choice((*FLAGS[:2], *FLAGS))}")
    pairs += _comparison(random, newest)
    if random.random() < 0.1:
        pairs.append(f"refresh={random.choice((*FLAGS[:2], *FLAGS))}")
    if random.random() < 0.1:
        pairs.append(f"noValueOnSuccess={random.choice(FLAGS)}")
    if random.random() < 0.02:
        pairs.append(random.choice(("value=%zz", "wait=true", "%", "waitIndex=x", "&&=&", "x=%4")))
    random.shuffle(pairs)
    # An old-fashioned 007 seconds would be over before the run is.
    return "&".join(pairs).replace("ttl=007", "ttl=00700")


def _query(random: Random, newest: int) -> str:
    pairs = []
    if random.random() < 0.3:
        pairs.append(f"dir={random.choice((*FLAGS[:2], *FLAGS))}")
    if random.random() < 0.4:
        pairs.append(f"recursive={random.choice((*FLAGS[:2], *FLAGS))}")
    pairs += _comparison(random, newest)
    return f"?{'&'.join(pairs)}" if pairs else ""


def _reading(random: Random) -> str:
    names = ("recursive", "sorted", "quorum", "dir", "stream", "consistent")
    pairs = [
        f"{name}={random.choice((*FLAGS[:2], *FLAGS))}" for name in names if random.random() < 0.2
    ]
    return f"?{'&'.join(pairs)}" if pairs else ""


def _comparison(random: Random, newest: int) -> list[str]:
    pairs = []
    if random.random() < 0.15:
        pairs.append(f"prevValue={random.choice(VALUES)}")
    if random.random() < 0.15:
        near = str(max(0, newest - random.randrange(6)))
        pairs.append(f"prevIndex={random.choice((near, near, *NUMBERS))}")
    return pairs
