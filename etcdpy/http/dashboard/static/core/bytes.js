// Keys and values are bytes, and most of what is done with them is text's work: comparing, cutting,
// finding. So they are *binary strings* everywhere in the page: one character for each byte, from
// U+0000 to U+00FF, which is what atob() gives. Comparing two of them with < is what etcd does.

/** Reads base64, as the gateway writes it. An absent field is the empty one. */
export function fromBase64(text = "") {
  return atob(text);
}

/** Writes base64 for the gateway. */
export function toBase64(binary) {
  return btoa(binary);
}

export function toArray(binary) {
  const array = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) array[i] = binary.charCodeAt(i);
  return array;
}

export function fromArray(array) {
  // A call has room for some ten thousands of arguments, not for those of a megabyte.
  const parts = [];
  for (let i = 0; i < array.length; i += 8192) {
    parts.push(String.fromCharCode(...array.subarray(i, i + 8192)));
  }
  return parts.join("");
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Returns the text that bytes are in UTF-8, or null if they are none. */
export function toText(binary) {
  try {
    return strict.decode(toArray(binary));
  } catch {
    return null;
  }
}

export function fromText(text) {
  return fromArray(new TextEncoder().encode(text));
}

export function toHex(binary) {
  let hex = "";
  for (let i = 0; i < binary.length; i += 1) {
    hex += binary.charCodeAt(i).toString(16).padStart(2, "0");
  }
  return hex;
}

/**
 * Reads hexadecimal digits, between which there may be blanks.
 *
 * @throws {Error} If anything else is there, or half a byte.
 */
export function fromHex(text) {
  const digits = text.replace(/\s+/g, "");
  const stray = digits.match(/[^0-9a-f]/i);
  if (stray) throw new Error(`“${stray[0]}” is no hexadecimal digit`);
  if (digits.length % 2) throw new Error("there is half a byte: the digits are an odd number");
  return (digits.match(/../g) ?? [])
    .map((pair) => String.fromCharCode(parseInt(pair, 16)))
    .join("");
}

/** What stands for "all keys from here on" as an end. (etcd: a range_end of one zero byte) */
export const NO_END = "\0";

/**
 * Returns the first key that is behind all those with a prefix.
 * (etcd: clientv3.GetPrefixRangeEnd)
 */
export function prefixEnd(prefix) {
  for (let i = prefix.length - 1; i >= 0; i -= 1) {
    const last = prefix.charCodeAt(i);
    if (last < 0xff) return prefix.slice(0, i) + String.fromCharCode(last + 1);
  }
  return NO_END;
}

/** The key right behind another: nothing fits in between. */
export function nextKey(key) {
  return `${key}\0`;
}

/** Tells whether a key is before the end of a range. */
export function isBefore(key, end) {
  return end === NO_END || key < end;
}
