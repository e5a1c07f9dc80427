// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { connect } from "./client.js";
import { count, hueOf, MessageList } from "./messages.js";
import { byId, startForm } from "./send.js";

const BROADCAST = "broadcast";
/** The close code of a connection that ended without a word (RFC 6455 section 7.4.1). */
const UNSAID = 1006;
const COUNT_MS = 2000;
const SECOND_MS = 1000;
const CHART = { seconds: 60, width: 300, height: 48, gap: 1.6, scaleMin: 5 };

/** @param {string} tag @param {Record<string, unknown>} properties @param {Node[]} children */
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const template = /** @type {HTMLTemplateElement} */ (/** @type {unknown} */ (byId("message")));
const list = new MessageList(byId("messages"), template, byId("messages-announced"));
const hark = connect({
  channels: new URLSearchParams(location.search).getAll("channel"),
  token: new URLSearchParams(location.hash.slice(1)).get("token") ?? "",
  presence: true,
});

// The connection

const STATE_TEXTS = {
  connecting: "Connecting",
  connected: "Connected",
  waiting: "Reconnecting",
  stopped: "Stopped",
  closed: "Closed",
};
let shownState = "";
let greeted = "";

function showState({ state = hark.state, code = 0, reason = "" } = {}) {
  const seconds = Math.ceil(((hark.retryAtMs ?? 0) - Date.now()) / SECOND_MS);
  const countdown = state === "waiting" && seconds > 0 ? ` in ${seconds} s` : "";
  const how = state === "connected" && hark.transport === "sse" ? " without WebSocket" : "";
  byId("state").dataset.state = state;
  byId("state-text").textContent = STATE_TEXTS[state] + countdown + how;
  document.title = state === "connected" ? "Hark" : `${STATE_TEXTS[state]} · Hark`;
  if (state === shownState) return;
  byId("state-announced").textContent = STATE_TEXTS[state] + how;
  if (state === "stopped") list.note(`The server ended the connection: ${reason}`, "bad");
  else if (state === "waiting" && shownState === "connected") {
    const said = code > 0 && code !== UNSAID ? `: ${reason} (${code})` : "";
    list.note(`Connection lost${said}`, "bad");
    present.clear();
    showChannels();
  }
  // The attempts in between are the same loss.
  if (state !== "connecting") shownState = state;
}

hark.on("state", showState);
hark.on("welcome", ({ greeting = "" }) => {
  if (greeting && greeting !== greeted) list.note(greeting);
  greeted = greeting;
  for (const channel of watched()) askPresence(channel);
  showClients();
});
/** From the news of a gap until all that the server still had has come. */
let hasGap = false;
hark.on("gap", () => {
  hasGap = true;
  list.note("Some messages are gone: the server no longer keeps them", "bad");
});
hark.on("resumed", ({ count: recovered }) => {
  const found = `${count(recovered, "missed message")} recovered`;
  if (recovered > 0) list.note(`Connected again. ${found}`, "good");
  else if (!hasGap) list.note("Connected again. Nothing was missed", "good");
  hasGap = false;
});

// Figures

let received = 0;
let second = 0;
/** @type {number[]} */ const seconds = Array(CHART.seconds).fill(0);

hark.on("message", (message) => {
  received++;
  second++;
  list.add(message);
});

function tick() {
  seconds.shift();
  seconds.push(second);
  second = 0;
  showState();
  if (document.hidden) return;
  byId("received").textContent = received.toLocaleString("en");
  byId("rate").textContent = (seconds.at(-1) ?? 0).toLocaleString("en");
  drawChart();
}

function drawChart() {
  const { width, height, gap, scaleMin } = CHART;
  const most = Math.max(...seconds);
  const step = width / seconds.length;
  const bars = seconds.map((amount, index) => {
    const barHeight = height * amount / Math.max(most, scaleMin);
    const [x, y] = [index * step + gap / 2, height - barHeight];
    return `M${x.toFixed(1)} ${y.toFixed(1)}h${step - gap}v${barHeight.toFixed(1)}h${gap - step}z`;
  });
  byId("chart").setAttribute("d", bars.join(""));
  byId("peak").textContent = most > 0 ? `at most ${most.toLocaleString("en")} a second` : "";
}

