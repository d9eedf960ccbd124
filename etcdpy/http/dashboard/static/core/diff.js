// What is different between two texts, line by line. (E. W. Myers, "An O(ND) Difference Algorithm
// and Its Variations": the shortest way through a grid of both texts' lines)

export const SAME = "same";
export const ADDED = "added";
export const REMOVED = "removed";

/** Beyond so many changes the middle is told as one change, as it costs their square. */
const MOST_CHANGES = 600;

/**
 * Compares two texts.
 *
 * @returns {{kind: string, text: string, left: number|null, right: number|null,
 *   mark?: [number, number]}[]} Lines, with their numbers on both sides; of lines that were changed
 *   a little, where they were.
 */
export function diffLines(before, after) {
  const a = before === "" ? [] : before.split("\n");
  const b = after === "" ? [] : after.split("\n");
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  const most = Math.min(a.length, b.length) - head;
  while (tail < most && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const middle = shortest(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  const kinds = [...Array(head).fill(SAME), ...middle, ...Array(tail).fill(SAME)];
  return mark(number(kinds, a, b));
}

/** Returns the kinds of the lines of both, in order: removed ones before those added. */
function shortest(a, b) {
  const trace = a.length && b.length ? search(a, b) : null;
  if (!trace) return [...a.map(() => REMOVED), ...b.map(() => ADDED)];
  return walk(trace, a.length, b.length);
}

/** Returns for each number of changes how far each diagonal gets with it; null if it is too many. */
function search(a, b) {
  const size = a.length + b.length;
  const far = new Map([[1, 0]]);
  const trace = [];
  for (let changes = 0; changes <= Math.min(size, MOST_CHANGES); changes += 1) {
    trace.push(new Map(far));
    for (let diagonal = -changes; diagonal <= changes; diagonal += 2) {
      let x = comesDown(far, diagonal, changes) ? far.get(diagonal + 1) : far.get(diagonal - 1) + 1;
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x += 1;
      far.set(diagonal, x);
      if (x >= a.length && x - diagonal >= b.length) return trace;
    }
  }
  return null;
}

function comesDown(far, diagonal, changes) {
  if (diagonal === -changes) return true;
  return diagonal !== changes && far.get(diagonal - 1) < far.get(diagonal + 1);
}

/** Goes the way back, from the end of both texts. */
function walk(trace, endOfA, endOfB) {
  const kinds = [];
  let [x, y] = [endOfA, endOfB];
  for (let changes = trace.length - 1; changes >= 0; changes -= 1) {
    const far = trace[changes];
    const diagonal = x - y;
    const isDown = comesDown(far, diagonal, changes);
    const from = isDown ? diagonal + 1 : diagonal - 1;
    const fromX = far.get(from);
    const fromY = fromX - from;
    while (x > Math.max(0, fromX) && y > Math.max(0, fromY)) {
      kinds.push(SAME);
      x -= 1;
      y -= 1;
    }
    if (changes) kinds.push(isDown ? ADDED : REMOVED);
    [x, y] = [fromX, fromY];
  }
  return kinds.reverse();
}

function number(kinds, a, b) {
  let [left, right] = [0, 0];
  return kinds.map((kind) => {
    if (kind !== ADDED) left += 1;
    if (kind !== REMOVED) right += 1;
    const text = kind === ADDED ? b[right - 1] : a[left - 1];
    return {
      kind,
      text,
      left: kind === ADDED ? null : left,
      right: kind === REMOVED ? null : right,
    };
  });
}

/** Marks what changed within lines: as many added as removed are taken for the same lines. */
function mark(lines) {
  for (let at = 0; at < lines.length;) {
    const removed = run(lines, at, REMOVED);
    const added = run(lines, at + removed, ADDED);
    if (removed && removed === added) {
      for (let i = 0; i < removed; i += 1) markPair(lines[at + i], lines[at + removed + i]);
    }
    at += removed + added || 1;
  }
  return lines;
}

function run(lines, from, kind) {
  let length = 0;
  while (lines[from + length]?.kind === kind) length += 1;
  return length;
}

function markPair(removed, added) {
  const [a, b] = [removed.text, added.text];
  const most = Math.min(a.length, b.length);
  let head = 0;
  while (head < most && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < most - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  if (head + tail === 0) return; // nothing in common: another line, not a changed one
  removed.mark = [head, a.length - tail];
  added.mark = [head, b.length - tail];
}

/**
 * Leaves out what is the same far from any change.
 *
 * @returns {object[]} Lines, and `{skipped: number}` where there were others.
 */
export function withContext(lines, context = 3) {
  const near = new Uint8Array(lines.length);
  lines.forEach(({ kind }, at) => {
    if (kind !== SAME) near.fill(1, Math.max(0, at - context), at + context + 1);
  });
  const shown = [];
  for (let at = 0; at < lines.length;) {
    let end = at;
    while (end < lines.length && !near[end]) end += 1;
    if (end > at) shown.push(end - at > 1 ? { skipped: end - at } : lines[at]);
    if (end < lines.length) shown.push(lines[end]);
    at = end + 1;
  }
  return shown;
}
