// A value, shown as what it is, or as one says it is.

import { fromText, toText } from "../core/bytes.js";
import { HEX, JSON_KIND, PROTOBUF, TEXT, YAML, kindsOf } from "../core/detect.js";
import { visibleText } from "../core/escape.js";
import { hexdump } from "../core/hexdump.js";
import { highlight } from "../core/highlight.js";
import { formatJson } from "../core/json_format.js";
import { formatProtobuf } from "../core/protobuf.js";
import { bytes } from "../core/units.js";
import { h } from "./dom.js";

const NAMES = {
  [TEXT]: "Text",
  [JSON_KIND]: "JSON",
  [YAML]: "YAML",
  [PROTOBUF]: "Protobuf",
  [HEX]: "Hex",
};

/** Characters shown at once: more would hold the page up while it lays them out. */
const PORTION = 64 * 1024;
/** Pieces with a colour of their own cost an element each. */
const MOST_HIGHLIGHTED = 64 * 1024;

/** What one looked at last is likely what one wants to see next, if the value can be that. */
let preferred = null;

/** Makes the view of a value, with a choice of how. */
export function valueView(value, { label = "Value" } = {}) {
  const kinds = kindsOf(value);
  const chosen = kinds.includes(preferred) ? preferred : kinds[0];
  const body = h("div", { class: "value-body" });
  const choice = h(
    "div",
    { class: "segmented", role: "group", "aria-label": `Show the ${label.toLowerCase()} as` },
    kinds.map((kind) =>
      h("button", { type: "button", "data-kind": kind, onclick: () => pick(kind) }, NAMES[kind]),
    ),
  );
  const pick = (kind) => {
    preferred = kind === kinds[0] ? null : kind;
    show(kind);
  };
  const show = (kind) => {
    for (const button of choice.children) {
      button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
    }
    body.replaceChildren(...render(value, kind));
  };
  show(chosen);
  const size = h("span", { class: "muted" }, bytes(value.length));
  return h(
    "section",
    { class: "value", "aria-label": label },
    h("div", { class: "value-head" }, h("h3", {}, label), size, choice),
    body,
  );
}

function render(value, kind) {
  if (value === "") return [h("p", { class: "empty-value muted" }, "The value is empty.")];
  const text = textOf(value, kind);
  const block = h("pre", { class: ["code", kind === HEX && "hex"], tabindex: "0" });
  const more = h("div", { class: "value-more" });
  let shown = 0;
  const showMore = () => {
    const end = cutAt(text, shown + PORTION);
    const portion = text.slice(shown, end);
    block.append(...piecesOf(portion, shown || text.length > MOST_HIGHLIGHTED ? TEXT : kind));
    shown = end;
    if (shown >= text.length) more.remove();
    else more.replaceChildren(moreButton(shown, text.length, showMore));
  };
  showMore();
  return [block, more];
}

function moreButton(shown, all, onclick) {
  const share = `Showing ${bytes(shown)} of ${bytes(all)}. `;
  return h("p", { class: "muted" }, share, h("button", { type: "button", onclick }, "Show more"));
}

/** Returns what is shown of a value: for text, its characters, escapes still to be made. */
export function textOf(value, kind) {
  if (kind === HEX) return hexdump(value);
  if (kind === PROTOBUF) return formatProtobuf(value) ?? hexdump(value);
  const text = toText(value) ?? "";
  return kind === JSON_KIND ? formatJson(text) : text;
}

/** A place that is not within a pair of surrogates. */
function cutAt(text, at) {
  const isPair = at < text.length && /[\ud800-\udbff]/.test(text[at - 1]);
  return Math.min(text.length, isPair ? at + 1 : at);
}

function piecesOf(text, kind) {
  return highlight(text, kind).flatMap(({ text: part, style }) => {
    const shown = escaped(part);
    return style ? [h("span", { class: `token-${style}` }, shown)] : shown;
  });
}

const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;

/** What cannot be seen is escaped in values, too; but lines and tabs are what they are. */
function escaped(text) {
  if (!HIDDEN.test(text.replace(/[\n\t]/g, ""))) return [text];
  return text
    .split(/([\n\t]|[^\p{C}\p{Zl}\p{Zp}]+)/u)
    .filter(Boolean)
    .map((part) => {
      if (part === "\n" || part === "\t" || !HIDDEN.test(part)) return part;
      return h("span", { class: "escape" }, visibleText(fromText(part), Infinity));
    });
}
