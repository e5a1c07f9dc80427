// @ts-check
/// <reference lib="dom" />
import { Refused } from "./access.js";
import { connect } from "./client.js";
import { count } from "./dom.js";
import { Item } from "./store.js";

const BROADCAST = "broadcast";
const PAST = "order=newest&limit=100";
const RETRY_MS = 2000;

/**
 * The state of the page's connection; `refused` means that it may receive nothing.
 * @typedef {{ state: import("./client.d.ts").State | "refused", code?: number, reason?: string,
 *   retryAtMs?: number | undefined }} Standing
 */

/** Messages that are kept, then live ones: of all channels, if the server allows it. */
export class Feed {
  #access;
  #filter;
  #attempt = {};
  /** @type {import("./client.js").Hark | undefined} */ #client;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** What is kept of channels that were asked for. @type {Map<string, Promise<void>>} */
  #asked = new Map();
  #greeted = "";
  #takesAll = false;
  /** @type {Standing} */ standing = { state: "connecting" };
  onStanding = () => {};
  onMessage = (/** @type {Item} */ _item) => {};
  onPast = (/** @type {Item[]} */ _past) => {};
  onNotice = (/** @type {Item} */ _item) => {};

  /** @param {import("./access.js").Access} access @param {import("./filter.js").Filter} filter */
  constructor(access, filter) {
    this.#access = access;
    this.#filter = filter;
  }

  get transport() {
    return this.#client?.transport;
  }

  /** Connects again, with the current key or token. */
  async start() {
    const attempt = this.#attempt = {};
    clearTimeout(this.#timer);
    this.#client?.close();
    this.#client = undefined;
    this.#asked.clear();
    this.#stand({ state: "connecting" });
    try {
      const begin = await this.#begin();
      if (attempt !== this.#attempt || !begin) return;
      this.#connect(begin.names, begin.since);
      // Some channels may have been asked for meanwhile.
      for (const name of this.#filter.channels) this.lookAt(name).catch(() => {});
    } catch (error) {
      if (attempt !== this.#attempt) return;
      const retryAtMs = Date.now() + RETRY_MS;
      this.#timer = setTimeout(() => this.start(), RETRY_MS);
      const reason = error instanceof Refused ? error.message : "";
      this.#stand({ state: "waiting", reason, retryAtMs });
    }
  }

  /** Connects at once if it waits to connect. */
  retry() {
    if (this.standing.state === "waiting" && this.#client) this.#client.retry();
    else this.start();
  }

  /**
   * Makes sure that kept and live messages of a channel are shown. Rejects if the page may not receive it.
   * @param {string} name
   */
  async lookAt(name) {
    const client = this.#client;
    await this.#readPast(name);
    if (!this.#takesAll && client && client === this.#client) await client.subscribe(name);
  }

  /** Reads kept messages. Resolves to what to connect to, or undefined if the page may receive nothing. */
  async #begin() {
    const all = await this.#access.tryFetch(`channels/*?${PAST}`);
    this.#takesAll = !(all instanceof Refused);
    if (this.#takesAll) {
      this.#takePast(all.publications);
      for (const name of this.#filter.channels) await this.#readPast(name).catch(() => {});
      return { names: ["*"], since: all.next };
    }
    if (!this.#access.isWanting(all)) throw all;
    const everybodys = await this.#access.tryFetch(`channels/${BROADCAST}?${PAST}`);
    if (this.#access.isWanting(everybodys)) {
      this.#stand({ state: "refused" });
      this.#access.ask(everybodys.message);
      return undefined;
    }
    if (everybodys instanceof Refused) throw everybodys;
    this.#takePast(everybodys.publications);
    /** @type {string[]} */ const names = [];
    for (const name of this.#filter.channels) {
      await this.#readPast(name).then(() => names.push(name), (error) => {
        if (this.#access.isWanting(error)) this.#access.ask(error.message);
      });
    }
    return { names, since: everybodys.next };
  }

  /** Once for each channel. @param {string} name */
  #readPast(name) {
    const read = async () => {
      const page = await this.#access.tryFetch(`channels/${encodeURIComponent(name)}?${PAST}`);
      if (page instanceof Refused) throw page;
      this.#takePast(page.publications);
    };
    const asked = this.#asked.get(name) ?? read();
    this.#asked.set(name, asked);
    return asked;
  }

  #takePast(/** @type {object[]} */ publications) {
    this.onPast(publications.map((publication) => new Item(publication)));
  }

  #connect(/** @type {string[]} */ channels, /** @type {string} */ since) {
    const { secret, isToken } = this.#access;
    const url = new URL(".", document.baseURI);
    url.hash = url.search = "";
    if (secret && !isToken) url.searchParams.set("key", secret);
    const client = connect({ url, channels, since, token: isToken ? secret : "" });
    this.#client = client;
    let isFirst = true;
    let hasGap = false;
    client.on("state", (standing) => this.#client === client && this.#stand(standing));
    client.on("message", (message) => this.onMessage(new Item(message)));
    client.on("welcome", ({ greeting = "" }) => {
      if (greeting && greeting !== this.#greeted) this.#note(greeting, "info");
      this.#greeted = greeting;
    });
    client.on("gap", () => {
      hasGap = true;
      this.#note("Some messages are gone: the server no longer keeps them", "bad");
    });
    client.on("resumed", ({ count: recovered }) => {
      const found = `${count(recovered, "missed message")} recovered`;
      if (isFirst) isFirst = false;
      else if (recovered > 0) this.#note(`Connected again. ${found}`, "good");
      else if (!hasGap) this.#note("Connected again. Nothing was missed", "good");
      hasGap = false;
    });
  }

  #note(/** @type {string} */ text, /** @type {"info" | "good" | "bad"} */ notice) {
    this.onNotice(new Item({ data: text }, notice));
  }

  #stand(/** @type {Standing} */ standing) {
    this.standing = standing;
    this.onStanding();
  }
}
