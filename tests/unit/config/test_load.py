"""Where settings come from, which source wins, and what is refused in which words."""

from collections.abc import Mapping

import pytest

from etcdpy.config import (
    SETTINGS,
    HelpRequested,
    ShadowedVariableError,
    UsageError,
    VersionRequested,
    with_data_dir,
)
from etcdpy.config.accepted import IGNORED_FLAGS
from etcdpy.config.load import environment_name, mentions
from tests.unit.config.loading import URLS, Notes, loaded, loaded_with_notes, refusal


def test_flag_sets_its_field() -> None:
    config = loaded("--max-txn-ops=0x10", "--grpc-keepalive-min-time", "1m", "--unsafe-no-fsync")
    assert config.max_txn_ops == 16
    assert config.grpc_keepalive_min_time == 60
    assert config.unsafe_no_fsync is True


def test_one_dash_is_enough() -> None:
    config = loaded("-data-dir", "machine0", "-name", "machine0", "-enable-v2")
    assert (config.name, config.data_dir, config.enable_v2) == ("machine0", "machine0", True)


def test_v2_is_off_unless_it_is_asked_for() -> None:
    assert loaded().enable_v2 is False
    assert loaded("--enable-v2=false").enable_v2 is False
    assert loaded(ETCD_ENABLE_V2="true").enable_v2 is True


def test_last_repetition_wins() -> None:
    assert loaded("--name=a", "--name=b").name == "b"


@pytest.mark.parametrize("flag", sorted(SETTINGS))
def test_every_flag_has_a_variable_and_keeps_its_default(flag: str) -> None:
    row = SETTINGS[flag]
    assert getattr(loaded(), flag.replace("-", "_")) == row.default
    assert environment_name(flag) == "ETCD_" + flag.replace("-", "_").upper()


def test_variable_sets_what_no_flag_sets() -> None:
    config, notes = loaded_with_notes("--name=x", ETCD_MAX_TXN_OPS="7")
    assert (config.name, config.max_txn_ops) == ("x", 7)
    fields = {"variable-name": "ETCD_MAX_TXN_OPS", "variable-value": "7"}
    assert ("info", "recognized and used environment variable", fields) in notes


def test_boolean_variable_takes_gos_words() -> None:
    assert loaded(ETCD_UNSAFE_NO_FSYNC="T").unsafe_no_fsync is True


@pytest.mark.parametrize("value", ["y", "x", ""])
def test_variable_shadowed_by_a_flag_is_refused_whatever_its_value(value: str) -> None:
    with pytest.raises(ShadowedVariableError) as error:
        loaded("--name=x", ETCD_NAME=value)
    assert error.value.variable == "ETCD_NAME"
    assert str(error.value) == (
        "conflicting environment variable is shadowed by corresponding command-line flag "
        "(either unset environment variable or disable flag))"
    )


def test_empty_variable_counts_as_unset_and_unknown() -> None:
    config, notes = loaded_with_notes(ETCD_NAME="")
    assert config.name == "default"
    fields = {"environment-variable": "ETCD_NAME="}
    assert ("warn", "unrecognized environment variable", fields) in notes


def test_unknown_variables_are_pointed_out_and_pass() -> None:
    _, notes = loaded_with_notes(ETCD_FOO="1", ETCD_EXPERIMENTAL_X="y", HOME="/", ETCDCTL_API="3")
    unknown = [fields for _, text, fields in notes if text == "unrecognized environment variable"]
    assert unknown == [
        {"environment-variable": "ETCD_FOO=1"},
        {"environment-variable": "ETCD_EXPERIMENTAL_X=y"},
    ]


def test_version_variable_is_passed_over() -> None:
    _, notes = loaded_with_notes(ETCD_VERSION="true")
    fields = {"key": "ETCD_VERSION", "value": "true"}
    assert notes[0] == ("warn", "cannot set special environment variable", fields)


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("ETCD_MAX_TXN_OPS", "abc", 'invalid value "abc" for ETCD_MAX_TXN_OPS: parse error'),
        ("ETCD_UNSAFE_NO_FSYNC", "zz", 'invalid value "zz" for ETCD_UNSAFE_NO_FSYNC: parse error'),
        (
            "ETCD_INITIAL_CLUSTER_STATE",
            "foo",
            'invalid value "foo" for ETCD_INITIAL_CLUSTER_STATE: invalid value',
        ),
        (
            "ETCD_LISTEN_CLIENT_URLS",
            "http://127.0.0.1",
            'invalid value "http://127.0.0.1" for ETCD_LISTEN_CLIENT_URLS: '
            'URL address does not have the form "host:port": http://127.0.0.1',
        ),
    ],
)
def test_bad_variable(variable: str, value: str, text: str) -> None:
    assert refusal(**{variable: value}) == text


