// @ts-check
/// <reference lib="dom" />

/** @typedef {import("./store.js").Item} Item */

/** Reports whether a channel's name or a pattern matches a channel. @param {string} name @param {string} channel */
export function covers(name, channel) {
  return isPattern(name) ? channel.startsWith(name.slice(0, -1)) : name === channel;
}

/** Reports whether a name stands for many channels. @param {string} name */
export function isPattern(name) {
  return name.endsWith("*");
}

/** What the page shows. It is in the page's address, so that a view can be shared. */
export class Filter {
  /** @type {string[]} */ channels;
  event;
  text;
  view;
  #listeners = /** @type {(() => void)[]} */ ([]);

  constructor() {
    const query = new URLSearchParams(location.search);
    this.channels = [...new Set(query.getAll("channel"))];
    this.event = query.get("event") ?? "";
    this.text = query.get("text") ?? "";
    this.view = query.get("view") ?? "messages";
  }

  /** Called after each change. @param {() => void} listener */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** @param {Partial<Pick<Filter, "channels" | "event" | "text" | "view">>} changes */
  set(changes) {
    Object.assign(this, changes);
    const url = new URL(location.href);
    for (const name of ["channel", "event", "text", "view"]) url.searchParams.delete(name);
    for (const name of this.channels) url.searchParams.append("channel", name);
    if (this.event) url.searchParams.set("event", this.event);
    if (this.text) url.searchParams.set("text", this.text);
    if (this.view !== "messages") url.searchParams.set("view", this.view);
    history.replaceState(null, "", url);
    for (const listener of this.#listeners) listener();
  }

  /** Reports whether anything is left out. */
  get isActive() {
    return this.channels.length > 0 || this.event !== "" || this.text !== "";
  }

  /** The only channel on view; undefined if there are more, none, or a pattern. */
  get channel() {
    const [channel, other] = this.channels;
    return channel === undefined || other !== undefined || isPattern(channel) ? undefined : channel;
  }

  /** @param {Item} item */
  matches(item) {
    if (item.notice) return true;
    const { channels, event, text } = this;
    return (channels.length === 0 || channels.some((name) => covers(name, item.channel))) &&
      (event === "" || item.event === event) &&
      (text === "" || item.sought.includes(text.toLowerCase()));
  }
}
