"""JSON bodies that are nearly right."""

from __future__ import annotations

from random import Random

BODIES = (
    b'{"key":"YQ==","range_end":"Yg==","limit":"5","keysOnly":true,"sort_order":"DESCEND"}',
    b'{"key":"YQ==","lease":"0","x":{"a":[1,2.5e3,"\\u00e9\\n",null,true,{"b":[]}]},"sort_target":1}',
    b'{"compare":[{"key":"YQ==","target":"VERSION","result":"EQUAL","version":"0"}],'
    b'"success":[{"request_range":{"key":"YQ=="}},{"requestPut":{"key":"YQ==","value":"-_8"}}],'
    b'"failure":[{"request_txn":{"success":[]}}]}',
    b'{"name":"\xc3\xa9\\"\\\\\\/\\b\\u0041\\ud83d\\ude00","options":{"no_password":false}}',
    b'{"ID":"5","peerURLs":["http://a:1","x"]}',
    b'{"name":"r","perm":{"permType":"READWRITE","key":"YQ==","range_end":"AA=="}}',
    b"",
    b"  ",
    b"{}",
    b"[]",
    b"null",
    b'"x"',
    b'{"key":"YQ==","key":null}',
    b' {"key":\n"YQ==" ,\t"limit" : 1e2 } tail',
)

_BYTES = b'{}[]",:0123456789.eE+-\\/ntru alsf\x00\x1f\x7f\xff\xc3\xa9 \n\r\td8DuY=_'


def mutated(random: Random, body: bytes) -> bytes:
    """Return a body with one to three faults, which may make none."""
    changed = bytearray(body)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        place = random.randrange(len(changed) + 1)
        byte = bytes([random.choice(_BYTES)])
        kind = random.randrange(5)
        if kind == 0:
            changed[place : place + 1] = byte
        elif kind == 1:
            changed[place:place] = byte
        elif kind == 2:
            del changed[place : place + 1]
        elif kind == 3:
            del changed[place:]
        else:
            start = random.randrange(len(changed) + 1)
            changed[place:place] = changed[start : start + random.randrange(12)]
    return bytes(changed)
