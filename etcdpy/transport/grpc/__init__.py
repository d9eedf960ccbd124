"""gRPC on HTTP/2 without I/O: calls, their connection, and the dispatcher of their handlers."""
