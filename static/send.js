// @ts-check
/// <reference lib="dom" />

/** @typedef {(channel: string) => boolean} Hears whether the page listens to a channel */

const COPIED_MS = 1500;

/** The element of this id, which stands in index.html. @param {string} id */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new TypeError(`Cannot find the element ${id}`);
  return /** @type {HTMLInputElement} */ (element);
}

function readForm() {
  const channel = byId("form-channel").value.trim();
  const event = byId("form-event").value.trim();
  const text = byId("form-text").value;
  const url = new URL(`channels/${encodeURIComponent(channel)}`, document.baseURI);
  url.hash = url.search = "";
  if (event) url.searchParams.set("event", event);
  return { channel, url, text, isJson: isJson(text) };
}

/** Tells whether it can only be meant as JSON: an object or a list. */
function isJson(/** @type {string} */ text) {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const contentType = (/** @type {boolean} */ json) => json ? "application/json" : "text/plain";

async function send(/** @type {Hears} */ hears) {
  const { channel, url, text, isJson } = readForm();
  const key = byId("form-key").value;
  const headers = new Headers({ "content-type": contentType(isJson) });
  if (key) headers.set("authorization", `Bearer ${key}`);
  const response = await fetch(url, { method: "POST", headers, body: text });
  const answer = await response.json();
  if (response.status === 401) {
    byId("key-field").hidden = false;
    byId("form-key").focus();
  }
  if (!response.ok) throw new Error(answer.detail);
  byId("form-text").value = "";
  showCurl();
  return hears(channel) ? `Sent as ${answer.id}` : `Sent; this page does not listen to ${channel}`;
}

/** A word of a POSIX shell. */
function quote(/** @type {string} */ text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function showCurl() {
  const { url, text, isJson } = readForm();
  const key = byId("key-field").hidden ? "" : "-H 'Authorization: Bearer KEY' ";
  const type = isJson ? "-H 'Content-Type: application/json' " : "";
  // An @ would make curl read a file.
  const option = text.startsWith("@") ? "--data-raw" : "-d";
  const line = `curl ${key}${type}${option} ${quote(text || "hello")} ${quote(url.href)}`;
  const parts = line.split(/(?=[?&])/).flatMap((part) => [document.createElement("wbr"), part]);
  byId("curl").replaceChildren(...parts);
}

/** The clipboard's API is only there on HTTPS and on localhost. @param {string} text */
async function copy(text) {
  if (navigator.clipboard) return await navigator.clipboard.writeText(text);
  getSelection()?.selectAllChildren(byId("curl"));
  document.execCommand("copy");
}

/** Sends what the form says, and shows how to do so from a terminal. @param {Hears} hears */
export function startForm(hears) {
  byId("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = byId("form-answer");
    try {
      answer.textContent = await send(hears);
      answer.classList.remove("bad");
    } catch (error) {
      answer.textContent = `Not sent: ${/** @type {Error} */ (error).message}`;
      answer.classList.add("bad");
    }
  });

  byId("form-text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    /** @type {HTMLFormElement} */ (/** @type {unknown} */ (byId("form"))).requestSubmit();
  });

  byId("form").addEventListener("input", showCurl);

  byId("copy").addEventListener("click", async () => {
    const button = byId("copy");
    await copy(byId("curl").textContent ?? "");
    button.textContent = "Copied";
    setTimeout(() => button.textContent = "Copy", COPIED_MS);
  });
  showCurl();
}
