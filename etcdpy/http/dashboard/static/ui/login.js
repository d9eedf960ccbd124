// Logging in. The password goes to the server once; what stays is its token, in memory.

import { Dialog, attempt, cancelButton, field, submitButton } from "./dialog.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";

export class Login {
  constructor(app) {
    this.app = app;
    this.dialog = null;
    this.isDeclined = false;
    app.session.addEventListener("change", () => (this.isDeclined = false));
    addEventListener("hashchange", () => (this.isDeclined = false));
  }

  /**
   * Asks for a name and a password, unless that is being done already.
   *
   * @param {string} reason What the server said, if it was it that asked. Who has declined is not
   *   asked by it again before going somewhere else.
   */
  open(reason = "") {
    if (this.dialog || (reason && this.isDeclined)) return;
    const { session } = this.app;
    const name = h("input", {
      autocomplete: "username",
      autocapitalize: "none",
      spellcheck: "false",
      required: true,
      value: session.user ?? "",
    });
    const password = h("input", {
      type: "password",
      autocomplete: "current-password",
      required: true,
    });
    const place = h("div", {});
    if (reason) place.append(h("p", { class: "notice" }, icon("locks"), explainReason(reason)));
    this.dialog = new Dialog({
      title: "Log in",
      size: "narrow",
      body: [place, field("User", name), field("Password", password)],
      actions: [cancelButton(() => this.dialog), submitButton("Log in")],
      submit: () => attempt(this.dialog, place, () => this.#begin(name.value, password.value)),
      closed: () => {
        this.dialog = null;
        this.isDeclined = true;
      },
    }).open();
  }

  async #begin(name, password) {
    const { gateway, session } = this.app;
    const { token } = await gateway.call("auth/authenticate", { name, password });
    this.dialog.close();
    session.begin(name, token);
  }
}

function explainReason(reason) {
  if (reason === "etcdserver: invalid auth token")
    return "The session is over. Please log in again.";
  return "This server wants to know who asks.";
}
