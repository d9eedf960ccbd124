"""Scripts offer what they are made of; tests/lifecycle has shells run them."""

from __future__ import annotations

from etcdpy.cli.completion_scripts import Command, Option, bash, fish, zsh

COMMANDS = [
    Command(
        "",
        [
            Option(
                "kind", "Which: [one] of 'two'. More of it.", takes_value=True, words=("a", "b")
            ),
            Option("file", "A file.", takes_value=True, is_file=True),
            Option("name", "Anything.", takes_value=True),
            Option("switch", "On or off.", words=("true", "false")),
        ],
        {"go": "Goes: there"},
    ),
    Command("go", [Option("far", "How it goes")], {}, takes_file=True),
]


def test_bash_has_a_case_for_each_value_and_each_command() -> None:
    lines = [line.strip() for line in bash(COMMANDS).splitlines()]
    assert "'|--kind') words='a b' ;;" in lines
    assert "'|--file') files=1 ;;" in lines
    assert "'|--name') return ;;" in lines
    assert "'|--switch') words=\"${equals:+true false}\" ;;" in lines
    assert '" go") command=" go" ;;' in lines
    assert "words='' files=1 ;;" in lines


def test_zsh_quotes_what_it_would_read() -> None:
    script = zsh(COMMANDS)
    assert r"--kind=[Which\: \[one\] of '" in script
    assert "]:value:(a b)" in script
    assert "'--switch=-[On or off]::value:(true false)'" in script
    assert r"'1:command:((go\:Goes\:\ there))'" in script
    assert "'--far[How it goes]'" in script


def test_fish_tells_the_first_sentence() -> None:
    lines = fish(COMMANDS).splitlines()
    (kind,) = [line for line in lines if "-l kind" in line]
    assert kind.endswith(r"-l kind -d 'Which: [one] of \'two\'' -x -a 'a b'")
    (far,) = [line for line in lines if "-l far" in line]
    assert '= "go"' in far
