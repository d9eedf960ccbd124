// Which parts of JSON and YAML are names, texts, numbers and words. Only for the eye: where these
// patterns are wrong, a colour is.

import { JSON_KIND, YAML } from "./detect.js";

const JSON_TOKEN =
  /(?<name>"(?:[^"\\\n]|\\.)*"(?=\s*:))|(?<string>"(?:[^"\\\n]|\\.)*")|(?<number>-?\b\d[\d.eE+-]*\b)|(?<word>\b(?:true|false|null)\b)/g;

const YAML_TOKEN =
  /(?<comment>(?<=^|\s)#.*$)|(?<name>(?<=^\s*(?:- +)*)(?:"[^"\n]*"|'[^'\n]*'|[\w./-]+)(?=:(?:\s|$)))|(?<string>"(?:[^"\\\n]|\\.)*"|'[^'\n]*')|(?<number>(?<=[:\s-]\s*)-?\d[\d.]*(?=\s*$))|(?<word>\b(?:true|false|null|yes|no)\b(?=\s*$))/gm;

/** The patterns look back to the start of a line: what is longer is nobody's to read anyway. */
const LONGEST_LINE = 2000;

/** Returns pieces of a text, each with a class or with none. */
export function highlight(text, kind) {
  const pattern = { [JSON_KIND]: JSON_TOKEN, [YAML]: YAML_TOKEN }[kind];
  const isPlain = !pattern || text.split("\n").some((line) => line.length > LONGEST_LINE);
  if (isPlain) return [{ text, style: null }];
  const pieces = [];
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), style: null });
    const style = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    pieces.push({ text: match[0], style });
    at = match.index + match[0].length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), style: null });
  return pieces;
}
