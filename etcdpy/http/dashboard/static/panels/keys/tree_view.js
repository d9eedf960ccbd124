// The tree on the screen: rows, the mouse, and the keys of WAI-ARIA's tree pattern.
//
// Rows come and go with scrolling, so none of them can have the focus: the tree has it, and names
// the row that is meant (aria-activedescendant).

import { FOLDER, KEY, MORE, isLastSpan } from "../../core/tree.js";
import { number, plural } from "../../core/units.js";
import { visibleText } from "../../core/escape.js";
import { freshId, h, setAttribute, setText } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { showBytes } from "../../ui/key_label.js";
import { VirtualRows } from "../../ui/virtual_rows.js";

export class TreeView {
  /**
   * @param {Tree} tree
   * @param {(row: object) => void} chosen Told which row was chosen.
   */
  constructor(tree, chosen) {
    this.tree = tree;
    this.chosen = chosen;
    this.active = null;
    this.id = freshId("tree");
    this.element = h("div", {
      class: "tree",
      role: "tree",
      tabindex: "0",
      "aria-label": "Keys",
      onkeydown: (event) => this.#pressed(event),
    });
    this.element.addEventListener("focus", () => this.#focused());
    this.rows = new VirtualRows({
      scroller: this.element,
      rowHeight: rowHeight(),
      make: () => this.#makeRow(),
      show: (row, index) => this.#showRow(row, index),
      seen: (first, last) => this.#loadSeen(first, last),
    });
  }

  /** Draws what has changed in the tree. */
  update() {
    this.rows.setCount(this.tree.rows.length);
  }

  /** Finds the active row again among rows that were read anew. */
  renew() {
    const { active } = this;
    if (active)
      this.active =
        this.tree.rows.find((row) => row.kind === active.kind && row.key === active.key) ?? null;
    this.rows.draw();
  }

  /** Makes a row the active one, and scrolls to it. */
  activate(row, options) {
    this.active = row;
    const index = this.tree.rows.indexOf(row);
    if (index < 0) return;
    this.rows.count = this.tree.rows.length;
    this.rows.reveal(index, options);
    setAttribute(this.element, "aria-activedescendant", `${this.id}-${index}`);
  }

  #focused() {
    const { rows } = this.tree;
    if (!rows.includes(this.active)) this.active = null;
    if (this.active === null && rows.length && this.element.matches(":focus-visible"))
      this.activate(rows[0]);
  }

  #makeRow() {
    const row = h("div", { class: "tree-row", role: "treeitem" });
    row.parts = {
      twisty: icon("chevron", "twisty"),
      label: h("code", { class: "bytes" }),
      count: h("span", { class: "count" }),
    };
    row.icons = { [FOLDER]: icon("folder"), [KEY]: icon("key") };
    row.append(
      row.parts.twisty,
      row.icons[FOLDER],
      row.icons[KEY],
      row.parts.label,
      row.parts.count,
    );
    row.addEventListener("click", () => this.#clicked(row.node));
    return row;
  }

