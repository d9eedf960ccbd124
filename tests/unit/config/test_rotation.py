"""Rotation is configured in JSON, and refused in etcd's words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from etcdpy.config import Config, InvalidConfigError, load
from etcdpy.config.rotation import Rotation, check_rotated, parse_rotation


@pytest.mark.parametrize(
    ("text", "rotation"),
    [
        ("{}", Rotation()),
        ("null", Rotation()),
        (Config().log_rotation_config_json, Rotation(max_size=100)),
        (
            '{"maxsize": 1, "maxage": 2, "maxbackups": 3, "localtime": true, "compress": true}',
            Rotation(1, 2, 3, True, True),
        ),
        ('{"MaxSize": 7, "filename": 8, "maxage": null}', Rotation(max_size=7)),
    ],
)
def test_settings_are_read(text: str, rotation: Rotation) -> None:
    assert parse_rotation(text) == rotation


@pytest.mark.parametrize(("megabytes", "bytes_"), [(0, 100 << 20), (-1, 100 << 20), (3, 3 << 20)])
def test_size_is_in_megabytes(megabytes: int, bytes_: int) -> None:
    assert Rotation(max_size=megabytes).max_bytes == bytes_


INVALID = "invalid log rotation config: json: cannot unmarshal "


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", "improperly formatted log rotation config: unexpected end of JSON input"),
        ("{", "improperly formatted log rotation config: unexpected end of JSON input"),
        ("{x}", "improperly formatted log rotation config: invalid character 'x' at offset 1"),
        ("[]", f"{INVALID}array into Go value of type embed.logRotationConfig"),
        (
            '{"maxsize": "x"}',
            f"{INVALID}string into Go struct field logRotationConfig.Logger.maxsize of type int",
        ),
        (
            '{"maxage": 1.5}',
            f"{INVALID}number 1.5 into Go struct field logRotationConfig.Logger.maxage of type int",
        ),
        (
            '{"maxbackups": true}',
            f"{INVALID}bool into Go struct field logRotationConfig.Logger.maxbackups of type int",
        ),
        (
            '{"compress": {}}',
            f"{INVALID}object into Go struct field logRotationConfig.Logger.compress of type bool",
        ),
    ],
)
def test_mistakes_are_told_in_etcds_words(text: str, refusal: str) -> None:
    with pytest.raises(InvalidConfigError) as error:
        parse_rotation(text)
    assert str(error.value) == refusal


@pytest.mark.parametrize(
    ("outputs", "is_refused"),
    [
        (["default"], True),
        (["a.log", "b.log"], True),
        (["a.log"], False),
        (["a.log", "stderr"], False),
        (["stderr", "stdout"], False),  # etcd wants one only if there is just one output
    ],
)
def test_one_file_at_most_is_rotated(outputs: Sequence[str], is_refused: bool) -> None:
    if not is_refused:
        check_rotated(outputs)
        return
    with pytest.raises(InvalidConfigError, match="requires a single file path"):
        check_rotated(outputs)


def loaded(*arguments: str) -> Config:
    return load(arguments, {}, lambda *_: None)


def test_rotation_is_off_by_default_and_its_settings_are_not_read() -> None:
    assert loaded("--log-rotation-config-json={").log_rotation is None


def test_rotation_is_checked_with_the_other_settings() -> None:
    config = loaded("--enable-log-rotation", "--log-outputs=x.log")
    assert config.log_rotation == Rotation(max_size=100)
    with pytest.raises(InvalidConfigError, match="requires a single file path"):
        loaded("--enable-log-rotation")
