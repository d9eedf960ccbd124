// One key: what it is, what is in it, and what can be done with it.

import { hexId, number } from "../../core/units.js";
import { h } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { keyLabel } from "../../ui/key_label.js";
import { problem } from "../../ui/problem.js";
import { valueView } from "../../ui/value_view.js";

export class KeyDetail {
  constructor(app, panel) {
    this.app = app;
    this.panel = panel;
    this.element = h("div", { class: "key-detail" });
    this.clear();
  }

  clear() {
    this.hide();
    this.key = null;
    this.record = null;
    this.element.replaceChildren(h("div", { class: "empty" }, icon("key"), h("p", {}, "Choose a key to see what is in it.")));
  }

  hide() {
    this.asking?.abort();
  }

  /** Reads a key and shows it. */
  async show(key) {
    this.asking?.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    if (this.key !== key) this.element.setAttribute("aria-busy", "true");
    this.key = key;
    try {
      const record = await this.app.keys.get(key, 0, { signal });
      this.record = record;
      this.element.replaceChildren(...(record ? this.#present(record) : this.#absent(key)));
    } catch (error) {
      if (signal.aborted) return;
      this.element.replaceChildren(this.#title(key), problem(error, () => this.show(key)));
    } finally {
      if (!signal.aborted) this.element.removeAttribute("aria-busy");
    }
  }

  #title(key) {
    return h("div", { class: "key-title" }, h("h2", {}, keyLabel(key, "span", 4096)));
  }

  #present(record) {
    const facts = [
      ["Modified at revision", number(record.modified)],
      ["Created at revision", number(record.created)],
      ["Version", number(record.version)],
      ["Lease", record.lease === "0" ? "none" : hexId(record.lease)],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
    return [h("div", { class: "key-head" }, this.#title(record.key), h("dl", { class: "facts" }, facts)), valueView(record.value)];
  }

  #absent(key) {
    return [h("div", { class: "key-head" }, this.#title(key)), h("p", { class: "notice" }, "There is no such key.")];
  }
}
