// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** @typedef {import("./client.d.ts").Message} Message */
/** @typedef {Pick<Message, "data"> & Partial<Message> & { notice?: "info" | "good" | "bad" }} Row */

const ROWS_MAX = 500;
const TEXT_MAX = 2000;
const BYTES_SHOWN = 32;
const HUES = 8;
const FRESH_MAX = 4;
const RUSH_MS = 250;
const ANNOUNCE_MS = 5000;

/** The list of messages, newest first. It is drawn once a frame, and less often in a rush. */
export class MessageList {
  #list;
  #template;
  #announced;
  /** @type {Row[]} */ #waiting = [];
  #dropped = 0;
  #unannounced = 0;
  #announcedAtMs = 0;
  #drawing = false;
  #rushing = false;
  #paused = false;
  /** Called when the number of messages that wait while it is paused has changed. */
  onWaiting = (/** @type {number} */ _count) => {};

  /**
   * @param {HTMLElement} list
   * @param {HTMLTemplateElement} template of one row
   * @param {HTMLElement} announced where new messages are told to those who listen
   */
  constructor(list, template, announced) {
    this.#list = list;
    this.#template = template;
    this.#announced = announced;
  }

  /** Adds a row; the oldest are let go when there are too many. @param {Row} row */
  add(row) {
    this.#waiting.push({ ...row, time: row.time ?? Date.now() });
    if (this.#waiting.length >= 2 * ROWS_MAX) {
      this.#dropped += ROWS_MAX;
      this.#waiting.splice(0, ROWS_MAX);
    }
    this.#schedule();
  }

  /** A row of the page itself. @param {string} text @param {Row["notice"]} notice */
  note(text, notice = "info") {
    this.add({ data: text, notice });
  }

  get paused() {
    return this.#paused;
  }

  set paused(paused) {
    this.#paused = paused;
    this.#schedule();
  }

  clear() {
    this.#waiting = [];
    this.#dropped = 0;
    this.#list.replaceChildren();
    this.#schedule();
  }

  #schedule() {
    if (this.#drawing) return;
    this.#drawing = true;
    const draw = () => requestAnimationFrame(() => this.#draw());
    // Nobody reads what rushes by: fewer, larger steps cost much less.
    setTimeout(draw, this.#rushing ? RUSH_MS : 0);
  }

  #draw() {
    this.#drawing = false;
    if (this.#paused) return this.onWaiting(this.#waiting.length + this.#dropped);
    const count = this.#waiting.length;
    const rows = this.#waiting.splice(0).slice(-ROWS_MAX);
    this.#dropped = 0;
    this.onWaiting(0);
    this.#rushing = count > FRESH_MAX;
    const fresh = !this.#rushing;
    this.#list.prepend(...rows.reverse().map((row) => this.#makeRow(row, fresh)));
    while (this.#list.childElementCount > ROWS_MAX) this.#list.lastElementChild?.remove();
    this.#announce(rows.filter(({ notice }) => notice === undefined));
  }

  #makeRow(/** @type {Row} */ row, /** @type {boolean} */ fresh) {
    const item =
      /** @type {HTMLElement} */ (this.#template.content.firstElementChild?.cloneNode(true));
    const { time = 0, channel = "", event = "", id = "", data, notice } = row;
    const { text, kind } = describe(data);
    const fill = (/** @type {string} */ selector, /** @type {string} */ content) => {
      const part = /** @type {HTMLElement} */ (item.querySelector(selector));
      part.textContent = content;
      return part;
    };
    fill("time", formatTime(time)).setAttribute("datetime", new Date(time).toISOString());
    fill(".channel", channel).classList.add(`hue-${hueOf(channel)}`);
    fill(".event", event).classList.toggle("usual", event === "message");
    const body = fill(".text", kind === "json" ? "" : text);
    body.classList.add(kind);
    if (kind === "json") body.append(...markKeys(text));
    fill(".id", id);
    if (notice) item.classList.add("notice", notice);
    else if (fresh) item.classList.add("fresh");
    return item;
  }

  // A screen reader that is told each of a thousand messages tells none.
  #announce(/** @type {Row[]} */ messages) {
    const [latest] = messages;
    this.#unannounced += messages.length;
    if (latest === undefined || Date.now() - this.#announcedAtMs < ANNOUNCE_MS) return;
    const others = this.#unannounced - 1;
    const { text } = describe(latest.data);
    const more = others > 0 ? `, and ${others} more messages before it` : "";
    this.#announced.textContent = `${latest.channel ?? ""}: ${text.slice(0, 200)}${more}`;
    this.#announcedAtMs = Date.now();
    this.#unannounced = 0;
  }
}

/** The colour of a channel's name, 0 to 7: always the same. */
export function hueOf(/** @type {string} */ channel) {
  let hash = 0;
  for (const char of channel) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 65_521;
  return hash % HUES;
}

/** @returns {{ text: string, kind: "text" | "json" | "bytes" }} */
function describe(/** @type {unknown} */ data) {
  if (data instanceof Uint8Array) {
    const hex = Array.from(
      data.subarray(0, BYTES_SHOWN),
      (byte) => byte.toString(16).padStart(2, "0"),
    );
    const more = data.length > BYTES_SHOWN ? " …" : "";
    return { text: `${count(data.length, "byte")}: ${hex.join(" ")}${more}`, kind: "bytes" };
  }
  const text = messageOf(data) ?? data;
  if (typeof text === "string") return { text: shorten(text), kind: "text" };
  return { text: shorten(oneLine(data)), kind: "json" };
}

/** JSON with room to wrap. Line breaks inside strings are escaped, so those here are all ours. */
function oneLine(/** @type {unknown} */ data) {
  const lines = JSON.stringify(data, null, 1);
  return lines.replace(/([{[])\n */g, "$1").replace(/\n *([}\]])/g, "$1").replace(/\n */g, " ");
}

/** JSON with its keys in elements of their own. @param {string} json */
function markKeys(json) {
  return json.split(/("(?:[^"\\]|\\.)*":)/).map((part, index) => {
    if (index % 2 === 0) return part;
    const key = document.createElement("span");
    key.className = "key";
    key.textContent = part;
    return key;
  });
}

/** The text of `{"message":"…"}` and nothing else. */
function messageOf(/** @type {unknown} */ data) {
  if (typeof data !== "object" || data === null || !("message" in data)) return undefined;
  const { message, ...rest } = data;
  return typeof message === "string" && Object.keys(rest).length === 0 ? message : undefined;
}

function shorten(/** @type {string} */ text) {
  if (text.length <= TEXT_MAX) return text;
  return `${text.slice(0, TEXT_MAX)}… (${text.length.toLocaleString("en")} characters)`;
}

function formatTime(/** @type {number} */ time) {
  const date = new Date(time);
  const pad = (/** @type {number} */ value, length = 2) => String(value).padStart(length, "0");
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => pad(part));
  return `${clock.join(":")}.${pad(date.getMilliseconds(), 3)}`;
}

/** "1 byte", "2 bytes". @param {number} amount @param {string} noun */
export function count(amount, noun) {
  return `${amount.toLocaleString("en")} ${noun}${amount === 1 ? "" : "s"}`;
}
