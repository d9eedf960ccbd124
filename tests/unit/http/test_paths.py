"""Where each method is in the gateway."""

from __future__ import annotations

from etcdpy.http.paths import PATHS, STREAMED
from etcdpy.pb import rpc_pb2, v3election_pb2, v3lock_pb2

SERVICES = [
    service
    for file in (rpc_pb2, v3lock_pb2, v3election_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
]
METHODS = {
    f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods
}


def test_every_method_but_range_stream_has_a_path() -> None:
    assert set(PATHS.values()) == METHODS - {"/etcdserverpb.KV/RangeStream"}


def test_three_methods_of_leases_have_two_paths_and_no_other_has() -> None:
    names = list(PATHS.values())
    assert sorted(name for name in set(names) if names.count(name) == 2) == [
        "/etcdserverpb.Lease/LeaseLeases",
        "/etcdserverpb.Lease/LeaseRevoke",
        "/etcdserverpb.Lease/LeaseTimeToLive",
    ]
    assert len(names) == len(set(names)) + 3


def test_paths_are_etcds() -> None:
    assert PATHS["/v3/kv/range"] == "/etcdserverpb.KV/Range"
    assert PATHS["/v3/maintenance/transfer-leadership"] == "/etcdserverpb.Maintenance/MoveLeader"
    assert PATHS["/v3/auth/user/changepw"] == "/etcdserverpb.Auth/UserChangePassword"
    assert PATHS["/v3/lock/lock"] == "/v3lockpb.Lock/Lock"
    assert PATHS["/v3/election/observe"] == "/v3electionpb.Election/Observe"


def test_methods_with_many_requests_have_the_paths_that_are_streamed() -> None:
    many = {
        f"/{service.full_name}/{method.name}"
        for service in SERVICES
        for method in service.methods
        if method.client_streaming
    }
    paths = {path for path, name in PATHS.items() if name in many}
    assert paths == {path for path in STREAMED if path.startswith("/v3/")}
    assert {path.replace("/v3/", "/v3beta/") for path in paths} | paths == STREAMED
