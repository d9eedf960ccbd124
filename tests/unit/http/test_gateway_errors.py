"""Errors as the gateway tells them."""

from __future__ import annotations

import logging

import pytest

from etcdpy import errors
from etcdpy.http.gateway_errors import (
    HTTP_STATUS,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    error_line,
    error_response,
    status_for,
)
from etcdpy.transport import BodyBrokenError, StatusCode, StatusError


def test_every_code_has_a_status() -> None:
    assert set(HTTP_STATUS) == set(StatusCode)


@pytest.mark.parametrize(
    ("error", "status", "code", "words"),
    [
        (errors.EmptyKeyError(), 400, 3, "etcdserver: key is not provided"),
        (errors.LeaseNotFoundError(), 404, 5, "etcdserver: requested lease not found"),
        (errors.CorruptError(), 500, 15, "etcdserver: corrupt cluster"),
        (errors.PermissionDeniedError(), 403, 7, "etcdserver: permission denied"),
        (errors.LeaderMissingError(), 500, 2, '\\"leader\\" field must be provided'),
        (NOT_FOUND, 404, 5, "Not Found"),
        (METHOD_NOT_ALLOWED, 501, 12, "Method Not Allowed"),
    ],
)
def test_error_is_told_with_etcds_status_code_and_words(
    error: Exception, status: int, code: int, words: str
) -> None:
    body = f'{{"code":{code},"message":"{words}"}}'
    response = error_response(status_for(error))
    assert (response.status, response.body) == (status, body.encode())
    assert dict(response.headers)[b"content-type"] == b"application/json"
    assert dict(response.headers)[b"content-length"] == b"%d" % len(body)


def test_who_is_not_known_is_asked_to_say_who_he_is() -> None:
    response = error_response(status_for(errors.InvalidAuthTokenError()))
    assert response.status == 401
    assert dict(response.headers)[b"www-authenticate"] == b"etcdserver: invalid auth token"


def test_request_that_is_cut_short_is_no_fault_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status = status_for(BodyBrokenError("unexpected EOF"))
    assert (status.code, status.details) == (StatusCode.UNKNOWN, "unexpected EOF")
    assert not caplog.records


def test_error_in_a_stream_is_a_line_of_its_own() -> None:
    status = status_for(errors.EmptyKeyError())
    line = b'{"error":{"code":3,"message":"etcdserver: key is not provided"}}\n'
    assert error_line(status) == line
    response = error_response(status, in_stream=True)
    assert (response.status, response.body) == (400, line)


def test_failure_that_is_none_of_etcds_is_logged_and_told_as_unknown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        status = status_for(RuntimeError("oh"))
    assert (status.code, status.details) == (StatusCode.UNKNOWN, "oh")
    assert caplog.records[0].exc_info is not None


def test_status_is_told_as_it_is() -> None:
    status = StatusError(StatusCode.ABORTED, "é\n")
    assert status_for(status) is status
    assert error_response(status).body == '{"code":10,"message":"é\\n"}'.encode()
