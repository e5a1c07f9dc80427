// @ts-check
/// <reference lib="dom" />
import { Refused } from "./access.js";
import { byId, copy } from "./dom.js";

/** @typedef {import("./access.js").Access} Access */

const field = (/** @type {string} */ name) => byId(`form-${name}`);
const isJson = () => field("json").checked;

function readForm() {
  const channel = field("channel").value.trim();
  const event = field("event").value.trim();
  const text = field("text").value;
  const url = new URL(`channels/${encodeURIComponent(channel)}`, document.baseURI);
  url.hash = url.search = "";
  if (event) url.searchParams.set("event", event);
  return { channel, url, text };
}

/** The fault of the JSON; "" if it has none. @param {string} text */
function jsonFault(text) {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return text.trim() === "" ? "" : `Not JSON yet: ${/** @type {Error} */ (error).message}`;
  }
}

function check() {
  const fault = isJson() ? jsonFault(field("text").value) : "";
  say(fault, fault !== "");
  field("text").setAttribute("aria-invalid", String(fault !== ""));
  field("text").spellcheck = !isJson();
  return fault === "";
}

function say(/** @type {string} */ text, isBad = false) {
  const answer = byId("form-answer");
  answer.textContent = text;
  answer.classList.toggle("bad", isBad);
}

async function send(/** @type {Access} */ access) {
  if (!check()) return field("text").focus();
  const { url, text } = readForm();
  const headers = { "content-type": isJson() ? "application/json" : "text/plain" };
  try {
    const again = () => send(access);
    const answer = await access.fetch(url.href, { method: "POST", headers, body: text }, again);
    say(`Sent as ${answer.id}`);
    field("text").value = "";
    showCurl(access);
  } catch (error) {
    // If a key could help, the page asks for it instead of showing an error.
    if (access.isWanting(error)) return say("");
    const why = error instanceof Refused ? error.message : "the server cannot be reached";
    say(`Not sent: ${why}`, true);
  }
}

/** A word of a POSIX shell. */
function quote(/** @type {string} */ text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function showCurl(/** @type {Access} */ access) {
  const { url, text } = readForm();
  const key = access.secret ? "-H 'Authorization: Bearer KEY' " : "";
  const type = isJson() ? "-H 'Content-Type: application/json' " : "";
  // An @ would make curl read a file.
  const option = text.startsWith("@") ? "--data-raw" : "-d";
  const line = `curl ${key}${type}${option} ${quote(text || "hello")} ${quote(url.href)}`;
  const parts = line.split(/(?=[?&])/).flatMap((part) => [document.createElement("wbr"), part]);
  byId("curl").replaceChildren(...parts);
}

/** Sends the form's message, and shows how to send it from a terminal. @param {Access} access */
export function startForm(access) {
  const form = /** @type {HTMLFormElement} */ (/** @type {unknown} */ (byId("form")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(access);
  });
  field("text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("input", () => {
    check();
    showCurl(access);
  });
  byId("copy").addEventListener("click", () => copy(byId("curl").textContent ?? "", byId("copy")));
  showCurl(access);
  return { showCurl: () => showCurl(access) };
}
