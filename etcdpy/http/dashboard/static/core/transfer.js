// Keys in a file: JSON that people can read and edit, and that brings every byte back.
//
//     {"etcdpy": 1, "prefix": "/a/", "revision": 12, "keys": [
//     {"key": "/a/b", "value": "text"},
//     {"key": "/a/c", "value": {"base64": "/w=="}}
//     ]}
//
// What is no UTF-8 is marked as the gateway marks it with ?utf8=true. A key has a line of its own,
// so that files can be compared.

import { fromBase64, fromText, toBase64, toText } from "./bytes.js";

function encode(binary) {
  return toText(binary) ?? { base64: toBase64(binary) };
}

function decode(value, what) {
  if (typeof value === "string") return fromText(value);
  if (typeof value?.base64 === "string") {
    try {
      return fromBase64(value.base64);
    } catch {
      // Told below.
    }
  }
  throw new Error(`${what} is neither a text nor {"base64": "…"}`);
}

/** Returns the first lines of a file. */
export function head(prefix, revision) {
  return `{"etcdpy": 1, "prefix": ${JSON.stringify(encode(prefix))}, "revision": ${revision}, "keys": [`;
}

/** Returns the line of a key. Leases are not kept: they end before a file does. */
export function line({ key, value }, isFirst) {
  return `${isFirst ? "" : ","}\n${JSON.stringify({ key: encode(key), value: encode(value) })}`;
}

export const TAIL = "\n]}\n";

/**
 * Reads a file.
 *
 * @returns {{key: string, value: string}[]} Binary, in the order of the file.
 * @throws {Error} It is no such file; says where.
 */
export function read(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is no JSON: ${error.message}`);
  }
  if (!Array.isArray(file?.keys)) throw new Error('There is no list "keys" in this file.');
  const seen = new Set();
  return file.keys.map((entry, at) => {
    const key = decode(entry?.key, `The key of entry ${at + 1}`);
    if (key === "") throw new Error(`The key of entry ${at + 1} is empty`);
    if (seen.has(key)) throw new Error(`The key of entry ${at + 1} is there twice`);
    seen.add(key);
    return { key, value: decode(entry.value, `The value of entry ${at + 1}`) };
  });
}

/** etcd takes 128 operations in a transaction, and a message of 1.5 MiB. */
const MOST_IN_ONE = 100;
const MOST_BYTES = 512 * 1024;

/** Yields entries in groups that fit into one transaction. */
export function* inGroups(entries) {
  let group = [];
  let size = 0;
  for (const entry of entries) {
    const own = entry.key.length * 2 + entry.value.length;
    if (group.length && (group.length >= MOST_IN_ONE || size + own > MOST_BYTES)) {
      yield group;
      group = [];
      size = 0;
    }
    group.push(entry);
    size += own;
  }
  if (group.length) yield group;
}