def test_of_several_bad_variables_the_last_by_flag_name_is_named() -> None:
    assert "ETCD_QUOTA_BACKEND_BYTES" in refusal(
        ETCD_QUOTA_BACKEND_BYTES="b", ETCD_MAX_TXN_OPS="a", ETCD_NAME="fine"
    )


@pytest.mark.parametrize("word", ["word", "false", "-", ""])
def test_leftover_word(word: str) -> None:
    assert refusal("--unsafe-no-fsync", word, "--bogus") == f'"{word}" is not a valid flag'


def test_leftover_word_comes_before_the_version() -> None:
    assert refusal("--version", "word") == '"word" is not a valid flag'


def test_version_and_help_are_asked_for() -> None:
    with pytest.raises(VersionRequested):
        loaded("--version", ETCD_NAME="x")
    with pytest.raises(HelpRequested):
        loaded("--help")
    assert loaded("--version=false").name == "default"


def test_choice_of_the_wrong_word() -> None:
    with pytest.raises(UsageError) as error:
        loaded("--initial-cluster-state=foo")
    assert str(error.value) == 'invalid value "foo" for flag -initial-cluster-state: invalid value'


@pytest.mark.parametrize("flag", IGNORED_FLAGS)
def test_flags_of_etcd_2_are_taken_without_a_word(flag: str) -> None:
    config, notes = loaded_with_notes(f"--{flag}", f"--{flag}=anything")
    assert (config, notes) == loaded_with_notes()


@pytest.mark.parametrize("flag", ["experimental-corrupt-check-time", "proxy", "discovery"])
def test_flags_that_etcd_has_dropped(flag: str) -> None:
    with pytest.raises(UsageError, match=f"^flag provided but not defined: -{flag}$"):
        loaded(f"--{flag}=x")


def test_listening_elsewhere_requires_an_advertised_url() -> None:
    text = "--advertise-client-urls is required when --listen-client-urls is set explicitly"
    assert refusal("--listen-client-urls=http://127.0.0.1:1") == text
    assert refusal("--listen-client-urls=") == text
    assert refusal(ETCD_LISTEN_CLIENT_URLS="http://127.0.0.1:1") == text
    assert loaded(*URLS).advertise_client_urls


def test_empty_url_list_is_the_default() -> None:
    config = loaded("--listen-client-urls=", "--advertise-client-urls=")
    assert config == loaded()


def test_name_carries_over_to_the_initial_cluster() -> None:
    assert loaded("--name=n1").initial_cluster == "n1=http://localhost:2380"
    peers = "--initial-advertise-peer-urls=http://a:1,http://b:2"
    assert loaded("--name=n1", peers).initial_cluster == "n1=http://a:1,n1=http://b:2"


def test_given_initial_cluster_stays() -> None:
    cluster = "--initial-cluster=n2=http://a:1"
    assert loaded("--name=n1", cluster).initial_cluster == "n2=http://a:1"


def test_data_directory_is_named_after_the_member() -> None:
    notes: Notes = []

    def note(level: str, message: str, fields: Mapping[str, object]) -> None:
        notes.append((level, message, dict(fields)))

    assert with_data_dir(loaded("--name=n1"), note).data_dir == "n1.etcd"
    assert notes == [("warn", "'data-dir' was empty; using default", {"data-dir": "n1.etcd"})]
    assert with_data_dir(loaded("--data-dir=/x"), note).data_dir == "/x"
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "is_mentioned"),
    [
        (["--log-format", "json"], {}, True),
        (["-log-format=json"], {}, True),
        ([], {"ETCD_LOG_FORMAT": "json"}, True),
        (["--config-file=x"], {}, True),
        ([], {"ETCD_CONFIG_FILE": "x"}, True),
        (["--log-level=info"], {"ETCD_LOG_FORMAT": ""}, False),
    ],
)
def test_flag_that_may_have_been_given_is_mentioned(
    arguments: list[str], environment: dict[str, str], is_mentioned: bool
) -> None:
    assert mentions("log-format", arguments, environment) is is_mentioned


def test_who_has_been_asked_is_known() -> None:
    assert loaded("--name=x", ETCD_LOG_FORMAT="json").given == {"name", "log-format"}
