"""What hostile peers have in common."""

from .h2client import PATIENCE, Client, request_fields, reset


def flood(client: Client, chunk: bytes, count: int) -> None:
    """Send ``chunk`` up to ``count`` times, reading nothing, until the server hangs up."""
    client.socket.settimeout(2)
    batch = chunk * 100
    try:
        for _ in range(count // 100):
            client.socket.sendall(batch)
    except OSError:
        return
    finally:
        client.socket.settimeout(PATIENCE)


def steady_block(client: Client, path: str) -> bytes:
    """Return a header block of a few bytes that may be repeated for ever."""
    stream = client.open(path)
    client.send(reset(stream))
    return client.encoder.encode(request_fields(path))
