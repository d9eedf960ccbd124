"""Go's way of putting strings into error texts, which clients' tests and eyes know."""

_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    '"': r"\"",
    "\\": r"\\",
}


def go_quote(value: bytes) -> str:
    """Return ``value`` as Go's verb %q prints it: a literal of printable characters."""
    return f'"{"".join(map(_escape, value.decode("utf-8", "surrogateescape")))}"'


def _escape(char: str) -> str:
    code = ord(char)
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_text(value: bytes) -> str:
    """Return ``value`` as Go's verb %v prints it."""
    return value.decode("utf-8", "replace")
