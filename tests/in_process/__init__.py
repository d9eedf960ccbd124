"""A whole server in the test's own process: real clients, real sockets, a clock of the test's."""
