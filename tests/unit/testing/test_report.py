"""The report of a failed test shows what its etcd has seen."""

from __future__ import annotations

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing import Etcd
from etcdpy.testing.report import KEYS, REQUESTS, sections
from tests.support.client import Client


def test_requests_and_the_keys_they_touched_are_shown(etcd: Etcd, client: Client) -> None:
    client.kv.Put(pb.PutRequest(key=b"a/1", value=b"one"))
    client.kv.Range(pb.RangeRequest(key=b"b"))
    etcd.put("c", "untouched")
    shown = dict(sections(etcd))
    requests = shown[f"requests to etcd at {etcd.endpoint}"].splitlines()
    assert requests[0].split("  ")[-1] == 'KV/Put key: "a/1" value: "one" -> OK'
    assert len(requests) == 2
    keys = shown[f"keys of etcd at {etcd.endpoint}"].splitlines()
    assert keys == ["revision 3, 2 keys", "'a/1': 'one'", "'b': (not there)"]


def test_much_is_cut_short(etcd: Etcd, client: Client) -> None:
    for number in range(KEYS + 5):
        client.kv.Put(pb.PutRequest(key=b"%03d" % number))
    client.kv.Range(pb.RangeRequest(key=b"\0", range_end=b"\0"))
    (_, requests), (_, keys), *_ = sections(etcd)
    assert requests.splitlines()[0] == f"... {KEYS + 6 - REQUESTS} before"
    assert keys.splitlines()[-1] == "... 5 more"


def test_server_that_is_down_or_gone_is_no_mistake() -> None:
    with Etcd() as etcd:
        assert sections(etcd)[0][1] == "there was none"
        etcd.crash()
        assert sections(etcd)[1][0].startswith("keys of")
    assert sections(etcd) == []
