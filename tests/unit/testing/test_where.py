"""Addresses survive being told."""

from __future__ import annotations

import json

import pytest

from etcdpy.testing.settings import Settings
from etcdpy.testing.where import Certificates, Where


@pytest.mark.parametrize("certificates", [None, Certificates("a", "b", "c", "d", "e")])
def test_addresses_are_told_as_json(certificates: Certificates | None) -> None:
    where = Where("127.0.0.1", 7, "/s", certificates)
    told = json.loads(json.dumps(where.described()))
    assert Where.of(told) == where
    scheme = "https" if certificates else "http"
    assert told["url"] == f"{scheme}://127.0.0.1:7"
    assert told["endpoint"] == "127.0.0.1:7"


def test_clients_are_asked_for_theirs_only_where_that_is_wanted() -> None:
    made = Certificates("ca", "server", "server-key", "client", "client-key")
    flags = made.flags(Settings.of(tls=True))
    assert flags == {"cert-file": "server", "key-file": "server-key"}
    flags = made.flags(Settings.of(tls=True, client_certificates=True))
    assert flags["trusted-ca-file"] == made.ca
