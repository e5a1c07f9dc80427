// @ts-check
/// <reference lib="dom" />
import { copy, make, part, stamp } from "./dom.js";
import { formatTime, hueOf, layOut, nodesOf } from "./format.js";

/** @typedef {import("./store.js").Item} Item */

/** @type {WeakMap<Element, Item>} */
const items = new WeakMap();

/** A row of the list; `isFresh` lights it up for a moment. @param {Item} item @param {boolean} isFresh */
export function makeRow(item, isFresh) {
  const row = stamp(item.notice ? "notice-row" : "row");
  const { channel, event, time, notice, described } = item;
  const clock = part(row, "time");
  clock.textContent = formatTime(time);
  clock.setAttribute("datetime", new Date(time).toISOString());
  const text = part(row, ".text");
  text.append(...nodesOf(described));
  if (notice) {
    row.classList.add(notice);
    return row;
  }
  text.classList.add(described.kind);
  text.dir = described.kind === "text" ? "auto" : "ltr";
  const name = part(row, ".channel");
  name.textContent = channel;
  name.classList.add(`hue-${hueOf(channel)}`);
  const kind = part(row, ".event");
  kind.textContent = event;
  kind.classList.toggle("usual", event === "message");
  if (isFresh) row.classList.add("fresh");
  items.set(part(row, "details"), item);
  return row;
}

/**
 * Fills a row that was opened: all of its message, and what can be done with it.
 * @param {HTMLDetailsElement} details
 * @param {import("./filter.js").Filter} filter
 */
export function openRow(details, filter) {
  const item = items.get(details);
  if (item === undefined || details.querySelector(".body")) return;
  const { id, channel, event, time, data } = item;
  const laidOut = layOut(data);
  const dir = laidOut.kind === "text" ? "auto" : "ltr";
  const whole = make("pre", { className: laidOut.kind, dir }, ...nodesOf(laidOut));
  // The keyboard has to reach what scrolls.
  whole.tabIndex = 0;
  const button = (
    /** @type {string} */ label,
    /** @type {(button: HTMLElement) => void} */ act,
  ) => {
    const made = make("button", { type: "button", textContent: label });
    made.addEventListener("click", () => act(made));
    return made;
  };
  const actions = [
    button("Copy message", (made) => copy(laidOut.text, made)),
    ...id ? [button("Copy id", (made) => copy(id, made))] : [],
    ...channel ? [button("This channel alone", () => filter.set({ channels: [channel] }))] : [],
    ...event ? [button("This event alone", () => filter.set({ event }))] : [],
  ];
  const facts = [id, new Date(time).toLocaleString()].filter((fact) => fact !== "");
  details.append(make(
    "div",
    { className: "body" },
    whole,
    make("p", { className: "facts", textContent: facts.join(" · ") }),
    make("div", { className: "actions" }, ...actions),
  ));
}

/** Removes what `openRow()` has made. @param {HTMLDetailsElement} details */
export function closeRow(details) {
  details.querySelector(".body")?.remove();
}
