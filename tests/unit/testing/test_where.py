"""Addresses survive being told."""

from __future__ import annotations

import json

import pytest

from etcdpy.testing.tls import Certificates
from etcdpy.testing.where import Where


@pytest.mark.parametrize("certificates", [None, Certificates("a", "b", "c", "d", "e")])
def test_addresses_are_told_as_json(certificates: Certificates | None) -> None:
    where = Where("127.0.0.1", 7, "/s", certificates)
    told = json.loads(json.dumps(where.described()))
    assert Where.of(told) == where
    scheme = "https" if certificates else "http"
    assert told["url"] == f"{scheme}://127.0.0.1:7"
    assert told["endpoint"] == "127.0.0.1:7"
