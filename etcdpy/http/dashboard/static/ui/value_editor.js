// Where a value is written: as text, or in hexadecimal digits where text would not bring every byte
// back. A text area turns each kind of line end into its own, for one.

import { fromHex, fromText, toHex, toText } from "../core/bytes.js";
import { isJson, formatJson } from "../core/json_format.js";
import { isPrintable } from "../core/protobuf.js";
import { freshId, h } from "./dom.js";

const TEXT = "text";
const HEX = "hex";

export class ValueEditor {
  /** @param {string} value Binary. */
  constructor(value) {
    this.original = value;
    this.area = h("textarea", {
      id: freshId("value"),
      spellcheck: "false",
      autocapitalize: "none",
      autocomplete: "off",
    });
    this.isText = this.#comesBack(value);
    this.way = this.isText ? TEXT : HEX;
    this.ways = h(
      "div",
      { class: "segmented", role: "group", "aria-label": "Write the value as" },
      this.#wayButton(TEXT, "Text"),
      this.#wayButton(HEX, "Hex"),
    );
    this.format = h(
      "button",
      { type: "button", class: "quiet", onclick: () => this.#formatJson() },
      "Format JSON",
    );
    this.problem = h("p", { class: "problem", role: "alert" });
    this.area.addEventListener("input", () => this.#update());
    this.element = h(
      "div",
      { class: "field" },
      h(
        "div",
        { class: "value-head" },
        h("label", { for: this.area.id }, "Value"),
        this.format,
        this.ways,
      ),
      this.area,
      this.problem,
    );
    this.#write(value);
  }

  get isDirty() {
    try {
      return this.read() !== this.original;
    } catch {
      return true;
    }
  }

  /**
   * Returns the value, binary.
   *
   * @throws {Error} What is written there is no value.
   */
  read() {
    return this.way === HEX ? fromHex(this.area.value) : fromText(this.area.value);
  }

  #wayButton(way, name) {
    return h("button", { type: "button", "data-way": way, onclick: () => this.#change(way) }, name);
  }

  /** Tells whether a text area gives back what it was given. */
  #comesBack(value) {
    const text = toText(value);
    if (text === null || !isPrintable(text)) return false;
    this.area.value = text;
    return this.area.value === text;
  }

  #change(way) {
    let value;
    try {
      value = this.read();
    } catch (error) {
      this.problem.textContent = error.message;
      return;
    }
    if (way === TEXT && !this.#comesBack(value)) {
      this.problem.textContent =
        "These bytes are no text that could be edited without changing them.";
      return this.#write(value);
    }
    this.way = way;
    this.#write(value);
  }

  #write(value) {
    this.area.value = this.way === HEX ? toHex(value).replace(/(..)(?!$)/g, "$1 ") : toText(value);
    this.#update();
  }

  #update() {
    for (const button of this.ways.children)
      button.setAttribute("aria-pressed", String(button.dataset.way === this.way));
    this.format.hidden = this.way === HEX || !isJson(this.area.value);
  }

  #formatJson() {
    this.area.value = formatJson(this.area.value);
    this.#update();
  }
}
