// Messages of protobuf, read without knowing what they are: fields have numbers, and what is in
// them is guessed.
//
//     08 96 01            1: 150
//     12 02 6f 6b         2: "ok"
//     1a 02 08 01         3 {
//                           1: 1
//                         }

import { toHex, toText } from "./bytes.js";

const DEEPEST = 24;
/** Digits of bytes that are neither text nor a message. */
const MOST_BYTES = 64;

/** What Kubernetes writes before its messages. (k8s: runtime/serializer/protobuf) */
export const KUBERNETES = "k8s\0";

class NotAMessage extends Error {}

/**
 * Reads all fields of a message.
 *
 * @returns {object[]|null} Fields of `number`, `kind` and `value`, or null if these bytes are none.
 */
export function readMessage(binary, depth = 0) {
  const reader = { binary, at: 0 };
  const fields = [];
  try {
    while (reader.at < binary.length) fields.push(readField(reader, depth));
  } catch (error) {
    if (error instanceof NotAMessage) return null;
    throw error;
  }
  return fields.length ? fields : null;
}

function readField(reader, depth) {
  const tag = varint(reader);
  const number = Number(tag >> 3n);
  const type = Number(tag & 7n);
  // (protobuf: field numbers have 29 bits)
  if (number < 1 || number > 0x1fffffff) throw new NotAMessage();
  if (type === 0) return { number, kind: "varint", value: varint(reader).toString() };
  if (type === 1) return { number, kind: "fixed64", value: fixed(reader, 8) };
  if (type === 5) return { number, kind: "fixed32", value: fixed(reader, 4) };
  if (type === 2) return { number, ...guess(take(reader, Number(varint(reader))), depth) };
  throw new NotAMessage(); // groups are long gone
}

/** Text is likelier than a message that happens to fit. */
function guess(value, depth) {
  if (value === "") return { kind: "text", value };
  const text = toText(value);
  if (text !== null && isPrintable(text)) return { kind: "text", value: text };
  const fields = depth < DEEPEST ? readMessage(value, depth + 1) : null;
  return fields ? { kind: "message", value: fields } : { kind: "bytes", value };
}

export function isPrintable(text) {
  return !/[^\P{C}\n\r\t]/u.test(text);
}

function varint(reader) {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = take(reader, 1).charCodeAt(0);
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (value >= 1n << 64n) break;
      return value;
    }
  }
  throw new NotAMessage();
}

function fixed(reader, size) {
  const binary = take(reader, size);
  return `0x${toHex([...binary].reverse().join(""))}`;
}

function take(reader, size) {
  const end = reader.at + size;
  if (end > reader.binary.length) throw new NotAMessage();
  const taken = reader.binary.slice(reader.at, end);
  reader.at = end;
  return taken;
}

/** Writes fields as lines, in the manner of protobuf's text format. */
export function writeFields(fields, indent = "") {
  return fields
    .map(({ number, kind, value }) => {
      if (kind === "message")
        return `${indent}${number} {\n${writeFields(value, `${indent}  `)}\n${indent}}`;
      if (kind === "text") return `${indent}${number}: ${JSON.stringify(value)}`;
      if (kind !== "bytes") return `${indent}${number}: ${value}`;
      const rest = value.length > MOST_BYTES ? ` … ${value.length} bytes` : "";
      return `${indent}${number}: <${toHex(value.slice(0, MOST_BYTES))}${rest}>`;
    })
    .join("\n");
}

/** Returns a value as lines, or null if it is no message. */
export function formatProtobuf(binary) {
  const isKubernetes = binary.startsWith(KUBERNETES);
  const fields = readMessage(isKubernetes ? binary.slice(KUBERNETES.length) : binary);
  return fields && writeFields(fields);
}
