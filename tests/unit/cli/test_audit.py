"""``etcdpy audit`` answers who has written or deleted a key."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from etcdpy.cli import audit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@pytest.fixture(autouse=True)
def _signals_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)


def line(second: int, *ops: dict[str, Any], **fields: Any) -> str:
    made = {
        "ts": f"2026-11-21T07:50:{second:02}.000000Z",
        "method": "/etcdserverpb.KV/Put",
        "user": "alice",
        "peer": "ipv4:10.0.0.1:5000",
        "revision": second,
        "ops": list(ops),
        "code": "OK",
        **fields,
    }
    return json.dumps(made)


#: As a table has it.
WHO = ("alice", "ipv4:10.0.0.1:5000", "/etcdserverpb.KV/Put")


def put(key: str) -> dict[str, Any]:
    return {"op": "put", "key": key}


def ask(path: Path, *words: str) -> int:
    return audit.main([str(path), *words])


def test_table_says_when_what_and_who(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deletion = {"op": "delete", "key": "a", "range_end": "b", "deleted": 2}
    path.write_text(f"{line(1, put('a'))}\n{line(2, put('z'))}\n{line(3, deletion)}\n")
    assert ask(path, "--key", "a") == 0
    out, err = capsys.readouterr()
    assert [row.split() for row in out.splitlines()] == [
        ["TIME", "REVISION", "WHAT", "WHO", "FROM", "METHOD", "KEY"],
        ["2026-11-21T07:50:01.000000Z", "1", "put", *WHO, '"a"'],
        ["2026-11-21T07:50:03.000000Z", "3", "delete", "2", *WHO, '"a"', "..", '"b"'],
    ]
    assert err == ""
    first, second, third = out.splitlines()
    assert first.index("KEY") == second.index('"a"') == third.index('"a"')


def test_json_is_the_lines_themselves(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = line(1, put("a"), put("b"))
    path.write_text(f"{wanted}\n{line(2, put('z'))}\n")
    assert ask(path, "--key=a", "--json") == 0
    assert capsys.readouterr().out == f"{wanted}\n"


def test_full_files_are_asked_too(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full = path.with_name("audit-2026-11-21T07-50-34.668.log.gz")
    full.write_bytes(gzip.compress(f"{line(1, put('a'))}\n".encode()))
    path.write_text(f"{line(2, put('a'))}\n")
    assert ask(path, "--key=a", "--json") == 0
    found = [json.loads(text)["revision"] for text in capsys.readouterr().out.splitlines()]
    assert found == [1, 2]


def test_nothing_found_is_a_status_of_its_own(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(f"{line(1, put('a'))}\n")
    assert ask(path, "--key=b") == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "revisions"),
    [
        ((), [1, 2, 3]),
        (("--key=a/",), []),
        (("--key=a/", "--prefix"), [1, 2]),
        (("--key=YS8x", "--base64"), [1]),
        (("--user=bob",), [2]),
        (("--since=2026-11-21T07:50:02Z",), [2, 3]),
        (("--since=2026-11-21T08:50:02+01:00",), [2, 3]),
        (("--since=2026-11-21T07:50:02.500",), [3]),
        (("--since=2026-11-21",), [1, 2, 3]),
        (("--since=100000h",), [1, 2, 3]),
        (("--refused", "--key=secret"), [4]),
    ],
)
def test_question_may_be_narrowed(
    path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], revisions: list[int]
) -> None:
    lines = [
        line(1, put("a/1")),
        line(2, put("a/2"), user="bob"),
        line(3, put("b")),
        line(4, {"op": "range", "key": "secret"}, code="PERMISSION_DENIED"),
    ]
    path.write_text("".join(f"{text}\n" for text in lines))
    assert ask(path, "--json", *words) == (0 if revisions else 1)
    found = [json.loads(text)["revision"] for text in capsys.readouterr().out.splitlines()]
    assert found == revisions


def test_time_ago_counts_from_now(path: Path) -> None:
    path.write_text(f"{line(1, put('a'), ts='9999-01-01T00:00:00.000000Z')}\n")
    assert ask(path, "--since=1h30m") == 0
    path.write_text(f"{line(1, put('a'), ts='2001-01-01T00:00:00.000000Z')}\n")
    assert ask(path, "--since=1h30m") == 1


def test_key_that_is_no_text_is_found(path: Path) -> None:
    key = b64encode(b"\xff\x01").decode()
    path.write_text(f"{line(1, {'op': 'put', 'key_base64': key})}\n")
    assert ask(path, "--key=\udcff\x01") == 0
    assert ask(path, f"--key={key}", "--base64") == 0


def test_what_a_client_has_said_moves_no_cursor(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J\x9b\n\u202e"
    text = line(1, put(evil), user=evil, peer=evil, method=evil)
    target = line(2, target={"user": evil}, user=evil)
    path.write_text(f"{text}\n{target}\n{line(3, put(evil), code=evil)}\n")
    assert ask(path, "--refused") == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 4
    assert all(row.isprintable() for row in out.splitlines())


def test_other_changes_are_shown_by_what_they_are_about(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(f"{line(1, target={'user': 'bob', 'role': 'r'})}\n")
    assert ask(path) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("user=bob role=r")


def test_refusal_is_marked(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text(f"{line(1, put('a'), code='PERMISSION_DENIED')}\n")
    assert ask(path, "--key=a", "--refused") == 0
    row = capsys.readouterr().out.splitlines()[1]
    assert "put!" in row
    assert row.endswith('"a" PERMISSION_DENIED')


def test_long_key_is_shown_with_its_length(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text(f"{line(1, {'op': 'put', 'key': 'kk', 'key_bytes': 2000})}\n")
    assert ask(path, "--key=kkk") == 0
    assert capsys.readouterr().out.splitlines()[1].endswith('"kk"... (2000 bytes)')


def test_what_is_missing_is_noted(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text(f'{line(1, put("a"))}\n{line(2, put("z"), ops_cut=3)}\n{{"ts":"20')
    assert ask(path, "--key=a") == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "Note: 1 lines were cut short" in err
    assert "Note: 1 changes had more keys than are listed" in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--since=yesterday"], "--since yesterday is neither a moment"),
        (["--since=Z"], "--since Z is neither a moment"),
        (["--prefix"], "--prefix and --base64 are about --key"),
        (["--key=!", "--base64"], "--key ! is no base64"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_question_that_makes_no_sense_is_refused(
    path: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    path.write_text("")
    assert ask(path, *words) == 2
    assert reason in capsys.readouterr().err


def test_log_that_is_not_there_is_an_error(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(path, "--key=a") == 2
    assert capsys.readouterr().err == f"Error: open {path}: no such file or directory\n"
