"""
Errors as the gateway tells them: a status of HTTP, and the code and the words in JSON.

(etcd: ``grpc-gateway/v2/runtime/errors.go``)
"""

from __future__ import annotations

import json
import logging
from typing import Final

from etcdpy.services.codes import status_of
from etcdpy.transport import BodyBrokenError, StatusCode, StatusError
from etcdpy.transport.http import HttpResponse

__all__ = ["METHOD_NOT_ALLOWED", "NOT_FOUND", "error_line", "error_response", "status_for"]

logger = logging.getLogger(__name__)

#: The status of HTTP for each code.
HTTP_STATUS: Final = {
    StatusCode.OK: 200,
    StatusCode.CANCELLED: 499,
    StatusCode.UNKNOWN: 500,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.DEADLINE_EXCEEDED: 504,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.ABORTED: 409,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DATA_LOSS: 500,
}

NOT_FOUND: Final = StatusError(StatusCode.NOT_FOUND, "Not Found")
#: Told as a method that is not implemented, whose status is 501.
METHOD_NOT_ALLOWED: Final = StatusError(StatusCode.UNIMPLEMENTED, "Method Not Allowed")


def status_for(error: BaseException) -> StatusError:
    """Return the status that a call has failed with, whatever was raised."""
    if isinstance(error, StatusError):
        return error
    status = status_of(error)
    if status is None:
        if isinstance(error, BodyBrokenError):
            # No fault of ours: the client has left, or is too slow.
            return StatusError(StatusCode.UNKNOWN, str(error))
        logger.error("a request failed", exc_info=error)
        return StatusError(StatusCode.UNKNOWN, str(error))
    return status


def error_response(status: StatusError, *, in_stream: bool = False) -> HttpResponse:
    """
    Return the answer that tells of a status.

    Args:
        in_stream: Whether it takes the place of the first line of a stream.

    """
    headers = [(b"content-type", b"application/json")]
    if status.code is StatusCode.UNAUTHENTICATED:
        headers.append((b"www-authenticate", status.details.encode("latin-1", "replace")))
    body = error_line(status) if in_stream else _text(status)
    headers.append((b"content-length", b"%d" % len(body)))
    return HttpResponse(HTTP_STATUS[status.code], headers, body)


def error_line(status: StatusError) -> bytes:
    """Return the line of a stream that tells of a status."""
    return b'{"error":%b}\n' % _text(status)


def _text(status: StatusError) -> bytes:
    found = {"code": status.code.value, "message": status.details}
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
