// @ts-check
/**
 * Hark's client, for browsers, Deno and Node 22. Without WebSocket it reads Server-Sent Events:
 * messages have no time then, and no channel if it asked for one.
 */

/**
 * @import { Events, Message, Options, State } from "./client.d.ts"
 * @import { ClientCommand } from "./hark.d.ts"
 */

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 20_000;
const CONNECT_TIMEOUT_MS = 10_000;
const GOING_AWAY = 1001;
const SEEN_MAX = 4096;
const UNREAD_MAX = 10_000;
const BROADCAST = "broadcast";
/** Another token is needed. */
const STALE = [4002, 4003];
const REFRESH_EARLY_MS = 30_000;
const REFRESH_PAUSE_MS = 2000;
const TIMEOUT_MS_MAX = 2 ** 31 - 1;
const REFUSED = 4500;
// Inline, Vite takes it for a file.
const OWN_URL = import.meta.url;
const NO_URL = "Cannot connect: not a Hark server's module; give connect() its url";
const STATUSES_REFUSED = [400, 401, 403];

/** @type {{ document?: EventTarget & { hidden: boolean } } & typeof globalThis} */
const { document } = globalThis;

/** With the code `lost`, nobody knows whether it was done. */
export class HarkError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = "HarkError";
    this.code = code;
  }
}

/** Connects, and stays connected until `close()`. @param {Options} [options] */
export function connect(options) {
  return new Hark(options);
}

export class Hark {
  /** @type {State} */ state = "connecting";
  /** @type {"websocket" | "sse"} */ transport = "websocket";
  /** @type {number | undefined} */ retryAtMs;
  /** @type {string | undefined} */ position;
  /** @type {Map<string, Set<(detail: any) => void>>} */ #handlers = new Map();
  /** @type {Map<number, { command: ClientCommand, resolve(reply: any): void, reject(error: Error): void }>} */
  #pending = new Map();
  /** @type {Set<string>} */ #channels;
  /** @type {Set<string>} */ #joined = new Set();
  /** @type {Set<string>} */ #seen = new Set();
  /** @type {Link | undefined} */ #link;
  #attempt = {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #options;
  #url;
  #end = { code: 0, reason: "" };
  #failures = 0;
  #socketFailures = 0;
  #stepsMin = 0;
  #received = 0;
  #ref = 0;

