"""
Huffman-coded strings of HPACK (RFC 7541 5.2): the decoder.

The code is canonical: among codes of one length, values rise with the symbol. So the table
of RFC 7541 Appendix B needs only its column of lengths, and the codes follow.

    symbol  '0'    '1'    'a'    …   ' '     '%'     …   EOS
    length   5      5      5          6       6           30
    code    00000  00001  00011      010100  010101      11…1

    "a1" =  00011 00001 + padding 111111  ->  0x18 0x7f   (padding: the first bits of EOS)

Decoding takes a byte a step. A *state* is a node of the code tree, where the previous byte
left off; a step yields the symbols the byte completes and the next state. Steps are computed
when first met, and the tree when the first string comes: many clients send none. That keeps the
table at the few hundred steps that header text really uses. It can never exceed 256 states x 256
bytes, whatever is sent.
"""

from functools import cache, lru_cache

_EOS = 256

#: In the place of a state that there is not.
_NEVER = -1

# RFC 7541 Appendix B, column "len in bits", for symbols 0 to 256 (EOS).
_LENGTHS = (
    *(13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28),
    *(28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28),
    *(6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6),
    *(5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10),
    *(13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7),
    *(7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6),
    *(15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5),
    *(6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28),
    *(20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23),
    *(24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24),
    *(22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23),
    *(21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23),
    *(26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25),
    *(19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27),
    *(20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23),
    *(26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26),
    30,
)

# Strings up to this many coded bytes are worth remembering: paths and user agents repeat,
# longer ones are mostly credentials, which nothing should keep.
_MEMO_STRING = 64
_MEMO_SIZE = 1024


class HuffmanError(ValueError):
    """The bytes are not a Huffman-coded string; the peer is at fault."""


def huffman_decode(data: bytes) -> bytes:
    """
    Return the string that ``data`` encodes; at most 8/5 times as long as ``data``.

    Raises:
        HuffmanError: If ``data`` contains EOS, or ends in more than 7 bits of padding or in
            padding other than the most significant bits of EOS (RFC 7541 5.2).

    """
    return _decode_short(data) if len(data) <= _MEMO_STRING else _decode(data)


class HuffmanStream:
    """Decodes a string that comes in pieces."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = 0

    def feed(self, data: bytes) -> bytes:
        """
        Return what a piece adds to the string.

        Raises:
            HuffmanError: As :func:`huffman_decode` has it.

        """
        state, steps = self._state, _steps()
        chunks = []
        for byte in data:
            symbols, state = steps[state][byte] or _compute_step(state, byte)
            chunks.append(symbols)
        self._state = state
        return b"".join(chunks)

    def finish(self) -> None:
        """
        Check the end of the string.

        Raises:
            HuffmanError: As :func:`huffman_decode` has it.

        """
        # RFC 7541 5.2: padding is the beginning of EOS, all ones, and shorter than a byte.
        if self._state not in _padding():
            raise HuffmanError("string ends inside a symbol")


def _decode(data: bytes) -> bytes:
    stream = HuffmanStream()
    decoded = stream.feed(data)
    stream.finish()
    return decoded


_decode_short = lru_cache(maxsize=_MEMO_SIZE)(_decode)


@cache
def _tree() -> list[int]:
    """Return the child of each bit of each node, at ``2 * node + bit``; ``~symbol`` is a leaf."""
    tree = [0, 0]
    code = length = 0
    for symbol in sorted(range(len(_LENGTHS)), key=_LENGTHS.__getitem__):
        # The next longer code goes on after the last, with zeros behind: so no code begins another.
        code <<= _LENGTHS[symbol] - length
        length = _LENGTHS[symbol]
        node = 0
        for shift in range(length - 1, 0, -1):
            place = 2 * node + (code >> shift & 1)
            if tree[place] == 0:
                tree[place] = len(tree) // 2
                tree += (0, 0)
            node = tree[place]
        tree[2 * node + (code & 1)] = ~symbol
        code += 1
    return tree


@cache
def _padding() -> frozenset[int]:
    """Return the states a string may end in: up to 7 one-bits past a whole symbol."""
    states = [0]
    for _ in range(7):
        states.append(_tree()[2 * states[-1] + 1])
    return frozenset(states)


def _compute_step(state: int, byte: int) -> tuple[bytes, int]:
    symbols = bytearray()
    tree, node = _tree(), state
    for shift in range(7, -1, -1):
        node = tree[2 * node + (byte >> shift & 1)]
        if node < 0:
            if ~node == _EOS:
                raise HuffmanError("string contains EOS")  # RFC 7541 5.2
            symbols.append(~node)
            node = 0
    steps = _steps()
    if steps[state] is steps[_NEVER]:
        steps[state] = [None] * 256
    steps[state][byte] = step = bytes(symbols), node
    return step


@cache
def _steps() -> list[list[tuple[bytes, int] | None]]:
    # One for all that nobody has come to: header text comes to a tenth of them.
    return [[None] * 256] * (len(_tree()) // 2 + 1)
