// Short messages at the edge, read out by screen readers. What went well goes by itself; what
// failed stays until it is closed.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const SHOWN_FOR = 4000;
const MOST = 4;

export function notify(text, { isBad = false } = {}) {
  const place = document.getElementById("notices");
  const close = h(
    "button",
    {
      type: "button",
      class: "quiet icon-only",
      "aria-label": "Close this message",
      onclick: () => notice.remove(),
    },
    icon("close"),
  );
  const notice = h("div", { class: isBad ? "bad" : "" }, h("p", {}, text), close);
  place.append(notice);
  while (place.children.length > MOST) place.firstChild.remove();
  if (!isBad) setTimeout(() => notice.remove(), SHOWN_FOR);
}

/** Tells of what failed, in the server's words. */
export function notifyFailure(what, error) {
  if (error.name === "AbortError") return;
  notify(`${what}: ${error.message}`, { isBad: true });
}
