"""A blocking gRPC client with etcdpy's own stubs: ``with closing(Client(address)) as client``."""

from __future__ import annotations

from typing import Any

import grpc

from etcdpy.pb import rpc_pb2_grpc

# No retries and no proxies: a test sees the first answer, from the server it asked.
CHANNEL_OPTIONS = (
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
)

# Generated service stubs carry no types.
_stubs: Any = rpc_pb2_grpc


class Client:
    """One connection to the server at ``host:port``, with a stub for each service.

    Args:
        options: More of grpcio's channel options.
        credentials: What to connect over TLS with.
    """

    def __init__(
        self,
        address: str,
        *options: tuple[str, Any],
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options=(*CHANNEL_OPTIONS, *options))
        else:
            self.channel = grpc.secure_channel(
                address, credentials, options=(*CHANNEL_OPTIONS, *options)
            )
        self.kv = _stubs.KVStub(self.channel)
        self.watch = _stubs.WatchStub(self.channel)
        self.lease = _stubs.LeaseStub(self.channel)
        self.cluster = _stubs.ClusterStub(self.channel)
        self.maintenance = _stubs.MaintenanceStub(self.channel)
        self.auth = _stubs.AuthStub(self.channel)

    def close(self) -> None:
        self.channel.close()
