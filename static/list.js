// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { digits, part } from "./dom.js";
import { ITEMS_MAX } from "./store.js";
import { closeRow, makeRow, openRow } from "./rows.js";

/** @typedef {import("./store.js").Item} Item */

const PAGE_ROWS = 100;
/** The most rows in the page, so that it stays fast with many messages. */
const ROWS_MAX = 400;
const NEAR_END_PX = 800;
const FRESH_MAX = 4;
const RUSH_MS = 250;
const ANNOUNCE_MS = 5000;

/**
 * The list of messages, newest first. It is drawn once a frame, and less often in a rush. Only the rows near
 * the reader are in the page; the browser keeps them in place while others come and go.
 */
export class MessageList {
  #list;
  #scroller;
  #announced;
  #store;
  #filter;
  /** @type {Item[]} */ #waiting = [];
  /** Newer messages without a row, because the reader has scrolled far down. */
  #skipped = 0;
  /** Messages that wait beyond what the store holds. */
  #dropped = 0;
  #unannounced = 0;
  #announcedAtMs = 0;
  #drawing = false;
  #rushing = false;
  #paused = false;
  /** Called when the rows, or the number of messages that wait, have changed. */
  onDrawn = (/** @type {number} */ _held, /** @type {number} */ _shown) => {};

