"""
From a command line and an environment to a ``Config``, in etcd's order of precedence.

1. The command line. A flag given twice has its last value; feature gates add up.
2. ``ETCD_NAME`` and the like, for flags that are not on the command line. The same setting in
   both places is refused, whatever the values: which one was meant is anyone's guess.
3. The default.

A configuration file stands alone: with it neither flags nor variables count, though the command
line still has to parse.

"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from etcdpy.config import goflags
from etcdpy.config.accepted import ACCEPTED, IGNORED_FLAGS, check_accepted
from etcdpy.config.check import Note, check, check_tls_versions, remark_without_effect
from etcdpy.config.errors import InvalidConfigError
from etcdpy.config.flags import FLAGS
from etcdpy.config.gates import Gates
from etcdpy.config.model import SETTINGS, Config
from etcdpy.config.values import KEEP, BadValueError, Bool, Ignored, Kind
from etcdpy.gostd.quoting import go_quote

__all__ = [
    "Note",
    "ShadowedVariableError",
    "VersionRequested",
    "environment_name",
    "load",
    "mentions",
    "with_data_dir",
]

_PREFIX = "ETCD_"

#: Everything that parses as a flag.
_KINDS: Mapping[str, Kind] = {
    **{name: row.kind for name, row in FLAGS.items()},
    **dict.fromkeys(IGNORED_FLAGS, Ignored()),
    "version": Bool(),
}


class VersionRequested(Exception):  # noqa: N818 - a request, not a mistake
    """``--version`` was given and the command line is otherwise sound."""


class ShadowedVariableError(InvalidConfigError):
    """
    A setting is both on the command line and in the environment.

    etcd logs the text as a fatal line of its own and exits 1.

    """

    def __init__(self, variable: str) -> None:
        super().__init__(
            "conflicting environment variable is shadowed by corresponding command-line flag "
            "(either unset environment variable or disable flag))"
        )
        self.variable = variable


def load(arguments: Sequence[str], environment: Mapping[str, str], note: Note) -> Config:
    """
    Read and check the settings.

    Args:
        arguments: The command line without the program's name.
        environment: Read only.
        note: Called as the settings are read, before any error about them is raised.

    Raises:
        UsageError: The command line does not parse.
        HelpRequested: It asks for help.
        VersionRequested: It asks for the version.
        InvalidConfigError: The settings cannot be used; the text is etcd's.
        UnusableFileError: A URL in the file cannot.

    """
    given = _Given({}, {})
    words = goflags.parse(arguments, _KINDS, given.assign)
    if words:
        raise InvalidConfigError(f"{go_quote(words[0])} is not a valid flag")
    # Before the environment is read: no variable keeps a server from telling its version.
    if given.values.get("version"):
        raise VersionRequested
    # etcd asks for this one variable by itself, as with a file no other counts.
    path = given.values.get("config-file") or environment.get("ETCD_CONFIG_FILE")
    if path:
        return _load_file(path, note)
    _read_environment(environment, given, note)
    if "listen-client-urls" in given.names and "advertise-client-urls" not in given.names:
        # Whoever chooses where to listen has to say where clients find it.
        given.values["advertise-client-urls"] = ()
    return _checked(given, note)


def _load_file(path: str, note: Note) -> Config:
    """Take the settings from a file alone. (etcd: ``embed.ConfigFromFile``)"""
    # Reading YAML takes as long to import as half of what the server needs.
    from etcdpy.config.file import read_file

    values = read_file(path)
    given = _Given(values, dict.fromkeys(values, "file"))
    config = replace(_checked(given, note), config_file=path)
    message = (
        "loaded server configuration, other configuration command line flags and environment "
        "variables will be ignored if provided"
    )
    note("info", message, {"path": path})
    return config


def _checked(given: _Given, note: Note) -> Config:
    config = _complete(given)
    check(config, given.names, note)
    check_accepted(config.accepted, given.names)
    check_tls_versions(config)
    remark_without_effect(given.names, note)
    return config


def environment_name(flag: str) -> str:
    """Return the variable that stands for a flag: ``max-txn-ops`` is ``ETCD_MAX_TXN_OPS``."""
    return _PREFIX + flag.upper().replace("-", "_")


def mentions(flag: str, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """
    Tell whether a flag may have been given, before it is known what has.

    Whatever could turn out to be it counts, as does any file.
    """
    words = {word.partition("=")[0].lstrip("-") for word in arguments}
    variables = {environment_name(flag), environment_name("config-file")}
    return not words.isdisjoint((flag, "config-file")) or any(map(environment.get, variables))


class _Given(NamedTuple):
    """The settings somebody has given, and where: ``names`` maps each to its source."""

    values: dict[str, Any]
    names: dict[str, Literal["flag", "environment", "file"]]

    def assign(self, name: str, value: object) -> None:
        self.names[name] = "flag"
        if isinstance(value, Gates) and name in self.values:
            value = self.values[name] + value
        if value is not KEEP:
            self.values[name] = value


def _read_environment(environment: Mapping[str, str], given: _Given, note: Note) -> None:
    """
    Take settings from the environment. (etcd: ``flags.SetFlagsFromEnv``)

    Every variable is looked at even after a bad one, so that a run reports all it can; of
    several bad values etcd names the last in order of the flags' names.

    """
    refusal: InvalidConfigError | None = None
    used: set[str] = set()
    if "ETCD_VERSION" in environment:
        # Whoever sets it means a version. Taken for the flag ``--version`` it would be a bad
        # boolean.
        fields = {"key": "ETCD_VERSION", "value": environment["ETCD_VERSION"]}
        note("warn", "cannot set special environment variable", fields)
        used.add("ETCD_VERSION")
    on_command_line = {environment_name(name) for name in given.names}
    # Most servers have none, and to ask for each by its name takes a third of a millisecond.
    is_any = any(variable.startswith(_PREFIX) for variable in environment)
    for name in sorted(_KINDS) if is_any else ():
        variable = environment_name(name)
        text = environment.get(variable, "")
        # What is on the command line as well is refused below, behind the notes about all others.
        if not text or variable in used or variable in on_command_line:
            continue
        used.add(variable)
        fields = {"variable-name": variable, "variable-value": text}
        try:
            value = _KINDS[name].parse(text)
        except BadValueError as error:
            refusal = InvalidConfigError(f"invalid value {go_quote(text)} for {variable}: {error}")
            continue
        note("info", "recognized and used environment variable", fields)
        given.assign(name, value)
        given.names[name] = "environment"
    _verify_environment(environment, used, on_command_line, note)
    if refusal:
        raise refusal


def _verify_environment(
    environment: Mapping[str, str], used: set[str], on_command_line: set[str], note: Note
) -> None:
    """Refuse shadowed variables and point out unknown ones. (etcd: ``flags.verifyEnv``)"""
    for variable, text in environment.items():
        if variable in used:
            continue
        if variable in on_command_line:
            raise ShadowedVariableError(variable)
        if variable.startswith(_PREFIX):
            fields = {"environment-variable": f"{variable}={text}"}
            note("warn", "unrecognized environment variable", fields)


def _complete(given: _Given) -> Config:
    """Build the settings and fill in the defaults that follow from other settings."""
    values = {name.replace("-", "_"): given.values[name] for name in SETTINGS.keys() & given.values}
    accepted = {name: given.values[name] for name in ACCEPTED.keys() & given.values}
    config = Config(**values, accepted=accepted, given=frozenset(given.names))
    renamed = config.name != SETTINGS["name"].default
    # A cluster that was spelled out stays, even where it lacks the name: ``check_bootstrap`` says
    # so.
    if renamed and config.initial_cluster == SETTINGS["initial-cluster"].default:
        config = replace(config, initial_cluster=_initial_cluster(config))
    return config


def _initial_cluster(config: Config) -> str:
    """The cluster of this member alone. (etcd: ``UpdateDefaultClusterFromName``)"""
    name = config.name or SETTINGS["name"].default
    return ",".join(f"{name}={url}" for url in config.initial_advertise_peer_urls)


def with_data_dir(config: Config, note: Note) -> Config:
    """Return the settings with a data directory: ``<name>.etcd`` unless one is given."""
    if config.data_dir:
        return config
    chosen = f"{config.name}.etcd"
    note("warn", "'data-dir' was empty; using default", {"data-dir": chosen})
    return replace(config, data_dir=chosen)
