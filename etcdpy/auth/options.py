"""
What ``--auth-token`` says: a type of token, and options of that type.

::

    jwt,sign-method=RS256,priv-key=/etc/etcd/jwt.pem,ttl=10m

(etcd: auth/store.go, ``decomposeOpts``)
"""

from __future__ import annotations

import logging

from etcdpy.config import InvalidConfigError

__all__ = ["INVALID_OPTIONS", "AuthOptionsError", "decompose"]

logger = logging.getLogger(__name__)

#: (etcd: auth/store.go, ``ErrInvalidAuthOpts``)
INVALID_OPTIONS = "auth: invalid auth options"


class AuthOptionsError(InvalidConfigError):
    """No tokens can be made as ``--auth-token`` wants them; the text is etcd's."""


def decompose(text: str) -> tuple[str, dict[str, str]]:
    """
    Return the type of token that ``text`` names, and the options behind it.

    Which types and options there are is not looked at.

    Raises:
        AuthOptionsError: An option is no ``name=value``, or stands there twice.

    """
    kind, *pairs = text.split(",")
    options: dict[str, str] = {}
    for pair in pairs:
        name, *values = pair.split("=")
        if len(values) != 1:
            logger.error("invalid token option", {"option": text})
            raise AuthOptionsError(INVALID_OPTIONS)
        if name in options:
            logger.error("invalid token option", {"option": text, "duplicate-parameter": name})
            raise AuthOptionsError(INVALID_OPTIONS)
        options[name] = values[0]
    return kind, options
