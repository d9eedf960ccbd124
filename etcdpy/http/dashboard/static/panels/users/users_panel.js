// Users and roles: who may do what. Everything here is root's, but for looking at oneself.

import { fromBase64, prefixEnd } from "../../core/bytes.js";
import { confirmAndDo } from "../../ui/dialog.js";
import { h, setText } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { keyLabel } from "../../ui/key_label.js";
import { notify, notifyFailure } from "../../ui/notices.js";
import { problem } from "../../ui/problem.js";
import { addRole, addUser, changePassword, grantPermission, grantRole } from "./user_dialogs.js";

const RIGHTS = { READ: "read", WRITE: "write", READWRITE: "read and write" };

export default class UsersPanel {
  constructor(app) {
    this.app = app;
    // Words of about the length that they will have, so that nothing moves.
    this.state = h("span", { class: "badge", role: "status" }, "Authentication is …");
    this.toggle = h("button", { type: "button", onclick: () => this.#toggleAuth() }, "Switch on …");
    this.place = h("div", { class: "panel-part" });
    this.users = h("div", { class: "cards user-cards" });
    this.roles = h("div", { class: "cards user-cards" });
    this.lists = h(
      "div",
      { class: "user-lists", hidden: true },
      this.#section("Users", this.users, "New user", () => this.#do(addUser)),
      this.#section("Roles", this.roles, "New role", () => this.#do(addRole)),
    );
    this.element = h(
      "div",
      { class: "panel" },
      h(
        "div",
        { class: "panel-head" },
        h("h1", {}, "Users and roles"),
        this.state,
        h("span", { class: "spring" }),
        this.toggle,
      ),
      h("div", { class: "panel-body" }, this.place, this.lists),
    );
  }

  show() {
    this.hide();
    this.stop = new AbortController();
    this.#read();
  }

  hide() {
    this.stop?.abort();
  }

  #section(title, list, action, run) {
    return h(
      "section",
      {},
      h(
        "div",
        { class: "section-head" },
        h("h2", {}, title),
        h("button", { type: "button", onclick: run }, icon("plus"), action),
      ),
      list,
    );
  }

  async #read() {
    const { signal } = this.stop;
    const ask = (path, message = {}) => this.app.gateway.call(`auth/${path}`, message, { signal });
    try {
      const { enabled = false } = await ask("status");
      this.enabled = enabled;
      setText(this.state, enabled ? "Authentication is on" : "Authentication is off");
      this.state.className = `badge ${enabled ? "good" : "warn"}`;
      setText(this.toggle, enabled ? "Switch off …" : "Switch on …");
      const [{ users = [] }, { roles = [] }] = await this.#names(ask);
      const [details, permissions] = await Promise.all([
        Promise.all(
          users.map(async (name) => ({
            name,
            roles: (await ask("user/get", { name })).roles ?? [],
          })),
        ),
        Promise.all(
          roles.map(async (role) => ({
            name: role,
            perm: (await ask("role/get", { role })).perm ?? [],
          })),
        ),
      ]);
      this.roleNames = roles;
      this.#fill(
        this.users,
        details.map((user) => this.#user(user)),
        "There are no users.",
      );
      this.#fill(
        this.roles,
        permissions.map((role) => this.#role(role)),
        "There are no roles.",
      );
      this.lists.hidden = false;
    } catch (error) {
      if (signal.aborted) return;
      this.lists.hidden = true;
      this.place.replaceChildren(problem(error, () => this.#read()));
    }
  }

  /** Returns all users and roles; for who may not list them, oneself and one's own. */
  async #names(ask) {
    this.place.replaceChildren();
    try {
      return await Promise.all([ask("user/list"), ask("role/list")]);
    } catch (error) {
      const me = this.app.session.user;
      if (!error.isDenied || me === null) throw error;
      this.place.replaceChildren(
        h(
          "p",
          { class: "notice warn" },
          icon("locks"),
          "Only root sees all users and roles. These are your own.",
        ),
      );
      const { roles = [] } = await ask("user/get", { name: me });
      return [{ users: [me] }, { roles }];
    }
  }

  #fill(list, cards, none) {
    list.replaceChildren(...(cards.length ? cards : [h("p", { class: "muted" }, none)]));
  }

