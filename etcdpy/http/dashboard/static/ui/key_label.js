// A key, or any bytes, as one line of text in which nothing hides.

import { visible } from "../core/escape.js";
import { h } from "./dom.js";

/** A key has megabytes if somebody wants it to; a line shows so many bytes of it. */
const MOST = 512;

/** Puts bytes into an element; escapes are set apart from text that looks like them. */
export function showBytes(element, binary, most = MOST) {
  const pieces = visible(binary, most).map(({ text, isEscape }) =>
    isEscape ? h("span", { class: "escape" }, text) : text,
  );
  element.replaceChildren(...pieces);
}

/** Makes a label of bytes. */
export function keyLabel(binary, tag = "code", most = MOST) {
  const label = h(tag, { class: "bytes" });
  showBytes(label, binary, most);
  return label;
}
