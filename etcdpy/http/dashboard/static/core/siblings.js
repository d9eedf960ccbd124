// The children of a folder, of keys that know no folders.
//
//     separator "/", base "/a/"        children
//     /a/b          a key              key    /a/b
//     /a/c/1        \  one folder,     folder /a/c/   (2 keys)
//     /a/c/2        /  however large   key    /a/d
//     /a/d          a key
//
// A folder may have a million keys, and only its first one is needed to know of it. So keys are
// read in small pages, and behind the first key of a folder reading goes on at the first key that
// is not in it: prefixEnd("/a/c/") is "/a/c0". What a folder holds comes for nothing, as each answer
// tells how many keys there are from its start to the end of all: the difference of two is a folder.

import { isBefore, prefixEnd } from "./bytes.js";

const FEWEST = 16;
const FIRST = 128;
const MOST = 1024;

/**
 * Reads children in pages, and yields each page as soon as it is there.
 *
 * @param {(key: string, end: string, limit: number) => Promise<{keys: string[], count: number}>}
 *   range Reads keys, and counts all there are from `key` to `end`, limit or not.
 * @param {{base: string, from: string, end: string, separator: string}} span What to read: the
 *   prefix that names are relative to, where to begin, the end, and what parts names.
 * @yields {{children: object[], next: string|null, left: number}} The children, the key to go on
 *   with (null at the end), and how many keys there are from there on.
 */
export async function* readSiblings(range, { base, from, end, separator }) {
  let cursor = from;
  let limit = FIRST;
  let open = null; // a folder that is yielded once it is known what it holds
  while (cursor !== null) {
    const { keys, count } = await range(cursor, end, limit);
    const children = [];
    if (open) children.push({ ...open.folder, count: Math.max(1, open.rest - count) });
    open = null;
    let at = 0;
    while (at < keys.length) {
      const child = childOf(keys[at], base, separator);
      const first = at;
      at += 1;
      if (!child.isFolder) {
        children.push(child);
        continue;
      }
      while (at < keys.length && keys[at].startsWith(child.key)) at += 1;
      if (at === keys.length && keys.length < count) open = { folder: child, rest: count - first };
      else children.push({ ...child, count: at - first });
    }
    const isLast = keys.length >= count || keys.length === 0;
    if (isLast) cursor = null;
    else if (open) cursor = behind(open.folder.key, end);
    else cursor = `${keys.at(-1)}\0`;
    if (open && cursor === null) {
      children.push({ ...open.folder, count: open.rest });
      open = null;
    }
    // Among large folders a page is good for one child, among keys for as many as it has.
    limit = open ? Math.max(FEWEST, limit >> 2) : Math.min(MOST, limit << 2);
    if (open) yield { children, next: open.folder.key, left: open.rest };
    else yield { children, next: cursor, left: count - keys.length };
  }
}

/** Returns where to go on behind a folder, or null if the range ends with it. */
function behind(prefix, end) {
  const next = prefixEnd(prefix);
  return next !== "\0" && isBefore(next, end) ? next : null;
}

/** Returns the child of `base` that a key is, or is in. */
export function childOf(key, base, separator) {
  const at = separator ? key.indexOf(separator, base.length) : -1;
  if (at < 0) return { isFolder: false, key };
  return { isFolder: true, key: key.slice(0, at + separator.length) };
}