  /**
   * @param {{ list: HTMLElement, scroller: HTMLElement, announced: HTMLElement,
   *   store: import("./store.js").Store, filter: import("./filter.js").Filter }} parts
   */
  constructor({ list, scroller, announced, store, filter }) {
    this.#list = list;
    this.#scroller = scroller;
    this.#announced = announced;
    this.#store = store;
    this.#filter = filter;
    scroller.addEventListener("scroll", () => this.#extend(), { passive: true });
    list.addEventListener("toggle", ({ target }) => {
      const details = /** @type {HTMLDetailsElement} */ (target);
      details.open ? openRow(details, filter) : closeRow(details);
    }, true);
    list.addEventListener("keydown", (event) => this.#walk(event));
  }

  /** Shows an item that is new in the store. @param {Item} item */
  add(item) {
    if (!this.#filter.matches(item)) return;
    this.#waiting.push(item);
    if (this.#waiting.length >= 2 * ITEMS_MAX) {
      this.#waiting.splice(0, ITEMS_MAX);
      this.#dropped += ITEMS_MAX;
    }
    this.#schedule();
  }

  get paused() {
    return this.#paused;
  }

  set paused(paused) {
    this.#paused = paused;
    this.#schedule();
  }

  /** Shows what the store has, after a change of store or filter. */
  redraw() {
    this.#waiting = [];
    this.#dropped = 0;
    this.#skipped = 0;
    this.#rushing = false;
    this.#fill(0);
    this.#scroller.scrollTop = 0;
    this.#finish();
  }

  /** Starts again with the newest rows, except those that wait. @param {number} held */
  #fill(held) {
    const items = this.#newest(PAGE_ROWS, held);
    this.#list.replaceChildren(...items.map((item) => makeRow(item, false)));
  }

  #schedule() {
    if (this.#drawing) return;
    this.#drawing = true;
    const draw = () => requestAnimationFrame(() => this.#draw());
    // At such a speed nobody reads: fewer, larger steps cost much less.
    setTimeout(draw, this.#rushing ? RUSH_MS : 0);
  }

  #draw() {
    this.#drawing = false;
    if (this.#paused) return this.#finish();
    const items = this.#waiting.splice(0);
    this.#dropped = 0;
    const isAtTop = this.#scroller.scrollTop < 1;
    this.#rushing = items.length > FRESH_MAX;
    // A reader further down keeps the rows around.
    if (this.#skipped > 0 || !isAtTop && items.length > PAGE_ROWS) this.#skipped += items.length;
    else {
      const rows = items.slice(-PAGE_ROWS).reverse();
      this.#list.prepend(...rows.map((item) => makeRow(item, !this.#rushing)));
      this.#trimEnd(isAtTop ? PAGE_ROWS : ROWS_MAX);
    }
    this.#finish();
    this.#announce(items.reverse().filter(({ notice }) => !notice));
  }

  #finish() {
    const [first] = this.#list.children;
    if (first && !this.#list.querySelector("summary[tabindex='0']")) setTabStop(first);
    this.onDrawn(this.#waiting.length + this.#dropped, this.#list.childElementCount);
  }

  /** The newest items that match, newest first. @param {number} limit @param {number} skip */
  #newest(limit, skip) {
    /** @type {Item[]} */ const found = [];
    const { items } = this.#store;
    for (let at = items.length - 1; at >= 0 && found.length < limit + skip; at--) {
      const item = items[at];
      if (item && this.#filter.matches(item)) found.push(item);
    }
    return found.slice(skip);
  }

  /** Adds rows at the end that the reader has scrolled near to, and removes rows at the other end. */
  #extend() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    const held = this.#waiting.length + this.#dropped;
    if (scrollTop < 1 && this.#skipped > 0) {
      this.#skipped = 0;
      this.#fill(held);
    } else if (scrollTop < NEAR_END_PX && this.#skipped > 0) {
      const added = Math.min(PAGE_ROWS, this.#skipped);
      this.#skipped -= added;
      const newer = this.#newest(added, held + this.#skipped);
      this.#list.prepend(...newer.map((item) => makeRow(item, false)));
      this.#trimEnd(ROWS_MAX);
    } else if (scrollTop + clientHeight > scrollHeight - NEAR_END_PX) {
      const older = this.#newest(PAGE_ROWS, held + this.#skipped + this.#list.childElementCount);
      this.#list.append(...older.map((item) => makeRow(item, false)));
      for (; this.#list.childElementCount > ROWS_MAX; this.#skipped++) {
        this.#list.firstElementChild?.remove();
      }
    }
  }

  #trimEnd(/** @type {number} */ rowsMax) {
    while (this.#list.childElementCount > rowsMax) this.#list.lastElementChild?.remove();
  }

  /** Tab reaches the list as a whole; arrows move from row to row. */
  #walk(/** @type {KeyboardEvent} */ event) {
    const row = /** @type {Element} */ (event.target).closest("summary")?.closest("li");
    if (!row) return;
    const rows = this.#list.children;
    /** @type {Record<string, Element | null | undefined>} */
    const targets = {
      ArrowDown: row.nextElementSibling,
      ArrowUp: row.previousElementSibling,
      Home: rows[0],
      End: rows[rows.length - 1],
    };
    let target = targets[event.key];
    const direction = event.key === "ArrowDown" || event.key === "Home" ? "next" : "previous";
    while (target && !target.querySelector("summary")) {
      target = target[`${direction}ElementSibling`];
    }
    if (!(event.key in targets)) return;
    event.preventDefault();
    if (target) setTabStop(target).focus();
  }

  // A screen reader that gets each of a thousand messages cannot read any.
  #announce(/** @type {Item[]} */ messages) {
    const [latest] = messages;
    this.#unannounced += messages.length;
    if (latest === undefined || Date.now() - this.#announcedAtMs < ANNOUNCE_MS) return;
    const others = this.#unannounced - 1;
    const more = others > 0 ? `, and ${digits(others)} more messages before it` : "";
    const text = latest.described.text.slice(0, 200);
    this.#announced.textContent = `${latest.channel}: ${text}${more}`;
    this.#announcedAtMs = Date.now();
    this.#unannounced = 0;
  }
}

function setTabStop(/** @type {Element} */ row) {
  row.parentElement?.querySelector("summary[tabindex='0']")?.setAttribute("tabindex", "-1");
  const summary = part(row, "summary");
  summary?.setAttribute("tabindex", "0");
  return summary;
}
