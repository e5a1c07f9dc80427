// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { Access } from "./access.js";
import { ChannelList } from "./channels.js";
import { byId, digits } from "./dom.js";
import { Feed } from "./feed.js";
import { Figures } from "./figures.js";
import { Filter } from "./filter.js";
import { MessageList } from "./list.js";
import { Nodes } from "./nodes.js";
import { Presence } from "./presence.js";
import { startForm } from "./send.js";
import { Sessions } from "./sessions.js";
import { Status } from "./status.js";
import { Store } from "./store.js";

/** @typedef {import("./store.js").Item} Item */

const LIST_MS = 10_000;
const TYPED_MS = 150;

const access = new Access();
const filter = new Filter();
const store = new Store();
const feed = new Feed(access, filter);
const figures = new Figures(access);
const channels = new ChannelList(filter, access);
const sessions = new Sessions(access);
const nodes = new Nodes(access);
const list = new MessageList({
  list: byId("messages"),
  scroller: byId("scroller"),
  announced: byId("messages-announced"),
  store,
  filter,
});
const form = startForm(access);
new Presence(access, filter);
new Status(feed);

// Messages

feed.onMessage = (/** @type {Item} */ item) => {
  if (!store.add(item)) return;
  figures.heard();
  channels.heard(item);
  list.add(item);
};
feed.onNotice = (/** @type {Item} */ item) => {
  store.add(item);
  list.add(item);
};
feed.onPast = (/** @type {Item[]} */ past) => {
  for (const item of past) channels.heard(item, true);
  if (store.merge(past) > 0) list.redraw();
};
list.onDrawn = (/** @type {number} */ held, /** @type {number} */ shown) => {
  const more = held > 0 ? ` (${digits(held)} new)` : "";
  byId("pause").textContent = list.paused ? `Continue${more}` : "Pause";
  byId("pause").setAttribute("aria-pressed", String(list.paused));
  byId("empty").hidden = shown > 0;
  byId("empty").textContent = emptyText();
};

function emptyText() {
  const { state } = feed.standing;
  if (state === "refused") return "This server shows messages only with a key or token.";
  if (state !== "connected") return "Not connected: no messages come.";
  if (list.paused) return "Paused. New messages wait.";
  if (filter.isActive) return "No message matches. New ones that do appear here.";
  return "Listening. Messages appear here as they come.";
}

byId("pause").addEventListener("click", () => list.paused = !list.paused);
byId("clear").addEventListener("click", () => {
  store.clear();
  list.redraw();
});

// What is looked at

channels.onSelect = async (/** @type {string} */ name) => {
  byId("find-answer").textContent = "";
  try {
    if (name) await feed.lookAt(name);
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    if (access.isWanting(error)) access.ask(message, () => channels.onSelect(name));
    else byId("find-answer").textContent = message;
    return;
  }
  const view = filter.view === "channels" ? "messages" : filter.view;
  filter.set({ channels: name ? [name] : [], view });
};

/** @type {ReturnType<typeof setTimeout> | undefined} */ let typing;
for (const name of /** @type {const} */ (["text", "event"])) {
  const input = byId(`filter-${name}`);
  input.value = filter[name];
  input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => filter.set({ [name]: input.value.trim() }), TYPED_MS);
  });
}
byId("show-all").addEventListener("click", () => {
  filter.set({ channels: [], event: "", text: "" });
});

let seen = "";
function showFilter() {
  for (const name of /** @type {const} */ (["text", "event"])) {
    const input = byId(`filter-${name}`);
    if (document.activeElement !== input) input.value = filter[name];
  }
  byId("messages-title").textContent = filter.channels.join(", ") || "All channels";
  byId("show-all").hidden = !filter.isActive;
  if (filter.channel && byId("form-channel") !== document.activeElement) {
    byId("form-channel").value = filter.channel;
    form.showCurl();
  }
  const { channels, event, text } = filter;
  const now = JSON.stringify([channels, event, text]);
  if (now !== seen) list.redraw();
  seen = now;
  for (const name of channels) feed.lookAt(name).catch(() => {});
  showView();
}

// Views

function showView() {
  const { view } = filter;
  document.body.dataset.view = view;
  for (const button of document.querySelectorAll("nav button")) {
    const isCurrent = /** @type {HTMLElement} */ (button).dataset.view === view;
    button.setAttribute("aria-current", isCurrent ? "page" : "false");
  }
  sessions.shown = view === "sessions";
  nodes.shown = view === "nodes";
}

for (const button of document.querySelectorAll("nav button")) {
  button.addEventListener("click", () => {
    filter.set({ view: /** @type {HTMLElement} */ (button).dataset.view ?? "messages" });
  });
}

// All of it

let knowsNodes = false;
async function listChannels() {
  if (document.hidden) return;
  const isHolder = await channels.list();
  if (!isHolder || knowsNodes) return;
  knowsNodes = true;
  byId("nodes-tab").hidden = !await nodes.read();
}

access.onChange = () => {
  store.clear();
  list.redraw();
  form.showCurl();
  feed.start();
  knowsNodes = false;
  listChannels();
  sessions.read();
};
byId("host").textContent = location.host;
filter.onChange(showFilter);
showFilter();
feed.start();
listChannels();
setInterval(listChannels, LIST_MS);
