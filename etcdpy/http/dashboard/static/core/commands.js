// The same as on the screen, as commands for a shell.

import { toBase64, toText } from "./bytes.js";
import { isPrintable } from "./protobuf.js";

/** What needs no quotes in any shell. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/**
 * Returns bytes as one word of bash, or null if they are none: no argument has a zero byte.
 */
export function quote(binary) {
  if (binary.includes("\0")) return null;
  const text = toText(binary);
  if (text !== null && PLAIN.test(text)) return text;
  if (text !== null && isPrintable(text) && !/[\r\t]/.test(text))
    return `'${text.replaceAll("'", `'\\''`)}'`;
  return `$'${escapeBytes(binary, hexEscape)}'`;
}

/** Returns what printf of any shell writes these bytes for. */
function printf(binary) {
  return `printf '${escapeBytes(binary, octalEscape).replaceAll("%", "%%")}'`;
}

function escapeBytes(binary, escape) {
  return binary.replace(/[^\x20-\x7e]|['\\]/g, (byte) => escape(byte.charCodeAt(0)));
}

// Of two digits always, or a digit behind it would be taken for a part of it.
const hexEscape = (byte) => `\\x${byte.toString(16).padStart(2, "0")}`;
const octalEscape = (byte) => `\\${byte.toString(8).padStart(3, "0")}`;

/**
 * Returns commands for a key, by what they are called.
 *
 * @param {{origin: string, user: string|null}} where The server's URL, and who has logged in.
 * @param {{key: string, value: string}} record
 * @returns {{name: string, command: string}[]}
 */
export function commandsFor(where, { key, value }) {
  return [
    { name: "etcdctl get", command: etcdctl(where, "get", key) },
    { name: "etcdctl put", command: etcdctlPut(where, key, value) },
    { name: "etcdctl del", command: etcdctl(where, "del", key) },
    { name: "etcdctl watch", command: etcdctl(where, "watch", key) },
    { name: "curl, to get", command: curl(where, "kv/range", { key: toBase64(key) }) },
    {
      name: "curl, to put",
      command: curl(where, "kv/put", { key: toBase64(key), value: toBase64(value) }),
    },
  ].filter(({ command }) => command !== null);
}

function etcdctl(where, verb, ...words) {
  const quoted = words.map(quote);
  if (quoted.includes(null)) return null;
  // What begins with a dash would be taken for a flag.
  const dashes = words.some((word) => word.startsWith("-")) ? ["--"] : [];
  const user = where.user === null ? [] : [`--user=${quote(where.user)}`];
  return [
    "etcdctl",
    `--endpoints=${where.origin}`,
    ...user,
    verb,
    ...dashes,
    ...quoted.map((word) => word || "''"),
  ].join(" ");
}

function etcdctlPut(where, key, value) {
  const whole = etcdctl(where, "put", key, value);
  if (whole !== null && whole.length < 4096) return whole;
  const without = etcdctl(where, "put", key);
  return without && `${printf(value)} | ${without}`; // it reads the value from there
}

function curl(where, path, message) {
  const token = where.user === null ? "" : ` -H "Authorization: $TOKEN"`;
  return `curl -s${token} ${where.origin}/v3/${path} -d '${JSON.stringify(message)}'`;
}
