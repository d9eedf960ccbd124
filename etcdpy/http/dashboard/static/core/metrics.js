// Figures in Prometheus' text format (version 0.0.4), and what changes between two looks at them.

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/**
 * Reads a page.
 *
 * @param {string} text
 * @param {Set<string>} wanted Names of samples; others are passed over.
 * @returns {Map<string, {labels: object, value: number}[]>}
 */
export function parse(text, wanted) {
  const found = new Map();
  for (const line of text.split("\n")) {
    if (line.startsWith("#") || !wanted.has(nameOf(line))) continue;
    const [, name, labels = "", value] = line.match(SAMPLE) ?? [];
    if (!name) continue;
    if (!found.has(name)) found.set(name, []);
    found.get(name).push({ labels: labelsOf(labels), value: numberOf(value) });
  }
  return found;
}

function nameOf(line) {
  const end = line.search(/[{ ]/);
  return end < 0 ? line : line.slice(0, end);
}

function labelsOf(text) {
  const pairs = [...text.matchAll(LABEL)].map(([, name, value]) => [name, unescaped(value)]);
  return Object.fromEntries(pairs);
}

function unescaped(text) {
  return text.replace(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character));
}

function numberOf(text) {
  return { "+Inf": Infinity, "-Inf": -Infinity }[text] ?? Number(text);
}

/** Returns the sum of all samples of a name, null if there is none. */
export function sum(samples, ...names) {
  const values = names.flatMap((name) => samples.get(name) ?? []).map(({ value }) => value);
  return values.length ? values.reduce((total, value) => total + value, 0) : null;
}

/** Returns the buckets of a histogram, all its labels together: [upper limit, how many up to it]. */
export function buckets(samples, name) {
  const counts = new Map();
  for (const { labels, value } of samples.get(`${name}_bucket`) ?? []) {
    const limit = numberOf(labels.le);
    counts.set(limit, (counts.get(limit) ?? 0) + value);
  }
  return [...counts].sort(([a], [b]) => a - b);
}

/** Returns what came into buckets between two looks. A counter that went back began anew. */
export function bucketsSince(before, after) {
  const known = new Map(before);
  const changes = after.map(([limit, count]) => [limit, count - (known.get(limit) ?? 0)]);
  return changes.some(([, change]) => change < 0) ? after : changes;
}

/**
 * Returns the value that a share of all is below, as Prometheus' histogram_quantile() does: evenly
 * within a bucket. null if there are none.
 */
export function quantile(share, list) {
  const total = list.at(-1)?.[1] ?? 0;
  if (!total) return null;
  const rank = share * total;
  const at = list.findIndex(([, count]) => count >= rank);
  const [limit, count] = list[at];
  const [below, countBelow] = at ? list[at - 1] : [0, 0];
  if (limit === Infinity) return below;
  return below + ((limit - below) * (rank - countBelow)) / (count - countBelow || 1);
}

/** Returns how many a second a counter went up by; null where that is not known. */
export function rate(before, after, seconds) {
  if (before === null || after === null || seconds <= 0) return null;
  return (after < before ? after : after - before) / seconds;
}
