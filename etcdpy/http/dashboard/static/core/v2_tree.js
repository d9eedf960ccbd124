// The tree of version 2, with rows as the tree of keys has them. A folder is read as a whole when
// it is opened: there are no pages in that API.

import { fromText } from "./bytes.js";
import { FOLDER, KEY, MORE } from "./tree.js";

export class V2Tree {
  /**
   * @param {(path: string) => Promise<object>} read Returns a node.
   * @param {() => void} changed Told when there are other rows.
   */
  constructor(read, changed) {
    Object.assign(this, { read, changed });
    this.reset();
  }

  reset() {
    this.root = makeFolder(null, "/");
    this.root.isOpen = true;
    this.rows = [];
  }

  /** Reads what is open once more. */
  async refresh() {
    const opened = new Set();
    collectOpen(this.root, opened);
    const old = this.rows;
    this.reset();
    this.rows = old;
    await this.load(this.root.span);
    await this.#reopen(this.root, opened);
  }

  async toggle(folder, isOpen = !folder.isOpen) {
    folder.isOpen = isOpen;
    this.#arrange();
    if (isOpen && !folder.isRead) await this.load(folder.span);
  }

  async load(span) {
    const { folder } = span;
    span.error = null;
    span.loading = this.read(folder.path).then(
      (node) => {
        folder.children = (node.nodes ?? []).map((child) => makeNode(folder, child));
        folder.isRead = true;
      },
      (error) => (span.error = error),
    );
    this.#arrange();
    await span.loading;
    span.loading = null;
    this.#arrange();
  }

  /** Opens the folders that a path is in; returns its row, or null if there is none. */
  async reveal(path) {
    let folder = this.root;
    for (;;) {
      if (!folder.isRead) await this.load(folder.span);
      const node = folder.children.find(
        (child) => path === child.path || path.startsWith(`${child.path}/`),
      );
      if (!node) return null;
      if (node.path === path) return node;
      folder = node;
      folder.isOpen = true;
      this.#arrange();
    }
  }

  async #reopen(folder, opened) {
    for (const node of folder.children) {
      if (node.kind !== FOLDER || !opened.has(node.path)) continue;
      await this.toggle(node, true);
      await this.#reopen(node, opened);
    }
  }

  #arrange() {
    const rows = [];
    addRows(this.root, rows);
    this.rows = rows;
    this.changed();
  }
}

function makeFolder(parent, path) {
  const folder = {
    ...place(parent, path, FOLDER),
    count: null,
    isOpen: false,
    isRead: false,
    children: [],
  };
  folder.span = { folder, children: [], left: null, loading: null, error: null };
  folder.spans = [folder.span];
  folder.row = { kind: MORE, span: folder.span, parent: folder, depth: folder.depth + 1 };
  return folder;
}

function makeNode(parent, { key, dir }) {
  return dir ? makeFolder(parent, key) : place(parent, key, KEY);
}

function place(parent, path, kind) {
  const name = `${path.slice(path.lastIndexOf("/") + 1)}${kind === FOLDER ? "/" : ""}`;
  return {
    kind,
    path,
    key: fromText(path),
    name: fromText(name),
    parent,
    depth: parent ? parent.depth + 1 : 0,
  };
}

function addRows(folder, rows) {
  for (const node of folder.children) {
    rows.push(node);
    if (node.kind === FOLDER && node.isOpen) addRows(node, rows);
  }
  if (folder.span.loading || folder.span.error) rows.push(folder.row);
}

function collectOpen(folder, into) {
  for (const node of folder.children) {
    if (node.kind !== FOLDER || !node.isOpen) continue;
    into.add(node.path);
    collectOpen(node, into);
  }
}
