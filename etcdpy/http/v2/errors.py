"""
How v2 refuses what is about keys: an object of JSON, and the index in a header.

(etcd 3.5: ``server/etcdserver/api/v2error``, ``WriteTo``)
"""

from __future__ import annotations

from etcdpy.errors import V2Error
from etcdpy.transport import HttpResponse
from etcdpy.v2.codes import message_of, status_of
from etcdpy.v2.gojson import quote

__all__ = ["error_line", "error_response"]


def error_line(error: V2Error) -> bytes:
    """Return an error as JSON, with the end of a line."""
    cause = f'"cause":{quote(error.cause)},' if error.cause else ""
    message = quote(message_of(error))
    shown = f'{{"errorCode":{error.code},"message":{message},{cause}"index":{error.index}}}\n'
    return shown.encode()


def error_response(error: V2Error, *headers: tuple[bytes, bytes]) -> HttpResponse:
    """
    Return the answer that an error is.

    Args:
        error: What is wrong.
        headers: Those beside its type and its index.

    """
    return HttpResponse(
        status_of(error),
        (
            (b"content-type", b"application/json"),
            *headers,
            (b"x-etcd-index", b"%d" % error.index),
        ),
        error_line(error),
    )
