// @ts-check
/// <reference lib="dom" />
import { Refused } from "./access.js";

const LIMIT = 1000;
const SILENT_SHOWN = 5;

/**
 * The lists that the server answers in pages.
 * @typedef {"channels" | "sessions"} ListName
 */

/**
 * A list of the server: its first page, and one more each time that the user asks for more.
 * @template Entry
 */
export class Paged {
  #access;
  #name;
  #button;
  #pages = 1;

  /**
   * @param {import("./access.js").Access} access
   * @param {ListName} name
   * @param {HTMLElement} button asks for more; shown if there is more
   * @param {() => void} onAsked
   */
  constructor(access, name, button, onAsked) {
    this.#access = access;
    this.#name = name;
    this.#button = button;
    button.addEventListener("click", () => {
      this.#pages++;
      button.hidden = true;
      onAsked();
    });
  }

  /**
   * Reads all pages that were asked for. Resolves to a `Refused` if the server refuses.
   * @returns {Promise<Refused | { entries: Entry[], more: boolean, silent: string[] }>}
   */
  async read() {
    /** @type {Entry[]} */ const entries = [];
    /** @type {Set<string>} */ const silent = new Set();
    let after = "";
    let more = true;
    for (let page = 0; page < this.#pages && more; page++) {
      const query = `limit=${LIMIT}&after=${encodeURIComponent(after)}`;
      const answer = await this.#access.tryFetch(`${this.#name}?${query}`);
      if (answer instanceof Refused) return answer;
      entries.push(...answer[this.#name]);
      for (const node of answer.silent ?? []) silent.add(node);
      ({ next: after, more } = answer);
    }
    this.#button.hidden = !more;
    return { entries, more, silent: [...silent] };
  }
}

/** "; no answer from a, b", or nothing. @param {string[]} silent names of nodes */
export function silentText(silent = []) {
  if (silent.length === 0) return "";
  const more = silent.length - SILENT_SHOWN;
  const names = silent.slice(0, SILENT_SHOWN).join(", ");
  return `; no answer from ${names}${more > 0 ? ` and ${more} more nodes` : ""}`;
}
