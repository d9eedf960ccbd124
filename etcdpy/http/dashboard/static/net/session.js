// Who asks. The token is in this module's memory and nowhere else: closing the page, or loading it
// anew, forgets it.

export class Session extends EventTarget {
  #token = null;

  /** The name of who has logged in, null for nobody. */
  user = null;

  /** Headers for a request. */
  get headers() {
    return this.#token === null ? {} : { Authorization: this.#token };
  }

  begin(user, token) {
    this.user = user;
    this.#token = token;
    this.dispatchEvent(new Event("change"));
  }

  end() {
    this.user = null;
    this.#token = null;
    this.dispatchEvent(new Event("change"));
  }

  /** Notes that the server wants to know who asks. */
  ask(reason) {
    this.dispatchEvent(new CustomEvent("wanted", { detail: reason }));
  }
}
