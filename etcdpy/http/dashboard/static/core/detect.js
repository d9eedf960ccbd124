// What a value is, so that it is shown as that.

import { toText } from "./bytes.js";
import { isJson } from "./json_format.js";
import { KUBERNETES, isPrintable, readMessage } from "./protobuf.js";

export const TEXT = "text";
export const JSON_KIND = "json";
export const YAML = "yaml";
export const PROTOBUF = "protobuf";
export const HEX = "hex";

/** Larger values are not tried as protobuf, but for those of Kubernetes: it takes too long. */
const MOST_GUESSED = 256 * 1024;

const YAML_LINE = /^\s*(?:- .*|-|#.*|(?:"[^"]*"|'[^']*'|[\w./-]+):(?: .*)?|---.*|\.\.\.)$/;

/**
 * Returns the kinds that a value can be shown as, the likeliest first. All can be shown in
 * hexadecimal digits.
 */
export function kindsOf(value) {
  const text = toText(value);
  if (text !== null && isPrintable(text)) return [...kindsOfText(text), HEX];
  const isTried = value.length <= MOST_GUESSED;
  if (value.startsWith(KUBERNETES) || (isTried && readMessage(value))) {
    return text === null ? [PROTOBUF, HEX] : [PROTOBUF, TEXT, HEX];
  }
  return text === null ? [HEX] : [TEXT, HEX];
}

function kindsOfText(text) {
  if (isJson(text)) return [JSON_KIND, TEXT];
  return looksLikeYaml(text) ? [YAML, TEXT] : [TEXT];
}

/** YAML is whatever people write; it has at least two lines, and nearly all are its own. */
export function looksLikeYaml(text) {
  const lines = text.split("\n", 400).filter((line) => line.trim() && !/^\s{2,}/.test(line));
  const all = text.split("\n", 3).filter((line) => line.trim());
  if (all.length < 2 || !lines.length) return false;
  return lines.filter((line) => YAML_LINE.test(line.trimEnd())).length >= lines.length * 0.9;
}
