"""Who is let in by what a listener is secured by, where that says nothing about it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from etcdpy.transport.aio.security import FixedSecurity, PeerRefusedError

from .tls_client import Client


def test_fixed_security_lets_everybody_in(certificate: tuple[Path, ssl.SSLContext]) -> None:
    security = FixedSecurity(certificate[1])
    assert security.context() is certificate[1]
    assert security.identify(Client().session) is None
    security.rejected("a", "b", "c", {})


def test_refusal_tells_of_a_certificate_only_what_is_known() -> None:
    refusal = PeerRefusedError("revoked")
    assert (str(refusal), refusal.fields) == ("revoked", {})
    with pytest.raises(TypeError):
        refusal.fields["name"] = "a"  # type: ignore[index]
