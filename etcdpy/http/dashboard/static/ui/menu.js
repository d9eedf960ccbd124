// A menu behind a button. (WAI-ARIA: menu button)

import { freshId, h } from "./dom.js";

/**
 * Makes a menu.
 *
 * @param {object} props Of the button.
 * @param {Node[]} face What is on the button.
 * @param {() => {text: string, icon?: Node, run: () => void}[]} items Made whenever it opens.
 */
export function menu(props, face, items) {
  const id = freshId("menu");
  const list = h("div", {
    id,
    popover: "auto",
    role: "menu",
    onkeydown: (event) => pressed(event, list),
  });
  const button = h(
    "button",
    { type: "button", "aria-haspopup": "menu", "aria-expanded": "false", ...props },
    face,
  );
  button.popoverTargetElement = list;
  list.addEventListener("beforetoggle", ({ newState }) => {
    button.setAttribute("aria-expanded", String(newState === "open"));
    if (newState === "open") list.replaceChildren(...items().map((item) => makeItem(item, list)));
  });
  list.addEventListener("toggle", ({ newState }) => {
    if (newState !== "open") return;
    place(list, button);
    list.querySelector("button")?.focus();
  });
  return h("div", { class: "menu" }, button, list);
}

function makeItem({ text, icon = null, run }, list) {
  const press = () => {
    list.hidePopover();
    run();
  };
  return h(
    "button",
    { type: "button", role: "menuitem", tabindex: "-1", onclick: press },
    icon,
    text,
  );
}

/** Puts it below the button, or above where there is no room, within the window. */
function place(list, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = list;
  const below = at.bottom + 4;
  list.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
  list.style.top = `${below + height > innerHeight - 8 ? Math.max(8, at.top - height - 4) : below}px`;
}

function pressed(event, list) {
  const items = [...list.querySelectorAll("button")];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Tab") list.hidePopover();
  if (to === undefined) return;
  event.preventDefault();
  items.at(to % items.length)?.focus();
}
