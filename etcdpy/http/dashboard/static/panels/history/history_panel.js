// History: the versions of a key, the difference of any two, and back to one of them.

import { fromText } from "../../core/bytes.js";
import { fromEditable, toEditable } from "../../core/escape.js";
import { bytes, number } from "../../core/units.js";
import { Versions } from "../../net/versions.js";
import { confirmAndDo } from "../../ui/dialog.js";
import { diffView } from "../../ui/diff_view.js";
import { h, oncePerFrame } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { keyLabel } from "../../ui/key_label.js";
import { notify } from "../../ui/notices.js";
import { problem } from "../../ui/problem.js";
import { address, settle } from "../../ui/routes.js";
import { valueView } from "../../ui/value_view.js";

export default class HistoryPanel {
  constructor(app) {
    this.app = app;
    this.versions = null;
    this.input = h("input", {
      class: "mono",
      type: "search",
      placeholder: "Key",
      "aria-label": "Key",
      autocapitalize: "none",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.list = h("div", { class: "side history-list" });
    this.detail = h("section", { class: "detail", "aria-label": "Difference" });
    this.split = h("div", { class: "split stacks" }, this.list, this.detail);
    const form = h(
      "form",
      { class: "panel-head" },
      h("h1", {}, "History"),
      h("div", { class: "search" }, icon("search"), this.input),
      h("button", { type: "submit" }, "Show"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask(fromEditable(this.input.value, fromText));
    });
    this.element = h("div", { class: "panel" }, form, this.split);
    this.draw = oncePerFrame(() => this.#draw());
  }

  show({ key = "" }) {
    this.input.value = toEditable(key);
    this.#ask(key);
  }

  hide() {
    this.versions?.close();
    this.versions = null;
  }

  #ask(key) {
    this.hide();
    settle("history", { key });
    this.from = this.to = null;
    this.isChosen = false;
    this.shown = null;
    this.detail.replaceChildren();
    if (key === "") {
      this.list.replaceChildren(
        h(
          "div",
          { class: "empty" },
          icon("history"),
          h("p", {}, "Which key? Those that were deleted have a history as well."),
        ),
      );
      return;
    }
    this.list.replaceChildren(h("p", { class: "tree-empty" }, "Loading…"));
    this.versions = new Versions(this.app.keys, key, () => this.draw());
    this.versions.start();
  }

  /** All that there is to choose from, the newest first: versions, and deletions. */
  get #entries() {
    return this.versions.lives.flatMap((life) => [
      ...(life.end === null ? [] : [{ revision: life.end, record: null, life }]),
      ...life.versions.map((record, at) => ({
        revision: record.modified,
        record,
        life,
        isLast: at === life.versions.length - 1,
      })),
    ]);
  }

  #draw() {
    if (!this.versions) return;
    const entries = this.#entries;
    const { error, key } = this.versions;
    if (error)
      return this.list.replaceChildren(
        h(
          "div",
          { class: "tree-empty" },
          problem(error, () => this.#ask(key)),
        ),
      );
    if (!entries.length)
      return this.list.replaceChildren(
        h(
          "p",
          { class: "tree-empty" },
          "There is no version of ",
          keyLabel(key),
          this.#beginning(),
        ),
      );
    this.#choose(entries);
    this.#drawList(entries);
    this.#drawDetail(entries);
  }

  /** At first the newest version is compared with the one before. */
  #choose(entries) {
    const isThere = (revision) => entries.some((entry) => entry.revision === revision);
    if (this.isChosen && isThere(this.from) && isThere(this.to)) return;
    this.to = entries[0].revision;
    this.from = (entries[1] ?? entries[0]).revision;
  }

