// Keys: a tree of them, and beside it the one that is chosen.

import { fromText } from "../../core/bytes.js";
import { fromEditable, toEditable, visibleText } from "../../core/escape.js";
import { FOLDER, Tree } from "../../core/tree.js";
import { AwayError } from "../../net/gateway.js";
import { plural } from "../../core/units.js";
import { h, setText, whenQuiet } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { keyLabel } from "../../ui/key_label.js";
import { problem } from "../../ui/problem.js";
import { notifyFailure } from "../../ui/notices.js";
import { menu } from "../../ui/menu.js";
import { go, settle, step } from "../../ui/routes.js";
import { createKey } from "./key_dialogs.js";
import { KeyDetail } from "./key_detail.js";
import { deleteKeys, downloadKeys, uploadKeys } from "./transfer_dialogs.js";
import { TreeView } from "./tree_view.js";

const SEPARATOR = "/";

export default class KeysPanel {
  constructor(app) {
    this.app = app;
    this.key = null;
    /** The revision that the tree was read at; null before it is read at all. */
    this.readAt = null;
    this.tree = new Tree(app.keys, () => this.#changed());
    this.view = new TreeView(this.tree, (row) => this.choose(row.key));
    this.detail = new KeyDetail(app, this);
    this.element = h(
      "div",
      { class: "panel keys-panel" },
      h("h1", { class: "visually-hidden" }, "Keys"),
      this.#makeSplit(),
    );
    app.sampler.addEventListener("sample", () => this.#markNews());
    // Wherever the focus is, as long as this is what is shown.
    document.addEventListener(
      "keydown",
      (event) => this.element.isConnected && this.#pressed(event),
    );
  }

  /** Shows a key, or the keys with a prefix. */
  show({ key, prefix = "", separator: given = SEPARATOR, flat }) {
    const separator = flat ? "" : given;
    if (prefix !== this.tree.prefix || separator !== this.tree.separator || this.readAt === null) {
      this.search.value = toEditable(prefix);
      this.separator.value = toEditable(separator);
      this.#reset(prefix, separator);
    } else if (this.wasHidden) {
      this.refresh().then(() => this.key !== null && this.#reveal(this.key));
    }
    this.wasHidden = false;
    if (key !== undefined && key !== this.key) this.choose(key, { reveal: true });
    else if (key !== undefined) this.detail.show(key);
    else this.#close();
  }

  hide() {
    this.wasHidden = true;
    this.detail.hide();
  }

  /** Shows a key beside the tree. */
  async choose(key, { reveal = false } = {}) {
    // From no key to one is a step, which "back" undoes; from one to another is none.
    const change = this.key === null && !reveal ? step : settle;
    this.key = key;
    this.split.dataset.shows = "detail";
    change("keys", this.#placeOf(key));
    this.view.select(key);
    const shown = this.detail.show(key);
    if (reveal) await this.#reveal(key, { centre: true });
    await shown;
  }

  /** Scrolls the tree to a key, if there is it. */
  async #reveal(key, options) {
    const row = await this.tree.reveal(key).catch(() => null);
    if (row && this.key === key) this.view.activate(row, options);
  }

  /** Reads the tree anew. */
  async refresh() {
    try {
      await this.tree.refresh();
      this.readAt = this.app.keys.revision;
    } catch (error) {
      // That the server is away is told at the top already.
      if (!(error instanceof AwayError)) notifyFailure("The keys could not be read again", error);
    }
    this.#markNews();
    this.view.renew();
  }

  /** Says when there may be other keys; the tree does not move by itself. */
  #markNews() {
    const now = this.app.sampler.latest?.etcd_debugging_mvcc_current_revision ?? 0;
    const isOld = this.readAt > 0 && now > this.readAt;
    this.reread.classList.toggle("has-news", isOld);
    this.reread.title = isOld ? "Something has changed since: read again" : "Read again";
  }

  /** A key was deleted here: the tree has it no more, and stays where it is. */
  deleted(key) {
    this.tree.forget(key);
  }

  /** What actions on many keys are about: the folder that one is at, or what was searched for. */
  get #prefix() {
    const { active } = this.view;
    if (!active || !this.tree.rows.includes(active)) return this.tree.prefix;
    const folder = active.kind === FOLDER ? active : active.parent;
    return folder === this.tree.root ? this.tree.prefix : folder.key;
  }

  async #create() {
    const key = await createKey(this.app, this.#prefix);
    if (key === null) return;
    await this.refresh();
    await this.choose(key, { reveal: true });
  }

  /** Runs what changes many keys. */
  async #many(task) {
    if (!(await task(this.app, this.#prefix))) return;
    await Promise.all([this.refresh(), this.key !== null && this.detail.show(this.key)]);
  }

  #actions() {
    const prefix = this.#prefix;
    const what = prefix === "" ? "all keys" : `“${visibleText(prefix, 40)}”`;
    return [
      { text: `Download ${what} …`, icon: icon("download"), run: () => this.#many(downloadKeys) },
      { text: "Upload a file …", icon: icon("upload"), run: () => this.#many(uploadKeys) },
      { text: `Watch ${what}`, icon: icon("live"), run: () => go("live", { prefix }) },
      { text: `Delete ${what} …`, icon: icon("trash"), run: () => this.#many(deleteKeys) },
    ];
  }

  #close() {
    this.key = null;
    this.split.dataset.shows = "side";
    this.view.select(null);
    this.detail.clear();
    this.#settle();
  }

  #reset(prefix, separator) {
    this.readAt = 0;
    this.tree.reset(prefix, separator);
    this.#changed();
    this.tree.load(this.tree.root.spans[0]).then(() => (this.readAt = this.app.keys.revision));
  }

  #makeSplit() {
    this.status = h("span", { role: "status" });
    this.reread = h(
      "button",
      {
        type: "button",
        class: "quiet icon-only",
        "aria-label": "Read the keys again",
        title: "Read again",
        onclick: () => this.refresh(),
      },
      icon("refresh"),
    );
    const more = menu(
      {
        class: "quiet icon-only",
        "aria-label": "Actions for many keys",
        title: "Actions for many keys",
      },
      [icon("more")],
      () => this.#actions(),
    );
    this.emptiness = h("div", { class: "tree-empty", hidden: true });
    const side = h(
      "section",
      { class: "side", "aria-label": "Tree of keys" },
      this.#makeTools(),
      this.emptiness,
      this.view.element,
      h("div", { class: "tree-status" }, this.status, more, this.reread),
    );
    const back = h(
      "button",
      { type: "button", class: "only-narrow quiet", onclick: () => this.#close() },
      icon("back"),
      "All keys",
    );
    this.split = h(
      "div",
      { class: "split", "data-shows": "side" },
      side,
      h("section", { class: "detail", "aria-label": "Key" }, back, this.detail.element),
    );
    return this.split;
  }

  #makeTools() {
    this.search = h("input", {
      type: "search",
      class: "mono",
      placeholder: "Prefix or key",
      "aria-label": "Show keys with this prefix; Enter goes to the key",
      autocapitalize: "none",
      autocomplete: "off",
      spellcheck: "false",
      oninput: whenQuiet(() => this.#searched()),
      onkeydown: (event) => this.#searchPressed(event),
    });
    this.separator = h("input", {
      class: "mono separator",
      "aria-label": "What parts names",
      title: "What parts names; empty for none",
      value: SEPARATOR,
      oninput: whenQuiet(() => this.#searched()),
    });
    const create = h(
      "button",
      { type: "button", class: "primary", onclick: () => this.#create() },
      icon("plus"),
      "New",
    );
    return h(
      "div",
      { class: "tree-tools" },
      h("div", { class: "search" }, icon("search"), this.search),
      this.separator,
      create,
    );
  }

  get #typed() {
    return [this.search, this.separator].map((input) => fromEditable(input.value, fromText));
  }

  #searched() {
    const [prefix, separator] = this.#typed;
    if (prefix === this.tree.prefix && separator === this.tree.separator) return;
    this.#reset(prefix, separator);
    this.#settle();
  }

  #searchPressed(event) {
    if (event.key === "Enter") {
      this.#searched();
      const [key] = this.#typed;
      if (key) this.choose(key);
    } else if (event.key === "ArrowDown" && this.tree.rows.length) {
      this.view.element.focus();
      this.view.activate(this.tree.rows[0]);
    } else return;
    event.preventDefault();
  }

  #pressed(event) {
    const isTyping = event.target.matches("input, textarea, select, dialog *");
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      this.search.focus();
      this.search.select();
    }
  }

  /** What the address says of a key, and of the tree beside it. */
  #placeOf(key) {
    const separator = this.tree.separator === SEPARATOR ? "" : this.tree.separator;
    const flat = this.tree.separator === "" ? "1" : "";
    return { key, prefix: this.tree.prefix, separator, flat };
  }

  #settle() {
    settle("keys", this.#placeOf(this.key));
  }

  #changed() {
    this.view?.update();
    if (!this.status) return;
    const { total, rows, root } = this.tree;
    const [span] = root.spans;
    setText(this.status, total === null ? (span.loading ? "Loading…" : "") : plural(total, "key"));
    const isEmpty = rows.length === 0 && !span.loading && !span.error && span.next === null;
    this.emptiness.hidden = !isEmpty && !span.error;
    this.view.element.hidden = !this.emptiness.hidden;
    if (span.error) this.emptiness.replaceChildren(problem(span.error, () => this.refresh()));
    else if (isEmpty && this.tree.prefix)
      this.emptiness.replaceChildren("No key begins with ", keyLabel(this.tree.prefix), ".");
    else if (isEmpty) this.emptiness.replaceChildren("There are no keys yet.");
  }
}