  #showRow(row, index) {
    const node = this.tree.rows[index];
    if (!node) return;
    row.id = `${this.id}-${index}`;
    const isSelected = String(node.key === this.selected);
    setAttribute(row, "aria-selected", node.kind === KEY ? isSelected : null);
    setAttribute(row, "aria-expanded", node.kind === FOLDER ? node.isOpen : null);
    row.classList.toggle("active", node === this.active);
    const error = node.span?.error;
    const loading = node.span?.loading;
    if (row.node === node && row.seen === seenOf(node)) return;
    row.node = node;
    row.seen = seenOf(node);
    row.className = `tree-row ${node.kind}${error ? " failed" : ""}${node === this.active ? " active" : ""}`;
    row.style.setProperty("--depth", node.depth - 1);
    setAttribute(row, "aria-level", node.depth);
    setAttribute(row, "aria-busy", loading ? "true" : null);
    row.icons[FOLDER].style.display = node.kind === FOLDER ? "" : "none";
    row.icons[KEY].style.display = node.kind === KEY ? "" : "none";
    if (node.kind === MORE) this.#showMore(row, node.span);
    else this.#showNode(row, node);
  }

  #showNode(row, node) {
    const { label, count } = row.parts;
    if (node.name === "") label.replaceChildren(h("span", { class: "escape" }, "(empty name)"));
    else showBytes(label, node.name);
    setText(count, node.kind === FOLDER && node.count !== null ? number(node.count) : "");
    const keys = node.count === null ? "" : `, ${plural(node.count ?? 0, "key")}`;
    const name = visibleText(node.name) || "empty name";
    setAttribute(row, "aria-label", node.kind === FOLDER ? `${name}${keys}` : name);
    row.title = visibleText(node.key, 1024);
  }

  #showMore(row, span) {
    setText(row.parts.label, textOfMore(span));
    setText(row.parts.count, "");
    setAttribute(row, "aria-label", textOfMore(span));
    row.title = "";
  }

  /** The end of what is loaded loads more by itself; a gap above other rows would move them. */
  #loadSeen(first, last) {
    const { rows } = this.tree;
    for (let index = Math.max(0, first); index < Math.min(rows.length, last + 8); index += 1) {
      const { span } = rows[index];
      if (span && !span.loading && !span.error && isLastSpan(span)) this.tree.load(span);
    }
  }

  #clicked(node) {
    this.active = node;
    this.element.focus({ preventScroll: true });
    this.#do(node);
    this.activate(node);
  }

  #do(node) {
    if (node.kind === FOLDER) this.tree.toggle(node);
    else if (node.kind === MORE) this.tree.load(node.span);
    else this.chosen(node);
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { rows } = this.tree;
    const at = Math.max(0, rows.indexOf(this.active));
    const move = MOVES[event.key];
    if (move) {
      const to = Math.min(
        rows.length - 1,
        Math.max(0, move(this.active ? at : -1, rows.length, this.rows.page)),
      );
      if (rows[to]) this.activate(rows[to]);
    } else if (!this.#open(event.key, rows[at])) {
      return;
    }
    event.preventDefault();
  }

  /** Does what a key does to a row; tells whether it does anything. */
  #open(key, row) {
    if (!row || row !== this.active) return false;
    if (key === "Enter" || key === " ") this.#do(row);
    else if (key === "ArrowRight" && row.kind === FOLDER && !row.isOpen)
      this.tree.toggle(row, true);
    else if (key === "ArrowRight" && row.kind === FOLDER)
      this.activate(this.tree.rows[this.tree.rows.indexOf(row) + 1] ?? row);
    else if (key === "ArrowLeft" && row.kind === FOLDER && row.isOpen) this.tree.toggle(row, false);
    else if (key === "ArrowLeft" && row.parent?.parent) this.activate(row.parent);
    else return key === "ArrowLeft" || key === "ArrowRight";
    return true;
  }

  /** Marks the key that is shown beside the tree. */
  select(key) {
    this.selected = key;
    this.rows.draw();
  }

  selected = null;
}

const MOVES = {
  ArrowDown: (at) => at + 1,
  ArrowUp: (at) => at - 1,
  Home: () => 0,
  End: (at, count) => count - 1,
  PageDown: (at, count, page) => at + page,
  PageUp: (at, count, page) => at - page,
};

/** What a row shows besides what it is: if that is the same, it is drawn already. */
function seenOf(node) {
  if (node.kind === MORE)
    return `${Boolean(node.span.loading)} ${node.span.error?.message} ${node.span.left}`;
  return `${node.count}`;
}

function textOfMore({ error, loading, left, children }) {
  if (error) return `${error.message}. Press to try again.`;
  if (loading && !children.length) return "Loading…";
  const keys = left === null ? "More keys" : `${plural(left, "more key")}`;
  return loading ? `Loading ${keys.toLowerCase()}…` : `${keys} …`;
}

function rowHeight() {
  return parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 28;
}
