"""The life of a server process: listeners, signals, what it logs as it starts and stops."""
