"""What the modules compute that know neither page nor server."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest

from tests.dashboard.pages import Scripts


def binary(data: bytes) -> str:
    """Return bytes as the scripts have them: a character for each."""
    return data.decode("latin-1")


EVERY_BYTE = bytes(range(256))


@pytest.mark.parametrize("data", [b"", b"\0", EVERY_BYTE, "größe €😀".encode()])
def test_bytes_come_back_from_every_form(scripts: Scripts, data: bytes) -> None:
    body = """
      const [text] = args;
      const ways = [[m.toBase64, m.fromBase64], [m.toArray, m.fromArray], [m.toHex, m.fromHex]];
      const isSame = ways.every(([to, from]) => from(to(text)) === text);
      return [isSame, m.toBase64(text), m.toText(text)];
    """
    is_same, encoded, text = scripts.run(body, {"m": "core/bytes.js"}, binary(data))
    assert is_same
    assert encoded == base64.b64encode(data).decode()
    assert text == (None if data == EVERY_BYTE else data.decode())


@pytest.mark.parametrize(
    ("prefix", "end"),
    [(b"a", b"b"), (b"/a/", b"/a0"), (b"a\xff", b"b"), (b"\xff\xff", b"\0"), (b"", b"\0")],
)
def test_prefix_ends_where_etcd_says(scripts: Scripts, prefix: bytes, end: bytes) -> None:
    assert scripts.call("core/bytes.js", "prefixEnd", binary(prefix)) == binary(end)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain \\ text", "plain \\ text"),
        (b"a\0b\n\x1b[31m", "a\\x00b\\n\\x1b[31m"),
        (b"\xc3\xa4\xff\xc3", "ä\\xff\\xc3"),
        (b"\xed\xa0\x80\xc0\x80", "\\xed\\xa0\\x80\\xc0\\x80"),
        (
            "a\u202eb\u200b\u2028\u00a0\ufeff".encode(),
            "a\\u{202e}b\\u{200b}\\u{2028}\\u{a0}\\u{feff}",
        ),
    ],
)
def test_what_cannot_be_seen_is_escaped_and_can_be_typed(
    scripts: Scripts, data: bytes, shown: str
) -> None:
    assert scripts.call("core/escape.js", "visibleText", binary(data)) == shown
    body = "return e.fromEditable(e.toEditable(args[0]), b.fromText)"
    modules = {"e": "core/escape.js", "b": "core/bytes.js"}
    assert scripts.run(body, modules, binary(data)) == binary(data)
    for part in (EVERY_BYTE, data * 3):
        assert scripts.run(body, modules, binary(part)) == binary(part)


CHILDREN = """
  const keys = args[0].sort();
  const range = async (key, end, limit) => {
    asked.push(limit);
    const all = keys.filter((one) => one >= key && (end === "\\0" || one < end));
    return { keys: all.slice(0, limit), count: all.length };
  };
  const asked = [];
  const found = [];
  let next = args[1].from || "\\0";
  let left = null;
  for (let rounds = 0; next !== null; rounds += 1) {
    // Stopping after each page and going on from there has to be the same as going on.
    for await (const page of m.readSiblings(range, { ...args[1], from: next })) {
      found.push(...page.children.map(({ key, count }) => [key, count ?? null]));
      ({ next, left } = page);
      if (rounds % 2) break;
    }
  }
  return { found, left, asked: asked.length };
