// One key: what it is, what is in it, and what can be done with it.

import { toText } from "../../core/bytes.js";
import { commandsFor } from "../../core/commands.js";
import { toEditable } from "../../core/escape.js";
import { hexId, number } from "../../core/units.js";
import { follow } from "../../net/follow.js";
import { copy } from "../../ui/clipboard.js";
import { h } from "../../ui/dom.js";
import { save } from "../../ui/files.js";
import { icon } from "../../ui/icons.js";
import { keyLabel } from "../../ui/key_label.js";
import { menu } from "../../ui/menu.js";
import { problem } from "../../ui/problem.js";
import { address } from "../../ui/routes.js";
import { valueView } from "../../ui/value_view.js";
import { attachLease, deleteKey, editKey } from "./key_dialogs.js";

/** Keys that are only passed by, with the arrow keys, are not watched. */
const BEFORE_WATCHING = 400;

export class KeyDetail {
  constructor(app, panel) {
    this.app = app;
    this.panel = panel;
    this.element = h("div", { class: "key-detail" });
    this.news = h("div", { class: "key-news" });
    this.clear();
  }

  /** Shows nothing, or what is shown instead of a key. */
  clear(...instead) {
    this.hide();
    this.key = null;
    const nothing = h(
      "div",
      { class: "empty" },
      icon("key"),
      h("p", {}, "Choose a key to see what is in it."),
    );
    this.element.replaceChildren(...(instead.length ? instead : [nothing]));
  }

  hide() {
    this.asking?.abort();
    clearTimeout(this.timer);
  }

  /** Reads a key and shows it. */
  async show(key) {
    this.hide();
    this.asking = new AbortController();
    const { signal } = this.asking;
    if (this.key !== key) this.element.setAttribute("aria-busy", "true");
    this.key = key;
    try {
      const record = await this.app.keys.get(key, 0, { signal });
      this.news.replaceChildren();
      this.element.replaceChildren(...(record ? this.#present(record) : this.#absent(key)));
      const seen = record?.modified ?? this.app.keys.revision;
      this.timer = setTimeout(() => this.#watch(key, seen, signal), BEFORE_WATCHING);
    } catch (error) {
      if (signal.aborted) return;
      this.element.replaceChildren(
        this.#title(key),
        problem(error, () => this.show(key)),
      );
    } finally {
      if (!signal.aborted) this.element.removeAttribute("aria-busy");
    }
  }

  #title(key) {
    return h("div", { class: "key-title" }, h("h2", {}, keyLabel(key, "span", 4096)));
  }

  #present(record) {
    const lease =
      record.lease === "0"
        ? "none"
        : h("a", { href: address("leases", { id: hexId(record.lease) }) }, hexId(record.lease));
    const facts = [
      ["Modified", `revision ${number(record.modified)}`],
      ["Created", `revision ${number(record.created)}`],
      ["Version", number(record.version)],
      ["Lease", lease],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
    const head = [
      this.#title(record.key),
      h("dl", { class: "facts" }, facts),
      this.#actions(record),
      this.news,
    ];
    return [h("div", { class: "key-head" }, head), valueView(record.value)];
  }

  #absent(key) {
    const history = h(
      "a",
      { class: "button", href: address("history", { key }) },
      icon("history"),
      "History",
    );
    const text = h("p", { class: "notice" }, "There is no such key now.");
    return [
      h(
        "div",
        { class: "key-head" },
        this.#title(key),
        text,
        h("div", { class: "key-actions" }, history),
        this.news,
      ),
    ];
  }

  #actions(record) {
    const press = (name, text, run, style) =>
      h("button", { type: "button", class: style, onclick: run }, icon(name), text);
    const after = (isDone) => isDone && this.show(record.key);
    const remove = async () => {
      if (!(await deleteKey(this.app, record))) return;
      this.panel.deleted(record.key);
      await this.show(record.key);
    };
    return h(
      "div",
      { class: "key-actions" },
      press("edit", "Edit", async () => after(await editKey(this.app, record)), "primary"),
      h(
        "a",
        { class: "button", href: address("history", { key: record.key }) },
        icon("history"),
        "History",
      ),
      menu({}, [icon("copy"), "Copy"], () => this.#copies(record)),
      press("leases", "Lease", async () => after(await attachLease(this.app, record))),
      press("download", "Value", () => save(record.value, nameOf(record.key))),
      press("trash", "Delete", remove, "danger"),
    );
  }

  #copies(record) {
    const where = { origin: location.origin, user: this.app.session.user };
    const text = toText(record.value);
    const items = [
      { text: "Key", run: () => copy(toText(record.key) ?? toEditable(record.key), "The key") },
      text !== null && { text: "Value", run: () => copy(text, "The value") },
      ...commandsFor(where, record).map(({ name, command }) => ({
        text: name,
        run: () => copy(command, "The command"),
      })),
    ];
    return items.filter(Boolean);
  }

  /** Tells when somebody else changes the key; what is shown changes only if one wants it. */
  async #watch(key, seen, signal) {
    try {
      for await (const { events } of follow(this.app.gateway, { key, from: seen + 1 }, signal)) {
        const { isDelete, record } = events.at(-1);
        const what = `${isDelete ? "Deleted" : "Changed"} at revision ${number(record.modified)}.`;
        const show = h("button", { type: "button", onclick: () => this.show(key) }, "Show it");
        this.news.replaceChildren(
          h(
            "div",
            { class: "notice warn", role: "status" },
            icon("refresh"),
            h("p", {}, what),
            show,
          ),
        );
      }
    } catch {
      // It is a courtesy: who may read a key and not watch it, or is away, goes without.
    }
  }
}

/** A name for a file: the last part of the key, of letters that any system takes. */
function nameOf(key) {
  const name = toEditable(key).split("/").findLast(Boolean) ?? "";
  return name.replace(/[^\w.-]+/g, "_").slice(0, 80) || "value";
}
