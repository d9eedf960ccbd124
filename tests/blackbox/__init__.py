"""The server as its peers see it: bytes on a socket, written from the specifications alone."""
