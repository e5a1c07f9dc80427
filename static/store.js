// @ts-check
import { describe } from "./format.js";

/** How many messages the page holds. */
export const ITEMS_MAX = 5000;

/** A message or, with `notice`, a line of the page itself. */
export class Item {
  /** @type {import("./format.js").Described | undefined} */ #described;
  /** @type {string | undefined} */ #sought;

  /**
   * @param {Partial<import("./client.d.ts").Message> & { base64?: string }} message
   * @param {"" | "info" | "good" | "bad"} notice
   */
  constructor({ id = "", channel = "", event = "", data, base64, time = Date.now() }, notice = "") {
    this.id = id;
    this.channel = channel;
    this.event = event;
    this.data = base64 === undefined ? data : fromBase64(base64);
    this.time = time;
    this.notice = notice;
  }

  /** The message in a few lines. */
  get described() {
    return this.#described ??= describe(this.data);
  }

  /** The text that a search reads. */
  get sought() {
    const { channel, event, id, described } = this;
    return this.#sought ??= `${described.text}\n${channel}\n${event}\n${id}`.toLowerCase();
  }
}

/** The messages that the page holds, oldest first. Beyond the bound, the oldest are dropped. */
export class Store {
  /** @type {Item[]} */ items = [];
  #ids = new Set();

  /** Returns false if the message is already there. @param {Item} item */
  add(item) {
    if (item.id && this.#ids.has(item.id)) return false;
    this.#ids.add(item.id);
    this.items.push(item);
    if (this.items.length > ITEMS_MAX * 1.1) this.#trim();
    return true;
  }

  /** Adds messages of the past, each in its place. Returns how many are new. @param {Item[]} past */
  merge(past) {
    const added = past.filter(({ id }) => !this.#ids.has(id));
    for (const { id } of added) this.#ids.add(id);
    this.items = [...added, ...this.items].sort((a, b) => a.time - b.time || offset(a) - offset(b));
    this.#trim();
    return added.length;
  }

  clear() {
    this.items = [];
    this.#ids.clear();
  }

  #trim() {
    const gone = this.items.splice(0, Math.max(0, this.items.length - ITEMS_MAX));
    for (const { id } of gone) this.#ids.delete(id);
  }
}

function fromBase64(/** @type {string} */ text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function offset(/** @type {Item} */ { id }) {
  return Number(id.slice(id.indexOf("-") + 1));
}
