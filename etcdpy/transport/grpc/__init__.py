"""gRPC on HTTP/2 without I/O: calls, their connection, and who runs their handlers."""
