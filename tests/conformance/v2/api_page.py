"""
The commands of etcd's own pages about v2, in their order, and the answers to them.

(etcd 0.4's Documentation/api.md and modules.md; a few from the page as etcd 3.5 had it last.)
The pages' examples come from many sessions; here they are one on a fresh server, whose first write
has index 4, so indexes in commands and answers are those of this session. Texts of errors are etcd
3.5's. What else the pages had otherwise is said where it is.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

URL: Final = "http://127.0.0.1:4001"

Node = dict[str, Any]


class Step(NamedTuple):
    """
    A command and what is answered.

    Attributes:
        command: In the page's words.
        answer: JSON, or text. Times are ``TIME``; ``ttl`` is the most that may be left.
        status: That of HTTP.
        is_background: Whether it waits until the next step makes it answer.
        in_etcd: What takes its place with etcd 3.5, which has it wrong, and costs as many indexes.

    """

    command: str
    answer: Any
    status: int = 200
    is_background: bool = False
    in_etcd: tuple[str, Any, int] | None = None


TIME: Final = "…"


def node(key: str, modified: int, created: int, **more: Any) -> Node:
    return {"key": key, "modifiedIndex": modified, "createdIndex": created, **more}


def directory(key: str, modified: int, created: int, **more: Any) -> Node:
    return node(key, modified, created, dir=True, **more)


def lasting(ttl: int) -> Node:
    return {"expiration": TIME, "ttl": ttl}


def event(action: str, now: Node, before: Node | None = None) -> Node:
    return {"action": action, "node": now} | ({} if before is None else {"prevNode": before})


def error(code: int, message: str, cause: str, index: int) -> Node:
    return {"errorCode": code, "message": message, "cause": cause, "index": index}


def root(*nodes: Node) -> Node:
    # The page's has "key": "/".
    return event("get", {"dir": True, "nodes": list(nodes)})


def put(path: str, words: str) -> str:
    return f"curl -L {URL}/v2/keys/{path} -XPUT {words}"


HELLO = node("/message", 4, 4, value="Hello world")
HELLO_ETCD = node("/message", 5, 5, value="Hello etcd")
BAR = node("/foo", 12, 12, value="bar")
JOBS = [
    node("/queue/00000000000000000013", 13, 13, value="Job1"),
    node("/queue/00000000000000000014", 14, 14, value="Job2"),
]
IN_DIRECTORY = node("/foo_dir/foo", 26, 26, value="bar")
ONE = node("/foo", 21, 21, value="one")
TWO = node("/foo", 22, 21, value="two")
ONE_AGAIN = node("/foo", 23, 23, value="one")

KEYS = (
    # Setting, getting, changing and deleting
    Step(put("message", '-d value="Hello world"'), event("set", HELLO), 201),
    Step(f"curl -L {URL}/v2/keys/message", event("get", HELLO)),
    Step(put("message", '-d value="Hello etcd"'), event("set", HELLO_ETCD, HELLO)),
    Step(
        f"curl -L {URL}/v2/keys/message -XDELETE",
        event("delete", node("/message", 6, 5), HELLO_ETCD),
    ),
    # Using key TTL (fifty seconds, not the page's five: it has to be there at the next step)
    Step(
        put("foo", "-d value=bar -d ttl=50"),
        event("set", node("/foo", 7, 7, value="bar", **lasting(50))),
        201,
    ),
    Step(
        f"curl -L {URL}/v2/keys/foo", event("get", node("/foo", 7, 7, value="bar", **lasting(50)))
    ),
    # The page waits for its five seconds. From its index on, as it may be over already.
    Step(
        put("foo", "-d value=bar -d ttl=1"),
        event(
            "set",
            node("/foo", 8, 8, value="bar", **lasting(1)),
            node("/foo", 7, 7, value="bar", **lasting(50)),
        ),
    ),
    Step(
        f"curl -L '{URL}/v2/keys/foo?wait=true&waitIndex=9'",
        event("expire", node("/foo", 9, 8), node("/foo", 8, 8, value="bar", expiration=TIME)),
    ),
    # "Key Not Found" on the page.
    Step(f"curl -L {URL}/v2/keys/foo", error(100, "Key not found", "/foo", 9), 404),
    Step(
        put("foo", "-d value=bar -d ttl=50"),
        event("set", node("/foo", 10, 10, value="bar", **lasting(50))),
        201,
    ),
    Step(
        put("foo", "-d value=bar -d ttl= -d prevExist=true"),
        event(
            "update",
            node("/foo", 11, 10, value="bar"),
            node("/foo", 10, 10, value="bar", **lasting(50)),
        ),
    ),
    # Waiting for a change. (An update keeps createdIndex; the page's prevNode has a new one.)
    Step(
        f"curl -L {URL}/v2/keys/foo?wait=true",
        event("set", BAR, node("/foo", 11, 10, value="bar")),
        is_background=True,
    ),
    Step(put("foo", "-d value=bar"), event("set", BAR, node("/foo", 11, 10, value="bar"))),
    Step(
        f"curl -L '{URL}/v2/keys/foo?wait=true&waitIndex=12'",
        event("set", BAR, node("/foo", 11, 10, value="bar")),
    ),
    # Atomically creating in-order keys: "/queue/6" on the page of 0.4, with zeros before it later.
    Step(f"curl {URL}/v2/keys/queue -XPOST -d value=Job1", event("create", JOBS[0]), 201),
    Step(f"curl {URL}/v2/keys/queue -XPOST -d value=Job2", event("create", JOBS[1]), 201),
    Step(
        f"curl -s '{URL}/v2/keys/queue?recursive=true&sorted=true'",
        event("get", directory("/queue", 13, 13, nodes=JOBS)),
    ),
    # Using a directory TTL. (The page's answer is about "/newdir".)
    Step(
        put("dir", "-d ttl=30 -d dir=true"),
        event("set", directory("/dir", 15, 15, **lasting(30))),
        201,
    ),
    Step(
        put("dir", "-d ttl=30 -d dir=true -d prevExist=true"),
        event(
            "update",
            directory("/dir", 16, 15, **lasting(30)),
            directory("/dir", 15, 15, **lasting(30)),
        ),
        # 500 in etcd 3.5: it takes the directory for a key.
        in_etcd=(
            put("_instead", "-d value="),
            event("set", node("/_instead", 16, 16, value="")),
            201,
        ),
    ),
    # Again, to last for three seconds instead of thirty; with the key that is to be watched.
    Step(
        f"curl -L {URL}/v2/keys/dir?recursive=true -XDELETE",
        event("delete", directory("/dir", 17, 15), directory("/dir", 15, 15, **lasting(30))),
    ),
    Step(
        put("dir", "-d ttl=3 -d dir=true"),
        event("set", directory("/dir", 18, 18, **lasting(3))),
        201,
    ),
    Step(put("dir/asdf", "-d value=x"), event("set", node("/dir/asdf", 19, 19, value="x")), 201),
    # The page's node has no "dir".
    Step(
        f"curl '{URL}/v2/keys/dir/asdf?consistent=true&wait=true&waitIndex=20'",
        event("expire", directory("/dir", 20, 18), directory("/dir", 18, 18, expiration=TIME)),
    ),
    # Atomic compare-and-swap: "Already exists" and "Test Failed" on the page.
    Step(put("foo", "-d value=one"), event("set", ONE, BAR)),
    Step(
        put("foo?prevExist=false", "-d value=three"),
        error(105, "Key already exists", "/foo", 21),
        412,
    ),
    Step(
        put("foo?prevValue=two", "-d value=three"),
        error(101, "Compare failed", "[two != one]", 21),
        412,
    ),
    Step(put("foo?prevValue=one", "-d value=two"), event("compareAndSwap", TWO, ONE)),
    # Atomic compare-and-delete
    Step(put("foo", "-d value=one"), event("set", ONE_AGAIN, TWO)),
    Step(
        f"curl -L {URL}/v2/keys/foo?prevValue=two -XDELETE",
        error(101, "Compare failed", "[two != one]", 23),
        412,
    ),
    Step(
        f"curl -L {URL}/v2/keys/foo?prevIndex=1 -XDELETE",
        error(101, "Compare failed", "[1 != 23]", 23),
        412,
    ),
    Step(
        f"curl -L {URL}/v2/keys/foo?prevValue=one -XDELETE",
        event("compareAndDelete", node("/foo", 24, 23), ONE_AGAIN),
    ),
    # Creating, listing and deleting directories
    Step(put("dir", "-d dir=true"), event("set", directory("/dir", 25, 25)), 201),
    Step(put("foo_dir/foo", "-d value=bar"), event("set", IN_DIRECTORY), 201),
    Step(
        f"curl -L {URL}/v2/keys/",
        root(directory("/dir", 25, 25), directory("/foo_dir", 26, 26), directory("/queue", 13, 13)),
    ),
    Step(
        f"curl -L {URL}/v2/keys/?recursive=true",
        root(
            directory("/dir", 25, 25),
            directory("/foo_dir", 26, 26, nodes=[IN_DIRECTORY]),
            directory("/queue", 13, 13, nodes=JOBS),
        ),
    ),
    # The page forgets that there is a key in it.
    Step(
        f"curl -L '{URL}/v2/keys/foo_dir?dir=true' -XDELETE",
        error(108, "Directory not empty", "/foo_dir", 26),
        403,
    ),
    Step(
        f"curl -L {URL}/v2/keys/foo_dir/foo -XDELETE",
        event("delete", node("/foo_dir/foo", 27, 26), IN_DIRECTORY),
    ),
    Step(
        f"curl -L '{URL}/v2/keys/foo_dir?dir=true' -XDELETE",
        event("delete", directory("/foo_dir", 28, 26), directory("/foo_dir", 26, 26)),
    ),
    Step(
        f"curl -L {URL}/v2/keys/dir?recursive=true -XDELETE",
        event("delete", directory("/dir", 29, 25), directory("/dir", 25, 25)),
    ),
    # Creating a hidden node
    Step(
        put("_message", '-d value="Hello hidden world"'),
        event("set", node("/_message", 30, 30, value="Hello hidden world")),
        201,
    ),
    Step(
        put("message", '-d value="Hello world"'),
        event("set", node("/message", 31, 31, value="Hello world")),
        201,
    ),
    Step(
        f"curl -L {URL}/v2/keys/",
        root(node("/message", 31, 31, value="Hello world"), directory("/queue", 13, 13)),
    ),
    # Setting a key from a file: the page's action is "get".
    Step(
        'echo "Hello\\nWorld" > afile.txt\n' + put("afile", "--data-urlencode value@afile.txt"),
        event("set", node("/afile", 32, 32, value="Hello\nWorld\n")),
        201,
    ),
)

REFRESHED = node("/foo", 34, 33, value="bar", **lasting(50))
LAST = node("/foo", 36, 36, value="one")

#: What the page had besides when etcd 3.5 came with it. (There ttl=5, as above.)
LATER = (
    Step(
        put("foo", "-d value=bar -d ttl=50"),
        event("set", node("/foo", 33, 33, value="bar", **lasting(50))),
        201,
    ),
    Step(
        put("foo", "-d ttl=50 -d refresh=true -d prevExist=true"),
        event("update", REFRESHED, node("/foo", 33, 33, value="bar", **lasting(50))),
    ),
    Step(
        f"curl '{URL}/v2/keys/foo?wait=true&waitIndex=35'",
        event("set", node("/foo", 35, 35, value="one"), REFRESHED),
        is_background=True,
    ),
    Step(put("foo", "-d value=one"), event("set", node("/foo", 35, 35, value="one"), REFRESHED)),
    Step(f"curl {URL}/v2/keys/foo?noValueOnSuccess=true -XPUT -d value=one", {"action": "set"}),
    Step(f"curl '{URL}/v2/keys/foo?quorum=true'", event("get", LAST)),
)

#: Each place, and the names of what it tells, which itself differs from run to run. Rates are not
#: there for a member alone; compareAndDelete came after the page, and so did ids.
STATISTICS = (
    (f"curl -L {URL}/v2/stats/leader", {"leader", "followers"}),
    (
        f"curl -L {URL}/v2/stats/self",
        {
            *("name", "id", "state", "startTime", "leaderInfo"),
            *("recvAppendRequestCnt", "sendAppendRequestCnt"),
        },
    ),
    (
        f"curl -L {URL}/v2/stats/store",
        {
            *("compareAndSwapFail", "compareAndSwapSuccess", "createFail", "createSuccess"),
            *("deleteFail", "deleteSuccess", "expireCount", "getsFail", "getsSuccess"),
            *("setsFail", "setsSuccess", "updateFail", "updateSuccess", "watchers"),
            *("compareAndDeleteSuccess", "compareAndDeleteFail"),
        },
    ),
)

#: What came of the commands above.
COUNTED = {
    "compareAndSwapSuccess": 1,
    "compareAndSwapFail": 1,
    "compareAndDeleteSuccess": 1,
    "compareAndDeleteFail": 2,
    "createFail": 1,
    "deleteSuccess": 5,
    "deleteFail": 1,
    "expireCount": 2,
    "watchers": 0,
}

#: etcd 3.5 counts a compareAndDelete that fails as one that succeeds.
COUNTED_BY_ETCD = COUNTED | {"compareAndDeleteSuccess": 3, "compareAndDeleteFail": 0}

NOT_FOUND = "404 page not found\n"

#: Asked at the peers' port on the page, and gone since etcd 2.0.
GONE = (
    Step(
        f"curl -L {URL}/v2/admin/config -XPUT "
        """-d '{"activeSize":3, "removeDelay":1800,"syncInterval":5}'""",
        NOT_FOUND,
        404,
    ),
    Step(f"curl -L {URL}/v2/admin/config", NOT_FOUND, 404),
    Step(f"curl -L {URL}/v2/admin/machines", NOT_FOUND, 404),
    Step(f"curl -L {URL}/v2/admin/machines/peer2", NOT_FOUND, 404),
    Step(f"curl -L -XDELETE {URL}/v2/admin/machines/peer2", NOT_FOUND, 404),
)


def lock(words: str) -> str:
    return f"curl -L {URL}/mod/v2/lock/{words}"


def leader(words: str) -> str:
    return f"curl -L {URL}/mod/v2/leader/{words}"


def refused(code: int, message: str, cause: str) -> Node:
    # The pages leave out the index, which is 0.
    return error(code, message, cause, 0)


NO_TTL = "The given TTL in POST form is not a number"
NO_INDEX = "Index or value is required"
NOTHING_AT_6 = {"errorCode": 100, "message": "Key not found", "index": 6}
NO_NAME = "Name is required in POST form"

#: Of the page of the API, where commands whose errors alone are shown are not written out.
LOCKS = (
    Step(lock("mylock -XPOST -d ttl=20"), "4"),
    Step(lock("mylock -XPOST"), refused(202, NO_TTL, "Acquire"), 400),
    Step(
        lock("mylock -XPOST -d ttl=20 -d timeout=x"),
        refused(205, "The given timeout in POST form is not a number", "Acquire"),
        400,
    ),
    Step(lock("mylock -XPUT -d index=4 -d ttl=20"), ""),
    Step(lock("mylock -XPUT -d ttl=20"), refused(207, NO_INDEX, "Renew"), 400),
    Step(lock("mylock -XPUT -d index=5 -d ttl=20"), NOTHING_AT_6, 404),
    Step(lock("mylock -XPUT -d index=4"), refused(202, NO_TTL, "Renew"), 400),
    # The page retrieves it once it is released.
    Step(lock("mylock?field=index"), "4"),
    Step(lock("mylock?field=x"), refused(209, "Invalid field", "Get"), 400),
    Step(lock("mylock?index=4 -XDELETE"), ""),
    Step(lock("mylock -XDELETE"), refused(207, NO_INDEX, "Release"), 400),
    Step(
        lock("'mylock?index=4&value=x' -XDELETE"),
        refused(208, "Index and value cannot both be specified", "Release"),
        400,
    ),
)

LEADERS = (
    Step(leader("myclustername -XPUT -d ttl=300 -d name=foo.mydomain.com"), "8"),
    Step(leader("myclustername -XPUT -d ttl=300"), refused(206, NO_NAME, "Set"), 400),
    Step(leader("myclustername"), "foo.mydomain.com"),
    Step(leader("myclustername?name=foo.mydomain.com -XDELETE"), ""),
    # The page's cause is "Set".
    Step(leader("myclustername -XDELETE"), refused(206, NO_NAME, "Delete"), 400),
)

CUSTOMER: Final = f"{URL}/mod/v2/lock/customer1"
ORDERS: Final = f"{URL}/mod/v2/leader/order_processing"

#: Of the page of the modules, which shows no answers. The second waits until the first is released.
ACQUIRE = Step(f"curl -X POST {CUSTOMER}?ttl=60", "11")
WAIT = Step(f"curl -X POST {CUSTOMER}?ttl=60 -d value=bar", "13")
RENEW = Step(f"curl -X PUT {CUSTOMER}?ttl=60 -d value=bar", "")
WHILE_IT_WAITS = (
    # Two seconds on the page.
    Step(f"curl -X POST {CUSTOMER}?ttl=60 -d value=bar -d timeout=1", "lock watch closed\n", 500),
    Step(f"curl -X PUT {CUSTOMER}?ttl=60 -d index=11", ""),
    RENEW,
    Step(f"curl {CUSTOMER}", ""),
    Step(f"curl {CUSTOMER}?field=index", "11"),
    Step(f"curl -X DELETE {CUSTOMER}?index=11", ""),
)
RELEASE = (
    Step(f"curl {CUSTOMER}", "bar"),
    Step(f"curl -X DELETE {CUSTOMER}?value=bar", ""),
)

ELECTION = (
    Step(f"curl -X PUT {ORDERS}?ttl=60 -d name=myserver1.foo.com", None),
    Step(f"curl {ORDERS}", "myserver1.foo.com"),
    Step(f"curl -X DELETE {ORDERS}?name=myserver1.foo.com", ""),
)
