"""--auth-token chooses who hands out tokens, or ends the server in etcd's words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from etcdpy.auth.jwt_tokens import JwtTokens
from etcdpy.auth.options import AuthOptionsError
from etcdpy.auth.simple_tokens import SimpleTokens
from etcdpy.auth.tokens import NoTokens, make_provider
from etcdpy.config import InvalidConfigError
from etcdpy.errors import AuthFailedError
from etcdpy.testing import MovableClock


@pytest.mark.parametrize("option", ["simple", "simple,any=thing"])
async def test_simple_tokens_live_as_long_as_they_are_told(
    option: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = MovableClock()
    provider = make_provider(option, 7, clock)
    assert isinstance(provider, SimpleTokens)
    assert caplog.messages == ["simple token is not cryptographically signed"]
    token = provider.assign("alice", 1)
    await clock.advance(6.9)
    assert provider.identify(token) is not None
    await clock.advance(8.1)
    assert provider.identify(token) is None


def test_signed_tokens_have_their_own_options(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"no one knows")
    provider = make_provider(f"jwt,sign-method=HS256,priv-key={secret}", 7, MovableClock())
    assert isinstance(provider, JwtTokens)


def test_without_tokens_nobody_gets_one_and_none_is_valid() -> None:
    provider = make_provider("", 7, MovableClock())
    assert isinstance(provider, NoTokens)
    with pytest.raises(AuthFailedError):
        provider.assign("alice", 1)
    assert provider.identify("") is provider.identify("abcdefghijklmnop.1") is None
    provider.drop_user("alice")
    provider.drop_all()
    provider.close()


@pytest.mark.parametrize("option", ["bogus", "Simple", "JWT,sign-method=RS256", " simple", "nop"])
def test_unknown_type_is_refused(option: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AuthOptionsError, match=r"^auth: invalid auth options$"):
        make_provider(option, 300, MovableClock())
    assert caplog.messages == ["unknown token type", "failed to create token provider"]


def test_refusal_is_one_of_settings() -> None:
    # So whoever opens a node with them knows what it is.
    with pytest.raises(InvalidConfigError):
        make_provider("simple,", 300, MovableClock())


def test_libraries_are_loaded_only_when_they_are_needed() -> None:
    program = (
        "import sys; from etcdpy.auth import passwords, tokens;"
        "from etcdpy.clock import SystemClock;"
        "tokens.make_provider('simple', 300, SystemClock()).close();"
        "passwords.Passwords(10).close();"
        "print(*{'bcrypt', 'cryptography', 'jwt'} & sys.modules.keys())"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.strip()) == (0, "")
