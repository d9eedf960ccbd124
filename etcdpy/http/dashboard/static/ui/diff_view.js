// The difference of two values.

import { fromText, toText } from "../core/bytes.js";
import { HEX, JSON_KIND, TEXT, kindsOf } from "../core/detect.js";
import { ADDED, REMOVED, diffLines, withContext } from "../core/diff.js";
import { visibleText } from "../core/escape.js";
import { number } from "../core/units.js";
import { h } from "./dom.js";
import { textOf } from "./value_view.js";

/** Lines that are shown; a difference of more is told by its number of lines. */
const MOST_LINES = 2000;

const SIGNS = { [ADDED]: "+", [REMOVED]: "−" };
const SPOKEN = { [ADDED]: "added: ", [REMOVED]: "removed: " };

/**
 * Makes the view of a difference.
 *
 * @param {string} before Binary; null if there was no key.
 * @param {string} after The same.
 */
export function diffView(before, after, label) {
  const [a, b] = asLines(before ?? "", after ?? "");
  if (before === after)
    return h("div", { class: "diff" }, h("p", { class: "diff-same" }, "Both are the same."));
  const lines = withContext(diffLines(a, b));
  const shown = lines.slice(0, MOST_LINES).map(makeLine);
  if (lines.length > MOST_LINES)
    shown.push(h("p", { class: "diff-skip" }, `… ${number(lines.length - MOST_LINES)} more`));
  return h("div", { class: "diff", role: "region", tabindex: "0", "aria-label": label }, shown);
}

/** Both as lines in the same way, in the most readable one that shows any difference. */
function asLines(before, after) {
  const kinds = kindsOf(after).filter((kind) => kindsOf(before).includes(kind) || before === "");
  const isText = toText(before) !== null && toText(after) !== null;
  const ways = [
    kinds.includes(JSON_KIND) && before !== "" && JSON_KIND,
    isText && TEXT,
    HEX,
  ].filter(Boolean);
  for (const way of ways) {
    const both = [before, after].map((value) => textOf(value, way));
    if (both[0] !== both[1]) return both;
  }
  return [before, after];
}

function makeLine({ skipped, kind, text, left, right, mark }) {
  if (skipped) return h("p", { class: "diff-skip" }, `${number(skipped)} lines are the same`);
  return h(
    "div",
    { class: ["diff-line", kind] },
    h("span", { class: "line-number", "aria-hidden": "true" }, left === null ? "" : String(left)),
    h("span", { class: "line-number", "aria-hidden": "true" }, right === null ? "" : String(right)),
    h("span", { "aria-hidden": "true" }, SIGNS[kind] ?? ""),
    h("span", {}, h("span", { class: "visually-hidden" }, SPOKEN[kind] ?? ""), marked(text, mark)),
  );
}

function marked(text, mark) {
  if (!mark || mark[0] === mark[1]) return shown(text);
  const [from, to] = mark;
  return [
    shown(text.slice(0, from)),
    h("mark", {}, shown(text.slice(from, to))),
    shown(text.slice(to)),
  ];
}

/** A line as text in which nothing hides; a very long one is cut. */
function shown(text) {
  return visibleText(fromText(text), 4096).replaceAll("\\t", "\t");
}
