// How bytes are shown. Keys are anybody's: they may hold line breaks, bytes that are no UTF-8, or
// characters that turn the text around them. What cannot be seen for what it is becomes an escape.

/** A piece of what is shown: as it is, or as an escape, which is set in another style. */
function piece(text, isEscape) {
  return { text, isEscape };
}

const NAMED = { 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r" };

// Control and format characters, those of other directions among them, separators but the blank,
// what is private or unassigned, and marks without anything that they could be on.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

function escapeByte(byte) {
  return NAMED[byte] ?? `\\x${byte.toString(16).padStart(2, "0")}`;
}

/**
 * Returns the code point that begins at a byte, and its length; a length of 0 if there is none.
 * (RFC 3629 4: no overlong forms, no surrogates)
 */
export function codePointAt(binary, at) {
  const first = binary.charCodeAt(at);
  if (first < 0x80) return [first, 1];
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (!length || at + length > binary.length) return [0, 0];
  let code = first & (0x7f >> length);
  for (let i = 1; i < length; i += 1) {
    const next = binary.charCodeAt(at + i);
    if ((next & 0xc0) !== 0x80) return [0, 0];
    code = (code << 6) | (next & 0x3f);
  }
  const tooShort = length === 3 ? 0x800 : length === 4 ? 0x10000 : 0x80;
  const isBad = code < tooShort || code > 0x10ffff || (code >= 0xd800 && code < 0xe000);
  return isBad ? [0, 0] : [code, length];
}

/**
 * Returns what to show for some bytes: pieces of text, and of escapes.
 *
 * @param {string} binary The bytes.
 * @param {number} most So many bytes are shown; of the others their number.
 */
export function visible(binary, most = Infinity) {
  const pieces = [];
  let plain = "";
  let at = 0;
  const stop = Math.min(binary.length, most);
  const flush = () => {
    if (plain) pieces.push(piece(plain, false));
    plain = "";
  };
  while (at < stop) {
    const [code, length] = codePointAt(binary, at);
    const character = length ? String.fromCodePoint(code) : "";
    if (length && !HIDDEN.test(character)) {
      plain += character;
    } else {
      flush();
      const isWide = length > 1;
      pieces.push(
        piece(isWide ? `\\u{${code.toString(16)}}` : escapeByte(binary.charCodeAt(at)), true),
      );
    }
    at += length || 1;
  }
  flush();
  if (at < binary.length) pieces.push(piece(`…+${binary.length - at} bytes`, true));
  return pieces;
}

/** Returns what is shown as one text, for titles and labels. */
export function visibleText(binary, most = 256) {
  return visible(binary, most)
    .map((shown) => shown.text)
    .join("");
}

/** Returns bytes as text that can be edited: as shown, with a backslash twice where it is one. */
export function toEditable(binary) {
  return visible(binary)
    .map(({ text, isEscape }) => (isEscape ? text : text.replaceAll("\\", "\\\\")))
    .join("");
}

const ESCAPE = /\\(?:x([0-9a-f]{2})|u\{([0-9a-f]{1,6})\}|([abtnvfr0\\]))/giy;
const LETTERS = {
  a: "\x07",
  b: "\b",
  t: "\t",
  n: "\n",
  v: "\v",
  f: "\f",
  r: "\r",
  0: "\0",
  "\\": "\\",
};

/**
 * Reads what toEditable() writes. A backslash that begins no escape is one.
 *
 * @param {string} text What was typed.
 * @param {(text: string) => string} encode Makes UTF-8 of text.
 */
export function fromEditable(text, encode) {
  let binary = "";
  let plain = "";
  for (let at = 0; at < text.length;) {
    ESCAPE.lastIndex = at;
    const found = text[at] === "\\" ? ESCAPE.exec(text) : null;
    const code = found?.[2] ? parseInt(found[2], 16) : 0;
    if (!found || code > 0x10ffff) {
      plain += text[at];
      at += 1;
      continue;
    }
    binary += encode(plain);
    plain = "";
    if (found[1]) binary += String.fromCharCode(parseInt(found[1], 16));
    else binary += found[2] ? encode(String.fromCodePoint(code)) : LETTERS[found[3].toLowerCase()];
    at = ESCAPE.lastIndex;
  }
  return binary + encode(plain);
}
