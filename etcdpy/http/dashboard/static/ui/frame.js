// The frame around the panels: where one is, who one is, and whether the server is there.

import { h, setText } from "./dom.js";
import { icon } from "./icons.js";

const THEMES = { auto: "As the system", light: "Light", dark: "Dark" };
const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" };

export class Frame {
  /**
   * @param {object} app What panels share.
   * @param {object} panels By their names in addresses.
   */
  constructor(app, panels) {
    this.app = app;
    this.#makeNav(panels);
    this.#makeState();
    this.#makeTools();
    this.#makeBanner();
  }

  /** Marks the panel that is shown. */
  mark(name) {
    for (const link of this.nav.children) {
      if (link.dataset.panel === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.nav
      .querySelector("[aria-current]")
      ?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Adds the name of a panel that is there only sometimes. */
  add(name, title) {
    if (this.nav.querySelector(`[data-panel="${name}"]`)) return;
    this.nav.append(h("a", { href: `#/${name}`, "data-panel": name }, icon(name), title));
  }

  /** Offers to log in where there are users: a server without asks nobody. */
  async askWhetherToLogIn() {
    try {
      const { enabled = false } = await this.app.gateway.call("auth/status");
      this.user.hidden = !enabled && this.app.session.user === null;
    } catch {
      this.user.hidden = false;
    }
  }

  #makeNav(panels) {
    this.nav = document.getElementById("nav");
    for (const [name, panel] of Object.entries(panels)) {
      if (!panel.isOptional) this.add(name, panel.name);
    }
  }

  #makeState() {
    const { presence } = this.app;
    const dot = h("span", { class: "dot good" });
    const word = h("span", { class: "visually-hidden" }, "Connected to");
    const host = h("span", { class: "host" }, location.host);
    const update = () => {
      dot.className = `dot ${presence.isAway ? "bad" : "good"}`;
      setText(word, presence.isAway ? "No connection to" : "Connected to");
    };
    presence.addEventListener("away", update);
    presence.addEventListener("back", update);
    document.getElementById("state").append(dot, word, host);
  }

  #makeTools() {
    const { session } = this.app;
    const user = h("button", {
      type: "button",
      class: "quiet",
      hidden: true,
      onclick: () => this.#userPressed(),
    });
    this.user = user;
    const update = () => {
      const name = session.user;
      user.replaceChildren(icon("users"), h("span", { class: "tool-text" }, name ?? "Log in"));
      user.setAttribute("aria-label", name === null ? "Log in" : `Log out ${name}`);
      user.title = name === null ? "" : "Log out";
      if (name !== null) user.hidden = false;
    };
    session.addEventListener("change", update);
    update();
    document.getElementById("tools").append(this.#themeButton(), user);
  }

  #userPressed() {
    const { session } = this.app;
    if (session.user === null) session.ask("");
    else session.end();
  }

  #themeButton() {
    const names = Object.keys(THEMES);
    const button = h("button", { type: "button", class: "quiet icon-only" });
    const update = () => {
      const { theme } = document.documentElement.dataset;
      button.replaceChildren(icon(THEME_ICONS[theme]));
      button.setAttribute("aria-label", `Colours: ${THEMES[theme].toLowerCase()}`);
      button.title = `Colours: ${THEMES[theme]}`;
    };
    button.addEventListener("click", () => {
      const { theme } = document.documentElement.dataset;
      globalThis.chooseTheme(names[(names.indexOf(theme) + 1) % names.length]);
      update();
    });
    update();
    return button;
  }

  #makeBanner() {
    const { presence } = this.app;
    const banner = document.getElementById("banner");
    const retry = h("button", { type: "button", onclick: () => presence.retry() }, "Try now");
    banner.append(
      icon("warning"),
      h("span", {}, "The server does not answer. This page goes on by itself once it does."),
      retry,
    );
    presence.addEventListener("away", () => (banner.hidden = false));
    presence.addEventListener("back", () => (banner.hidden = true));
  }
}
