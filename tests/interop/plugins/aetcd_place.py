"""For aetcd's own tests: that of users takes the client's default address, and finds it here."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlparse

import aetcd

_PORT = urlparse(os.environ["TEST_ETCD_HTTP_URL"]).port
_as_it_is = aetcd.Client.__init__


def _of_here(self: Any, host: str = "127.0.0.1", port: int | None = _PORT, **options: Any) -> None:
    _as_it_is(self, host, port, **options)


aetcd.Client.__init__ = _of_here
