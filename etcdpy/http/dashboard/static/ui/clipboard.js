// Copying. Browsers give their clipboard to pages that came over TLS or from this machine; for
// the others there is the way of old.

import { h } from "./dom.js";
import { notify } from "./notices.js";

export async function copy(text, what) {
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copyOfOld(text);
    notify(`${what} copied.`);
  } catch {
    notify(`${what} could not be copied: the browser does not allow it.`, { isBad: true });
  }
}

function copyOfOld(text) {
  const area = h("textarea", { class: "visually-hidden", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  if (!isDone) throw new Error("refused");
}
