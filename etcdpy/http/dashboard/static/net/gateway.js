// The JSON gateway: POST a message, get a message. 64-bit numbers are strings in it, and what is
// zero is left out.

/** What the server says no with: gRPC's code, and etcd's words. */
export class RefusedError extends Error {
  constructor(code, message, status) {
    super(message);
    this.name = "RefusedError";
    this.code = code;
    this.status = status;
  }

  get isDenied() {
    return this.code === PERMISSION_DENIED || this.message === "etcdserver: permission denied";
  }

  /** Whether somebody has to log in, or to do it once more. */
  get wantsLogin() {
    return this.code === UNAUTHENTICATED || this.message === "etcdserver: user name is empty";
  }

  get isCompacted() {
    return this.message.includes("required revision has been compacted");
  }
}

/** Nobody answers, or somebody else does. */
export class AwayError extends Error {
  constructor(message = "the server does not answer") {
    super(message);
    this.name = "AwayError";
  }
}

export const PERMISSION_DENIED = 7;
export const UNAUTHENTICATED = 16;
const NOT_FOUND = 5;

export class Gateway extends EventTarget {
  /** @param {Session} session Who asks. */
  constructor(session) {
    super();
    this.session = session;
    /** Milliseconds that the latest answers took, the newest last. */
    this.latencies = [];
  }

  /**
   * Asks for one answer.
   *
   * @param {string} path Behind /v3/, such as "kv/range".
   * @param {object} message The request, in the gateway's JSON.
   * @param {{signal?: AbortSignal}} options
   * @throws {RefusedError|AwayError} Or an AbortError.
   */
  async call(path, message = {}, { signal } = {}) {
    const begun = performance.now();
    const response = await this.#post(path, JSON.stringify(message), signal);
    const answer = await readJson(response, signal);
    this.#note(performance.now() - begun);
    if (!response.ok) throw this.#refusal(answer, response);
    return answer;
  }

  /**
   * Asks for a stream of answers, which ends with the server's or with the signal.
   *
   * @param {object|object[]} messages The request, or several.
   * @yields {object} Each result.
   */
  async *stream(path, messages, { signal } = {}) {
    const body = [messages]
      .flat()
      .map((one) => JSON.stringify(one))
      .join("\n");
    const response = await this.#post(path, body, signal);
    for await (const line of readLines(response, signal)) {
      const { result, error } = parse(line);
      if (error) {
        if (error.code === 14) this.#lost(); // it is going down
        throw this.#refusal(error, response);
      }
      if (result === undefined) throw this.#refusal(parse(line), response);
      yield result;
    }
  }

  /** Asks for something that is no method, such as /metrics. */
  async get(path, options = {}) {
    const response = await this.#fetch(path, options);
    const text = await response.text().catch((error) => this.#failed(error, options.signal));
    return { status: response.status, headers: response.headers, text };
  }

  async #post(path, body, signal) {
    const { headers } = this.session;
    return this.#fetch(`/v3/${path}`, { method: "POST", body, headers, signal });
  }

  async #fetch(path, options) {
    try {
      const response = await fetch(path, { cache: "no-store", credentials: "omit", ...options });
      this.dispatchEvent(new Event("answered"));
      return response;
    } catch (error) {
      return this.#failed(error, options.signal);
    }
  }

  #failed(error, signal) {
    if (signal?.aborted) throw error;
    this.#lost();
    throw new AwayError();
  }

  #lost() {
    this.dispatchEvent(new Event("lost"));
  }

  #refusal(answer, response) {
    const { code, message } = answer.error ?? answer;
    const refusal = new RefusedError(
      code ?? NOT_FOUND,
      message ?? `HTTP ${response.status}`,
      response.status,
    );
    if (refusal.wantsLogin) this.session.ask(refusal.message);
    return refusal;
  }

  #note(milliseconds) {
    this.latencies.push(milliseconds);
    if (this.latencies.length > 200) this.latencies.shift();
  }
}

async function readJson(response, signal) {
  let text;
  try {
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new AwayError("the answer was cut off");
  }
  return parse(text);
}

/** Reads JSON; what is none, such as the page of a proxy, becomes the message of a refusal. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.trim().slice(0, 200) || "an empty answer" };
  }
}

/** Yields the lines of an answer as they come. */
async function* readLines(response, signal) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let parts = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = value.split("\n");
      for (const line of lines.slice(0, -1)) {
        yield parts.join("") + line;
        parts = [];
      }
      parts.push(lines.at(-1));
    }
  } catch (error) {
    if (signal?.aborted || error instanceof RefusedError) throw error;
    throw new AwayError("the stream was cut off");
  } finally {
    reader.cancel().catch(() => {});
  }
  const rest = parts.join("");
  if (rest.trim()) yield rest;
}
