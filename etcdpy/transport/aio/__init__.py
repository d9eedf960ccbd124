"""The transport on asyncio: sockets, timers, servers."""
