"""Keys of signed tokens are read as Go reads them."""

from __future__ import annotations

import pytest

from etcdpy.auth.jwt_keys import read_keys
from etcdpy.auth.options import AuthOptionsError


@pytest.mark.parametrize("method", ["RS256", "PS512", "ES384", "EdDSA", "HS256"])
def test_there_has_to_be_a_key(method: str) -> None:
    with pytest.raises(AuthOptionsError, match=r"^auth: missing key data$"):
        read_keys(method, b"", b"")
