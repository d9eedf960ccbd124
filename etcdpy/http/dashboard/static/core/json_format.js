// JSON laid out over lines. It is done on the text: reading and writing it would turn
// 12345678901234567890 into 12345678901234567000, 1.0 into 1, and lose a name that is there twice.

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Tells whether a text is JSON that has anything to lay out: an object or a list. */
export function isJson(text) {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Lays out JSON. What it is given has to be some. */
export function formatJson(text) {
  const out = [];
  let depth = 0;
  let last = "";
  const newline = () => out.push("\n", "  ".repeat(depth));
  for (const [token] of text.matchAll(TOKEN)) {
    const closes = token === "}" || token === "]";
    const isEmpty = closes && (last === "{" || last === "[");
    if (closes) depth -= 1;
    if (closes ? !isEmpty : last === "{" || last === "[" || last === ",") newline();
    out.push(token === ":" ? ": " : token);
    if (token === "{" || token === "[") depth += 1;
    last = token;
  }
  return out.join("").trimStart();
}
