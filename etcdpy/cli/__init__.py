"""The command line: the server, and `snapshot` on files."""
