"""The descriptor pool that holds this package's messages, and nobody else's."""

from google.protobuf.descriptor_pool import DescriptorPool

_POOL = DescriptorPool()


def Default() -> DescriptorPool:  # noqa: N802 - the name generated code calls
    """Return the package's pool, where generated code expects the process-wide one."""
    return _POOL
