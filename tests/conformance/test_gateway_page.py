"""
The commands of etcd's own page about its gateway, in order, and the answers that it shows.

(etcd.io: "Why gRPC gateway", for 3.6) What differs from cluster to cluster is not compared.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.test_gateway_edges import STARTS, started

URL = "http://localhost:2379"

#: Each command, and what the page shows behind it.
KEYS = (
    (
        """curl -L http://localhost:2379/v3/kv/put \\
  -X POST -d '{"key": "Zm9v", "value": "YmFy"}'""",
        '{"header":{…}}',
    ),
    (
        """curl -L http://localhost:2379/v3/kv/range \\
  -X POST -d '{"key": "Zm9v"}'""",
        '{"header":{…},"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"2",'
        '"version":"1","value":"YmFy"}],"count":"1"}',
    ),
    (
        """curl -L http://localhost:2379/v3/kv/range \\
  -X POST -d '{"key": "Zm9v", "range_end": "Zm9w"}'""",
        '{"header":{…},"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"2",'
        '"version":"1","value":"YmFy"}],"count":"1"}',
    ),
)

WATCH = """curl -N http://localhost:2379/v3/watch \\
  -X POST -d '{"create_request": {"key":"Zm9v"} }'"""
CREATED = '{"result":{"header":{…},"created":true}}'
PUT = """curl -L http://localhost:2379/v3/kv/put \\
  -X POST -d '{"key": "Zm9v", "value": "YmFy"}' >/dev/null 2>&1"""
EVENT = (
    '{"result":{"header":{…},"events":[{"kv":{"key":"Zm9v","create_revision":"2",'
    '"mod_revision":"…","version":"2","value":"YmFy"}}]}}'
)

TRANSACTIONS = (
    (
        """curl -L http://localhost:2379/v3/kv/txn \\
  -X POST \\
  -d '{"compare":[{"target":"CREATE","key":"Zm9v","createRevision":"2"}],"success":[{"requestPut":{"key":"Zm9v","value":"YmFy"}}]}'""",  # noqa: E501
        '{"header":{…},"succeeded":true,"responses":[{"response_put":{"header":{…}}}]}',
    ),
    # The page leaves out how the key got the value that it shows next.
    (
        """curl -L http://localhost:2379/v3/kv/put \\
  -X POST -d '{"key": "Zm9v", "value": "YmF6"}'""",
        '{"header":{…}}',
    ),
    (
        """curl -L http://localhost:2379/v3/kv/txn \\
  -X POST \\
  -d '{"compare":[{"version":"4","result":"EQUAL","target":"VERSION","key":"Zm9v"}],"success":[{"requestRange":{"key":"Zm9v"}}]}'""",  # noqa: E501
        '{"header":{…},"succeeded":true,"responses":[{"response_range":{"header":{…},"kvs":[{'
        '"key":"Zm9v","create_revision":"2","mod_revision":"…","version":"4","value":"YmF6"'
        '}],"count":"1"}}]}',
    ),
)

USERS = (
    (
        """curl -L http://localhost:2379/v3/auth/user/add \\
  -X POST -d '{"name": "root", "password": "pass"}'""",
        '{"header":{…}}',
    ),
    (
        """curl -L http://localhost:2379/v3/auth/role/add \\
  -X POST -d '{"name": "root"}'""",
        '{"header":{…}}',
    ),
    (
        """curl -L http://localhost:2379/v3/auth/user/grant \\
  -X POST -d '{"user": "root", "role": "root"}'""",
        '{"header":{…}}',
    ),
    ("""curl -L http://localhost:2379/v3/auth/enable -X POST -d '{}'""", '{"header":{…}}'),
)

LOGIN = """curl -L http://localhost:2379/v3/auth/authenticate \\
  -X POST -d '{"name": "root", "password": "pass"}'"""
TOKEN = "sssvIpwfnLAcWAQH.9"
PUT_BY_ROOT = """curl -L http://localhost:2379/v3/kv/put \\
  -H 'Authorization: sssvIpwfnLAcWAQH.9' \\
  -X POST -d '{"key": "Zm9v", "value": "YmFy"}'"""


@pytest.fixture(scope="module", params=STARTS)
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    yield from started(request.param)


def check(answer: bytes, shown: str) -> None:
    """Compare an answer with one that is shown, whose dots stand for anything."""
    # etcd's blanks differ from build to build.
    plain = json.dumps(json.loads(answer), separators=(",", ":"))
    assert re.fullmatch(re.escape(shown).replace("…", "[^{}]*"), plain), plain


def run(command: str, address: str) -> bytes:
    here = command.replace(URL, f"http://{address}").replace("curl ", "curl -sS ")
    done = subprocess.run(["bash", "-c", here], capture_output=True, check=True, timeout=60)
    return done.stdout


def test_commands_of_etcds_page_answer_what_it_shows(address: str) -> None:
    for command, shown in KEYS:
        check(run(command, address), shown)
    _watch(address)
    for command, shown in (*TRANSACTIONS, *USERS):
        check(run(command, address), shown)
    login = run(LOGIN, address)
    check(login, '{"header":{…},"token":"…"}')
    token: Any = json.loads(login)["token"]
    check(run(PUT_BY_ROOT.replace(TOKEN, token), address), '{"header":{…}}')


def _watch(address: str) -> None:
    here = WATCH.replace(URL, f"http://{address}").replace("curl ", "exec curl -sS ")
    process = subprocess.Popen(["bash", "-c", here], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        check(process.stdout.readline(), CREATED)
        assert run(PUT, address) == b""
        check(process.stdout.readline(), EVENT)
    finally:
        process.kill()
        process.communicate()
