"""A server with a configuration file, and where it logs."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from pathlib import Path

from etcdpy.pb import rpc_pb2
from tests.lifecycle.process import PORT_0, Process, run
from tests.support import http1
from tests.support.client import Client
from tests.unit.config.test_file import USUAL


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_file_of_a_usual_etcd_starts_it(tmp_path: Path) -> None:
    # All is as written but what would meet another server on this machine.
    text = USUAL.replace("/var/lib/etcd", str(tmp_path / "data"))
    text = text.replace(
        "listen-client-urls: http://localhost:2379", "listen-client-urls: http://127.0.0.1:0"
    )
    with Process("--config-file", write(tmp_path / "etcd.yml", text), cwd=tmp_path) as server:
        server.wait_ready()
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
    assert (tmp_path / "data" / "member").is_dir()
    remark = "flag is accepted for compatibility and has no effect"
    ignored = [line["flag"] for line in server.lines if line["msg"] == remark]
    assert "snapshot-count" in ignored
    assert "quota-backend-bytes" not in ignored


def test_flags_and_variables_beside_a_file_do_not_count(tmp_path: Path) -> None:
    text = f"name: filed\ndata-dir: {tmp_path / 'data'}\nlisten-client-urls: http://127.0.0.1:0"
    file = write(tmp_path / "etcd.yml", text)
    environment = {"ETCD_CONFIG_FILE": str(file), "ETCD_MAX_TXN_OPS": "abc"}
    with Process("--name=flagged", environment=environment) as server:
        server.wait_ready()
        settings = server.find("starting an etcd server")
    assert (settings["name"], settings["max-txn-ops"]) == ("filed", 128)
    assert "recognized and used environment variable" not in server.messages()


def test_type_error_in_a_file_ends_with_1(tmp_path: Path) -> None:
    end = run("--config-file", write(tmp_path / "etcd.yml", "max-txn-ops: abc"))
    assert end.status == 1
    assert end.lines[-1]["msg"] == "failed to verify flags"
    assert end.lines[-1]["error"].endswith(
        "cannot unmarshal string into Go struct field configYAML.Config.max-txn-ops of type uint"
    )


def test_bad_url_in_a_file_is_told_plainly_and_ends_with_1(tmp_path: Path) -> None:
    with Process("--config-file", write(tmp_path / "x.yml", "listen-client-urls: x")) as process:
        status, _, error = process.output()
    assert status == 1
    assert error == (
        "unexpected error setting up listen-client-urls: "
        "URL scheme must be http, https, unix, or unixs: x\n"
    )


def test_log_goes_to_a_file_and_standard_output_alike(tmp_path: Path) -> None:
    log = tmp_path / "etcd.log"
    outputs = f"--log-outputs={log},stdout"
    # A port that cannot be bound ends it by itself.
    urls = ("--listen-client-urls=http://192.0.2.1:0", "--advertise-client-urls=http://a:1")
    with Process("--data-dir", tmp_path / "data", *urls, outputs) as process:
        status, out, error = process.output()
    assert (status, error) == (1, "")
    assert out == log.read_text()
    lines = [json.loads(line) for line in out.splitlines()]
    assert "Running: " in [line["msg"] for line in lines]
    assert lines[-1]["level"] == "fatal"


def test_console_lines_are_for_people(tmp_path: Path) -> None:
    urls = ("--listen-client-urls=http://192.0.2.1:0", "--advertise-client-urls=http://a:1")
    with Process("--data-dir", tmp_path / "data", *urls, "--log-format=console") as process:
        status, _, error = process.output()
    assert status == 1
    assert any(line.split("\t")[3] == "Running: " for line in error.splitlines())


def test_log_file_that_cannot_be_opened_ends_with_1() -> None:
    end = run("--log-outputs=/nonexistent/x", *PORT_0)
    assert end.status == 1
    text = 'open sink "/nonexistent/x": open /nonexistent/x: no such file or directory'
    assert end.lines[-1]["error"] == text


def test_certificates_do_not_make_http_secure_unnoticed(tmp_path: Path) -> None:
    files = ("--cert-file=x", "--key-file=y")
    with Process("--data-dir", tmp_path / "data", *PORT_0, *files) as server:
        server.wait_ready()
        message = (
            "scheme is http or unix while key and cert files are present; ignoring key and cert "
            "files"
        )
        assert server.find(message)["client-url"] == "http://127.0.0.1:0"


def test_log_file_is_set_aside_when_it_is_full(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "etcd.log"
    path.parent.mkdir()
    path.write_text("full\n" * 200_000 + "x" * 48_575 + "\n")
    rotation = '--log-rotation-config-json={"maxsize": 1}'
    options = (f"--log-outputs={path},stderr", "--enable-log-rotation", rotation)
    with Process("--data-dir", tmp_path / "data", *PORT_0, *options) as server:
        server.wait_ready()
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
    [full] = [other for other in path.parent.iterdir() if other != path]
    assert full.stat().st_size == 1024 * 1024
    logged = [json.loads(line) for line in path.read_text().splitlines()]
    assert logged[-1]["msg"] == "closed etcd server"
    assert logged == [line for line in server.lines if line in logged]


def test_slow_requests_are_warned_of(tmp_path: Path) -> None:
    options = ("--warning-apply-duration=1ns", "--warning-unary-request-duration=1ns")
    with Process("--data-dir", tmp_path / "data", *PORT_0, *options) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            client.kv.Put(rpc_pb2.PutRequest(key=b"foo", value=b"secret"), timeout=60)
            client.cluster.MemberList(rpc_pb2.MemberListRequest(), timeout=60)
        applied = server.wait_line("apply request took too long")
        assert applied["request"] == 'put:<key:"foo" value_size:6 >'
        put, listed = server.wait_line("request stats"), server.wait_line("request stats")
        assert put["request content"] == 'key:"foo" value_size:6 '
        assert listed["response type"] == "/etcdserverpb.Cluster/MemberList"
        # A request to the gateway is one as well.
        http1.ask(address, http1.request("/v3/cluster/member/list", "POST", body=b"{}"))
        assert server.wait_line("request stats")["response type"] == listed["response type"]
        assert {line["level"] for line in (applied, put, listed)} == {"warn"}
