// Tables whose rows stay while what is in them changes, so that the focus and the eye stay, too.

import { h } from "./dom.js";

export class Table {
  /**
   * @param {string} caption What it is a table of, for screen readers.
   * @param {{title: string, style?: string, hidden?: boolean}[]} columns A hidden title is only
   *   read out.
   */
  constructor(caption, columns) {
    this.columns = columns;
    this.rows = new Map();
    this.body = h("tbody");
    const titles = columns.map(({ title, style = "", hidden }) =>
      h(
        "th",
        { scope: "col", class: style },
        hidden ? h("span", { class: "visually-hidden" }, title) : title,
      ),
    );
    const table = h(
      "table",
      { class: "table" },
      h("caption", { class: "visually-hidden" }, caption),
      h("thead", {}, h("tr", {}, titles)),
      this.body,
    );
    this.element = h(
      "div",
      { class: "table-box", tabindex: "0", role: "region", "aria-label": caption },
      table,
    );
  }

  /**
   * Shows items, each in a row of its own for as long as it is there.
   *
   * @param {object[]} items
   * @param {(item: object) => string} nameOf What an item is known by.
   * @param {(item: object) => (Node|string)[]} cellsOf Makes the cells of a new row.
   * @param {(cells: HTMLElement[], item: object) => void} [update] Changes those of any.
   */
  show(items, nameOf, cellsOf, update = () => {}) {
    const kept = new Set();
    let place = this.body.firstChild;
    for (const item of items) {
      const name = nameOf(item);
      kept.add(name);
      if (!this.rows.has(name)) this.rows.set(name, this.#make(cellsOf(item)));
      const row = this.rows.get(name);
      if (row === place) place = place.nextSibling;
      else this.body.insertBefore(row, place);
      update([...row.children], item);
    }
    for (const [name, row] of this.rows) {
      if (kept.has(name)) continue;
      row.remove();
      this.rows.delete(name);
    }
  }

  #make(cells) {
    return h(
      "tr",
      {},
      cells.map((cell, at) => h("td", { class: this.columns[at].style ?? "" }, cell)),
    );
  }
}
