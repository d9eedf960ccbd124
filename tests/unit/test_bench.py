"""The benchmark itself: it counts right, chooses right, and runs against our server."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench import ceiling, machine, report, testkit, v2
from bench import requests as rq
from bench.__main__ import main
from bench.contest import contest_in_turns
from bench.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    HELLO,
    NO_ERROR,
    RST_STREAM,
    Address,
    LoadError,
    Statuses,
    frame,
)
from bench.lease import KeepAlive, KeepAliveOnce
from bench.load import Load, Sample, total
from bench.measure import Measurement, Metric, Workload
from bench.servers import REFERENCE, Server, ServerError, check_origin, etcd, etcdpy
from bench.walk import Walk
from bench.watch import Fanout
from bench.workloads import GROUPS, QUICK, Steady, chosen, workloads

READS = rq.Mix([(rq.RANGE, rq.read)], [100])


@contextmanager
def scripted_server(*replies: bytes) -> Iterator[tuple[str, int]]:
    """A server of one connection that sends the next of ``replies`` after each request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with accepted, accepted.makefile("rb") as stream:
                stream.read(len(HELLO))
                for reply in replies:
                    for _ in (HEADERS, DATA):
                        size = int.from_bytes(stream.read(9)[:3], "big")
                        stream.read(size)
                    accepted.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[:2]
        thread.join()


def grpc_status(number: int) -> bytes:
    """A header block: a literal that enters no table."""
    return b"\x00\x0bgrpc-status\x01%d" % number


def reply(stream_id: int, status: int = 0) -> bytes:
    return (
        frame(HEADERS, END_HEADERS, stream_id, b"\x88")
        + frame(DATA, 0, stream_id, bytes(5))
        + frame(HEADERS, END_HEADERS | END_STREAM, stream_id, grpc_status(status))
    )


def status_alone(stream_id: int) -> bytes:
    return frame(HEADERS, END_HEADERS | END_STREAM, stream_id, grpc_status(0))


def drive(address: tuple[str, int], count: int) -> int:
    """Drive one stream for ``count`` requests; return how many were answered."""
    authority = f"{address[0]}:{address[1]}"
    load = Load(Address(*address), 1, 1, READS.prime(authority))
    try:
        return load.drive(iter(READS.requests(authority)[:count]), 10.0).operations
    finally:
        load.close()


def test_every_request_of_a_finite_load_is_counted_once() -> None:
    with scripted_server(reply(1), reply(3), reply(5)) as address:
        assert drive(address, 2) == 2


def test_a_reply_that_comes_in_pieces_is_counted_once() -> None:
    whole = reply(3)
    with scripted_server(reply(1) + whole[:4], whole[4:], reply(5)) as address:
        assert drive(address, 2) == 2


def test_a_reset_without_an_error_follows_a_complete_reply() -> None:
    with scripted_server(reply(1) + frame(RST_STREAM, 0, 1, NO_ERROR), reply(3)) as address:
        assert drive(address, 1) == 1


def test_a_failed_call_ends_the_load() -> None:
    with (
        scripted_server(reply(1), status_alone(3)) as address,
        pytest.raises(LoadError, match="a status alone"),
    ):
        drive(address, 1)


def test_a_call_that_fails_behind_its_message_ends_the_load() -> None:
    with (
        scripted_server(reply(1), reply(3), reply(5, status=9)) as address,
        pytest.raises(LoadError, match="'grpc-status': '9'"),
    ):
        drive(address, 2)


def test_header_blocks_that_refer_to_earlier_ones_are_understood() -> None:
    statuses = Statuses()
    statuses.check(b"\x40\x0bgrpc-status\x010")
    for _ in range(3):
        statuses.check(b"\xbe")
    statuses.check(b"\x40\x01a\x01b")
    statuses.check(b"\x40\x01a\x01b")
    with pytest.raises(LoadError, match="'grpc-status': '5'"):
        statuses.check(b"\x0f\x31\x015")


def test_a_failed_first_call_ends_the_load() -> None:
    with (
        scripted_server(status_alone(1)) as address,
        pytest.raises(LoadError, match="no message"),
    ):
        drive(address, 1)


@pytest.mark.parametrize(
    "end", [frame(GOAWAY, 0, 0, bytes(8)), frame(RST_STREAM, 0, 3, b"\0\0\0\x07")]
)
def test_a_server_that_gives_up_ends_the_load(end: bytes) -> None:
    with (
        scripted_server(reply(1), end) as address,
        pytest.raises(LoadError, match="gave up"),
    ):
        drive(address, 1)


def test_the_generators_ceiling_is_measured_at_any_shape() -> None:
    sample = ceiling.measure((3, 2), 0.1)
    assert sample.operations > 0
    assert 0 < sample.latency(0.5) <= sample.latency(0.99)


