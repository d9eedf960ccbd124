"""The figures of calls, from what was counted."""

from __future__ import annotations

from etcdpy.metrics.calls import CODES, call_figures
from etcdpy.transport import CallCounts, MethodCounts
from etcdpy.transport.grpc.metadata import Metadatum


def counts(path: str = "/etcdserverpb.KV/Put", *, is_timed: bool = False) -> CallCounts:
    found = CallCounts(is_timed=is_timed)
    found.of(path, request_streaming=False, response_streaming=False)
    return found


def method_of(found: CallCounts) -> MethodCounts:
    return next(iter(found.methods.values()))


def figures(found: CallCounts) -> dict[str, float]:
    return {key: value for _, samples in call_figures(found) for key, value in samples}


PUT = 'grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"'


def test_method_that_nobody_has_called_is_told_of() -> None:
    found = figures(counts())
    assert found[f"grpc_server_started_total{{{PUT}}}"] == 0
    handled = [key for key in found if key.startswith("grpc_server_handled_total")]
    assert len(handled) == len(CODES) == 17
    assert sum(found.values()) == 0


def test_lock_is_told_of_when_it_was_called() -> None:
    called = counts("/v3lockpb.Lock/Lock")
    assert [key for key in figures(called) if key.startswith("grpc")] == []
    tally = method_of(called).of(())
    tally.started = tally.written = 1
    labels = 'grpc_method="Lock",grpc_service="v3lockpb.Lock",grpc_type="unary"'
    assert [key for key in figures(called) if "handled" in key] == [
        f'grpc_server_handled_total{{grpc_code="OK",{labels}}}'
    ]


def test_every_call_has_a_message_each_way_and_an_end() -> None:
    found = counts()
    tally = method_of(found).of(())
    tally.started, tally.written, tally.received, tally.sent = 5, 3, 50, 30
    method_of(found).ended[CODES.index("NotFound")] = 1
    told = figures(found)
    assert told[f"grpc_server_started_total{{{PUT}}}"] == 5
    assert told[f"grpc_server_msg_received_total{{{PUT}}}"] == 5
    assert told[f"grpc_server_msg_sent_total{{{PUT}}}"] == 4
    assert told[f'grpc_server_handled_total{{grpc_code="OK",{PUT}}}'] == 3
    assert told[f'grpc_server_handled_total{{grpc_code="NotFound",{PUT}}}'] == 1
    assert told["etcd_network_client_grpc_received_bytes_total"] == 50
    assert told["etcd_network_client_grpc_sent_bytes_total"] == 30


def test_requests_are_counted_by_what_clients_call_their_version() -> None:
    found = counts()
    stream = found.of("/etcdserverpb.Watch/Watch", request_streaming=True, response_streaming=True)
    method_of(found).of((Metadatum("client-api-version", "3.5"),)).started = 2
    method_of(found).of(()).started = 1
    stream.of(()).started = 4
    told = {key: value for key, value in figures(found).items() if "client_requests" in key}
    name = "etcd_server_client_requests_total"
    assert told == {
        f'{name}{{client_api_version="3.5",type="unary"}}': 2,
        f'{name}{{client_api_version="unknown",type="unary"}}': 1,
        f'{name}{{client_api_version="unknown",type="stream"}}': 4,
    }


def test_times_are_told_if_they_were_measured() -> None:
    assert not [key for key in figures(counts()) if "handling" in key]
    timed = counts(is_timed=True)
    timed.count_time("/etcdserverpb.KV/Put", 0.02)
    told = figures(timed)
    assert told[f'grpc_server_handling_seconds_bucket{{{PUT},le="0.01"}}'] == 0
    assert told[f'grpc_server_handling_seconds_bucket{{{PUT},le="0.025"}}'] == 1
    assert told[f"grpc_server_handling_seconds_count{{{PUT}}}"] == 1
