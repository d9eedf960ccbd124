// Dialogs, on the browser's own: it keeps the focus within, and gives it back at the end.

import { freshId, h } from "./dom.js";
import { icon } from "./icons.js";

export class Dialog {
  /**
   * @param {object} options
   * @param {string} options.title
   * @param {"narrow"|"wide"|""} [options.size]
   * @param {Node[]} options.body What is in it.
   * @param {Node[]} options.actions Its buttons.
   * @param {() => void} [options.submit] Called for Enter, and for buttons of type submit.
   * @param {() => void} [options.closed] Called when it is gone, however that came.
   * @param {() => boolean} [options.isDirty] Tells whether something would be lost.
   */
  constructor({
    title,
    size = "",
    body,
    actions,
    submit = () => {},
    closed = () => {},
    isDirty = () => false,
  }) {
    const id = freshId("dialog");
    this.isDirty = isDirty;
    const dismiss = h(
      "button",
      {
        type: "button",
        class: "quiet icon-only",
        "aria-label": "Close",
        onclick: () => this.dismiss(),
      },
      icon("close"),
    );
    const form = h(
      "form",
      { method: "dialog" },
      h("header", {}, h("h2", { id }, title), dismiss),
      h("div", { class: "dialog-body" }, body),
      h("footer", {}, actions),
    );
    this.body = form.querySelector(".dialog-body");
    this.footer = form.querySelector("footer");
    this.element = h("dialog", { class: size, "aria-labelledby": id }, form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit();
    });
    this.element.addEventListener("cancel", (event) => {
      if (this.#warns()) event.preventDefault();
    });
    this.element.addEventListener("close", () => {
      this.element.remove();
      closed();
    });
  }

  open() {
    document.body.append(this.element);
    this.element.showModal();
    // Where one begins: what is to be filled in, or else the button that does no harm.
    (
      this.body.querySelector("[autofocus], input, select, textarea") ??
      this.footer.querySelector("button")
    )?.focus();
    return this;
  }

  close() {
    this.element.close();
  }

  /** Closes as the user wishes; what is not saved is lost only at the second time. */
  dismiss() {
    if (!this.#warns()) this.close();
  }

  #warns() {
    if (this.isWarned || !this.isDirty()) return false;
    this.isWarned = true;
    const text = "There are changes that are not saved. Close once more to throw them away.";
    this.body.prepend(h("p", { class: "notice warn", role: "alert" }, icon("warning"), text));
    this.body.scrollTop = 0;
    return true;
  }
}

export function submitButton(text, style = "primary") {
  return h("button", { type: "submit", class: style }, text);
}

export function cancelButton(dialogOf, text = "Cancel") {
  return h("button", { type: "button", onclick: () => dialogOf().dismiss() }, text);
}

/** Makes a control with its label, and a line for what is wrong with it. */
export function field(label, control, hint = null) {
  control.id ||= freshId("field");
  const parts = [h("label", { for: control.id }, label), control];
  if (hint) {
    const id = freshId("hint");
    control.setAttribute("aria-describedby", id);
    parts.push(h("span", { class: "hint", id }, hint));
  }
  return h("div", { class: "field" }, parts);
}

/**
 * Runs what a dialog is for: buttons wait, and what fails is told in it.
 *
 * @param {Dialog} dialog
 * @param {HTMLElement} place Where an error is told.
 * @param {() => Promise<void>} task
 */
export async function attempt(dialog, place, task) {
  const buttons = [...dialog.footer.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  place.replaceChildren();
  try {
    await task();
  } catch (error) {
    if (error.name === "AbortError") return;
    place.replaceChildren(
      h("p", { class: "notice bad", role: "alert" }, icon("warning"), error.message),
    );
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

/**
 * Asks whether something shall be done, and does it.
 *
 * @returns {Promise<boolean>} Whether it was done.
 */
export function confirmAndDo({ title, body, action, task, isDangerous = true, size = "narrow" }) {
  return new Promise((resolve) => {
    let isDone = false;
    const place = h("div", {});
    const dialog = new Dialog({
      title,
      size,
      body: [body, place].flat(),
      actions: [
        cancelButton(() => dialog),
        submitButton(action, isDangerous ? "danger primary" : "primary"),
      ],
      submit: () =>
        attempt(dialog, place, async () => {
          isDone = (await task()) !== false;
          dialog.close();
        }),
      closed: () => resolve(isDone),
    });
    dialog.open();
  });
}
