"""What the command says and how it ends when it does not come to serving."""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdpy import ETCD_VERSION
from tests.lifecycle.process import PORT_0, Process, run


def output(*arguments: str) -> tuple[int, str, str]:
    with Process(*arguments) as process:
        return process.output()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--bogus"], "flag provided but not defined: -bogus"),
        (["--name"], "flag needs an argument: -name"),
        (["--max-txn-ops=abc"], 'invalid value "abc" for flag -max-txn-ops: parse error'),
        (
            ["--listen-client-urls=ftp://127.0.0.1:1"],
            'invalid value "ftp://127.0.0.1:1" for flag -listen-client-urls: '
            "URL scheme must be http, https, unix, or unixs: ftp://127.0.0.1:1",
        ),
    ],
)
def test_what_does_not_parse_ends_with_2_and_the_usage(arguments: list[str], text: str) -> None:
    status, out, err = output(*arguments)
    assert (status, out) == (2, "")
    first, *usage = err.splitlines()
    assert first == text
    assert usage[0] == "Usage:"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--listen-client-url=http://127.0.0.1:1"], "Did you mean --listen-client-urls?"),
        (["-data_dir", "x"], "Did you mean --data-dir?"),
    ],
)
def test_mistyped_flag_gets_the_nearest_behind_etcds_words(arguments: list[str], line: str) -> None:
    status, out, err = output(*arguments)
    assert (status, out) == (2, "")
    first, second, *usage = err.splitlines()
    name = arguments[0].lstrip("-").partition("=")[0]
    assert first == f"flag provided but not defined: -{name}"
    assert (second, usage[0]) == (line, "Usage:")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["snapshot", "save", "--endpoint=a:1", "f"], "Did you mean --endpoints?"),
        (["audit", "--prefx", "f"], "Did you mean --prefix?"),
        (["test-server", "--client-certificate"], "Did you mean --client-certificates?"),
        (["completion", "bush"], "Did you mean bash?"),
    ],
)
def test_mistyped_option_of_a_command_gets_the_nearest_too(arguments: list[str], line: str) -> None:
    _, out, err = output(*arguments)
    assert out == ""
    assert line in err.splitlines()


def test_version_ends_with_0_and_names_the_etcd_it_is_like() -> None:
    status, out, err = output("--version")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"etcd Version: {ETCD_VERSION}"
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "Git SHA",
        "Go Version",
        "Go OS/Arch",
    ]


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_ends_with_0_and_lists_the_flags(word: str) -> None:
    status, out, err = output(word)
    assert status == 0
    assert "  --listen-client-urls 'http://localhost:2379'\n" in out
    assert err.startswith("Usage:\n")


def test_unknown_log_level_ends_with_2() -> None:
    status, _, err = output("--log-level=loud")
    assert status == 2
    assert err.splitlines()[0] == 'panic: unrecognized level: "loud"'


@pytest.mark.parametrize("word", ["gateway", "grpc-proxy"])
def test_other_programs_of_etcd_are_refused(word: str) -> None:
    status, _, err = output(word)
    assert status == 1
    assert err.startswith(f"etcdpy has no {word}")


def test_leftover_word_ends_with_1(tmp_path: Path) -> None:
    end = run("--unsafe-no-fsync", "false", cwd=tmp_path)
    assert end.status == 1
    assert [line["msg"] for line in end.lines] == ["Running: ", "failed to verify flags"]
    assert end.lines[-1]["error"] == '"false" is not a valid flag'
    assert end.lines[-1]["level"] == "warn"


def test_bad_variable_ends_with_1() -> None:
    end = run(environment={"ETCD_MAX_TXN_OPS": "abc"})
    assert end.status == 1
    text = 'invalid value "abc" for ETCD_MAX_TXN_OPS: parse error'
    assert end.lines[-1]["error"] == text


def test_variable_and_flag_for_one_setting_end_with_1() -> None:
    end = run("--name=x", environment={"ETCD_NAME": ""})
    assert end.status == 1
    assert end.lines[-1]["level"] == "fatal"
    assert end.lines[-1]["environment-variable"] == "ETCD_NAME"


def test_nothing_is_made_for_a_refused_command_line(tmp_path: Path) -> None:
    assert run("--listen-client-urls=http://127.0.0.1:0", cwd=tmp_path).status == 1
    assert list(tmp_path.iterdir()) == []


def test_variables_set_what_flags_do_not(tmp_path: Path) -> None:
    environment = {"ETCD_NAME": "from-variable", "ETCD_DATA_DIR": str(tmp_path / "data")}
    with Process(*PORT_0, environment=environment) as server:
        server.wait_ready()
        settings = server.find("starting an etcd server")
    assert settings["name"] == "from-variable"
    assert settings["data-dir"] == str(tmp_path / "data")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["--initial-cluster=other=http://localhost:2380"],
            'couldn\'t find local name "default" in the initial cluster configuration',
        ),
        (
            ["--initial-cluster-state=existing"],
            "cannot fetch cluster info from peer urls: "
            "could not retrieve cluster information from the given URLs",
        ),
    ],
)
def test_new_data_directory_needs_a_cluster_of_one(
    tmp_path: Path, arguments: list[str], text: str
) -> None:
    end = run("--data-dir", tmp_path / "data", *PORT_0, *arguments)
    assert end.status == 1
    assert (end.lines[-1]["level"], end.lines[-1]["error"]) == ("fatal", text)


def test_used_data_directory_does_not_look_at_the_cluster_again(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path / "data", *PORT_0) as server:
        server.wait_ready()
    unusable = ("--initial-cluster=other=ftp://x", "--initial-cluster-state=existing")
    with Process("--data-dir", tmp_path / "data", *PORT_0, *unusable) as server:
        server.wait_ready()
        assert "server has already been initialized" in server.messages()