  #user({ name, roles }) {
    const chips = roles.map((role) =>
      this.#chip(role, `Take the role ${role} from ${name}`, () =>
        this.#send("user/revoke", { name, role }, `${name} has not the role ${role} any more.`),
      ),
    );
    const press = (text, run, style) =>
      h(
        "button",
        { type: "button", class: style, "aria-label": `${text}: ${name}`, onclick: run },
        text,
      );
    return h(
      "article",
      { class: "card" },
      h("header", {}, icon("users"), h("h3", { class: "user-name" }, name)),
      h(
        "div",
        { class: "chips" },
        chips.length ? chips : h("span", { class: "muted" }, "No roles"),
      ),
      h(
        "div",
        { class: "row-actions" },
        press("Grant a role", () => this.#do(grantRole, name, this.roleNames)),
        press("Password", () => this.#do(changePassword, name)),
        press(
          "Delete",
          () => this.#ask(`Delete the user ${name}?`, "user/delete", { name }),
          "danger",
        ),
      ),
    );
  }

  #role({ name, perm }) {
    const rights = perm.map((permission) => this.#permission(name, permission));
    const body = name === "root" ? [h("p", { class: "muted" }, "May do everything.")] : rights;
    return h(
      "article",
      { class: "card" },
      h("header", {}, icon("locks"), h("h3", { class: "user-name" }, name)),
      h(
        "ul",
        { class: "rights" },
        body.length ? body : h("li", { class: "muted" }, "May do nothing."),
      ),
      h(
        "div",
        { class: "row-actions" },
        h(
          "button",
          {
            type: "button",
            "aria-label": `Grant a right to ${name}`,
            onclick: () => this.#do(grantPermission, name),
          },
          "Grant a right",
        ),
        h(
          "button",
          {
            type: "button",
            class: "danger",
            "aria-label": `Delete: ${name}`,
            onclick: () => this.#ask(`Delete the role ${name}?`, "role/delete", { role: name }),
          },
          "Delete",
        ),
      ),
    );
  }

  #permission(role, { permType = "READ", key = "", range_end = "" }) {
    const label = `Take this right from ${role}`;
    const revoke = () =>
      this.#send("role/revoke", { role, key, range_end }, `${role} has not this right any more.`);
    return h(
      "li",
      {},
      h("span", { class: "badge" }, RIGHTS[permType]),
      h("span", { class: "range" }, rangeLabel(fromBase64(key), fromBase64(range_end))),
      removal(label, revoke),
    );
  }

  #chip(text, label, run) {
    return h("span", { class: "chip" }, text, removal(label, run));
  }

  async #send(path, message, done) {
    try {
      await this.app.gateway.call(`auth/${path}`, message);
      notify(done);
      await this.#read();
    } catch (error) {
      notifyFailure("Nothing was changed", error);
    }
  }

  async #do(task, ...about) {
    if (await task(this.app, ...about)) await this.#read();
  }

  async #ask(title, path, message) {
    const task = () => this.app.gateway.call(`auth/${path}`, message);
    if (await confirmAndDo({ title, action: "Delete", body: [], task })) await this.#read();
  }

  async #toggleAuth() {
    const path = this.enabled ? "auth/disable" : "auth/enable";
    const isDone = await confirmAndDo({
      title: this.enabled ? "Switch authentication off?" : "Switch authentication on?",
      action: this.enabled ? "Switch off" : "Switch on",
      body: [
        h(
          "p",
          {},
          this.enabled
            ? "Whoever reaches the server may do everything then. Users and roles stay."
            : "Everybody has to log in then. There has to be a user root with the role root; be sure to know its password.",
        ),
      ],
      task: () => this.app.gateway.call(path),
    });
    if (!isDone) return;
    this.app.session.end();
    this.app.frame.askWhetherToLogIn();
  }
}

function removal(label, onclick) {
  return h(
    "button",
    { type: "button", class: "quiet chip-remove", "aria-label": label, title: label, onclick },
    icon("close"),
  );
}

/** Says which keys a range has, as one would. */
function rangeLabel(key, end) {
  if (end === "") return keyLabel(key);
  if (end === "\0")
    return key === "\0" || key === "" ? "all keys" : ["all keys from ", keyLabel(key), " on"];
  if (end === prefixEnd(key)) return ["keys with ", keyLabel(key)];
  return [keyLabel(key), " up to ", keyLabel(end)];
}
