// Writing nodes of version 2, each only if it is as it was seen. Each resolves to whether it was
// written, or where.

import { fromText, toText } from "../../core/bytes.js";
import {
  Dialog,
  attempt,
  cancelButton,
  confirmAndDo,
  field,
  submitButton,
} from "../../ui/dialog.js";
import { diffView } from "../../ui/diff_view.js";
import { h } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { keyLabel } from "../../ui/key_label.js";
import { notify } from "../../ui/notices.js";
import { ValueEditor } from "../../ui/value_editor.js";

function ttlInput(ttl = "") {
  return h("input", { type: "number", min: "1", value: String(ttl) });
}

/** Returns a value as this API takes it. */
function textOf(editor) {
  const text = toText(editor.read());
  if (text === null) throw new Error("Values of version 2 are text, and these bytes are none.");
  return text;
}

export function createNode(v2, folder) {
  return new Promise((resolve) => {
    let created = null;
    const path = h("input", {
      class: "mono",
      required: true,
      spellcheck: "false",
      autocapitalize: "none",
      autocomplete: "off",
      value: folder.endsWith("/") ? folder : `${folder}/`,
    });
    const isFolder = h("input", { type: "checkbox" });
    const ttl = ttlInput();
    const editor = new ValueEditor("");
    isFolder.addEventListener("change", () => (editor.element.hidden = isFolder.checked));
    const place = h("div", { class: "dialog-part" });
    const dialog = new Dialog({
      title: "New key of version 2",
      body: [
        field("Path", path),
        h("label", { class: "check" }, isFolder, "A folder"),
        editor.element,
        field("Seconds to live; empty for ever", ttl),
        place,
      ],
      actions: [cancelButton(() => dialog), submitButton("Create")],
      isDirty: () => editor.isDirty,
      submit: () =>
        attempt(dialog, place, async () => {
          const name = path.value.startsWith("/") ? path.value : `/${path.value}`;
          await v2.create(name, {
            value: isFolder.checked ? null : textOf(editor),
            ttl: ttl.value,
          });
          created = name;
          dialog.close();
          notify("Created.");
        }),
      closed: () => resolve(created),
    });
    dialog.open();
    path.setSelectionRange(path.value.length, path.value.length);
  });
}

export function editNode(v2, node) {
  return new Promise((resolve) => {
    let seen = node.modifiedIndex;
    let isDone = false;
    const editor = new ValueEditor(fromText(node.value ?? ""));
    const ttl = ttlInput(node.ttl);
    const place = h("div", { class: "dialog-part" });
    const dialog = new Dialog({
      title: "Edit",
      size: "wide",
      body: [
        h("div", {}, keyLabel(fromText(node.key))),
        editor.element,
        field("Seconds to live; empty for ever", ttl),
        place,
      ],
      actions: [cancelButton(() => dialog), submitButton("Save")],
      isDirty: () => editor.isDirty,
      submit: () =>
        attempt(dialog, place, async () => {
          const value = textOf(editor);
          try {
            await v2.put(node.key, { value, ttl: ttl.value, seen });
          } catch (error) {
            if (!error.isConflict) throw error;
            const found = await v2.get(node.key);
            seen = found.modifiedIndex;
            place.replaceChildren(...conflict(found, value));
            return;
          }
          isDone = true;
          dialog.close();
          notify("Saved.");
        }),
      closed: () => resolve(isDone),
    });
    dialog.open();
    editor.area.focus();
  });
}

function conflict(found, value) {
  const title = "From what is there to yours";
  return [
    h(
      "p",
      { class: "notice warn", role: "alert" },
      icon("warning"),
      "The key was changed meanwhile. Nothing was written; saving again writes over what is shown here.",
    ),
    h("h3", {}, title),
    diffView(fromText(found.value ?? ""), fromText(value), title),
  ];
}

export function deleteNode(v2, node) {
  const name = h("div", {}, keyLabel(fromText(node.key)));
  return confirmAndDo({
    title: node.dir ? "Delete this folder, and all that is in it?" : "Delete this key?",
    action: "Delete",
    body: [name],
    task: async () => {
      if (node.dir) await v2.deleteFolder(node.key);
      else await v2.delete(node.key, node.modifiedIndex);
      notify("Deleted.");
    },
  });
}
