"""What is read of a body of JSON, and Go's words for what cannot be."""

from __future__ import annotations

import pytest

from etcdpy.http.json_scanner import JsonError
from etcdpy.http.v2.bodies import peer_urls_in

TYPE = r'Go value of type struct { PeerURLs []string "json:\"peerURLs\"" }'
FIELD = "Go struct field .peerURLs of type"


@pytest.mark.parametrize(
    ("body", "urls"),
    [
        ('{"peerURLs":["a","b"],"name":7}', ["a", "b"]),
        ('{"PEERurls":["a"]}', ["a"]),
        ('{"peerURLs":["a"],"peerurls":["b","c"]}', ["b", "c"]),
        ('{"peerURLs":["a"],"peerURLs":null}', []),
        ('{"peerURLs":[null,"\\ud800"]}', ["", "\ufffd"]),
        ('{"peerURLs":[]}', []),
        ("{}", []),
        (" null ", []),
        ('{"x":' + "9" * 5000 + "}", []),
    ],
)
async def test_urls(body: str, urls: list[str]) -> None:
    assert await peer_urls_in(body.encode()) == urls


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "unexpected end of JSON input"),
        (" ", "unexpected end of JSON input"),
        ('{"peerURLs":["a"]', "unexpected end of JSON input"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("[]", f"json: cannot unmarshal array into {TYPE}"),
        ('"x"', f"json: cannot unmarshal string into {TYPE}"),
        ("1", f"json: cannot unmarshal number into {TYPE}"),
        ("true", f"json: cannot unmarshal bool into {TYPE}"),
        ('{"peerURLs":"x"}', f"json: cannot unmarshal string into {FIELD} []string"),
        ('{"peerURLs":{}}', f"json: cannot unmarshal object into {FIELD} []string"),
        ('{"peerURLs":[1,[]]}', f"json: cannot unmarshal number into {FIELD} string"),
        ('{"peerURLs":[[]]}', f"json: cannot unmarshal array into {FIELD} string"),
        ("[" * 9999 + "]" * 9999, "exceeded max depth"),
    ],
)
async def test_mistakes(body: str, words: str) -> None:
    with pytest.raises(JsonError) as refusal:
        await peer_urls_in(body.encode())
    assert str(refusal.value) == words
