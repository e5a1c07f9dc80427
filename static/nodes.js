// @ts-check
/// <reference lib="dom" />
import { Refused } from "./access.js";
import { byId, make } from "./dom.js";

const READ_MS = 2000;

/** The table of nodes, if the server has any. */
export class Nodes {
  #access;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #timer;

  /** @param {import("./access.js").Access} access */
  constructor(access) {
    this.#access = access;
  }

  set shown(/** @type {boolean} */ shown) {
    clearInterval(this.#timer);
    if (shown) this.#timer = setInterval(() => document.hidden || this.read(), READ_MS);
    if (shown) this.read();
  }

  /** Resolves to whether the server lists nodes. */
  async read() {
    const answer = await this.#access.tryFetch("nodes").catch(() => new Refused(0, ""));
    if (answer instanceof Refused) return false;
    const rows = answer.nodes.map((/** @type {Record<string, unknown>} */ node) => {
      const { id, name, version, address, sessions, position, lag } = node;
      const cells = { name: name ?? id, address, version, sessions, position, lag };
      const made = Object.entries(cells).map(([label, value]) => {
        const cell = make("td", { textContent: String(value ?? "–"), className: label });
        cell.dataset.label = label;
        return cell;
      });
      return make("tr", {}, ...made);
    });
    byId("nodes-rows").replaceChildren(...rows);
    return true;
  }
}
