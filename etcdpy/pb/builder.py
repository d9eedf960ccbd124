"""
Classes of messages, made by protobuf's library in C alone.

Generated modules import this in place of protobuf's ``internal.builder``, and make the same of it.
That one imports how messages work in Python as well, which nothing needs where they work in C: a
tenth of what a start costs. Where there is no library in C it is protobuf's that is asked.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

from etcdpy.pb.pool import LIBRARY

__all__ = ["BuildMessageAndEnumDescriptors", "BuildTopDescriptorsAndMessages", "class_of"]


def class_of(descriptor: Descriptor) -> Any:
    """Return the class of a message of this package, by what describes it."""
    # As ``message_factory.GetMessageClass`` does, which would import much.
    known: Any = descriptor
    return known._concrete_class


def BuildMessageAndEnumDescriptors(  # noqa: N802 - the name generated code calls
    file: FileDescriptor, module: dict[str, Any]
) -> None:
    """Do what protobuf's does but for names that only its own code in Python looks up."""
    if LIBRARY is None:
        from google.protobuf.internal import builder

        builder.BuildMessageAndEnumDescriptors(file, module)


def BuildTopDescriptorsAndMessages(  # noqa: N802 - the name generated code calls
    file: FileDescriptor, module_name: str, module: dict[str, Any]
) -> None:
    """
    Give a module what its file has: enumerations with their values, services, and messages.

    Args:
        file: What describes the file.
        module_name: Of the generated module.
        module: The names of that module.

    """
    if LIBRARY is None:
        from google.protobuf.internal import builder

        builder.BuildTopDescriptorsAndMessages(file, module_name, module)
        return
    for name, enumeration in file.enum_types_by_name.items():
        module[f"_{name.upper()}"] = enumeration
        module[name] = EnumTypeWrapper(enumeration)
        module.update((value.name, value.number) for value in enumeration.values)
    for name, service in file.services_by_name.items():
        module[f"_{name.upper()}"] = service
    for name, message in file.message_types_by_name.items():
        module[name] = _message(message, module_name, name)


def _message(descriptor: Descriptor, module_name: str, qualified: str) -> Any:
    names: dict[str, Any] = {
        name: _message(nested, module_name, f"{qualified}.{name}")
        for name, nested in descriptor.nested_types_by_name.items()
    }
    names |= {"DESCRIPTOR": descriptor, "__module__": module_name, "__qualname__": qualified}
    return LIBRARY.MessageMeta(descriptor.name, (Message,), names)