  /** @param {Options} [options] */
  constructor(options = {}) {
    this.#options = options;
    this.#url = new URL(options.url ?? new URL(".", OWN_URL));
    if (!/^https?:$/.test(this.#url.protocol)) {
      throw new TypeError(
        options.url ? `Cannot connect: expected an http url, got ${this.#url}` : NO_URL,
      );
    }
    this.#channels = new Set(options.channels);
    this.position = options.since;
    document?.addEventListener("visibilitychange", this.#wake);
    globalThis.addEventListener?.("online", this.#wake);
    this.#open();
    if (!options.url) this.#checkOrigin();
  }

  get channels() {
    return [...this.#channels];
  }

  /**
   * Returns what takes the handler off.
   * @template {keyof Events} Type
   * @param {Type} type
   * @param {(detail: Events[Type]) => void} handler
   * @returns {() => void}
   */
  on(type, handler) {
    const handlers = this.#handlers.get(type) ?? new Set();
    this.#handlers.set(type, handlers.add(handler));
    return () => void handlers.delete(handler);
  }

  /** Resolves once messages of the channel come. @param {string} channel */
  subscribe(channel) {
    this.#channels.add(channel);
    return this.#adjust(channel, true);
  }

  /** Resolves once messages of the channel come no more. @param {string} channel */
  unsubscribe(channel) {
    this.#channels.delete(channel);
    return this.#adjust(channel, false);
  }

  /**
   * Resolves once the server keeps the message. Rejects at once while there is no connection.
   * @param {string} channel
   * @param {unknown} data a JSON value, or a Uint8Array
   * @param {{ event?: string }} [options]
   * @returns {Promise<{ id: string, time: number }>}
   */
  publish(channel, data, { event } = {}) {
    const content = data instanceof Uint8Array ? { base64: toBase64(data) } : { data };
    return this.#command({ type: "publish", channel, event, ...content });
  }

  /**
   * Who is on the channel.
   * @param {string} channel
   * @returns {Promise<{ count: number, entries: import("./client.d.ts").Entry[] }>}
   */
  presence(channel) {
    return this.#command({ type: "presence", channel });
  }

  /** Gives the server a new token. Channels that it does not allow get an `error` and are left. */
  async refresh() {
    const token = await this.#askToken();
    const { expiresInMs, removed = [] } = await this.#command({ type: "refresh", token });
    this.#planRefresh(expiresInMs);
    for (const channel of removed) {
      this.#channels.delete(channel);
      this.#joined.delete(channel);
      this.#emit("error", new HarkError("forbidden", `Not allowed any more on channel ${channel}`));
    }
  }

  close() {
    document?.removeEventListener("visibilitychange", this.#wake);
    globalThis.removeEventListener?.("online", this.#wake);
    this.#drop("closed by the client");
    this.#change("closed");
  }

  /** Every message until `close()`. Throws if the server ends it, or too many wait. */
  async *[Symbol.asyncIterator]() {
    /** @type {Message[]} */ let unread = [];
    /** @type {(value?: unknown) => void} */ let wake = () => {};
    const offs = [
      this.on("message", (message) => wake(unread.push(message))),
      this.on("state", () => wake()),
    ];
    try {
      for (;;) {
        const messages = unread;
        unread = [];
        for (const message of messages) {
          yield message;
          if (unread.length > UNREAD_MAX) {
            throw new RangeError(`More than ${UNREAD_MAX} messages wait`);
          }
        }
        if (unread.length > 0) continue;
        if (this.state === "closed") return;
        if (this.state === "stopped") throw this.#unconnected();
        await new Promise((resolve) => wake = resolve);
      }
    } finally {
      for (const off of offs) off();
    }
  }

  async #checkOrigin() {
    const answer = await fetch(new URL("count", this.#url), { method: "HEAD" }).catch(() => {});
    if (!answer || answer.status > 499 || /json/.test(`${answer.headers.get("content-type")}`)) {
      return;
    }
    this.#ended(REFUSED, NO_URL);
    throw new TypeError(NO_URL);
  }

  #wake = () => document?.hidden || this.retry();

  retry() {
    if (this.state === "waiting") this.#open();
  }

  async #open() {
    const attempt = this.#attempt = {};
    const isCurrent = () => attempt === this.#attempt;
    clearTimeout(this.#timer);
    this.#link?.close();
    this.#timer = setTimeout(() => this.#ended(0, "no answer in time"), CONNECT_TIMEOUT_MS);
    this.#change("connecting");
    try {
      const token = await this.#askToken();
      if (!isCurrent()) return;
      this.#joined = new Set(this.#channels);
      this.transport = this.#socketFailures < 2 ? "websocket" : "sse";
      const open = this.transport === "sse" ? openEvents : openSocket;
      this.#link = open(this.#address(), token, {
        receive: (events) => {
          for (const event of events) if (isCurrent()) this.#receive(event);
        },
        ended: (code, reason) => isCurrent() && this.#ended(code, reason),
      });
    } catch (error) {
      if (isCurrent()) this.#ended(0, String(error));
    }
  }

  #askToken() {
    const { token = "" } = this.#options;
    return typeof token === "function" ? token() : token;
  }

  #address() {
    const { search } = this.#url;
    const url = new URL((this.transport === "sse" ? "events" : "ws") + search, this.#url);
    for (const channel of this.#joined) url.searchParams.append("channel", channel);
    if (this.position) url.searchParams.set("since", this.position);
    if (this.#options.presence) url.searchParams.set("presence", "1");
    return url;
  }

  #receive(/** @type {any} */ { type, ref, ...detail }) {
    if (type === "welcome") this.#welcome(detail);
    else if (type === "message") this.#message(detail);
    else if (type === "ok" || type === "error") this.#reply(type, ref, detail);
    else this.#emit(type, detail);
  }

  #welcome(/** @type {Events["welcome"]} */ welcome) {
    const since = this.position;
    const { position, recovered } = welcome;
    // SSE's second one: all that was missed has come.
    if (this.state === "connected") return this.#resumed(position);
    clearTimeout(this.#timer);
    this.#received = 0;
    if (this.transport === "websocket") this.#socketFailures = -Infinity;
    this.#planRefresh(welcome.expiresInMs);
    for (const { command } of this.#pending.values()) this.#link?.send(command);
    this.#change("connected");
    this.#emit("welcome", welcome);
    if (recovered === false) this.#emit("gap", { since });
    if (!since) this.#settle(position);
    if (recovered === undefined || this.transport === "sse") return;
    // The server carries out a subscription only after what it replays.
    this.#command({ type: "subscribe", channels: [BROADCAST] })
      .then(
        ({ position: last = position }) =>
          this.#resumed(this.position === since ? last : this.position),
        () => {},
      );
  }

  #settle(/** @type {string | undefined} */ position) {
    this.position = position;
    this.#failures = this.#stepsMin = 0;
  }

  #resumed(/** @type {string | undefined} */ position) {
    this.#settle(position);
    this.#emit("resumed", { count: this.#received });
  }

  #planRefresh(/** @type {number | undefined} */ expiresInMs) {
    clearTimeout(this.#timer);
    if (expiresInMs === undefined || typeof this.#options.token !== "function") return;
    const attempt = this.#attempt;
    const fail = (/** @type {Error} */ error) => {
      // The next has a token of its own.
      if (attempt !== this.#attempt) return;
      this.#planRefresh(0);
      this.#emit("error", error);
    };
    const earlyMs = Math.min(REFRESH_EARLY_MS, expiresInMs / 2) * (1 + Math.random()) / 2;
    const delayMs = Math.max(REFRESH_PAUSE_MS, Math.min(expiresInMs - earlyMs, TIMEOUT_MS_MAX));
    this.#timer = setTimeout(() => this.refresh().catch(fail), delayMs);
  }

  #message(/** @type {Message & { base64?: string }} */ { base64, ...message }) {
    if (this.#seen.has(message.id)) return;
    this.#seen.add(this.position = message.id);
    if (this.#seen.size > SEEN_MAX) this.#seen.delete(this.#seen.keys().next().value ?? "");
    if (base64 !== undefined) message.data = fromBase64(base64);
    this.#received++;
    this.#emit("message", message);
  }

  #reply(/** @type {string} */ type, /** @type {number} */ ref, /** @type {any} */ detail) {
    const command = this.#pending.get(ref);
    this.#pending.delete(ref);
    if (type === "ok") return command?.resolve(detail);
    const error = new HarkError(detail.code, detail.message);
    command ? command.reject(error) : this.#emit("error", error);
  }

  /** @param {ClientCommand} command @returns {Promise<any>} */
  #command(command) {
    return new Promise((resolve, reject) => {
      const { state } = this;
      if (state !== "connected" && state !== "connecting") throw this.#unconnected();
      const ref = ++this.#ref;
      const numbered = { ...command, ref };
      this.#pending.set(ref, { command: numbered, resolve, reject });
      if (state === "connected") this.#link?.send(numbered);
    });
  }

  #unconnected() {
    return new HarkError("unconnected", `The connection is ${this.state}. ${this.#end.reason}`);
  }

  async #connected() {
    while (this.state !== "connected") {
      if (this.state === "stopped" || this.state === "closed") throw this.#unconnected();
      await new Promise((resolve) => {
        const off = this.on("state", () => resolve(off()));
      });
    }
  }

  #adjust(/** @type {string} */ channel, /** @type {boolean} */ wanted) {
    const adjust = async () => {
      await this.#connected();
      if (this.#joined.has(channel) === wanted || this.#channels.has(channel) !== wanted) return;
      const type = wanted ? "subscribe" : "unsubscribe";
      try {
        await this.#command({ type, channels: [channel], presence: this.#options.presence });
      } catch (error) {
        // The next address says what is wanted.
        if (this.state !== "connected") return adjust();
        if (wanted) this.#channels.delete(channel);
        throw error;
      }
      wanted ? this.#joined.add(channel) : this.#joined.delete(channel);
    };
    const done = adjust();
    done.catch((error) => this.#emit("error", error));
    return done;
  }

  #ended(/** @type {number} */ code, /** @type {string} */ reason) {
    const socketFailures = this.transport === "sse" ? 1 : this.#socketFailures + 1;
    if (this.state === "connecting") this.#socketFailures = socketFailures;
    this.#drop(reason);
    this.#end = { code, reason };
    const { token } = this.#options;
    const isStale = STALE.includes(code) && token && typeof token === "string";
    if (isStale || code >= REFUSED) return this.#change("stopped");
    // It is back soon: the first retries come within 2 s.
    if (code === GOING_AWAY && !this.#stepsMin) [this.#failures, this.#stepsMin] = [-6, 2];
    const steps = Math.max(this.#failures++, this.#stepsMin);
    const delayMs = Math.random() * Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** steps);
    this.#timer = setTimeout(() => this.#open(), delayMs);
    this.#change("waiting", Date.now() + delayMs);
  }

  #drop(/** @type {string} */ reason) {
    clearTimeout(this.#timer);
    this.#attempt = {};
    this.#link?.close();
    const pending = this.#pending;
    this.#pending = new Map();
    for (const { reject } of pending.values()) {
      reject(new HarkError("lost", `No answer came: ${reason}`));
    }
  }

  #change(/** @type {State} */ state, /** @type {number | undefined} */ retryAtMs = undefined) {
    this.state = state;
    this.retryAtMs = retryAtMs;
    this.#emit("state", { state, ...this.#end, retryAtMs });
  }

  #emit(/** @type {string} */ type, /** @type {unknown} */ detail) {
    for (const handler of this.#handlers.get(type) ?? []) {
      try {
        handler(detail);
      } catch (error) {
        // The other handlers still hear.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/**
 * @typedef {{ send(command: ClientCommand): void, close(): void }} Link
 * @typedef {{ receive(events: object[]): void, ended(code: number, reason: string): void }} Ear
 */

/** @param {URL} url @param {string} token @param {Ear} ear @returns {Link} */
function openSocket(url, token, { receive, ended }) {
  url.protocol = url.protocol.replace("http", "ws");
  if (token) url.searchParams.set("token", token);
  const socket = new WebSocket(url, "hark.v1");
  socket.onmessage = ({ data }) => {
    try {
      receive(JSON.parse(data));
    } catch (error) {
      ended(0, String(error));
    }
  };
  socket.onclose = ({ code, reason }) => ended(code, reason || "connection lost");
  return {
    send: (command) => socket.send(JSON.stringify(command)),
    close: () => socket.close(),
  };
}

/** @param {URL} url @param {string} token @param {Ear} ear @returns {Link} */
function openEvents(url, token, { receive, ended }) {
  const abort = new AbortController();
  const headers = new Headers(token ? { authorization: `Bearer ${token}` } : {});
  const fail = (/** @type {unknown} */ error) => ended(0, String(error));
  const read = async () => {
    const response = await fetch(url, { headers, signal: abort.signal });
    if (!response.ok || !response.body) {
      const { detail } = await readAnswer(response);
      return ended(STATUSES_REFUSED.includes(response.status) ? REFUSED : 0, detail);
    }
    const isKnown = url.searchParams.getAll("channel").every((name) => name === BROADCAST);
    const parse = eventParser(isKnown ? BROADCAST : undefined);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      receive(parse(part.value));
    }
    ended(GOING_AWAY, "the stream has ended");
  };
  read().catch(fail);
  return {
    // The next stream has other channels.
    send: (command) => {
      if ("channels" in command) ended(0, "changing channels");
      else publishOverHttp(url, headers, command).then((reply) => receive([reply]), fail);
    },
    close: () => abort.abort(),
  };
}

/** @param {URL} url @param {Headers} headers @param {ClientCommand} command */
async function publishOverHttp(url, headers, command) {
  const { type, ref } = command;
  if (type !== "publish") {
    return { type: "error", ref, code: "unsupported", message: `Cannot ${type} without WebSocket` };
  }
  const { channel, event, data, base64 } = command;
  const address = new URL(`channels/${encodeURIComponent(channel)}`, url);
  if (event) address.searchParams.set("event", event);
  headers.set("content-type", `application/${base64 === undefined ? "json" : "octet-stream"}`);
  const body = base64 === undefined ? JSON.stringify(data) : fromBase64(base64);
  const response = await fetch(address, { method: "POST", headers, body });
  const answer = await readAnswer(response);
  if (response.ok) return { type: "ok", ref, ...answer };
  return { type: "error", ref, code: answer.type.split(":").at(-1), message: answer.detail };
}

function readAnswer(/** @type {Response} */ response) {
  return response.json().catch(() => ({ type: "lost", detail: `status ${response.status}` }));
}

/** Reads Server-Sent Events as Hark sends them. */
function eventParser(/** @type {string | undefined} */ channel) {
  let rest = "";
  /** @type {Record<string, string>} */ let fields = {};
  return (/** @type {string} */ text) => {
    const events = [];
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [, name = "", value = ""] = /^(\w+): ?(.*)$/s.exec(line) ?? [];
      if (name) fields[name] = name === "data" && fields.data ? `${fields.data}\n${value}` : value;
      if (line) continue;
      if (fields.id) events.push(readEvent(fields, channel));
      fields = {};
    }
    return events;
  };
}

/** @param {Record<string, string>} fields @param {string} [channel] */
function readEvent({ id, event, data }, channel) {
  if (!data) return { type: "welcome", position: id };
  if (event === "gap") return { type: "welcome", position: id, recovered: false };
  const value = JSON.parse(data);
  const isBytes = /^{"base64":"[a-z\d+/]*={0,2}"}$/i.test(data) && data.length % 4 === 1;
  return { type: "message", id, channel, event, ...(isBytes ? value : { data: value }) };
}

function toBase64(/** @type {Uint8Array} */ bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function fromBase64(/** @type {string} */ text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
