// The tree of keys: what of it is loaded, what is open, and which rows that makes.
//
// A folder's children are loaded in spans, each from where it begins to where the next one does:
//
//     folder /pods/     span from /pods/       a b c d . . . . . . .   next: e
//                       span from /pods/x7     x7 x8 x9 . . .          next: x90
//
// There is one span at first. Going to a key far away cuts the last one in two, so that what lies
// between need not be loaded: it is one row, which says how many keys it stands for.

import { prefixEnd } from "./bytes.js";
import { childOf, readSiblings } from "./siblings.js";

/** Children that are loaded at once, at least. */
const PAGE = 200;

export const KEY = "key";
export const FOLDER = "folder";
export const MORE = "more";

export class Tree {
  /**
   * @param {object} source Where keys come from.
   * @param {Function} source.range Reads keys (see readSiblings).
   * @param {Function} source.count Counts the keys of a range.
   * @param {() => void} changed Told when there are other rows.
   */
  constructor(source, changed) {
    this.source = source;
    this.changed = changed;
    this.rows = [];
    this.reset("", "/");
  }

  /** Shows what begins with a prefix, and forgets everything that was loaded. */
  reset(prefix, separator) {
    this.separator = separator;
    this.prefix = prefix;
    const base = separator ? prefix.slice(0, prefix.lastIndexOf(separator) + 1) : "";
    this.root = makeFolder(null, base, prefix);
    this.root.isOpen = true;
    this.#arrange();
  }

  get isLoading() {
    return this.root.spans.some((span) => span.loading);
  }

  /** How many keys there are in all; null while that is not known. */
  get total() {
    return this.root.count;
  }

  /**
   * Loads what is there, once more; what was open stays so. If that fails, what was there stays.
   *
   * @throws {Error} It failed.
   */
  async refresh() {
    const opened = new Set();
    collectOpen(this.root, opened);
    const old = this.root;
    this.reset(this.prefix, this.separator);
    // Until there is something new, the old is better than nothing.
    this.rows = rowsOf(old);
    const [span] = this.root.spans;
    await this.load(span);
    if (span.error && old.spans[0].children.length) {
      this.root = old;
      this.#arrange();
      throw span.error;
    }
    await this.#reopen(this.root, opened);
  }

  /** Opens or closes a folder. */
  async toggle(folder, isOpen = !folder.isOpen) {
    if (folder.isOpen === isOpen) return;
    folder.isOpen = isOpen;
    this.#arrange();
    const [first] = folder.spans;
    if (isOpen && first.next !== null && !first.children.length) await this.load(first);
  }