async function showClients() {
  if (document.hidden) return;
  let clients = "–";
  try {
    const response = await fetch("count", { cache: "no-store" });
    if (response.ok) clients = (await response.json()).count.toLocaleString("en");
  } catch {
    // The state of the connection tells already that the server is away.
  }
  byId("clients").textContent = clients;
}

setInterval(tick, SECOND_MS);
setInterval(showClients, COUNT_MS);
document.addEventListener("visibilitychange", showClients);
drawChart();

// Channels, and who is on them

/** Who is on a channel, and how many more the server did not name. */
/** @type {Map<string, { clients: Set<string>, more: number }>} */
const present = new Map();

const names = () => [...new Set([BROADCAST, ...hark.channels])];
const isPattern = (/** @type {string} */ name) => name.endsWith("*");
const watched = () => names().filter((name) => !isPattern(name));

function covers(/** @type {string} */ name, /** @type {string} */ channel) {
  return isPattern(name) ? channel.startsWith(name.slice(0, -1)) : name === channel;
}

async function askPresence(/** @type {string} */ channel) {
  try {
    const { count, entries } = await hark.presence(channel);
    const clients = new Set(entries.map(({ client }) => client));
    // Whoever may not know them is not told who comes and goes: the count would soon be wrong.
    if (clients.size === 0) present.delete(channel);
    else present.set(channel, { clients, more: count - clients.size });
  } catch {
    present.delete(channel); // Shown as unknown; the next connection asks again.
  }
  showChannels();
}

hark.on("presence", ({ channel, joined, left }) => {
  const here = present.get(channel);
  if (here === undefined) return;
  for (const { client } of joined) here.clients.add(client);
  for (const { client } of left) if (!here.clients.delete(client)) here.more--;
  showChannels();
});

function showChannels() {
  const names = [...new Set([BROADCAST, ...hark.channels])];
  byId("channels").replaceChildren(...names.map(makeChip));
  const options = names.filter((name) => !isPattern(name)).map((value) =>
    make("option", { value })
  );
  byId("form-channels").replaceChildren(...options);
  const url = new URL(location.href);
  url.searchParams.delete("channel");
  for (const name of hark.channels) url.searchParams.append("channel", name);
  history.replaceState(null, "", url);
}

function makeChip(/** @type {string} */ name) {
  const chip = make("li", { className: `hue-${hueOf(name)}` }, make("span", { textContent: name }));
  const here = present.get(name);
  if (here !== undefined) {
    const amount = here.clients.size + here.more;
    chip.append(
      make("span", { className: "here", textContent: `${amount.toLocaleString("en")} here` }),
    );
  }
  if (name !== BROADCAST) {
    const remove = make("button", { type: "button", textContent: "×", title: `Leave ${name}` });
    remove.setAttribute("aria-label", `Leave ${name}`);
    remove.addEventListener("click", () => leave(name));
    chip.append(remove);
  }
  return chip;
}

async function leave(/** @type {string} */ name) {
  present.delete(name);
  const done = hark.unsubscribe(name);
  showChannels();
  byId("add-channel").focus();
  await done;
}

async function listen(/** @type {string} */ name) {
  if (hark.channels.includes(name) || name === BROADCAST) return;
  const done = hark.subscribe(name);
  showChannels();
  try {
    await done;
    byId("add-answer").textContent = "";
    if (!isPattern(name)) await askPresence(name);
  } catch (error) {
    byId("add-answer").textContent = /** @type {Error} */ (error).message;
    showChannels();
  }
}

byId("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("add-channel");
  listen(field.value.trim());
  field.value = "";
});

// Reading

list.onWaiting = (/** @type {number} */ waiting) => {
  const button = byId("pause");
  const held = waiting > 0 ? ` (${waiting.toLocaleString("en")} new)` : "";
  button.textContent = list.paused ? `Continue${held}` : "Pause";
  byId("empty").hidden = received > 0;
};

byId("pause").addEventListener("click", () => {
  list.paused = !list.paused;
});

byId("clear").addEventListener("click", () => list.clear());

byId("host").textContent = location.host;
showState();
showChannels();
startForm((channel) => names().some((name) => covers(name, channel)));
