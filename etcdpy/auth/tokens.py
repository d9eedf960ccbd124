"""
What hands out tokens and knows them again: one of three kinds, which ``--auth-token`` names.

``simple`` tokens are random and remembered here, ``jwt`` ones are signed and remembered by whoever
has them, and the empty text stands for a server that has no tokens at all.
"""

from __future__ import annotations

import logging
from typing import Protocol

from etcdpy.auth.identity import Identity
from etcdpy.auth.options import INVALID_OPTIONS, AuthOptionsError, decompose
from etcdpy.auth.simple_tokens import SimpleTokens
from etcdpy.clock import Clock
from etcdpy.errors import AuthFailedError

__all__ = ["NoTokens", "TokenProvider", "make_provider"]

logger = logging.getLogger(__name__)


class TokenProvider(Protocol):
    """Hands out tokens for users, and tells whom a token stands for. Loop thread only."""

    def assign(self, user: str, revision: int) -> str:
        """
        Return a new token, of printable ASCII, that stands for ``user``.

        Args:
            user: Whose password was right.
            revision: The auth revision as of which it was.

        Raises:
            VerifyOnlyError: There is no key to sign with.
            UnsuitableKeyError: The key is of a curve that the signing method does not know.
            AuthFailedError: There are no tokens on this server.

        """

    def identify(self, token: str) -> Identity | None:
        """
        Return whom ``token`` stands for, None if it is no valid one.

        Called for every request. Any text may be given; none raises.
        """

    def drop_user(self, user: str) -> None:
        """Let no token that was handed out for ``user`` be valid any more, if that can be done."""

    def drop_all(self) -> None:
        """Let no token that was handed out be valid any more, if that can be done."""

    def close(self) -> None:
        """Stop whatever goes on by itself. Nothing may be asked of the provider afterwards."""


class NoTokens:
    """The provider of a server without tokens. (etcd: auth/nop.go)"""

    def assign(self, user: str, revision: int) -> str:
        raise AuthFailedError

    def identify(self, token: str) -> Identity | None:
        return None

    def drop_user(self, user: str) -> None:
        pass

    def drop_all(self) -> None:
        pass

    def close(self) -> None:
        pass


def make_provider(option: str, ttl_seconds: int, clock: Clock) -> TokenProvider:
    """
    Return the provider that ``--auth-token`` asks for. Reads the files it names.

    Args:
        option: The flag's text; the empty one is for no tokens.
        ttl_seconds: How long simple tokens live unused, ``--auth-token-ttl``; signed ones have an
            option of their own for that.
        clock: What time it is to tokens.

    Raises:
        AuthOptionsError: There is no such type, or it cannot be used with these options.

    """
    try:
        return _make_provider(option, ttl_seconds, clock)
    except AuthOptionsError as error:
        logger.warning("failed to create token provider", {"error": str(error)})
        raise


def _make_provider(option: str, ttl_seconds: int, clock: Clock) -> TokenProvider:
    kind, options = decompose(option)
    if kind == "simple":
        logger.warning("simple token is not cryptographically signed")
        return SimpleTokens(ttl_seconds, clock)
    if kind == "jwt":
        from etcdpy.auth.jwt_tokens import make_jwt_tokens

        return make_jwt_tokens(options, clock)
    if kind == "":
        return NoTokens()
    logger.warning("unknown token type", {"type": kind, "error": INVALID_OPTIONS})
    raise AuthOptionsError(INVALID_OPTIONS)