  /**
   * Loads the next page of a span. What fails is noted in the span, and may be tried again.
   *
   * @param {object} span Of a folder that is open.
   */
  async load(span) {
    if (span.loading || span.next === null) return span.loading;
    span.error = null;
    span.loading = this.#loadPage(span).finally(() => {
      span.loading = null;
      this.#arrange();
    });
    this.#arrange();
    await span.loading;
    await this.#openOnlyChild(span);
  }

  /** Opens a folder that is all there is, as nobody wants to be asked for that. */
  async #openOnlyChild({ folder, children, next }) {
    if (folder.spans.length !== 1 || next !== null || children.length !== 1) return;
    if (children[0].kind === FOLDER) await this.toggle(children[0], true);
  }

  async #loadPage(span) {
    const { folder } = span;
    const { base } = folder;
    const root = this.root;
    const want = { base, from: span.next, end: span.end, separator: this.separator };
    let got = 0;
    try {
      for await (const page of readSiblings(this.source.range, want)) {
        if (this.root !== root) return;
        for (const child of page.children) span.children.push(makeNode(folder, child));
        if (folder.spans.length === 1 && folder.count === null) {
          folder.count = span.children.reduce((sum, node) => sum + (node.count ?? 1), page.left);
        }
        span.next = page.next;
        span.left = page.left;
        got += page.children.length;
        this.#arrange();
        if (got >= PAGE) break;
      }
    } catch (error) {
      span.error = error;
    }
  }

  /**
   * Loads what is needed to show a key, and opens the folders that it is in.
   *
   * @returns {Promise<object|null>} Its row, or null if there is no such key.
   */
  async reveal(key) {
    let folder = this.root;
    if (!key.startsWith(this.prefix)) return null;
    for (;;) {
      const child = childOf(key, folder.base, this.separator);
      const node = await this.#find(folder, child);
      if (!node) return null;
      if (node.kind === KEY) {
        this.#arrange();
        return node;
      }
      node.isOpen = true;
      folder = node;
    }
  }

  /** Returns the child of a folder, loading the page that it is on. */
  async #find(folder, child) {
    for (;;) {
      const span = folder.spans.findLast((one) => one.from <= child.key) ?? folder.spans[0];
      const found = span.children.find((node) => isIt(node, child));
      if (found || span.next === null || child.key < span.next) return found ?? null;
      if (span.error) throw span.error;
      // The next page may have it; what is further away gets a span of its own.
      const isNear = span.left === null || span.left <= PAGE;
      if (span.loading || isNear) await this.load(span);
      else await this.#cut(span, child.key);
    }
  }

  /** Takes a key that was deleted out of what is loaded, and folders that have no other. */
  forget(key) {
    let folder = this.root;
    const emptied = [];
    while (folder) {
      if (folder.count !== null) folder.count -= 1;
      const child = childOf(key, folder.base, this.separator);
      const span = folder.spans.find(({ children }) => children.some((node) => isIt(node, child)));
      const node = span?.children.find((one) => isIt(one, child));
      if (node?.kind === KEY || node?.count === 1) emptied.push([span, node]);
      folder = node?.kind === FOLDER ? node : null;
    }
    const [gone] = emptied;
    if (gone) gone[0].children.splice(gone[0].children.indexOf(gone[1]), 1);
    this.#arrange();
  }

  async #cut(span, key) {
    const { folder } = span;
    const after = makeSpan(folder, key, span.end);
    const left = await this.source.count(span.next, key);
    span.left = left;
    span.end = key;
    if (!left) span.next = null;
    folder.spans.splice(folder.spans.indexOf(span) + 1, 0, after);
    await this.load(after);
  }

  async #reopen(folder, opened) {
    for (const span of folder.spans) {
      for (const node of span.children) {
        if (node.kind !== FOLDER || !opened.has(node.key)) continue;
        await this.toggle(node, true);
        await this.#reopen(node, opened);
      }
    }
  }

  #arrange() {
    this.rows = rowsOf(this.root);
    this.changed();
  }
}

function isIt(node, child) {
  return node.key === child.key && isLike(node, child);
}

function isLike(node, child) {
  return (node.kind === FOLDER) === child.isFolder;
}

function makeFolder(parent, base, from, count = null) {
  const folder = { kind: FOLDER, key: base, base, parent, count, isOpen: false, spans: [] };
  folder.depth = parent ? parent.depth + 1 : 0;
  folder.name = parent ? base.slice(parent.base.length) : base;
  folder.spans.push(makeSpan(folder, from, prefixEnd(from)));
  return folder;
}

function makeSpan(folder, from, end) {
  // Range takes no empty key: the first one there can be is a zero byte.
  const next = from === "" ? "\0" : from;
  const span = { folder, from, end, next, children: [], left: null, loading: null, error: null };
  span.row = { kind: MORE, span, parent: folder, depth: folder.depth + 1 };
  return span;
}

function makeNode(parent, child) {
  if (child.isFolder) return makeFolder(parent, child.key, child.key, child.count);
  const name = child.key.slice(parent.base.length);
  return { kind: KEY, key: child.key, name, parent, depth: parent.depth + 1 };
}

/** Returns all rows: what is open, in order, and what is not loaded. */
function rowsOf(root) {
  const rows = [];
  addRows(root, rows);
  return rows;
}

function addRows(folder, rows) {
  for (const span of folder.spans) {
    for (const node of span.children) {
      rows.push(node);
      if (node.kind === FOLDER && node.isOpen) addRows(node, rows);
    }
    if (span.next !== null || span.error) rows.push(span.row);
  }
}

function collectOpen(folder, into) {
  for (const span of folder.spans) {
    for (const node of span.children) {
      if (node.kind !== FOLDER || !node.isOpen) continue;
      into.add(node.key);
      collectOpen(node, into);
    }
  }
}

/** Tells whether nothing of a folder lies behind a span: then it may load by itself. */
export function isLastSpan(span) {
  return span.folder.spans.at(-1) === span;
}