def test_a_mix_holds_each_call_by_its_weight() -> None:
    mix = rq.Mix([(rq.RANGE, rq.read), (rq.PUT, rq.put)], [90, 10])
    long = sum(len(request.tail) > 256 for request in mix.requests("127.0.0.1:2379"))
    assert 0.08 < long / rq.KEYS < 0.12


def test_a_stretch_of_load_leaves_nothing_under_way() -> None:
    with scripted_server(reply(1), reply(3), reply(5)) as (host, port):
        authority = f"{host}:{port}"
        requests = iter(READS.requests(authority))
        with Load(Address(host, port), 1, 1, READS.prime(authority)) as load:
            assert load.stretch(requests, 0.0).operations == 1
            assert load.stretch(requests, 0.0).operations == 1


def test_samples_add_up() -> None:
    sample = total([Sample(2, 1.0, 0.5, [0.1, 0.4]), Sample(4, 2.0, 0.25, [0.2, 0.3])])
    assert sample == Sample(6, 3.0, 0.75, [0.1, 0.2, 0.3, 0.4])


def test_names_choose_workloads() -> None:
    everything = workloads(QUICK)
    assert chosen(everything, []) == everything
    assert [w.name for w in chosen(everything, ["put/100x1", "walk"])] == [
        "put/100x1",
        "walk/current",
        "walk/pinned",
    ]
    assert [w.name for w in chosen(everything, ["*/10x10"])][:2] == ["put/10x10", "range/10x10"]


def test_a_group_is_a_name_for_several_workloads() -> None:
    assert {w.name for w in chosen(workloads(QUICK), ["hot"])} == set(GROUPS["hot"])


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"'putt'; there are: put/1x1, "):
        chosen(workloads(QUICK), ["putt"])


def test_a_ratio_above_one_means_that_etcdpy_does_better() -> None:
    assert Metric("Put", "op/s").ratio(etcd=100, etcdpy=150) == 1.5
    assert Metric("Start-up", "s", more_is_better=False).ratio(etcd=3, etcdpy=2) == 1.5


def test_the_table_shows_the_median_of_the_rounds() -> None:
    rounds = {
        "etcd": [Measurement([rate]) for rate in (90.0, 1000.0, 100.0)],
        "etcdpy": [Measurement([rate]) for rate in (150.0, 150.0, 150.0)],
    }
    result = report.Result(Walk(1000, pinned=False), rounds)
    last = report.main_table([result]).splitlines()[-1]
    assert [cell.strip() for cell in last.split("|")[2:-1]] == [
        "keys/s",
        "100 ±455%",
        "150",
        "1.50",
    ]


def measurements(*costs: float) -> list[Measurement]:
    """Rounds in which an operation cost so many microseconds."""
    return [Measurement([1000.0], server_cpu=0.1, cpu_per_operation=cost / 1e6) for cost in costs]


def test_a_ratio_is_the_median_of_those_of_the_rounds() -> None:
    rounds = {"etcd": measurements(10, 40, 30), "etcdpy": measurements(5, 40, 20)}
    result = report.Result(Walk(1000, pinned=False), rounds)
    assert result.cpu_ratios() == pytest.approx([2, 1, 1.5])
    assert [line.split("|")[2:-1] for line in report.cpu_table([result]).splitlines()[2:]] == [
        ["     30 ", "   10 ", "   40 ", "   30 "],
        ["     20 ", "    5 ", "   40 ", "   20 "],
        ["  1.500 ", " 2.00 ", " 1.00 ", " 1.50 "],
    ]


def test_a_plain_ratio_is_the_second_figure_over_the_first() -> None:
    rounds = {"old": measurements(10), "new": measurements(11)}
    result = report.Result(Walk(1000, pinned=False), rounds, plain=True)
    assert result.cpu_ratios() == pytest.approx([1.1])


def test_rounds_that_are_no_load_have_no_row_of_cpu_time() -> None:
    rounds = {"etcd": [Measurement([1.0])], "etcdpy": [Measurement([1.0])]}
    assert report.cpu_table([report.Result(Walk(1000, pinned=False), rounds)]) == ""


def test_the_environment_names_another_etcd() -> None:
    assert etcd({REFERENCE: "/opt/etcd --quota 1"}).command == ("/opt/etcd", "--quota", "1")


def test_a_directory_without_the_package_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--against", str(tmp_path), "hot"]) == 2
    assert f"{tmp_path}/etcdpy is not there" in capsys.readouterr().err


def test_a_working_copy_with_modules_from_elsewhere_is_refused(tmp_path: Path) -> None:
    copy, elsewhere = tmp_path / "copy" / "etcdpy", tmp_path / "elsewhere"
    for directory in (copy, elsewhere):
        directory.mkdir(parents=True)
    (copy / "__init__.py").touch()
    (copy / "own.py").touch()
    check_origin(etcdpy(copy=copy.parent))
    (elsewhere / "stray.py").touch()
    (copy / "__init__.py").write_text(f"__path__.append({str(elsewhere)!r})\n")
    with pytest.raises(ServerError, match=r"would be measured with .*/elsewhere/stray\.py"):
        check_origin(etcdpy(copy=copy.parent))


