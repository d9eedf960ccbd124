// v2: the tree of etcd's first API, and what was done to it.

import { fromText, toText } from "../../core/bytes.js";
import { FOLDER } from "../../core/tree.js";
import { number } from "../../core/units.js";
import { V2Tree } from "../../core/v2_tree.js";
import { V2 } from "../../net/v2.js";
import { h, setText } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { keyLabel } from "../../ui/key_label.js";
import { problem } from "../../ui/problem.js";
import { settle } from "../../ui/routes.js";
import { valueView } from "../../ui/value_view.js";
import { TreeView } from "../keys/tree_view.js";
import { createNode, deleteNode, editNode } from "./v2_dialogs.js";

export default class V2Panel {
  constructor(app) {
    this.v2 = new V2(app.gateway);
    this.tree = new V2Tree(
      (path) => this.v2.get(path),
      () => this.#changed(),
    );
    this.view = new TreeView(this.tree, (row) => this.#choose(row.path));
    this.view.element.setAttribute("aria-label", "Keys of version 2");
    this.status = h("span", { role: "status" });
    this.emptiness = h("div", { class: "tree-empty", hidden: true });
    this.detail = h("section", { class: "detail", "aria-label": "Node" });
    const refresh = h(
      "button",
      {
        type: "button",
        class: "quiet icon-only",
        "aria-label": "Read the tree again",
        onclick: () => this.#refresh(),
      },
      icon("refresh"),
    );
    const create = h(
      "button",
      { type: "button", class: "primary", onclick: () => this.#create() },
      icon("plus"),
      "New",
    );
    const side = h(
      "section",
      { class: "side", "aria-label": "Tree of version 2" },
      h("div", { class: "tree-tools" }, h("h1", { class: "spring" }, "Version 2"), create),
      this.emptiness,
      this.view.element,
      h("div", { class: "tree-status" }, this.status, refresh),
    );
    this.split = h("div", { class: "split", "data-shows": "side" }, side, this.detail);
    this.element = h("div", { class: "panel" }, this.split);
  }

  async show({ path = "" }) {
    const wanted = toText(path) ?? "";
    if (!wanted) this.#close();
    else this.#choose(wanted);
    await this.#refresh();
    const row = wanted ? await this.tree.reveal(wanted) : null;
    if (row) this.view.activate(row, { centre: true });
  }

  hide() {
    this.stop?.abort();
  }

  async #refresh() {
    await this.tree.refresh();
    this.view.renew();
  }

  async #choose(path) {
    this.stop?.abort();
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.path = path;
    settle("v2", { path: fromText(path) });
    this.view.select(fromText(path));
    this.split.dataset.shows = "detail";
    try {
      const node = await this.v2.get(path, { signal });
      this.detail.replaceChildren(this.#back(), ...this.#present(node));
    } catch (error) {
      if (signal.aborted) return;
      const gone = error.isMissing
        ? h("p", { class: "notice" }, "There is no such node now.")
        : problem(error, () => this.#choose(path));
      this.detail.replaceChildren(this.#back(), gone);
    }
  }

  async #close() {
    this.path = null;
    this.split.dataset.shows = "side";
    this.view.select(null);
    settle("v2");
    this.detail.replaceChildren(
      h("div", { class: "empty" }, icon("v2"), h("p", {}, "Choose a key to see what is in it.")),
    );
    const stats = await this.v2.stats().catch(() => null);
    if (stats && this.path === null) this.detail.replaceChildren(statsCard(stats));
  }

  #back() {
    return h(
      "button",
      { type: "button", class: "only-narrow quiet", onclick: () => this.#close() },
      icon("back"),
      "All keys",
    );
  }

  #present(node) {
    const facts = [
      ["Modified", `index ${number(node.modifiedIndex)}`],
      ["Created", `index ${number(node.createdIndex)}`],
      ["Ends", node.ttl === undefined ? "never" : `in ${number(node.ttl)} s`],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
    const after = (isDone) => isDone && this.#written();
    const actions = h(
      "div",
      { class: "key-actions" },
      node.dir
        ? null
        : h(
            "button",
            {
              type: "button",
              class: "primary",
              onclick: async () => after(await editNode(this.v2, node)),
            },
            icon("edit"),
            "Edit",
          ),
      h(
        "button",
        {
          type: "button",
          class: "danger",
          onclick: async () => after(await deleteNode(this.v2, node)),
        },
        icon("trash"),
        "Delete",
      ),
    );
    const title = h(
      "div",
      { class: "key-title" },
      h("h2", {}, keyLabel(fromText(node.key), "span", 4096)),
    );
    return [
      h("div", { class: "key-head" }, title, h("dl", { class: "facts" }, facts), actions),
      node.dir
        ? h("p", { class: "notice" }, "This is a folder.")
        : valueView(fromText(node.value ?? "")),
    ];
  }

  async #written() {
    await Promise.all([this.#refresh(), this.#choose(this.path)]);
  }

  async #create() {
    const { active } = this.view;
    const folder = active?.kind === FOLDER ? active : active?.parent;
    const path = await createNode(this.v2, folder?.path ?? "/");
    if (path === null) return;
    await this.#refresh();
    await this.#choose(path);
  }

  #changed() {
    this.view?.update();
    if (!this.status) return;
    const { root } = this.tree;
    const isEmpty = root.isRead && !root.children.length;
    const { error } = root.span;
    this.emptiness.hidden = !isEmpty && !error;
    this.view.element.hidden = !this.emptiness.hidden;
    this.emptiness.replaceChildren(
      error ? problem(error, () => this.#refresh()) : "There are no keys yet.",
    );
    setText(this.status, root.isRead ? `${number(root.children.length)} at the top` : "Loading…");
  }
}

function statsCard(stats) {
  const rows = Object.entries(stats).map(([name, value]) => [
    h("dt", {}, name),
    h("dd", {}, number(value)),
  ]);
  return h(
    "section",
    { class: "card" },
    h("header", {}, h("h2", {}, "What was done")),
    h("dl", { class: "fact-list" }, rows),
  );
}
