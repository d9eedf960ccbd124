"""Signed tokens say whom they stand for, as of which revision, and until when."""

from __future__ import annotations

from pathlib import Path

from etcdpy.auth.identity import Identity
from etcdpy.auth.jwt_tokens import make_jwt_tokens
from etcdpy.testing import MovableClock


def test_token_stands_for_its_user_as_of_its_revision(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"no one knows")
    options = {"sign-method": "HS256", "priv-key": str(secret)}
    tokens = make_jwt_tokens(options, MovableClock())
    assert tokens.identify(tokens.assign("alice", 7)) == Identity("alice", 7)
