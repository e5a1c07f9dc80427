// @ts-check
/// <reference lib="dom" />
import { byId, digits, part, stamp } from "./dom.js";
import { hueOf } from "./format.js";
import { covers, isPattern } from "./filter.js";

const ROWS_MAX = 200;
const LISTED_MAX = 1000;
const PREVIEW_CHARS = 80;
const DRAW_MS = 250;

/** What is known of a channel. @typedef {{ count: number, sessions: number, last: string, time: number }} Known */

/** The channels that are in use, with how much is on each; one click looks at one alone. */
export class ChannelList {
  /** @type {Map<string, Known>} */ #known = new Map();
  /** @type {Map<string, HTMLElement>} */ #rows = new Map();
  #filter;
  #drawing = false;
  /** Called with the name that is to be looked at alone; "" for all. */
  onSelect = (/** @type {string} */ _name) => {};

  /** @param {import("./filter.js").Filter} filter */
  constructor(filter) {
    this.#filter = filter;
    byId("find-channel").addEventListener("input", () => this.#schedule());
    byId("find").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = byId("find-channel").value.trim();
      if (name) this.onSelect(name);
      byId("find-channel").value = "";
      this.#schedule();
    });
    byId("channels").addEventListener("click", ({ target }) => {
      const row = /** @type {Element} */ (target).closest("li");
      if (row) this.onSelect(row.dataset.name ?? "");
    });
    filter.onChange(() => this.#schedule());
    this.#schedule();
  }

  /** Names of channels that messages may be sent to. */
  get names() {
    return [...this.#known.keys()].sort();
  }

  /** Counts a message that has come, or one from before. @param {import("./store.js").Item} item */
  heard(item, isPast = false) {
    if (item.channel === "") return;
    const known = this.#at(item.channel);
    if (!isPast) known.count++;
    if (item.time >= known.time) {
      known.time = item.time;
      known.last = item.described.text.slice(0, PREVIEW_CHARS);
    }
    this.#schedule();
  }

  /** Takes over what the server lists. @param {import("./access.js").Access} access */
  async list(access) {
    const answer = await access.tryFetch(`channels?limit=${LISTED_MAX}`);
    if (answer instanceof Error) return false;
    for (const { channel, publications, sessions } of answer.channels) {
      Object.assign(this.#at(channel), { count: publications, sessions });
    }
    this.#schedule();
    return true;
  }

  #at(/** @type {string} */ name) {
    let known = this.#known.get(name);
    if (known === undefined) {
      known = { count: 0, sessions: 0, last: "", time: 0 };
      this.#known.set(name, known);
    }
    return known;
  }

  #schedule() {
    if (this.#drawing) return;
    this.#drawing = true;
    setTimeout(() => requestAnimationFrame(() => this.#draw()), this.#rows.size > 0 ? DRAW_MS : 0);
  }

  #draw() {
    this.#drawing = false;
    const sought = byId("find-channel").value.trim().toLowerCase();
    const looked = this.#filter.channels.filter((name) => !this.#known.has(name));
    const names = [...this.names, ...looked].sort().filter((name) =>
      name.toLowerCase().includes(sought) || isPattern(sought) && covers(sought, name)
    );
    const shown = ["", ...names.slice(0, ROWS_MAX)];
    for (const [name, row] of this.#rows) {
      if (shown.includes(name)) continue;
      row.remove();
      this.#rows.delete(name);
    }
    const list = byId("channels");
    shown.forEach((name, at) => {
      const row = this.#fill(name);
      if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    });
    const more = names.length - ROWS_MAX;
    byId("channels-more").hidden = more <= 0 && names.length > 0;
    byId("channels-more").textContent = more > 0
      ? `${digits(more)} more: type to find one`
      : `Press Enter to look at ${sought || "it"}`;
    byId("channel-names").replaceChildren(
      ...names.slice(0, ROWS_MAX).filter((name) => !isPattern(name)).map((value) =>
        Object.assign(document.createElement("option"), { value })
      ),
    );
  }

  #fill(/** @type {string} */ name) {
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = stamp("channel-row");
      row.dataset.name = name;
      if (name !== "") row.classList.add(`hue-${hueOf(name)}`);
      part(row, ".name").textContent = name || "All channels";
      this.#rows.set(name, row);
    }
    const { channels } = this.#filter;
    const isLookedAt = name === "" ? channels.length === 0 : channels.includes(name);
    part(row, "button").setAttribute("aria-pressed", String(isLookedAt));
    const { count, last, sessions } = name === "" ? this.#sum() : this.#known.get(name) ?? NOTHING;
    setText(part(row, ".count"), count > 0 ? digits(count) : "");
    setText(part(row, ".here"), sessions > 0 ? `${digits(sessions)} here` : "");
    setText(part(row, ".last"), last);
    return row;
  }

  #sum() {
    let count = 0;
    for (const known of this.#known.values()) count += known.count;
    return { ...NOTHING, count };
  }
}

const NOTHING = { count: 0, sessions: 0, last: "" };

function setText(/** @type {Element} */ element, /** @type {string} */ text) {
  if (element.textContent !== text) element.textContent = text;
}
