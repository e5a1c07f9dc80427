// @ts-check
/// <reference lib="dom" />
import { count, digits, make } from "./dom.js";

const TEXT_MAX = 2000;
const BYTES_SHOWN = 32;
const HUES = 8;

/** @typedef {{ text: string, kind: "text" | "json" | "bytes" }} Described */

/** A message in a few lines. @param {unknown} data @returns {Described} */
export function describe(data) {
  if (data instanceof Uint8Array) return { text: describeBytes(data), kind: "bytes" };
  const text = messageOf(data) ?? data;
  if (typeof text === "string") return { text: shorten(text), kind: "text" };
  return { text: shorten(oneLine(data)), kind: "json" };
}

/** A whole message, laid out. @param {unknown} data @returns {Described} */
export function layOut(data) {
  if (data instanceof Uint8Array) return { text: toBase64(data), kind: "bytes" };
  const text = messageOf(data) ?? data;
  if (typeof text === "string") return { text, kind: "text" };
  return { text: JSON.stringify(data, null, 2), kind: "json" };
}

/** The nodes that show a described message. @param {Described} described */
export function nodesOf({ text, kind }) {
  return kind === "json" ? markKeys(text) : [text];
}

/** The colour of a channel, 0 to 7: always the same for a name. */
export function hueOf(/** @type {string} */ channel) {
  let hash = 0;
  for (const char of channel) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 65_521;
  return hash % HUES;
}

/** "13:07:00.250", in the time of the reader. */
export function formatTime(/** @type {number} */ time) {
  const date = new Date(time);
  const pad = (/** @type {number} */ value, length = 2) => String(value).padStart(length, "0");
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => pad(part));
  return `${clock.join(":")}.${pad(date.getMilliseconds(), 3)}`;
}

/** "12 s", "5 min", "3 h", "2 d". */
export function formatAge(/** @type {number} */ ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

function toBase64(/** @type {Uint8Array} */ bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function describeBytes(/** @type {Uint8Array} */ bytes) {
  const hex = Array.from(
    bytes.subarray(0, BYTES_SHOWN),
    (byte) => byte.toString(16).padStart(2, "0"),
  );
  return `${count(bytes.length, "byte")}: ${hex.join(" ")}${
    bytes.length > BYTES_SHOWN ? " …" : ""
  }`;
}

/** JSON with room to wrap. Line breaks inside strings are escaped, so those here are all ours. */
function oneLine(/** @type {unknown} */ data) {
  const lines = JSON.stringify(data, null, 1);
  return lines.replace(/([{[])\n */g, "$1").replace(/\n *([}\]])/g, "$1").replace(/\n */g, " ");
}

/** JSON with its keys in elements of their own. @param {string} json */
function markKeys(json) {
  return json.split(/("(?:[^"\\]|\\.)*":)/).map((part, index) =>
    index % 2 === 0 ? part : make("span", { className: "key", textContent: part })
  );
}

/** The text of `{"message":"…"}` and nothing else. */
function messageOf(/** @type {unknown} */ data) {
  if (typeof data !== "object" || data === null || !("message" in data)) return undefined;
  const { message, ...rest } = data;
  return typeof message === "string" && Object.keys(rest).length === 0 ? message : undefined;
}

function shorten(/** @type {string} */ text) {
  if (text.length <= TEXT_MAX) return text;
  return `${text.slice(0, TEXT_MAX)}… (${digits(text.length)} characters)`;
}
