"""What can be completed is what there is."""

from __future__ import annotations

import pytest

from etcdpy.cli.completion import commands, main
from etcdpy.cli.completion_scripts import Command
from etcdpy.config import FLAGS, load
from etcdpy.config.values import Bool


def found(path: str) -> Command:
    (command,) = [one for one in commands() if one.path == path]
    return command


def test_server_has_every_flag_and_the_other_commands() -> None:
    server = found("")
    assert {option.name for option in server.options} == {*FLAGS, "help", "version"}
    assert set(server.words) == {"snapshot", "audit", "test-server", "completion"}


def test_value_follows_unless_the_flag_is_a_switch() -> None:
    for option in found("").options:
        if option.name in FLAGS:
            assert option.takes_value is not isinstance(FLAGS[option.name].kind, Bool)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        (option.name, word)
        for option in found("").options
        for word in option.words
        # These need more: a key, a value that is older, or something that there is not here.
        if (option.name, word)
        not in {
            ("auth-token", "jwt"),
            ("discovery-fallback", "proxy"),
            ("tls-max-version", "TLS1.2"),
        }
    ],
)
def test_words_that_are_offered_are_taken(name: str, word: str) -> None:
    row = FLAGS[name]
    row.kind.parse(word)
    # Others are refused with the rest as it is, and not for what they are.
    if not isinstance(row.kind, Bool):
        load([f"--{name}={word}"], {}, lambda *_: None)


def test_commands_below_commands_have_their_own() -> None:
    assert set(found("snapshot").words) == {"save", "status", "restore"}
    restore = found("snapshot restore")
    assert restore.takes_file
    assert "bump-revision" in {option.name for option in restore.options}
    assert "endpoints" in {option.name for option in found("snapshot save").options}


def test_test_server_takes_its_own_flags_and_etcds() -> None:
    names = {option.name for option in found("test-server").options}
    assert {"control", "clock", "quota-backend-bytes"} < names
    assert "settings" not in names


def test_what_is_a_path_is_known() -> None:
    files = {option.name for option in found("").options if option.is_file}
    assert {"data-dir", "cert-file", "config-file", "audit-log"} <= files
    assert "name" not in files
    keys = {
        command.path: option
        for command in commands()
        for option in command.options
        if option.name == "key"
    }
    assert (keys["snapshot save"].is_file, keys["audit"].is_file) == (True, False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[-1]
    assert "initial-cluster-token" in out


@pytest.mark.parametrize(
    ("arguments", "first", "last"),
    [
        ([], "Error: the following arguments are required: shell", "usage: "),
        (["tcsh"], "Error: argument shell: invalid choice: 'tcsh'", "usage: "),
        (["bush"], "Error: argument shell: invalid choice: 'bush'", "Did you mean bash?"),
        (["bash", "zsh"], "Error: unrecognized arguments: zsh", "usage: "),
    ],
)
def test_shell_that_is_not_known_is_refused(
    arguments: list[str], first: str, last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].startswith(first)
    assert lines[1].startswith(last)
    assert lines[-1] == "usage: etcdpy completion bash|zsh|fish"


def test_help_says_where_the_scripts_go(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--help"])
    out, err = capsys.readouterr()
    assert "~/.config/fish/completions/etcdpy.fish" in out
    assert err == ""