"""


def children(scripts: Scripts, keys: list[str], base: str = "") -> Any:
    span = {"base": base, "from": base, "end": "\0", "separator": "/"}
    if base:
        span["end"] = base[:-1] + chr(ord(base[-1]) + 1)
    return scripts.run(CHILDREN, {"m": "core/siblings.js"}, keys, span)


def model(keys: list[str], base: str) -> list[list[object]]:
    """Return the children of a folder, found by looking at every key."""
    counts: dict[str, int | None] = {}
    for key in sorted(key for key in keys if key.startswith(base)):
        name, slash, _ = key[len(base) :].partition("/")
        child = base + name + slash
        counts[child] = (counts.get(child) or 0) + 1 if slash else None
    return [[child, count] for child, count in counts.items()]


@pytest.mark.parametrize("seed", range(4))
def test_children_are_those_that_every_key_would_tell(scripts: Scripts, seed: int) -> None:
    chance = random.Random(seed)
    names = ["a", "b", "", "c" * 3, "é"]
    keys = {
        "/".join(chance.choice(names) for _ in range(chance.randint(1, 4)))
        for _ in range(chance.choice((3, 30, 200)))
    } - {""}
    keys |= {f"big/{number:05}" for number in range(chance.choice((0, 130, 2000)))}
    for base in ("", "a/", "big/"):
        got = children(scripts, sorted(keys), base)
        expected = model(sorted(keys), base)
        assert sorted(got["found"]) == sorted(expected), (seed, base)


def test_large_folders_are_jumped_over(scripts: Scripts) -> None:
    keys = [f"{folder:02}/{number:04}" for folder in range(20) for number in range(500)]
    got = children(scripts, keys)
    assert got["found"] == [[f"{folder:02}/", 500] for folder in range(20)]
    assert got["asked"] < 60


@pytest.mark.parametrize(
    ("text", "laid_out"),
    [
        ('{"b":1,"a":[]}', '{\n  "b": 1,\n  "a": []\n}'),
        ("[1.0,12345678901234567890]", "[\n  1.0,\n  12345678901234567890\n]"),
        ('{"a":"x,{\\"","a":null}', '{\n  "a": "x,{\\"",\n  "a": null\n}'),
    ],
)
def test_json_is_laid_out_without_being_read(scripts: Scripts, text: str, laid_out: str) -> None:
    assert scripts.call("core/json_format.js", "formatJson", text) == laid_out


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b'{"a": 1}', "json"),
        (b"[", "text"),
        (b"12", "text"),
        (b"a: 1\nb:\n  - c\n", "yaml"),
        (b"---\n- a\n- b", "yaml"),
        (b"Dear all,\nthis is: a letter", "text"),
        (b"k8s\0\n\x0f\n\x02v1\x12\tConfigMap", "protobuf"),
        (b"\x08\x96\x01", "protobuf"),
        (b"\xff\xfe\xfd", "hex"),
        (b"a\0b", "text"),
        (b"", "text"),
    ],
)
def test_values_are_taken_for_what_they_are(scripts: Scripts, value: bytes, kind: str) -> None:
    kinds = scripts.call("core/detect.js", "kindsOf", binary(value))
    assert kinds[0] == kind
    assert kinds[-1] == "hex"


def test_protobuf_is_read_without_knowing_the_message(scripts: Scripts) -> None:
    message = b"\x08\x96\x01\x12\x02ok\x1a\x02\x08\x01\x25\x01\x00\x00\x00\x2a\x02\xff\xfe"
    assert scripts.call("core/protobuf.js", "formatProtobuf", binary(message)).split("\n") == [
        "1: 150",
        '2: "ok"',
        "3 {",
        "  1: 1",
        "}",
        "4: 0x00000001",
        "5: <fffe>",
    ]
    for broken in (message[:-1], b"\x00\x01", b"\x0f", b"\x08" + b"\xff" * 11):
        assert scripts.call("core/protobuf.js", "formatProtobuf", binary(broken)) is None


@pytest.mark.parametrize("seed", range(3))
def test_differences_make_one_text_of_the_other(scripts: Scripts, seed: int) -> None:
    chance = random.Random(seed)
    pairs = [
        ["\n".join(chance.choice("abc") for _ in range(chance.randint(0, 12))) for _ in range(2)]
        for _ in range(60)
    ]
    body = "return args[0].map(([a, b]) => m.diffLines(a, b))"
    for (before, after), lines in zip(
        pairs, scripts.run(body, {"m": "core/diff.js"}, pairs), strict=True
    ):
        left = [line["text"] for line in lines if line["kind"] != "added"]
        right = [line["text"] for line in lines if line["kind"] != "removed"]
        assert ("\n".join(left), "\n".join(right)) == (before, after), seed
        numbers = [line["left"] for line in lines if line["left"] is not None]
        assert numbers == list(range(1, len(numbers) + 1))


def test_difference_is_the_shortest_and_marks_what_changed(scripts: Scripts) -> None:
    lines = scripts.call("core/diff.js", "diffLines", "a\nsize: 10\nc", "a\nsize: 12\nc\nd")
    assert [(line["kind"], line["text"], line.get("mark")) for line in lines] == [
        ("same", "a", None),
        ("removed", "size: 10", [7, 8]),
        ("added", "size: 12", [7, 8]),
        ("same", "c", None),
        ("added", "d", None),
    ]
    body = "return m.withContext(m.diffLines(...args), 1).map((l) => l.skipped ?? l.text)"
    far = "\n".join("abcdefgh")
    changed = far.replace("d", "D")
    shown = scripts.run(body, {"m": "core/diff.js"}, far, changed)
    assert shown == [2, "c", "d", "D", "e", 3]


@pytest.mark.parametrize(
    ("key", "quoted"),
    [
        (b"/a/b-c.d_e:1", "/a/b-c.d_e:1"),
        (b"it's", "'it'\\''s'"),
        (b"$(rm -rf)`", "'$(rm -rf)`'"),
        ("grün".encode(), "'grün'"),
        (b"a\nb'\xff1", "$'a\\x0ab\\x27\\xff1'"),
        (b"a\0b", None),
    ],
)
def test_words_are_quoted_for_a_shell(scripts: Scripts, key: bytes, quoted: str | None) -> None:
    assert scripts.call("core/commands.js", "quote", binary(key)) == quoted


def test_page_of_metrics_is_read(scripts: Scripts) -> None:
    page = r"""# HELP a_total x
