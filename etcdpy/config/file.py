"""
Settings from a file: YAML, of which JSON is a part, under the names of the flags.

A value has the type it has in etcd, where a flag's is always text: durations are integers, in
nanoseconds, two settings are lists, and what concerns TLS stands in sections of its own::

    name: one
    listen-client-urls: http://127.0.0.1:2379,http://10.0.0.1:2379
    grpc-keepalive-interval: 7200000000000
    log-outputs: [stderr, /var/log/etcd.log]
    client-transport-security:
      cert-file: /etc/etcd/server.crt

Keys that mean nothing are passed over, as etcd does. (etcd: ``embed.ConfigFromFile``)

"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from etcdpy.config.errors import InvalidConfigError, UnusableFileError
from etcdpy.config.flags import FLAGS
from etcdpy.config.gates import FeatureGates
from etcdpy.config.values import (
    KEEP,
    BadValueError,
    Bool,
    Choice,
    Duration,
    Int,
    Int64,
    Kind,
    Origins,
    Text,
    Texts,
    Uint,
    Uint32,
    UrlList,
)
from etcdpy.gostd.quoting import go_quote

__all__ = ["read_file"]

#: What a section has under shorter names than the flags have.
_CLIENT_SECTION = {
    "cert-file": "cert-file",
    "key-file": "key-file",
    "client-cert-file": "client-cert-file",
    "client-key-file": "client-key-file",
    "client-cert-auth": "client-cert-auth",
    "trusted-ca-file": "trusted-ca-file",
    "auto-tls": "auto-tls",
    "allowed-hostname": "client-cert-allowed-hostname",
}
_PEER_SECTION = {
    "cert-file": "peer-cert-file",
    "key-file": "peer-key-file",
    "client-cert-file": "peer-client-cert-file",
    "client-key-file": "peer-client-key-file",
    "client-cert-auth": "peer-client-cert-auth",
    "trusted-ca-file": "peer-trusted-ca-file",
    "auto-tls": "peer-auto-tls",
    "allowed-cn": "peer-cert-allowed-cn",
    "allowed-hostname": "peer-cert-allowed-hostname",
    "skip-client-san-verification": "peer-skip-client-san-verification",
}
_SOCKET_SECTION = {
    "reuse-port": "socket-reuse-port",
    "reuse-address": "socket-reuse-address",
}

#: Section to its Go type, the struct its fields are told to be of, and its keys.
_SECTIONS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "client-transport-security": ("embed.securityConfig", "configJSON", _CLIENT_SECTION),
    "peer-transport-security": ("embed.securityConfig", "configJSON", _PEER_SECTION),
    "socket-options": ("transport.SocketOpts", "Config", _SOCKET_SECTION),
}

#: Flags that are no key of their own.
_NO_KEYS = {
    "config-file",
    "client-crl-file",
    "peer-crl-file",
    *(name for _, _, keys in _SECTIONS.values() for name in keys.values()),
    *(name for name in FLAGS if name.startswith("discovery-") and name != "discovery-srv"),
}

#: etcd reads these as texts first, in a struct of its own.
_TEXT_FIRST = (UrlList, FeatureGates, Origins)

#: The name of a key in the refusal of its URLs, where etcd has another one.
_ODD_NAMES = {"advertise-client-urls": "advertise-peer-urls"}


def read_file(path: str) -> dict[str, Any]:
    """
    Return the settings of a file as flag names to values; those it leaves empty are left out.

    Raises:
        InvalidConfigError: It cannot be read or holds values of another type; etcd's text,
            but for what is wrong with the YAML.
        UnusableFileError: It holds a bad URL.

    """
    values: dict[str, Any] = {}
    # etcd looks at the keys in this order, and tells of the first mistake.
    for key, value in sorted(_read_mapping(path).items()):
        # Go's ``encoding/json`` finds a field whatever the case of its key; an exact match comes
        # first.
        name = key if key in FLAGS or key in _SECTIONS else key.lower()
        # null leaves a field as it was. (Go: ``encoding/json``)
        if value is None:
            continue
        if name in _SECTIONS:
            values.update(_section(name, value))
        elif name in FLAGS and name not in _NO_KEYS:
            kind = FLAGS[name].kind
            # The whitelist is a text like any other here, but a set in etcd, made of a text it
            # reads first.
            first = isinstance(kind, _TEXT_FIRST) or name == "host-whitelist"
            field = f"configYAML.{'configJSON' if first else 'Config'}.{name}"
            read = _Value(name, field, value).read(kind)
            # Not told from a key that is missing, as a flag is.
            is_unset = name == "self-signed-cert-validity" and read == 0
            values[name] = KEEP if is_unset else read
    return {name: value for name, value in values.items() if value is not KEEP}


def _read_mapping(path: str) -> dict[str, Any]:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise InvalidConfigError(f"open {path}: {reason}") from None
    try:
        document = yaml.load(data, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        # A ValueError is Python's refusal to read an integer of some thousand digits.
        raise InvalidConfigError(f"error converting YAML to JSON: yaml: {_why(error)}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        _refuse(document, "value", "embed.configYAML")
    # YAML has keys of other types; on the way to JSON etcd makes texts of them.
    return {str(key): value for key, value in document.items()}


class _Loader(yaml.SafeLoader):
    """
    Takes for numbers what etcd's YAML library does.

    ``12:30`` is no number in base 60, a date is the text it is, and ``1e3`` needs no point.

    """


_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NUMBERS = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp")}
_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] not in _NUMBERS]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def _why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error)


def _section(section: str, value: object) -> dict[str, object]:
    go_type, struct, keys = _SECTIONS[section]
    if not isinstance(value, dict):
        _refuse(value, f"struct field configYAML.{struct}.{section}", go_type)
    found: dict[str, object] = {}
    # In the order of the names, as above: the first mistake is the one that is told.
    for key in sorted(keys.keys() & value.keys()):
        if value[key] is not None:
            field = f"{go_type.rpartition('.')[2]}.{struct}.{section}.{key}"
            found[keys[key]] = _Value(keys[key], field, value[key]).read(FLAGS[keys[key]].kind)
    return found


class _Value:
    """
    One value of the file.

    Args:
        name: The flag it is for.
        field: Where etcd keeps it, for a refusal.
        value: What YAML makes of it; not None.

    """

    def __init__(self, name: str, field: str, value: object) -> None:
        self._name = name
        self._field = f"struct field {field}"
        self._value = value

    def read(self, kind: Kind) -> object:
        """
        Return the value that a flag of this kind would have, ``KEEP`` if it is left alone.

        Raises:
            InvalidConfigError: The value has another type in etcd, or cannot be read.
            UnusableFileError: It is a bad URL.

        """
        if isinstance(kind, Bool):
            return self._of(bool, "bool")
        if isinstance(kind, Duration):
            # Go decodes a ``time.Duration`` as the int64 it is, which counts nanoseconds.
            return self._integer("time.Duration", -(2**63), 2**63 - 1) / 1e9
        if isinstance(kind, Uint):
            return self._integer(kind.go_type, 0, 2**64 - 1)
        if isinstance(kind, Uint32):
            return self._integer("uint32", 0, 2**32 - 1)
        if isinstance(kind, Int64):
            go_type = "int" if isinstance(kind, Int) else "int64"
            return self._integer(go_type, -(2**63), 2**63 - 1)
        if isinstance(kind, Texts):
            return self._texts()
        return self._parsed(kind, self._of(str, "string"))

    def _of(self, wanted: type, go_type: str) -> Any:
        if not isinstance(self._value, wanted):
            _refuse(self._value, self._field, go_type)
        return self._value

    def _integer(self, go_type: str, low: int, high: int) -> int:
        value = self._value
        # On its way through JSON ``1e3`` has become 1000, which is an integer.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        # A bool is an int to Python, and none to Go.
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            _refuse(self._value, self._field, go_type, digits=True)
        return value

    def _texts(self) -> object:
        for item in self._of(list, "[]string"):
            if not isinstance(item, str):
                _refuse(item, self._field, "string")
        return tuple(self._of(list, "[]string")) or KEEP

    def _parsed(self, kind: Kind, text: str) -> object:
        # etcd parses these only if there is a text, so "" keeps the default.
        # (``embed.configFromFile``)
        if not text and not isinstance(kind, Text):
            return KEEP
        if isinstance(kind, Choice) and self._name != "transport":
            return text  # etcd knows no choices here; what matters is checked with the rest
        try:
            return kind.parse(text)
        except BadValueError as refusal:
            why = str(refusal)
        if isinstance(kind, UrlList):
            shown = _ODD_NAMES.get(self._name, self._name)
            raise UnusableFileError(f"unexpected error setting up {shown}: {why}")
        if isinstance(kind, FeatureGates):
            raise InvalidConfigError(why)
        raise InvalidConfigError(f"invalid value {go_quote(text)} for {self._name}: {why}")


def _refuse(value: object, place: str, go_type: str, *, digits: bool = False) -> NoReturn:
    """Raise what Go's ``encoding/json`` says of a value of the wrong type."""
    shown = _json_type(value)
    if digits and shown == "number":
        shown = f"number {value}"
    raise InvalidConfigError(
        "error unmarshaling JSON: while decoding JSON: json: "
        f"cannot unmarshal {shown} into Go {place} of type {go_type}"
    )


def _json_type(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "string"
