// @ts-check
/// <reference lib="dom" />
import { byId } from "./dom.js";

/** Where the key or token is kept until the tab is closed. */
const KEPT_AS = "hark-access";
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const REFUSED = [401, 403];

/** An answer of the server that is not a success, with its reason. */
export class Refused extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** The key or token that this page sends to the server, and the form that asks for it. */
export class Access {
  /** Called when another key or token is to be used. */
  onChange = () => {};
  /** Repeats what was refused. @type {(() => void) | undefined} */ #again;

  constructor() {
    const hash = new URLSearchParams(location.hash.slice(1));
    const given = hash.get("token") ?? hash.get("key");
    if (given) {
      sessionStorage.setItem(KEPT_AS, given);
      // People share the address of a page.
      history.replaceState(null, "", location.pathname + location.search);
    }
    byId("access-open").addEventListener("click", () => this.ask(""));
    byId("access-cancel").addEventListener("click", () => this.#close());
    byId("access-forget").addEventListener("click", () => this.#use(""));
    byId("access").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#use(byId("access-secret").value.trim());
    });
    this.#show();
  }

  get secret() {
    return sessionStorage.getItem(KEPT_AS) ?? "";
  }

  get isToken() {
    return TOKEN.test(this.secret);
  }

  /** Opens the form. @param {string} why @param {() => void} [again] */
  ask(why, again) {
    this.#again = again;
    byId("access-why").textContent = why;
    byId("access").hidden = false;
    byId("access-secret").focus();
  }

  /**
   * Asks the server, and returns its answer. Throws a `Refused`; if a key or token could help, the form
   * opens too.
   * @param {string} path @param {RequestInit} [init] @param {() => void} [again]
   */
  async fetch(path, init = {}, again = undefined) {
    const answer = await this.tryFetch(path, init);
    if (answer instanceof Refused) {
      if (REFUSED.includes(answer.status)) this.ask(answer.message, again);
      throw answer;
    }
    return answer;
  }

  /** The same, but returns a `Refused`. @param {string} path @param {RequestInit} [init] */
  async tryFetch(path, init = {}) {
    const headers = new Headers(init.headers);
    if (this.secret) headers.set("authorization", `Bearer ${this.secret}`);
    const response = await fetch(path, { cache: "no-store", ...init, headers });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    return new Refused(response.status, answer.detail ?? `The server answered ${response.status}`);
  }

  /** Reports whether it was refused because a key or token is missing or wrong. @param {unknown} answer */
  isWanting(answer) {
    return answer instanceof Refused && REFUSED.includes(answer.status);
  }

  #use(/** @type {string} */ secret) {
    if (secret) sessionStorage.setItem(KEPT_AS, secret);
    else sessionStorage.removeItem(KEPT_AS);
    const again = this.#again;
    this.#close();
    this.#show();
    this.onChange();
    again?.();
  }

  #close() {
    this.#again = undefined;
    byId("access-secret").value = "";
    byId("access").hidden = true;
  }

  #show() {
    byId("access-forget").hidden = this.secret === "";
    byId("access-open").textContent = this.secret === ""
      ? "Key or token"
      : this.isToken
      ? "Token in use"
      : "Key in use";
  }
}