# TYPE a_total counter
a_total{b="c\"\\\n",d=""} 1.5e+06
a_total{b="e"} 2
other 7
h_bucket{le="0.1"} 50
h_bucket{le="1"} 100
h_bucket{le="+Inf"} 100
"""
    body = """
      const samples = m.parse(args[0], new Set(["a_total", "h_bucket"]));
      const list = m.buckets(samples, "h");
      return [m.sum(samples, "a_total"), samples.get("a_total")[0].labels, samples.has("other"),
        m.quantile(0.5, list), m.quantile(0.75, list), m.quantile(0.5, []),
        m.bucketsSince([[0.1, 20]], [[0.1, 50]]), m.bucketsSince([[0.1, 70]], [[0.1, 50]]),
        m.rate(10, 30, 4), m.rate(30, 10, 5), m.rate(null, 1, 1)];
    """
    assert scripts.run(body, {"m": "core/metrics.js"}, page) == [
        1500002, {"b": 'c"\\\n', "d": ""}, False, 0.1, 0.55, None,
        [[0.1, 30]], [[0.1, 50]], 5, 2, None,
    ]  # fmt: skip


def test_numbers_are_written_for_people(scripts: Scripts) -> None:
    body = """
      return [m.bytes(1), m.bytes(1536), m.bytes(1048575), m.duration(0.00025), m.duration(0.25),
        m.duration(90), m.duration(93784), m.plural(1, "key"), m.plural(1234567, "key"),
        m.hexId("-1"), m.decimalId("ffffffffffffffff"), m.decimalId(m.hexId("7587862094"))];
    """
    assert scripts.run(body, {"m": "core/units.js"}) == [
        "1 byte", "1.5 KiB", "1 MiB", "250 µs", "250 ms", "1 min 30 s", "1 d 2 h", "1 key",
        "1,234,567 keys", "ffffffffffffffff", "-1", "7587862094",
    ]  # fmt: skip


def test_queues_are_known_by_their_leases(scripts: Scripts) -> None:
    leases = [
        {"id": "10", "keys": ["lock/a", "plain", "lock/000000000000000a", "/a", "x/b"]},
        {"id": "11", "keys": ["lock/b"]},
    ]
    body = """
      return [...m.queuesOf(args[0])].map(([name, entries]) => [name, entries.map((e) => e.key)]);
    """
    assert scripts.run(body, {"m": "core/queues.js"}, leases) == [
        ["lock", ["lock/a", "lock/000000000000000a", "lock/b"]]
    ]


def test_rates_are_counted_by_the_second(scripts: Scripts) -> None:
    body = """
      const rates = new m.Rates();
      for (const [count, at] of [[3, 1000], [2, 1900], [5, 3100]]) rates.add(count, at);
      return [rates.list(3200).slice(-4), rates.mean(4000, 2), rates.list(900000).at(0)];
    """
    assert scripts.run(body, {"m": "core/rates.js"}) == [[0, 5, 0, 5], 2.5, 0]


def test_file_of_keys_brings_every_byte_back(scripts: Scripts) -> None:
    records = [
        {"key": binary(b"a"), "value": binary("größe".encode())},
        {"key": binary(b"\xff"), "value": binary(EVERY_BYTE)},
    ]
    body = """
      const lines = args[0].map((record, at) => m.line(record, at === 0)).join("");
      return m.read(m.head("", 7) + lines + m.TAIL);
    """
    assert scripts.run(body, {"m": "core/transfer.js"}, records) == records
    body = "return [...m.inGroups(args[0])].map((group) => group.length)"
    small = [{"key": f"{number}", "value": ""} for number in range(250)]
    large = [{"key": "a", "value": "x" * 400_000}] * 3
    assert scripts.run(body, {"m": "core/transfer.js"}, small) == [100, 100, 50]
    assert scripts.run(body, {"m": "core/transfer.js"}, large) == [1, 1, 1]


def test_address_says_where_one_is(scripts: Scripts) -> None:
    key = binary(b"/a?b=c&d#\xff\n%")
    body = """
      const address = m.address("keys", { key: args[0], prefix: "" });
      return [address, m.readAddress(address)];
    """
    address, told = scripts.run(body, {"m": "ui/routes.js"}, key)
    assert told == {"panel": "keys", "parameters": {"key": key}}
    assert address.startswith("#/keys?key=/a%3Fb%3Dc%26d%23")
