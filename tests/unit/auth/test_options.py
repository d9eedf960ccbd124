"""The text of --auth-token is taken apart as etcd does."""

from __future__ import annotations

import pytest

from etcdpy.auth.options import AuthOptionsError, decompose


@pytest.mark.parametrize(
    ("text", "kind", "options"),
    [
        ("simple", "simple", {}),
        ("", "", {}),
        ("jwt,sign-method=RS256", "jwt", {"sign-method": "RS256"}),
        ("jwt,a=b,c=d", "jwt", {"a": "b", "c": "d"}),
        ("jwt,ttl=", "jwt", {"ttl": ""}),
        ("jwt,=", "jwt", {"": ""}),
        ("Simple ,a= b", "Simple ", {"a": " b"}),
    ],
)
def test_type_comes_first_and_options_behind_it(
    text: str, kind: str, options: dict[str, str]
) -> None:
    assert decompose(text) == (kind, options)


@pytest.mark.parametrize("text", ["simple,", "simple,a", "simple,a=b=c", "jwt,a=b,,c=d", ","])
def test_option_is_a_name_and_a_value(text: str) -> None:
    with pytest.raises(AuthOptionsError, match=r"^auth: invalid auth options$"):
        decompose(text)


def test_no_option_stands_there_twice(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AuthOptionsError, match=r"^auth: invalid auth options$"):
        decompose("simple,a=b,a=b")
    (line,) = caplog.records
    assert line.getMessage() == "invalid token option"
    assert line.args == {"option": "simple,a=b,a=b", "duplicate-parameter": "a"}
