"""Passwords are hashed as Go's bcrypt does, and one is told from another."""

from __future__ import annotations

import pytest

from etcdpy.auth.passwords import Passwords
from etcdpy.errors import PasswordTooLongError


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(4)


async def test_password_is_known_again(passwords: Passwords) -> None:
    hashed = await passwords.hash("secret")
    assert await passwords.check("secret", hashed)
    assert not await passwords.check("Secret", hashed)


async def test_longer_one_than_bcrypt_looks_at_is_not_hashed(passwords: Passwords) -> None:
    await passwords.hash("x" * 72)
    with pytest.raises(PasswordTooLongError):
        await passwords.hash("x" * 73)
