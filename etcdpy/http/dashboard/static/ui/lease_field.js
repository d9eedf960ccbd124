// Which lease a key shall have: none, a new one, or one that there is.

import { decimalId, hexId } from "../core/units.js";
import { field } from "./dialog.js";
import { freshId, h } from "./dom.js";

const NONE = "none";
const NEW = "new";
const KNOWN = "known";

export class LeaseField {
  /**
   * @param {Gateway} gateway
   * @param {string} lease The one it has, in decimal digits.
   */
  constructor(gateway, lease = "0") {
    this.gateway = gateway;
    const has = lease !== "0";
    this.way = h(
      "select",
      { onchange: () => this.#update() },
      h("option", { value: NONE }, "None: the key stays"),
      h("option", { value: NEW }, "A new one"),
      h("option", { value: KNOWN }, "One that there is"),
    );
    this.way.value = has ? KNOWN : NONE;
    this.ttl = h("input", { type: "number", min: "1", max: "9000000000", value: "60" });
    this.known = h("datalist", { id: freshId("leases") });
    this.id = h("input", {
      class: "mono",
      list: this.known.id,
      spellcheck: "false",
      autocomplete: "off",
      value: has ? hexId(lease) : "",
    });
    this.ttlField = field("Seconds to live, unless it is kept alive", this.ttl);
    this.idField = field("ID, in hexadecimal digits as etcdctl writes it", this.id);
    this.element = h(
      "div",
      { class: "field" },
      field("Lease", this.way),
      this.ttlField,
      this.idField,
      this.known,
    );
    this.#update();
    this.#suggest();
  }

  /**
   * Returns the ID to use, "0" for none; a new lease is granted now.
   *
   * @throws {Error} What is written is no ID, or the server refuses.
   */
  async take() {
    if (this.way.value === NONE) return "0";
    if (this.way.value === NEW)
      return (await this.gateway.call("lease/grant", { TTL: this.ttl.value || "60" })).ID;
    const id = this.id.value.trim();
    if (!/^[0-9a-f]{1,16}$/i.test(id))
      throw new Error("The ID of a lease has up to 16 hexadecimal digits.");
    return decimalId(id);
  }

  #update() {
    this.ttlField.hidden = this.way.value !== NEW;
    this.idField.hidden = this.way.value !== KNOWN;
  }

  async #suggest() {
    // Who may not see all leases can still write down the ID of one.
    const { leases = [] } = await this.gateway.call("lease/leases").catch(() => ({}));
    this.known.append(...leases.slice(0, 200).map(({ ID }) => h("option", { value: hexId(ID) })));
  }
}