  #drawList(entries) {
    const focused = document.activeElement?.dataset?.choice;
    const head = h(
      "tr",
      {},
      ["From", "To", "Revision", "Version", "Size"].map((name) =>
        h(
          "th",
          { scope: "col", class: name === "Size" || name === "Version" ? "right" : "" },
          name,
        ),
      ),
    );
    const rows = entries.flatMap((entry) => this.#row(entry));
    const caption = h("caption", { class: "visually-hidden" }, "Versions, the newest first");
    this.list.replaceChildren(
      h("table", { class: "table" }, caption, h("thead", {}, head), h("tbody", {}, rows)),
      h("p", { class: "tree-empty" }, this.#beginning()),
    );
    // The list is drawn anew while one goes through it.
    if (focused) this.list.querySelector(`[data-choice="${focused}"]`)?.focus();
  }

  #row(entry) {
    const { revision, record, life } = entry;
    const cells = [
      h("td", {}, this.#radio("from", revision)),
      h("td", {}, this.#radio("to", revision)),
      h("td", { class: "number" }, number(revision)),
      h(
        "td",
        { class: "number right" },
        record ? number(record.version) : h("span", { class: "badge bad" }, "deleted"),
      ),
      h("td", { class: "number right" }, record ? bytes(record.value.length) : ""),
    ];
    const row = h(
      "tr",
      { class: revision === this.from || revision === this.to ? "chosen" : "" },
      cells,
    );
    if (!entry.isLast || !life.hasMore) return [row];
    const more = life.isLoading
      ? h("span", { class: "muted" }, "Loading…")
      : h(
          "button",
          { type: "button", class: "link", onclick: () => this.versions.more(life) },
          "Older versions",
        );
    return [row, h("tr", {}, h("td", { colspan: 5 }, more))];
  }

  #radio(side, revision) {
    const choose = () => {
      this[side] = revision;
      this.isChosen = true;
      this.draw();
    };
    const label = `${side === "from" ? "Compare from" : "Compare to"} revision ${number(revision)}`;
    return h("input", {
      type: "radio",
      name: side,
      checked: this[side] === revision,
      "aria-label": label,
      "data-choice": `${side}-${revision}`,
      onchange: choose,
    });
  }

  #beginning() {
    const { begin, isCut } = this.versions;
    if (begin !== null)
      return `History begins at revision ${number(begin)}: what was before is compacted.`;
    return isCut ? "What was before is compacted." : "";
  }

  #drawDetail(entries) {
    const [from, to] = [this.from, this.to].map((wanted) =>
      entries.find(({ revision }) => revision === wanted),
    );
    if (this.shown === `${from.revision} ${to.revision} ${entries[0].revision}`) return;
    this.shown = `${from.revision} ${to.revision} ${entries[0].revision}`;
    const title =
      from === to
        ? `Revision ${number(to.revision)}`
        : `From revision ${number(from.revision)} to ${number(to.revision)}`;
    const isNow = to === entries[0];
    const restore =
      to.record && !isNow
        ? h(
            "button",
            {
              type: "button",
              class: "primary",
              onclick: () => this.#restore(to.record, entries[0]),
            },
            icon("history"),
            `Restore revision ${number(to.revision)}`,
          )
        : null;
    const open = entries[0].record
      ? h(
          "a",
          { class: "button", href: address("keys", { key: this.versions.key }) },
          icon("key"),
          "Open the key",
        )
      : null;
    this.detail.replaceChildren(
      h(
        "div",
        { class: "key-head" },
        h("div", { class: "key-title" }, h("h2", {}, title)),
        h("div", { class: "key-actions" }, restore, open),
      ),
      from === to
        ? h("div", {})
        : diffView(from.record?.value ?? null, to.record?.value ?? null, title),
      to.record
        ? valueView(to.record.value, { label: `Value at revision ${number(to.revision)}` })
        : h("p", { class: "notice" }, "Here the key was deleted."),
    );
  }

  /** Writes an old version once more, if the newest one is still what was seen. */
  async #restore(record, newest) {
    const isDone = await confirmAndDo({
      title: `Restore revision ${number(record.modified)}?`,
      size: "wide",
      isDangerous: false,
      action: "Restore",
      body: [
        h("p", {}, "This writes its value as a new version. From what is there now:"),
        diffView(newest.record?.value ?? null, record.value, "What restoring changes"),
      ],
      task: async () => {
        const seen = newest.record ? newest.revision : 0;
        const { done, revision } = await this.app.keys.put(record.key, record.value, seen);
        if (!done)
          throw new Error(
            "The key was changed meanwhile. Nothing was written; look at its history again.",
          );
        notify(`Restored as revision ${number(revision)}.`);
      },
    });
    if (isDone) this.#ask(record.key);
  }
}
