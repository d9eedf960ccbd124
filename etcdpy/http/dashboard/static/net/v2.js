// The API of old: keys are text, folders are folders, and each change has an index.

import { AwayError } from "./gateway.js";

/** What the server says no with, in the words of its own table. */
export class V2Error extends Error {
  constructor({ errorCode, message, cause }, status) {
    super(cause ? `${message}: ${cause}` : message);
    this.name = "V2Error";
    this.code = errorCode;
    this.status = status;
  }

  get isDenied() {
    return this.status === 401;
  }

  get isMissing() {
    return this.code === 100;
  }

  /** The key is not as it was seen. */
  get isConflict() {
    return this.code === 101 || this.code === 105;
  }
}

export class V2 {
  /** @param {Gateway} gateway What notes whether the server is there. */
  constructor(gateway) {
    this.gateway = gateway;
  }

  /** Returns a node; of a folder with what is right in it. */
  async get(path, options) {
    return (await this.#ask("GET", path, { sorted: true }, options)).node;
  }

  /** Creates a key, or a folder if there is no value. */
  create(path, { value = null, ttl = "" }) {
    return this.#ask("PUT", path, {
      prevExist: false,
      ...(value === null ? { dir: true } : { value }),
      ...(ttl && { ttl }),
    });
  }

  /** Writes a key that is as it was seen. The time that it has to live is what is given now. */
  put(path, { value, ttl = "", seen }) {
    return this.#ask("PUT", path, { value, prevIndex: seen, ...(ttl && { ttl }) });
  }

  delete(path, seen) {
    return this.#ask("DELETE", path, { prevIndex: seen });
  }

  deleteFolder(path) {
    return this.#ask("DELETE", path, { dir: true, recursive: true });
  }

  /** Returns counts of what was done. */
  async stats() {
    const { text } = await this.gateway.get("/v2/stats/store");
    return JSON.parse(text);
  }

  async #ask(method, path, parameters, { signal } = {}) {
    const form = new URLSearchParams(parameters);
    const isWrite = method === "PUT";
    const url = `/v2/keys${path.split("/").map(encodeURIComponent).join("/")}`;
    const options = isWrite ? { method, body: form } : { method };
    const answer = await this.gateway.get(isWrite ? url : `${url}?${form}`, { ...options, signal });
    let told;
    try {
      told = JSON.parse(answer.text);
    } catch {
      throw new AwayError(`this is no answer of the API version 2: HTTP ${answer.status}`);
    }
    if (told.errorCode) throw new V2Error(told, answer.status);
    return told;
  }
}
