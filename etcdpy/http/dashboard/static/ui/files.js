// Files: giving them to the user, and taking them.

import { toArray } from "../core/bytes.js";
import { h } from "./dom.js";

/** Time for the browser to begin with a download before its source is let go. */
const LETS_GO_AFTER = 60_000;

/** Saves bytes under a name. */
export function save(binary, name) {
  saveBlob(new Blob([toArray(binary)], { type: "application/octet-stream" }), name);
}

export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), LETS_GO_AFTER);
}

/** Lets the user choose a file. Resolves to it, or to null. */
export function choose(accept) {
  return new Promise((resolve) => {
    const input = h("input", { type: "file", accept, hidden: true });
    input.addEventListener("change", () => resolve(input.files[0] ?? null));
    input.addEventListener("cancel", () => resolve(null));
    document.body.append(input);
    input.click();
    input.remove();
  });
}
