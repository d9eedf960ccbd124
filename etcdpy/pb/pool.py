"""The descriptor pool that holds this package's messages, and nobody else's."""

from typing import Any

from google.protobuf import descriptor


def _library() -> Any:
    found = getattr(descriptor, "_message", None)
    # A version that has another way of making them is asked like one that is all in Python.
    return found if hasattr(found, "DescriptorPool") and hasattr(found, "MessageMeta") else None


#: protobuf's library in C, which has a pool and what makes classes; None where it is all in Python.
LIBRARY: Any = _library()


def _new_pool() -> Any:
    if LIBRARY is not None:
        # As ``descriptor_pool.DescriptorPool()`` does, which takes what is in Python, 12 ms of
        # it, with it.
        return LIBRARY.DescriptorPool()
    from google.protobuf.descriptor_pool import DescriptorPool

    return DescriptorPool()


_POOL = _new_pool()


def Default() -> Any:  # noqa: N802 - the name generated code calls
    """Return the package's pool, where generated code expects the process-wide one."""
    return _POOL
