// @ts-check
/// <reference lib="dom" />
import { byId } from "./dom.js";

const SECOND_MS = 1000;
const STATE_TEXTS = {
  connecting: "Connecting",
  connected: "Connected",
  waiting: "Reconnecting",
  stopped: "Stopped",
  closed: "Closed",
  refused: "Needs a key or token",
};
/** What a close code means to a reader of the page. @type {Record<number, string>} */
const CODE_TEXTS = {
  1001: "the server is stopping or restarting",
  1011: "the server had an error",
  4001: "this page read too slowly",
  4002: "the token has expired",
  4003: "the operator of the server disconnected this page",
};

/** Shows the state of the connection, and what is wrong as long as it is. */
export class Status {
  #feed;
  #shown = "";
  #why = "";

  /** @param {import("./feed.js").Feed} feed */
  constructor(feed) {
    this.#feed = feed;
    feed.onStanding = () => this.show();
    byId("retry").addEventListener("click", () => feed.retry());
    setInterval(() => this.show(), SECOND_MS);
  }

  show() {
    const { state, code = 0, reason = "", retryAtMs = 0 } = this.#feed.standing;
    const how = state === "connected" && this.#feed.transport === "sse" ? " without WebSocket" : "";
    const text = STATE_TEXTS[state] + how;
    byId("state").dataset.state = state;
    byId("state-text").textContent = text;
    document.title = state === "connected" ? "Hark" : `${STATE_TEXTS[state]} · Hark`;
    const seconds = Math.ceil((retryAtMs - Date.now()) / SECOND_MS);
    byId("countdown").textContent = state === "waiting" && seconds > 0
      ? `Next attempt in ${seconds} s.`
      : "";
    byId("retry").hidden = state !== "waiting" && state !== "stopped";
    byId("retry").textContent = state === "stopped" ? "Connect again" : "Retry now";
    if (state === this.#shown) return;
    this.#shown = state;
    byId("state-announced").textContent = text;
    if (state === "connected" || state === "refused") this.#why = "";
    else if (state === "waiting" || state === "stopped") this.#why = whyOf(state, code, reason);
    byId("trouble").hidden = this.#why === "";
    byId("trouble-text").textContent = this.#why;
  }
}

function whyOf(
  /** @type {string} */ state,
  /** @type {number} */ code,
  /** @type {string} */ reason,
) {
  const said = reason === "connection lost" ? "" : reason;
  const why = CODE_TEXTS[code] ?? (code > 0 && said || "the server cannot be reached");
  return state === "stopped"
    ? `The server ended the connection: ${CODE_TEXTS[code] ?? reason}.`
    : `Connection lost: ${why}.`;
}
