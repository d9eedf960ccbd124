"""Classes of messages are what protobuf's own builder makes, and are made without it."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal import builder as theirs
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from etcdpy.pb import (
    auth_pb2,
    builder,
    health_pb2,
    kv_pb2,
    lease_pb2,
    pool,
    rpc_pb2,
    v3election_pb2,
    v3lock_pb2,
)

#: All of them, each behind those that it needs.
FILES = (kv_pb2, auth_pb2, rpc_pb2, lease_pb2, v3lock_pb2, v3election_pb2, health_pb2)

IN_PYTHON = """
from google.protobuf.internal import api_implementation
from etcdpy.pb import kv_pb2, pool, rpc_pb2
from etcdpy.pb.builder import class_of

assert api_implementation.Type() == "python" and pool.LIBRARY is None
event = kv_pb2.Event(type=kv_pb2.Event.DELETE, kv=kv_pb2.KeyValue(key=b"k", version=3))
response = rpc_pb2.WatchResponse(watch_id=7, events=[event])
assert class_of(rpc_pb2.WatchResponse.DESCRIPTOR) is rpc_pb2.WatchResponse
print(response.SerializeToString().hex())
"""


def _made_by_protobuf() -> dict[str, dict[str, Any]]:
    """Return the names of all modules as protobuf makes them, in a pool of their own."""
    one = DescriptorPool()
    made = {}
    for module in FILES:
        file = one.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        names: dict[str, Any] = {}
        theirs.BuildTopDescriptorsAndMessages(file, module.__name__, names)
        made[module.__name__] = names
    return made


def _told(thing: Any) -> Any:
    """Tell what a name stands for, so that it can be compared between pools."""
    if isinstance(thing, type) and issubclass(thing, Message):
        nested = {name: _told(getattr(thing, name)) for name in _nested(thing)}
        return thing.__module__, thing.__qualname__, thing.DESCRIPTOR.full_name, nested
    if isinstance(thing, EnumTypeWrapper):
        return thing.items()
    # A number stands for itself.
    return getattr(thing, "full_name", thing)


def _nested(kind: type[Message]) -> list[str]:
    inner = (*kind.DESCRIPTOR.nested_types_by_name, *kind.DESCRIPTOR.enum_types_by_name)
    return [*inner, *kind.DESCRIPTOR.enum_values_by_name]


@pytest.mark.parametrize("module", FILES, ids=lambda module: module.__name__)
def test_module_has_what_protobuf_would_give_it(module: ModuleType) -> None:
    expected = _made_by_protobuf()[module.__name__]
    found = {name: _told(getattr(module, name)) for name in expected}
    assert found == {name: _told(thing) for name, thing in expected.items()}


def test_class_is_found_by_what_describes_it() -> None:
    for module in FILES:
        for name, descriptor in module.DESCRIPTOR.message_types_by_name.items():
            kind = getattr(module, name)
            assert builder.class_of(descriptor) is kind
            # Other libraries ask protobuf for it.
            assert GetMessageClass(descriptor) is kind


def test_pool_is_one_that_nobody_else_has() -> None:
    from google.protobuf import descriptor_pool

    assert pool.Default() is kv_pb2.DESCRIPTOR.pool
    assert pool.Default() is not descriptor_pool.Default()


def test_without_a_library_in_c_protobuf_makes_them() -> None:
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    environment.pop("COVERAGE_PROCESS_CONFIG", None)
    environment.pop("COVERAGE_PROCESS_START", None)
    told = subprocess.run(
        [sys.executable, "-c", IN_PYTHON],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    event = kv_pb2.Event(type=kv_pb2.Event.DELETE, kv=kv_pb2.KeyValue(key=b"k", version=3))
    assert (
        told.strip() == rpc_pb2.WatchResponse(watch_id=7, events=[event]).SerializeToString().hex()
    )