def test_a_durable_append_takes_time(tmp_path: Path) -> None:
    assert machine.sync_seconds(tmp_path, count=3) > 0
    assert list(tmp_path.iterdir()) == []


def ticks(server: Server) -> float:
    """User and system time, fields 14 and 15; the name before them may hold blanks."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_two_servers_are_measured_in_short_turns(tmp_path: Path) -> None:
    programs = [replace(etcdpy(), name=name) for name in ("old", "new")]
    workload = KeepAlive(3, seconds=0.1)
    rounds = contest_in_turns(workload, programs, tmp_path, rounds=2)
    assert list(rounds) == ["old", "new"]
    for measured in rounds.values():
        assert len(measured) == 2
        assert all(m.values[0] > 0 and m.cpu_per_operation > 0 for m in measured)


def test_a_lease_that_is_not_there_is_not_renewed(tmp_path: Path) -> None:
    with (
        Server.started(etcdpy(), tmp_path / "server") as server,
        pytest.raises(LoadError, match="not renewed"),
    ):
        KeepAlive(1, seconds=0.1).round(server)


def test_each_renewal_has_a_stream_of_its_own(tmp_path: Path) -> None:
    workload = KeepAliveOnce(2, seconds=0.1)
    with Server.started(etcdpy(), tmp_path / "server") as server:
        workload.prepare(server)
        with workload.connected(server) as drive:
            assert drive(0.1).operations > 2
            assert drive(0.1).operations > 2


def test_workloads_run_against_our_server(tmp_path: Path) -> None:
    steady = [
        Steady("mixed", "Mixed", mix, shape, seconds=0.1)
        for shape in ((1, 1), (4, 3))
        for mix in (
            rq.Mix([(rq.RANGE, rq.read), (rq.PUT, rq.put)], [50, 50]),
            rq.Mix([(rq.TXN, rq.compare_and_put)], [100]),
            rq.Mix([(rq.TXN, rq.put_alone)], [100]),
            rq.Mix([(rq.TXN, rq.compare_put_and_read)], [100]),
            rq.Mix([(rq.RANGE, rq.read_thousand)], [100]),
        )
    ]
    walk: Workload = Walk(rq.KEYS, pinned=True)
    with Server.started(etcdpy(), tmp_path / "server") as server:
        walk.prepare(server)
        for workload in (walk, *steady, Fanout(5, 20, seconds=0.1)):
            measured = workload.round(server)
            assert measured.values[0] > 0
            assert measured.cpu_per_operation > 0
        assert server.anonymous_memory() > 2**20
        assert server.cpu_seconds() == pytest.approx(ticks(server), abs=0.1)
        server.stop()
        assert 0 < server.start() < 60


def test_test_kit_is_measured_and_told_beside_etcd(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_first", 0.1), ("_plugin", 0.002), ("_etcd_start", 0.5)):
        monkeypatch.setattr(testkit, name, lambda seconds=seconds: seconds)
    monkeypatch.setattr(testkit, "MANY_KEYS", 20)
    monkeypatch.setattr(testkit, "LEASES", 5)
    monkeypatch.setattr(testkit, "_pifpaf", lambda: 300.0)
    monkeypatch.setattr(testkit, "_container", lambda: "no docker or podman here")
    first, *others = testkit.table(testkit.measure(1)).splitlines()[2:]
    assert first == "| first etcd of a session, imports included | 500 | 100.0 | 150 |"
    assert len(others) >= 7
    assert others[-2] == "| pifpaf run etcd -- true | 300 | - | - |"
    assert "| no docker or podman here | - | - |" in others[-1]


def test_what_cannot_be_measured_beside_the_test_kit_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert testkit._container() == "no docker or podman here"
    engine = tmp_path / "docker"
    engine.write_text("#!/bin/sh\n[ $1 = rm ] || echo 'no such image' >&2; exit 1\n")
    engine.chmod(0o755)
    assert "nothing that would run a container" in str(testkit._container())
    engine.write_text("#!/bin/sh\n[ $1 = info ] && exit; echo 'no | image' >&2; exit 1\n")
    assert testkit._container() == "refused: no / image"


def test_start_of_etcd_is_waited_for() -> None:
    try:
        etcd()
    except ServerError:
        pytest.skip("there is no etcd here")
    assert testkit._etcd_start() > 0


def test_v2_is_measured_beside_an_etcd_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (("KEYS", 10), ("WATCHERS", 5), ("WAKINGS", 1)):
        monkeypatch.setattr(v2, name, few)
    rows = v2.measure(rounds=1, seconds=0.05)
    assert [row.unit for row in rows] == ["op/s"] * 4 + ["ms"]
    assert all(row.ours > 0 and row.theirs > 0 and row.ratio > 0 for row in rows)
    assert len(v2.table(rows).splitlines()) == 2 + len(rows)
